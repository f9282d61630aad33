"""What holds for a model while a batch of its predictions is routed: policy, kill switch, queues, the draws' key."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, cast

from django.conf import settings

from models_registry import sql
from models_registry.models import RegisteredModel
from review import capacity, policies, policy_facts, samplers, sampling
from review.models import Override, PolicyVersion, ReviewQueue, RoutingControl, SamplerFit
from review.policies import Floats

logger = logging.getLogger("reviewhub.routing")

# A condition of the policy's language, and what becomes of what meets it.
Segment = tuple[dict[str, Any], str]


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for one model during one batch."""

    model: RegisteredModel
    setting: policies.Setting
    policy: policies.Policy | None
    policy_id: int | None
    number: int
    queues: Mapping[str, int]
    # By queue, how many people decide what is routed there.
    required: Mapping[int, int]
    # The newest fit of the live policy's sampler and its row, None before there is one.
    fit: sampling.Fit | None = None
    fit_id: int | None = None
    shadow: PolicyVersion | None = None
    shadow_fit: sampling.Fit | None = None

    @property
    def temperature(self) -> float:
        """How far past labels trust the scores; 1 before there are any."""
        return 1.0 if self.fit is None else self.fit.temperature

    def queue_id(self, slug: str) -> int:
        """The queue of that name, or the model's own where it has gone."""
        return self.queues.get(slug) or self.queues[self.setting.queue]

    def required_of(self, slug: str) -> int:
        """How many people decide each prediction in the queue of that name."""
        return self.required.get(self.queue_id(slug), 1)

    def arm_draw(self, external_id: str, arm: str) -> float:
        """The draw of a prediction for a random arm under the live policy."""
        return policies.arm_draw(draw_key(settings.SECRET_KEY), self.model.slug, external_id, self.number, arm)

    def draws(self, external_ids: Iterable[str]) -> Floats:
        """The draws of predictions under the live policy."""
        return draws_of(self.model, external_ids, self.number)


def draws_of(model: RegisteredModel, external_ids: Iterable[str], number: int) -> Floats:
    """The draws of a model's predictions under its policy of that number."""
    return policies.draws(draw_key(settings.SECRET_KEY), model.slug, external_ids, number)


@lru_cache(maxsize=4)
def draw_key(secret: str) -> bytes:
    """The key of an installation's draws, from its secret."""
    return hashlib.blake2b(secret.encode(), person=b"reviewhub draws", digest_size=32).digest()


def terms_of(model_ids: Iterable[int]) -> dict[int, Terms]:
    """What holds right now for each of these models, with a fixed number of queries."""
    now = _database_now()
    models = RegisteredModel.objects.in_bulk(list(model_ids))
    controls = {
        c.model_id: c for c in RoutingControl.objects.select_related("active", "shadow").filter(model__in=models)
    }
    obeyed = [pk for c in controls.values() for pk in (c.active_id, c.shadow_id) if pk is not None]
    fits = samplers.newest(obeyed)
    queues: dict[int, dict[str, int]] = {pk: {} for pk in models}
    required: dict[int, int] = {}
    served = ReviewQueue.models.through.objects.filter(registeredmodel__in=models)
    columns = ("registeredmodel_id", "reviewqueue__slug", "reviewqueue_id", "reviewqueue__required_decisions")
    for model_id, slug, pk, decisions in served.values_list(*columns):
        queues[model_id][slug], required[pk] = pk, decisions
    for pk, model in models.items():
        if model.slug not in queues[pk]:
            queues[pk][model.slug] = _own_queue(model)
    segments = _segments(models)
    return {
        pk: _terms(model, controls.get(pk), queues[pk], required, fits, segments.get(pk, ()), now)
        for pk, model in models.items()
    }


def capacity_of(model: RegisteredModel) -> capacity.CapacityState | None:
    """How much of the day's reviews the live policy of the model has left; None where it sets no capacity."""
    active = samplers.live_policy(model)
    if active is None or (policy := _parsed(active)) is None:
        return None
    fit = samplers.newest([active.pk]).get(active.pk)
    return capacity.capacity_state(model, policy, now=_database_now(), least=None if fit is None else fit.least)


def _terms(
    model: RegisteredModel,
    control: RoutingControl | None,
    queues: Mapping[str, int],
    required: Mapping[int, int],
    fits: Mapping[int, SamplerFit],
    segments: Sequence[Segment],
    now: datetime,
) -> Terms:
    active, shadow = (None, None) if control is None else (control.active, control.shadow)
    watched = None if shadow is None else fits.get(shadow.pk)
    row = None if active is None else fits.get(active.pk)
    policy = None if active is None else _parsed(active)
    stopped = control is not None and policy_facts.is_stopped(control, now)
    day = capacity.capacity_state(model, policy, now=now, least=None if row is None else row.least)
    return Terms(
        model=model,
        setting=policy_facts.setting_of(
            model,
            kill_switch=stopped,
            policy_broken=active is not None and policy is None,
            sampling_share=1.0 if day is None else day.share,
        ),
        # What people said about segments goes before the rules of the live policy; a shadow is watched as it is.
        policy=None if policy is None else policies.overridden(policy, segments, policies.OVERRIDE),
        policy_id=None if active is None else active.pk,
        number=0 if active is None else active.number,
        queues=queues,
        required=required,
        fit=None if row is None else samplers.fit_of(row),
        fit_id=None if row is None else row.pk,
        shadow=shadow,
        shadow_fit=None if watched is None else samplers.fit_of(watched),
    )


def _segments(models: Iterable[int]) -> dict[int, list[Segment]]:
    """By model, what people said about segments and stands, the newest first."""
    found: dict[int, list[Segment]] = {}
    standing = Override.objects.in_force().filter(model__in=list(models), scope=Override.Scope.SEGMENT)
    for model_id, when, disposition in standing.order_by("-id").values_list("model_id", "when", "disposition"):
        found.setdefault(model_id, []).append((dict(when or {}), disposition))
    return found


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
    [(now,)] = sql.rows("SELECT clock_timestamp()")
    return cast("datetime", now)
