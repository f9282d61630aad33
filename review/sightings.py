"""What goes out to whom: looking at a prediction through its veil, and the record of it.

The record is that of leases and of views beside them; it is written before the answer leaves the server.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from django.db.models import Min

from models_registry import sql
from review.models import CaseView, Lease
from review.veil import Veil, reviewed_models, veils

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import datetime

    from models_registry.access import Principal
    from review.models import Prediction, ReviewDecision

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


def opened(prediction: Prediction, viewer: Principal, where: str) -> Veil:
    """What is hidden of a prediction that this viewer opens, written down together with what is not.

    Of persons and of keys that review for them; a system that asks what to do is nobody's sight.
    """
    veil = veils(viewer, [prediction])[prediction.pk]
    if viewer.key is None or prediction.model_id in reviewed_models(viewer):
        whats = [CaseView.What.CASE]
        whats += [] if veil.model else [CaseView.What.MODEL]
        whats += [CaseView.What.COLLEAGUES] if not veil.others and _answered(prediction) else []
        write([prediction.pk], viewer=viewer.pseudonym, whats=whats, where=where)
    return veil


def looked_at(predictions: Iterable[Prediction], viewer: Principal, where: str) -> dict[int, Veil]:
    """The veils of predictions that stand in a list, by id; the first sight of each model's answer is written down."""
    rows = list({prediction.pk: prediction for prediction in predictions}.values())
    found = veils(viewer, rows)
    reviewed = reviewed_models(viewer) if rows else set()
    shown: dict[bool, list[int]] = defaultdict(list)
    for row in rows:
        shown[row.model_id in reviewed and not found[row.pk].model].append(row.pk)
    write(shown[True], viewer=viewer.pseudonym, whats=[CaseView.What.MODEL], where=where, once=True)
    return found


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
    return sql.change(_WRITE, {**values, "detail": detail, "once": once})


def first_of_model(prediction: int, viewers: Collection[str]) -> datetime | None:
    """When the model's answer to the prediction first went out to any of these, under a lease or beside one."""
    views = CaseView.objects.filter(prediction=prediction, viewer__in=viewers, what=CaseView.What.MODEL)
    leases = Lease.objects.filter(item__prediction=prediction, holder__in=viewers, model_shown_at__isnull=False)
    times = [views.aggregate(at=Min("at"))["at"], leases.aggregate(at=Min("model_shown_at"))["at"]]
    return min((at for at in times if at is not None), default=None)


def saw_others(made: ReviewDecision) -> bool:
    """Whether who gave the answer was shown since what others answered, so that another would not be their own."""
    views = CaseView.objects.filter(prediction=made.prediction_id, viewer=made.reviewer, at__gt=made.decided_at)
    return views.filter(what=CaseView.What.COLLEAGUES).exists()


def _answered(prediction: Prediction) -> bool:
    return bool(prediction.decisions.all())
