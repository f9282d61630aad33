"""Which rows count for a calibrated frequency, and with what weight, from rows as the steps leave them."""

from __future__ import annotations

from datetime import timedelta
from itertools import count as numbers
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.utils import timezone

from feedback import frequencies, labels
from feedback.models import Label, OutcomeEvent
from models_registry.models import Calibration
from review.models import Lease, Prediction, QueueItem, ReviewDecision, ReviewQueue, RoutingDecision
from tests.conftest import Cast
from tests.review.items import make_predictions

NOW = timezone.now()
_numbers = numbers()


def answered(cast: Cast, label: str, **fields: Any) -> ReviewDecision:
    """One prediction ("ok", 0.6) that was drawn, and what a person said of it."""
    [made] = all_answered(cast, 1, label, **fields)
    return made


def all_answered(
    cast: Cast, times: int, label: str, *, mode: str = "blind", seen: bool = False, queue: ReviewQueue | None = None,
    kind: str = "gate", blind: tuple[float, float | None] = (0.0, None), p: float = 1.0, **fields: Any,
) -> list[ReviewDecision]:  # fmt: skip
    """So many `answered` alike, in bulk."""
    predictions = make_predictions(cast.model, [f"f-{next(_numbers)}" for _ in range(times)], **fields)
    gate = kind == "gate"
    RoutingDecision.objects.bulk_create(
        RoutingDecision(
            prediction=prediction, model=cast.model, draw=p / 2, p_gate=p if gate else 0.0, propensity=p, review=kind,
            disposition="hold" if gate else "proceed", reasons=[], model_guess=0.6, oversight_always=False,
        ) for prediction in predictions
    )  # fmt: skip
    line, definition = queue or ReviewQueue.objects.get(slug=cast.model.slug), cast.model.definitions.get()
    items = QueueItem.objects.bulk_create(
        QueueItem(
            prediction=prediction, model=cast.model, queue=line, kind=kind, state="decided", slot=1,
            blind_share=blind[0], blind_draw=blind[1],
        ) for prediction in predictions
    )  # fmt: skip
    leases = Lease.objects.bulk_create(
        Lease(token=uuid4(), item=item, holder="r-1", expires_at=NOW, mode=mode) for item in items
    )
    return ReviewDecision.objects.bulk_create(
        ReviewDecision(
            item=item, prediction=item.prediction, model=cast.model, lease=lease, reviewer="r-1", label=label,
            mode=mode, model_shown_at=NOW if seen else None, definition=definition,
            blind_share=blind[0], blind_draw=blind[1],
        ) for item, lease in zip(items, leases, strict=True)
    )  # fmt: skip


def proceeded(cast: Cast, times: int, outcome: str | None, *, p: float = 0.0, **fields: Any) -> None:
    """Predictions that nobody looked at, with what the world said."""
    predictions = make_predictions(cast.model, [f"f-{next(_numbers)}" for _ in range(times)], **fields)
    RoutingDecision.objects.bulk_create(
        RoutingDecision(
            prediction=prediction, model=cast.model, draw=0.99, p_gate=p, propensity=p, review="none",
            disposition="proceed", reasons=[], model_guess=0.6, oversight_always=False,
        ) for prediction in predictions
    )  # fmt: skip
    if outcome is not None:
        happened(cast, predictions, outcome)


def happened(cast: Cast, predictions: list[Prediction], outcome: str) -> None:
    definition = cast.model.definitions.get()
    OutcomeEvent.objects.bulk_create(
        OutcomeEvent(
            model=cast.model, prediction=prediction, value=outcome, source="bank", kind="explicit",
            definition=definition, observed_at=NOW,
        ) for prediction in predictions
    )  # fmt: skip


def counted(cast: Cast) -> list[dict[str, Any]]:
    labels.pull_all()
    frequencies.count(cast.model, now=NOW)
    bins: list[dict[str, Any]] = Calibration.objects.get(version=cast.version).bins
    return bins


def complete(cast: Cast, what: str, **fields: Any) -> None:
    for name, value in {"outcomes_complete_for": what, **fields}.items():
        setattr(cast.model, name, value)
    cast.model.save()


