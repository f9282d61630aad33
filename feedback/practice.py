"""Practising on known cases before reviewing real ones: no decision, no label, no lease; each answer is told at once.

Only cases that are kept for practice, as who has practised on one knows its answer.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import F, QuerySet

from feedback.models import GoldTruth, PracticeAnswer
from models_registry.errors import Conflict, Fault, Invalid
from models_registry.models import RegisteredModel
from review.models import Prediction

CASES = 12
# The keys of the review page in the order in which they are taught, one a case; the first are the labels.
LESSONS = (
    "labels", "agree", "other", "abstain", "note", "skip", "undo", "guidelines", "escalate", "flag", "keep", "help",
)  # fmt: skip


@dataclass(frozen=True)
class Progress:
    """``answers`` by prediction: the first one given; ``left``: cases without an answer, in their order."""

    cases: list[GoldTruth]
    answers: dict[int, PracticeAnswer]

    @property
    def left(self) -> list[GoldTruth]:
        return [case for case in self.cases if case.pk not in self.answers]

    @property
    def right(self) -> int:
        return sum(1 for case in self.cases if self.is_right(case))

    def is_right(self, case: GoldTruth) -> bool:
        given = self.answers.get(case.pk)
        return given is not None and given.label == case.value


def lessons(model: RegisteredModel) -> list[str]:
    """What is taught, case by case; the other label is a matter of two classes.

    >>> from types import SimpleNamespace
    >>> lessons(SimpleNamespace(classes=["a", "b", "c"]))[:3]
    ['labels', 'agree', 'abstain']
    """
    return [name for name in LESSONS if name != "other" or len(model.classes) == 2]


def cases_of(model: RegisteredModel) -> list[GoldTruth]:
    """At most twelve known cases, half of them with the model wrong where there are so many, easy ones first."""
    rows = GoldTruth.objects.filter(
        practice=True, value__in=model.classes, prediction__model=model, prediction__status__in=("routed", "decided")
    )
    right, wrong = (_surest(rows, agrees=agrees) for agrees in (True, False))
    few = min(len(wrong), max(CASES // 2, CASES - len(right)))
    return [*right[: CASES - few], *wrong[:few]]


def progress_of(model: RegisteredModel, reviewer: str) -> Progress:
    """Where a person stands: of each case the first answer counts."""
    cases = cases_of(model)
    rows = PracticeAnswer.objects.filter(model=model, reviewer=reviewer).order_by("-id")
    return Progress(cases, {row.prediction_id: row for row in rows})


def answer(*, prediction: Prediction, reviewer: str, label: str | None) -> PracticeAnswer:
    """Keep what was answered, None for an answer that was withheld, beside what is true.

    Raises Conflict for what is no case for practice, Invalid for what is no class.
    """
    truth = GoldTruth.objects.filter(prediction=prediction, practice=True).first()
    if truth is None:
        raise Conflict("this is no case for practice any more", code="conflict")
    if label is not None and label not in prediction.model.classes:
        message = f"{label!r} is not one of the classes {', '.join(prediction.model.classes)}"
        raise Invalid("this is no answer", errors=[Fault("/label", "unknown_class", message)])
    return PracticeAnswer.objects.create(
        prediction=prediction, model=prediction.model, reviewer=reviewer, label=label, truth=truth.value
    )


def unpractised(models: Iterable[RegisteredModel], reviewer: str) -> list[RegisteredModel]:
    """Those of the models that have cases for practice and on which this person has never practised."""
    found = list(models)
    ready = GoldTruth.objects.filter(practice=True, prediction__model__in=found)
    able = set(ready.values_list("prediction__model", flat=True))
    done = set(PracticeAnswer.objects.filter(reviewer=reviewer, model__in=found).values_list("model", flat=True))
    return [model for model in found if model.pk in able - done]


def _surest(rows: QuerySet[GoldTruth], *, agrees: bool) -> list[GoldTruth]:
    some = rows.filter(value=F("prediction__predicted")) if agrees else rows.exclude(value=F("prediction__predicted"))
    related = ("version__contract", "payload", "routing__policy", "explanation", "model")
    ordered = some.select_related(*(f"prediction__{name}" for name in related))
    return list(ordered.order_by("-prediction__confidence", "pk")[:CASES])
