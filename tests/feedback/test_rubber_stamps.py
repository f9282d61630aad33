"""Signals about reviewers who follow the model: from the rows, for leads and oneself, in words for a talk."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.test import Client

from feedback import gold, rubber_stamps
from feedback.models import Alert
from feedback.rubber_stamps import signals, watch
from models_registry import access
from models_registry.models import Calibration
from review.models import Lease, QueueItem, ReviewDecision
from tests.conftest import Cast
from tests.feedback.cases import NOON, decide, decide_all, make_case, make_cases, make_item
from tests.feedback.test_quality_page import words

ALERTS = "/api/v1/models/payments/alerts/"


def answers(
    cast: Cast, agree: Any, reviewer: str = "r-alice", *, shown: bool = True, first: int = 0, **case: Any
) -> None:
    """One reviewer's answers in time order, with the model on screen or without it."""
    places = range(first, first + len(agree))
    made = make_cases(cast.model, {f"{reviewer}-{place}-{shown}": case for place in places})
    given = []
    for place, prediction, yes in zip(places, made, agree, strict=True):
        at = NOON + timedelta(minutes=place)
        seen = {"model_shown_at": at, "mode": "assisted"} if shown else {"mode": "blind"}
        times = {"claimed_at": at, "decided_at": at + timedelta(seconds=20 + place % 7)}
        given.append((prediction, "ok" if yes else "fraud", {"reviewer": reviewer, **times, **seen}))
    leases = []
    for decision in decide_all(given):
        decision.lease.mode, decision.lease.model_shown_at = decision.mode, decision.model_shown_at
        leases.append(decision.lease)
    Lease.objects.bulk_update(leases, ["mode", "model_shown_at"])


def one(cast: Cast, reviewer: str = "r-alice") -> rubber_stamps.Signal:
    return signals(cast.model)[reviewer]


def test_who_always_agrees_is_signalled_within_60_items_and_an_attentive_reviewer_is_not(cast: Cast) -> None:
    rng = np.random.default_rng(1)
    answers(cast, [True] * 60)
    answers(cast, rng.random(60) < 0.9, "r-bob")
    watch(cast.model)
    [alert] = Alert.objects.filter(kind="follows_the_model")
    assert (alert.subject, alert.severity) == ("r-alice", "warning")
    assert "Worth looking at some cases together" in alert.title
    assert not {"cheat", "lazy", "bad", "worst", "rank", "score"} & set(alert.title.lower().split())
    assert list(signals(cast.model)) == ["r-alice", "r-bob"]


def test_the_signal_ends_with_its_cause(cast: Cast) -> None:
    answers(cast, [True] * 60)
    watch(cast.model)
    answers(cast, [True, False] * 5, first=60)
    watch(cast.model)
    assert Alert.objects.get().state == "resolved"


def test_answers_without_the_model_on_screen_are_ones_own(cast: Cast) -> None:
    answers(cast, [True] * 100, shown=False)
    assert signals(cast.model) == {}


def test_a_model_that_is_known_to_be_right_is_agreed_with_by_everybody(cast: Cast) -> None:
    answers(cast, [True] * 60)
    assert one(cast).alarm
    bins = [{"label": "ok", "low": 0.75, "high": 0.85, "n": 400, "k": 396}]
    known = Calibration.objects.create(version=cast.version, bins=bins, rows=400)
    assert not one(cast).alarm
    # A bin with hardly a case says nothing, and neither does one of another answer or score.
    for change in ({"n": 40, "k": 40}, {"label": "fraud"}, {"low": 0.85, "high": 0.95}):
        known.bins = [{**bins[0], **change}]
        known.save()
        assert one(cast).alarm


def test_blind_answers_tell_what_is_natural_where_nothing_is_calibrated(cast: Cast) -> None:
    answers(cast, [True] * 60)
    answers(cast, [True] * 50, "r-bob", shown=False)
    assert not one(cast).alarm


def test_scores_are_believed_where_nothing_else_is_known(cast: Cast) -> None:
    answers(cast, [True] * 60, scores=[0.99, 0.01])
    assert not one(cast).alarm


def test_gold_with_a_wrong_suggestion_tells_soonest(cast: Cast) -> None:
    for place in range(6):
        prediction = make_case(cast.model, f"g-{place}", review="none", scores=[0.99, 0.01])
        gold.set_gold(prediction=prediction, value="fraud", actor="erin")
        make_item(prediction, kind="gold")
        made = decide(prediction, "ok", mode="assisted", model_shown_at=NOON)
        Lease.objects.filter(pk=made.lease_id).update(mode="assisted", model_shown_at=NOON)
    assert one(cast).following.alarm


def test_an_answer_that_was_taken_back_does_not_count(cast: Cast) -> None:
    answers(cast, [True] * 60)
    definition = cast.model.definitions.get()
    for made in ReviewDecision.objects.order_by("id")[:30]:
        ReviewDecision.objects.create(
            item=made.item, prediction=made.prediction, model=cast.model, kind="undo", supersedes=made,
            reviewer="r-alice", definition=definition,
        )  # fmt: skip
    assert one(cast).following.n == 30


def test_a_signal_about_a_reviewer_is_for_leads_and_owners(cast: Cast, client: Client, client_with: Any) -> None:
    access.grant_role(user=cast.bob, model=cast.model, role="lead", actor="test")
    answers(cast, [True] * 60)
    watch(cast.model)
    for person, seen in ((cast.alice, 0), (cast.dana, 0), (cast.bob, 1), (cast.erin, 1)):
        client.force_login(person)
        assert len(client.get(ALERTS).json()["results"]) == seen
        for page in ("", "quality/", "delays/", "workload/", "behaviour/", "reliance/"):
            html = client.get(f"/models/payments/{page}").content.decode()
            assert ("r-alice" in html) == (seen and page in ("", "reliance/"))
            assert ("1 alert" in words(html)) == bool(seen)
    assert client_with("read").get(ALERTS).json()["results"] == []
    assert len(client_with("admin").get(ALERTS).json()["results"]) == 1
    assert client_with("read").get(f"{ALERTS}?state=open").json()["results"] == []


def test_one_reviewer_reads_the_own_signal_in_plain_words(cast: Cast, client: Client) -> None:
    own = access.principal_of_user(cast.alice).pseudonym
    answers(cast, [True] * 60, own)
    client.force_login(cast.alice)
    assert own in client.get("/me/").content.decode()
    client.force_login(cast.bob)
    assert own not in client.get("/me/").content.decode()


def test_nobody_is_signalled_where_nobody_has_answered(cast: Cast) -> None:
    watch(cast.model)
    assert not Alert.objects.exists()
    assert not QueueItem.objects.exists()


@pytest.mark.parametrize("newest", [10, 59])
def test_only_the_newest_answers_are_read(cast: Cast, newest: int) -> None:
    answers(cast, [True] * 60)
    assert signals(cast.model, newest=newest)["r-alice"].following.n == newest