def test_a_blind_queue_counts_and_what_was_shown_does_not(cast: Cast) -> None:
    for label, seen, times in (("ok", False, 40), ("fraud", False, 20), ("ok", True, 30)):
        all_answered(cast, times, label, seen=seen)

    [found] = counted(cast)

    assert (found["label"], found["n"], found["k"], found["basis"]) == ("ok", 60, 40, "drawn")
    assert found["share"] == pytest.approx(40 / 60)
    assert found["low"] <= 0.6 < found["high"]
    assert Calibration.objects.get().rows == 60


@pytest.mark.parametrize("mode", ["assisted", "on_request", "blind_first"])
def test_answers_of_other_modes_do_not_count_even_where_the_model_was_not_looked_at(cast: Cast, mode: str) -> None:
    all_answered(cast, 60, "ok", mode=mode)
    assert counted(cast) == []


def test_the_blind_arm_weighs_by_routing_and_by_its_share(cast: Cast) -> None:
    all_answered(cast, 100, "ok", blind=(0.5, 0.1))
    all_answered(cast, 50, "fraud", kind="audit", p=0.25, blind=(0.5, 0.2))
    all_answered(cast, 100, "ok", mode="assisted", blind=(0.5, 0.9))

    [found] = counted(cast)

    assert (found["n"], found["k"]) == (150, 100)
    assert found["share"] == pytest.approx(100 * 2 / (100 * 2 + 50 * 8))
    assert found["effective_n"] < 150


def test_a_queue_that_was_blind_throughout_counts_whole_and_its_draw_changes_nothing(cast: Cast) -> None:
    for draw in (0.01, 0.9):
        all_answered(cast, 30, "ok" if draw < 0.1 else "fraud", blind=(0.1, draw))
    [found] = counted(cast)
    assert (found["n"], found["share"]) == (60, pytest.approx(0.5))


def test_undrawn_answers_of_a_queue_that_was_blind_for_a_time_are_left_to_the_drawn_ones(cast: Cast) -> None:
    answered(cast, "ok", mode="assisted", blind=(0.1, 0.5))
    for draw in (0.01, 0.9):
        all_answered(cast, 60, "ok" if draw < 0.1 else "fraud", blind=(0.1, draw))
    [found] = counted(cast)
    assert (found["n"], found["k"]) == (60, 60)


def test_outcomes_of_what_proceeded_weigh_by_the_chance_to_proceed_and_wait_for_the_horizon(cast: Cast) -> None:
    complete(cast, "proceeded", outcomes_horizon_days=7)
    for p, outcome in ((0.0, "ok"), (0.8, "fraud")):
        proceeded(cast, 60, outcome, p=p)
    proceeded(cast, 90, "fraud", occurred_at=NOW - timedelta(days=6))

    [found] = counted(cast)

    assert (found["n"], found["k"]) == (120, 60)
    assert found["share"] == pytest.approx(60 / (60 + 60 * 5))


def test_blind_answers_stand_for_what_can_never_proceed_and_not_twice_for_the_rest(cast: Cast) -> None:
    complete(cast, "proceeded")
    proceeded(cast, 60, "ok", p=0.5)
    for p in (1.0, 0.5):
        all_answered(cast, 60, "fraud", p=p)
    [found] = counted(cast)
    assert (found["n"], found["share"]) == (120, pytest.approx(2 / 3))


def test_complete_outcomes_count_whatever_a_person_said(cast: Cast) -> None:
    complete(cast, "all")
    made = all_answered(cast, 60, "ok", mode="assisted", seen=True)
    happened(cast, [decision.prediction for decision in made], "fraud")
    [found] = counted(cast)
    assert (found["n"], found["k"], found["basis"]) == (60, 0, "drawn")


def test_outcomes_that_come_for_nobody_knows_whom_are_marked_and_yield_to_blind_answers(cast: Cast) -> None:
    proceeded(cast, 60, "ok")
    [found] = counted(cast)
    assert (found["n"], found["basis"]) == (60, "reported")

    all_answered(cast, 55, "fraud")
    [found] = counted(cast)
    assert (found["n"], found["k"], found["basis"]) == (55, 0, "drawn")


