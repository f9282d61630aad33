"""A new model: what the registry declares, its queue, and a routing that holds everything until a policy is live."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, transaction

from models_registry import registration
from models_registry.errors import Conflict, Fault
from models_registry.models import RegisteredModel
from review.models import ReviewQueue, RoutingControl

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def add_model(*, body: Any, actor: str, owner: User | None) -> RegisteredModel:
    """Register a model with the queue of its slug and no active policy.

    Raises Invalid with every fault of the declaration, Conflict ``slug_taken``.
    """
    with transaction.atomic():
        model = registration.register_model(body=body, actor=actor, owner=owner)
        try:
            with transaction.atomic():
                queue = ReviewQueue.objects.create(slug=model.slug)
        except IntegrityError:
            raise Conflict(
                f"there is a queue {model.slug!r} already",
                code="slug_taken",
                errors=[Fault("/slug", "duplicate", "choose another slug")],
            ) from None
        queue.models.add(model)
        RoutingControl.objects.create(model=model, changed_by=actor)
    return model
