"""What an answer under a former lease tells of what its person had been shown, under that lease and since."""

from __future__ import annotations

from typing import Any

import pytest

from review import decisions, exposure, late
from review.models import Explanation, Lease, QueueItem, ReviewDecision, ReviewQueue
from reviewhub.invariants import check_all
from tests.conftest import Cast
from tests.review.items import make_item
from tests.review.overlapping import take, who
from tests.review.test_late_answers import overdue


def lease_of(cast: Cast, mode: str) -> Any:
    """The token of a lease that Alice claims while the queue is in that mode."""
    ReviewQueue.objects.update(mode=mode)
    item = take(cast.model, cast.alice)
    assert item is not None
    return item.lease_token


def answer(cast: Cast, token: Any, label: str = "ok", **more: Any) -> ReviewDecision:
    made = late.decide(token=token, principal=who(cast.alice), label=label, **more)
    assert [str(found.invariant) for found in check_all() if found.broken] == []
    return made


def test_what_was_revealed_under_a_later_lease_is_told_by_an_answer_under_the_first(cast: Cast) -> None:
    Explanation.objects.create(prediction=make_item(cast.model).prediction, status="ready")
    token = lease_of(cast, "on_request")
    overdue()
    second = lease_of(cast, "on_request")
    exposure.reveal(token=second, principal=who(cast.alice))
    shown = Lease.objects.get(pk=second).model_shown_at
    assert shown is not None

    made = answer(cast, token)

    kept = Lease.objects.get(pk=second)
    assert (made.lease_id, made.model_shown_at, made.explanation_shown) == (second, shown, True)
    assert (kept.model_shown_at, kept.explanation_shown) == (shown, True)


@pytest.mark.parametrize("ran_out", [False, True])
def test_a_first_answer_stays_whichever_lease_the_answer_comes_under(cast: Cast, ran_out: bool) -> None:
    make_item(cast.model)
    token = lease_of(cast, "blind_first")
    overdue()
    second = lease_of(cast, "blind_first")
    exposure.first_answer(token=second, principal=who(cast.alice), label="fraud")
    shown = Lease.objects.get(pk=second).model_shown_at
    if ran_out:
        overdue()

    made = answer(cast, token)

    assert (made.mode, made.label, made.first_answer, made.model_shown_at) == ("blind_first", "ok", "fraud", shown)
    assert (made.lease_id == second) != ran_out
    assert Lease.objects.get(pk=second).first_answer == "fraud"


def test_of_two_first_answers_the_lease_that_lives_keeps_its_own(cast: Cast) -> None:
    make_item(cast.model)
    token = lease_of(cast, "blind_first")
    exposure.first_answer(token=token, principal=who(cast.alice), label="ok")
    shown = Lease.objects.get().model_shown_at
    overdue()
    second = lease_of(cast, "blind_first")
    exposure.first_answer(token=second, principal=who(cast.alice), label="fraud")

    made = answer(cast, token, first_answer="ok")

    assert (made.first_answer, made.model_shown_at) == ("fraud", shown)


def test_a_first_answer_under_the_lease_that_ran_out_goes_with_the_answer(cast: Cast) -> None:
    make_item(cast.model)
    token = lease_of(cast, "blind_first")
    exposure.first_answer(token=token, principal=who(cast.alice), label="fraud")
    first = Lease.objects.get()
    overdue()
    lease_of(cast, "blind_first")

    made = answer(cast, token)

    assert (made.first_answer, made.model_shown_at) == ("fraud", first.model_shown_at)
    assert made.lease is not None
    assert made.lease.first_answer_at == first.first_answer_at


def test_a_lease_that_only_carries_a_late_answer_shows_nothing(cast: Cast) -> None:
    Explanation.objects.create(prediction=make_item(cast.model).prediction, status="ready")
    token = lease_of(cast, "blind")
    overdue()
    ReviewQueue.objects.update(mode="assisted")

    made = answer(cast, token)

    assert (made.mode, made.model_shown_at, made.explanation_shown) == ("blind", None, False)


@pytest.mark.parametrize("then", ["assisted", "blind", "blind_first", "on_request"])
@pytest.mark.parametrize("first", ["assisted", "blind", "blind_first", "on_request"])
def test_in_every_pair_of_modes_an_answer_is_shown_if_either_lease_has_shown(cast: Cast, first: str, then: str) -> None:
    make_item(cast.model)
    principal = who(cast.alice)
    tokens = []
    for mode in (first, then):
        tokens.append(lease_of(cast, mode))
        if mode == "on_request":
            exposure.reveal(token=tokens[-1], principal=principal)
        if mode == "blind_first":
            exposure.first_answer(token=tokens[-1], principal=principal, label="fraud")
        if mode == first and len(tokens) == 1:
            overdue()
    shown = sorted(at for at in Lease.objects.values_list("model_shown_at", flat=True) if at is not None)

    made = answer(cast, tokens[0])

    assert made.model_shown_at == (shown[0] if shown else None)
    assert QueueItem.objects.get().state == "decided"


def test_an_answer_instead_of_another_keeps_the_first_answer_of_the_lease(cast: Cast) -> None:
    make_item(cast.model)
    token = lease_of(cast, "blind_first")
    exposure.first_answer(token=token, principal=who(cast.alice), label="fraud")
    decisions.decide(token=token, principal=who(cast.alice), label="fraud")

    made = late.decide_instead(token=token, principal=who(cast.alice), label="ok")

    assert (made.label, made.first_answer, made.mode) == ("ok", "fraud", "blind_first")
    assert made.model_shown_at is not None
