"""What holds for a model while a batch of its predictions is routed: policy, kill switch, queues, the draws' key."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from django.conf import settings
from django.db import connection

from models_registry.models import RegisteredModel
from review import policies, policy_facts
from review.models import PolicyVersion, ReviewQueue, RoutingControl

logger = logging.getLogger("reviewhub.routing")


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for one model during one batch."""

    model: RegisteredModel
    setting: policies.Setting
    policy: policies.Policy | None
    policy_id: int | None
    number: int
    queues: Mapping[str, int]

    def queue_id(self, slug: str) -> int:
        """The queue of that name, or the model's own where it has gone."""
        return self.queues.get(slug) or self.queues[self.setting.queue]

    def draw(self, external_id: str) -> float:
        """The draw of one prediction under the live policy."""
        return policies.draw(draw_key(settings.SECRET_KEY), self.model.slug, external_id, self.number)


@lru_cache(maxsize=4)
def draw_key(secret: str) -> bytes:
    """The key of an installation's draws, from its secret."""
    return hashlib.blake2b(secret.encode(), person=b"reviewhub draws", digest_size=32).digest()


def terms_of(model_ids: Iterable[int]) -> dict[int, Terms]:
    """What holds right now for each of these models, with a fixed number of queries."""
    now = _database_now()
    models = RegisteredModel.objects.in_bulk(list(model_ids))
    controls = {c.model_id: c for c in RoutingControl.objects.select_related("active").filter(model__in=models)}
    queues: dict[int, dict[str, int]] = {pk: {} for pk in models}
    served = ReviewQueue.models.through.objects.filter(registeredmodel__in=models)
    for model_id, slug, pk in served.values_list("registeredmodel_id", "reviewqueue__slug", "reviewqueue_id"):
        queues[model_id][slug] = pk
    for pk, model in models.items():
        if model.slug not in queues[pk]:
            queues[pk][model.slug] = _own_queue(model)
    return {pk: _terms(model, controls.get(pk), queues[pk], now) for pk, model in models.items()}


def _terms(model: RegisteredModel, control: RoutingControl | None, queues: Mapping[str, int], now: datetime) -> Terms:
    active = control.active if control is not None else None
    policy = None if active is None else _parsed(active)
    stopped = control is not None and policy_facts.is_stopped(control, now)
    share = policy_facts.sampling_share(model, policy, now)
    return Terms(
        model=model,
        setting=policy_facts.setting_of(
            model, kill_switch=stopped, policy_broken=active is not None and policy is None, sampling_share=share
        ),
        policy=policy,
        policy_id=None if active is None else active.pk,
        number=0 if active is None else active.number,
        queues=queues,
    )


def _parsed(active: PolicyVersion) -> policies.Policy | None:
    try:
        return policies.parse(active.document)
    except Exception:
        logger.exception("policy %d of model %d cannot be read; everything is held", active.number, active.model_id)
        return None


def _own_queue(model: RegisteredModel) -> int:
    """The queue that carries the model's name, made where it is missing: nothing may be held without one."""
    queue, _ = ReviewQueue.objects.get_or_create(slug=model.slug)
    queue.models.add(model)
    return queue.pk


def _database_now() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        now: datetime = cursor.fetchone()[0]
    return now
