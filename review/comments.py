"""What people write about a prediction beside any answer, and flags for a second look. Append-only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import Max

from models_registry.errors import Fault, Invalid
from models_registry.ledger import record
from review.models import Comment, Prediction

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from models_registry.access import Principal

LONGEST = 2000
MOST_SHOWN = 50
FLAGS = (Comment.Kind.FLAG, Comment.Kind.UNFLAG)


@dataclass(frozen=True)
class Written:
    """What a case shows of what was written about it."""

    # Comments and flags, the oldest first.
    comments: list[Comment]
    # The newest note with which a colleague escalated the case or handed it over.
    passed_on: Comment | None
    # Whether the viewer's own flag is on it.
    flagged: bool


def comment(*, prediction: Prediction, principal: Principal, text: str) -> Comment:
    """Keep what the person says. Raises Invalid for an empty text or one of more than LONGEST characters."""
    if not text.strip():
        raise Invalid(errors=[Fault("/text", "length", "say something")])
    return _write(prediction, principal, Comment.Kind.COMMENT, text)


def flag(*, prediction: Prediction, principal: Principal, text: str = "") -> Comment:
    """Mark the prediction for a second look, with a reason if there is one."""
    return _write(prediction, principal, Comment.Kind.FLAG, text)


def unflag(*, prediction: Prediction, principal: Principal, text: str = "") -> Comment:
    """Take one's own flag back; what it said stays."""
    return _write(prediction, principal, Comment.Kind.UNFLAG, text)


def flagged(predictions: Iterable[int]) -> set[int]:
    """Which of these predictions carry somebody's flag that was not taken back."""
    newest = (
        Comment.objects.filter(prediction__in=list(predictions), kind__in=FLAGS)
        .values("prediction", "author")
        .annotate(newest=Max("pk"))
        .values("newest")
    )
    return set(Comment.objects.filter(pk__in=newest, kind=Comment.Kind.FLAG).values_list("prediction", flat=True))


def written(prediction: Prediction, viewer: str, *, own_alone: bool, since: datetime | None = None) -> Written:
    """What the viewer may read of what was written, ``since`` then; ``own_alone`` leaves out what others wrote."""
    rows = Comment.objects.filter(prediction=prediction).order_by("-id")
    rows = rows if since is None else rows.filter(at__gte=since)
    mine = rows.filter(author=viewer)
    last_flag = mine.filter(kind__in=FLAGS).first()
    readable = list((mine if own_alone else rows).exclude(kind=Comment.Kind.UNFLAG)[:MOST_SHOWN])[::-1]
    passing = (Comment.Kind.ESCALATION, Comment.Kind.HANDOVER)
    notes = [row for row in readable if row.kind in passing and row.text and row.author != viewer]
    return Written(
        comments=[row for row in readable if row.kind not in passing],
        passed_on=notes[-1] if notes else None,
        flagged=last_flag is not None and last_flag.kind == Comment.Kind.FLAG,
    )


def _write(prediction: Prediction, principal: Principal, kind: str, text: str) -> Comment:
    principal.require("review", prediction.model)
    text = text.strip()
    if len(text) > LONGEST:
        raise Invalid(errors=[Fault("/text", "length", f"at most {LONGEST} characters")])
    with transaction.atomic():
        made = Comment.objects.create(prediction=prediction, kind=kind, author=principal.pseudonym, text=text)
        if kind in FLAGS:
            subject, detail = str(prediction.pk), {"external_id": prediction.external_id}
            action = f"prediction.{kind}ged"
            record(actor=principal.name, action=action, subject=subject, model=prediction.model, detail=detail)
    return made