def test_withdrawn_undone_and_gold_answers_do_not_count(cast: Cast) -> None:
    for number, made in enumerate(all_answered(cast, 60, "ok")):
        if number % 3 == 0:
            made.prediction.status = "withdrawn"
            made.prediction.save()
        elif number % 3 == 1:
            ReviewDecision.objects.create(
                item=made.item, prediction=made.prediction, model=cast.model, kind="undo", supersedes=made,
                reviewer="r-1", definition=made.definition,
            )  # fmt: skip
        else:
            QueueItem.objects.filter(pk=made.item_id).update(kind="gold", slot=2)
    assert counted(cast) == []


def test_it_is_counted_again_when_labels_change_and_not_before(cast: Cast) -> None:
    assert not frequencies.count_due(cast.model)
    all_answered(cast, 60, "ok")
    labels.pull_all()
    assert frequencies.count_due(cast.model)
    assert not frequencies.count_due(cast.model)
    Label.objects.filter(pk=Label.objects.first().pk).update(retired_at=timezone.now())  # type: ignore[union-attr]
    assert frequencies.count_due(cast.model)
    Calibration.objects.update(computed_at=timezone.now() - timedelta(days=2))
    assert frequencies.count_due(cast.model)


def test_other_versions_keep_counts_of_their_own(cast: Cast) -> None:
    all_answered(cast, 60, "ok")
    other = cast.model.versions.create(version="2", contract=cast.version.contract, state="ready", created_by="test")
    all_answered(cast, 60, "fraud", version=other)
    counted(cast)
    told = {row.version_id: row.bins[0]["k"] for row in Calibration.objects.all()}
    assert told == {cast.version.pk: 60, other.pk: 0}


def settled_by(cast: Cast, firsts: list[ReviewDecision], others: list[str]) -> None:
    """Each first answer was one of two; the second, and an adjudicator's where there are two more, saw the model."""
    QueueItem.objects.filter(pk__in=[first.item_id for first in firsts]).update(required=2)
    for slot, label in enumerate(others, 2):
        items = QueueItem.objects.bulk_create(
            QueueItem(
                prediction=first.prediction, model=cast.model, queue=first.item.queue, slot=slot, required=2,
                kind=first.item.kind if slot == 2 else "adjudication", tier=int(slot > 2), state="decided",
            ) for first in firsts
        )  # fmt: skip
        leases = Lease.objects.bulk_create(
            Lease(token=uuid4(), item=item, holder=f"r-{slot}", expires_at=NOW) for item in items
        )
        ReviewDecision.objects.bulk_create(
            ReviewDecision(
                item=item, prediction=item.prediction, model=cast.model, lease=lease, reviewer=f"r-{slot}",
                label=label, model_shown_at=NOW, definition=firsts[0].definition,
            ) for item, lease in zip(items, leases, strict=True)
        )  # fmt: skip


def test_where_several_decide_the_screen_of_the_first_selects_and_what_they_settled_is_true(cast: Cast) -> None:
    for blind, times in (((0.5, 0.1), 60), ((0.5, 0.9), 20)):
        # Wrong at first, and put right by the adjudicator.
        mode = "blind" if blind[1] < blind[0] else "assisted"
        settled_by(cast, all_answered(cast, times, "fraud", blind=blind, mode=mode, seen=mode != "blind"), ["ok", "ok"])
    settled_by(cast, all_answered(cast, 30, "fraud", blind=(0.5, 0.2)), ["fraud"])
    # Not settled: the adjudicator is still asked.
    unsettled = all_answered(cast, 10, "fraud", blind=(0.5, 0.2))
    settled_by(cast, unsettled, ["ok"])
    for made in unsettled:
        QueueItem.objects.create(
            prediction=made.prediction, model=cast.model, queue=made.item.queue, kind="adjudication", slot=3, tier=1
        )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE review_queueitem, review_reviewdecision, review_prediction, review_routingdecision")

    [found] = counted(cast)

    assert (found["n"], found["k"]) == (90, 60)
    assert found["share"] == pytest.approx(60 / 90)
