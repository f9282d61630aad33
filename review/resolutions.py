"""What the caller of a prediction should do: one final row, and a further one for every correction.

Ids are taken under one advisory lock that is held until commit, so they grow in commit order and a
reader of ``id > cursor`` misses nothing. Nothing that may wait comes after the lock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
from django.db import transaction
from django.db.models import Exists, OuterRef

from models_registry import sql, webhooks
from models_registry.models import DatabaseNow, RegisteredModel, WebhookEndpoint
from review.models import Prediction, QueueItem, Resolution, ReviewDecision, RoutingDecision

if TYPE_CHECKING:
    from django.db.models import QuerySet

RESOLVED, CORRECTED = "prediction.resolved", "review.corrected"
# Taken by every writer of resolutions and by nobody else.
FEED_LOCK = 0x5248_5245_534F_4C56

_INSERT = """
    INSERT INTO review_resolution (prediction_id, model_id, label, disposition, by, decision_id, at)
    SELECT prediction_id, model_id, label, disposition, by, decision_id, clock_timestamp()
    FROM ROWS FROM (
        json_to_recordset(%s::json) AS (
            prediction_id bigint, model_id bigint, label text, disposition text, by text, decision_id bigint)
    ) WITH ORDINALITY AS draft(prediction_id, model_id, label, disposition, by, decision_id, place)
    ORDER BY place RETURNING id, at
"""


@dataclass(frozen=True, slots=True)
class Draft:
    """A resolution that is to be written."""

    prediction_id: int
    model_id: int
    external_id: str
    label: str | None
    disposition: str
    by: str
    decision_id: int | None = None
    # It replaces what a model, a rule or a person had said.
    corrects: bool = False


def resolve(
    *, prediction: Prediction, label: str | None, disposition: str, by: str, decision: ReviewDecision | None = None
) -> Resolution:
    """Write the final resolution of a prediction and tell its caller; a later one replaces it.

    The last step of the caller's transaction: from here until commit no other resolution is written.
    """
    before = Resolution.objects.filter(prediction=prediction).order_by("-id").first()
    draft = Draft(
        prediction_id=prediction.pk,
        model_id=prediction.model_id,
        external_id=prediction.external_id,
        label=label,
        disposition=disposition,
        by=by,
        decision_id=None if decision is None else decision.pk,
        corrects=before is not None and before.by != Resolution.By.FALLBACK,
    )
    [(pk, at)] = resolve_many([draft])
    return Resolution(
        pk=pk,
        prediction=prediction,
        model_id=draft.model_id,
        label=label,
        disposition=disposition,
        by=by,
        decision=decision,
        at=at,
    )


def resolve_many(drafts: Sequence[Draft]) -> list[tuple[int, datetime]]:
    """``resolve`` for many predictions at once; their ids and times, in their order.

    The number of statements does not depend on the number of drafts.
    """
    if not drafts:
        return []
    with transaction.atomic():
        listening = WebhookEndpoint.objects.filter(disabled_at__isnull=True).exists()
        models = RegisteredModel.objects.in_bulk({draft.model_id for draft in drafts}) if listening else {}
        lock_feed()
        written: list[tuple[int, datetime]] = sorted(sql.rows(_INSERT, [msgspec.json.encode(drafts).decode()]))
        if listening:
            webhooks.announce_many(
                [
                    _announcement(models[draft.model_id], draft, *place)
                    for draft, place in zip(drafts, written, strict=True)
                ]
            )
    return written


def resolve_overdue(*, limit: int) -> int:
    """Answer the callers of holds that nobody decided in time, as the policy said; returns how many ran out.

    The items stay open for review, and what is written here is never a label. However many people a prediction waits
    for, its caller is answered once.
    """
    with transaction.atomic():
        before = QueueItem.objects.open().filter(
            prediction=OuterRef("prediction"), slot__lt=OuterRef("slot"), hold_until__isnull=False
        )
        items = list(
            QueueItem.objects.open()
            .filter(~Exists(before), hold_until__lte=DatabaseNow())
            .select_related("prediction")
            .order_by("hold_until", "id")
            .select_for_update(skip_locked=True, no_key=True, of=("self",))[:limit]
        )
        QueueItem.objects.filter(pk__in=[item.pk for item in items]).update(hold_until=None)
        fallbacks = Resolution.objects.filter(by=Resolution.By.FALLBACK)
        ours = fallbacks.filter(prediction__in=[item.prediction_id for item in items])
        answered = set(ours.values_list("prediction_id", flat=True))
        resolve_many(
            [
                Draft(
                    prediction_id=item.prediction_id,
                    model_id=item.model_id,
                    external_id=item.prediction.external_id,
                    label=None,
                    disposition=item.hold_fallback or RoutingDecision.Disposition.HOLD,
                    by=Resolution.By.FALLBACK,
                )
                for item in items
                if item.prediction_id not in answered
            ]
        )
    return len(items)


def current(prediction: Prediction) -> dict[str, Any]:
    """What the caller should do now: ``pending`` with ``hold`` until something final was said.

    Reads the prefetched ``resolutions`` and ``decisions`` of the prediction where there are any.
    """
    newest = max(prediction.resolutions.all(), key=lambda resolution: resolution.pk, default=None)
    if newest is not None and newest.decision_id is not None:
        undone = [row for row in prediction.decisions.all() if row.kind == ReviewDecision.Kind.UNDO]
        unsettled = prediction.status != Prediction.Status.DECIDED and any(u.pk > newest.decision_id for u in undone)
        if unsettled or newest.decision_id in {row.supersedes_id for row in undone}:
            # A hold that only this decision, or this and others that agreed with it, had answered.
            newest = None
    if newest is None:
        return {"state": "pending", "label": None, "disposition": "hold", "by": None, "at": None}
    said = {"label": newest.label, "disposition": newest.disposition, "by": newest.by, "at": newest.at}
    return {"state": "final", **said}


def feed(*, models: QuerySet[RegisteredModel], after: int = 0) -> QuerySet[Resolution]:
    """Final resolutions of these models beyond a cursor, in the order of their commits."""
    rows = Resolution.objects.filter(model__in=models, pk__gt=after)
    return rows.select_related("model", "prediction").order_by("pk")


def lock_feed() -> None:
    """Wait for the turn to take ids of the feed; the turn ends with the transaction."""
    sql.change("SELECT pg_advisory_xact_lock(%s)", [FEED_LOCK])


def _announcement(model: RegisteredModel, draft: Draft, pk: int, at: datetime) -> webhooks.Announcement:
    payload = {
        "id": str(pk),
        "prediction": str(draft.prediction_id),
        "external_id": draft.external_id,
        "model": model.slug,
        "label": draft.label,
        "disposition": draft.disposition,
        "by": str(draft.by),
        "at": at.isoformat(),
    }
    return webhooks.Announcement(
        model=model,
        event=CORRECTED if draft.corrects else RESOLVED,
        ordering_key=f"prediction:{draft.prediction_id}",
        payload=payload,
    )
