"""What the pages of lower apps show of this one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django import template
from django.utils import timezone

from feedback import gold
from feedback.practice import unpractised
from models_registry.access import principal_of_user
from review.models import ReviewDecision

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.contrib.auth.models import User

    from models_registry.models import RegisteredModel
    from review.models import ReviewQueue

register = template.Library()


@register.simple_tag
def to_practise(user: User) -> list[RegisteredModel]:
    """The models that this person reviews, has never practised on and could."""
    principal = principal_of_user(user)
    return unpractised(principal.models("review").order_by("slug"), principal.pseudonym)


@register.simple_tag
def known_answers(decisions: Iterable[ReviewDecision]) -> dict[int, gold.Told]:
    """By decision what is told of an answer to a known case; only to who gave them, once they cannot be undone."""
    return gold.told(decisions)


@register.simple_tag
def known_today(queue: ReviewQueue, reviewer: str) -> dict[str, int]:
    """How many of this reviewer's answers of today in the queue were to known cases, and how many of these right."""
    today = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    mine = ReviewDecision.objects.filter(item__queue=queue, reviewer=reviewer, decided_at__gte=today)
    told = gold.told(mine.filter(item__kind="gold")).values()
    return {"asked": len(told), "right": sum(bool(one.right) for one in told)}
