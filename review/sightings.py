"""What went out to whom: the record of leases and of views beside them, written before the answer leaves the server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import connection
from django.db.models import Min

from review.models import CaseView, Lease

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import datetime

# The prediction is locked as a decision locks it, so that either the decision sees this row or the row is later
# than the decision. With ``once`` only what this viewer never saw before is written: of the model's answer the
# first sight is what counts.
_WRITE = """
    WITH seen AS MATERIALIZED (
        SELECT p.id FROM review_prediction p WHERE p.id = ANY(%(predictions)s) ORDER BY p.id FOR SHARE
    )
    INSERT INTO review_caseview (prediction_id, viewer, what, "where", detail, at)
    SELECT seen.id, %(viewer)s, kind, %(where)s, %(detail)s, clock_timestamp()
    FROM seen CROSS JOIN unnest(%(whats)s::text[]) AS kind
    WHERE NOT %(once)s OR NOT EXISTS (
        SELECT 1 FROM review_caseview v
        WHERE v.prediction_id = seen.id AND v.viewer = %(viewer)s AND v.what = kind OFFSET 0)
"""


def write(
    predictions: Collection[int],
    *,
    viewer: str,
    whats: Iterable[str],
    where: str,
    detail: str = "",
    once: bool = False,
) -> int:
    """Record that the viewer is about to be given ``whats`` of these predictions; returns how many rows were written.

    ``once`` leaves out what the record says of this viewer already.
    """
    named = [str(what) for what in whats]
    if not predictions or not named:
        return 0
    values: dict[str, Any] = {"predictions": list(predictions), "viewer": viewer, "whats": named, "where": str(where)}
    with connection.cursor() as cursor:
        cursor.execute(_WRITE, {**values, "detail": detail, "once": once})
        return int(cursor.rowcount)


def first_of_model(prediction: int, viewers: Collection[str]) -> datetime | None:
    """When the model's answer to the prediction first went out to any of these, under a lease or beside one."""
    views = CaseView.objects.filter(prediction=prediction, viewer__in=viewers, what=CaseView.What.MODEL)
    leases = Lease.objects.filter(item__prediction=prediction, holder__in=viewers, model_shown_at__isnull=False)
    times = [views.aggregate(at=Min("at"))["at"], leases.aggregate(at=Min("model_shown_at"))["at"]]
    return min((at for at in times if at is not None), default=None)
