"""What the pages of lower apps show of this one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django import template

from feedback.practice import unpractised
from models_registry.access import principal_of_user

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from models_registry.models import RegisteredModel

register = template.Library()


@register.simple_tag
def to_practise(user: User) -> list[RegisteredModel]:
    """The models that this person reviews, has never practised on and could."""
    principal = principal_of_user(user)
    return unpractised(principal.models("review").order_by("slug"), principal.pseudonym)
