"""Sixteen services on the real web server. The suite takes about a thousand claims, `make faults` ten thousand."""

from __future__ import annotations

import os
import threading
from collections import Counter
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from feedback import labels
from models_registry import access
from models_registry.models import RegisteredModel
from review.models import Lease, QueueItem, ReviewDecision, ReviewQueue
from reviewhub.invariants import check_all
from tests.conftest import make_model
from tests.faults import claiming
from tests.faults.claiming import Caller, Crowd, Held
from tests.running import eventually, mortal_web

FULL = os.environ.get("FAULTS") == "full"
# Predictions that one person decides, and that two decide.
SINGLE, DOUBLE = (8_000, 1_000) if FULL else (400, 100)
KILLED_SINGLE, KILLED_DOUBLE = (2_000, 250) if FULL else (80, 20)

pytestmark = [pytest.mark.faults, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def model() -> RegisteredModel:
    return make_model("payments")[0]


def required() -> dict[int, int]:
    return dict(QueueItem.objects.values_list("prediction", "required"))


def all_is_well(crowd: Crowd, places: int) -> None:
    """Nothing beyond the overlap, nothing twice, nothing left."""
    assert claiming.beyond_overlap(claiming.leases(), required()) == []
    known = dict(Lease.objects.values_list("token", "item"))
    assert {str(token): str(item) for token, item in known.items()}.items() >= set(crowd.handed)
    assert max(Counter(token for token, _ in crowd.handed).values()) == 1
    assert not QueueItem.objects.open().exists()
    labels.pull_all()
    answers = ReviewDecision.objects.filter(kind="decision")
    assert answers.count() == places
    assert answers.values("prediction", "reviewer").distinct().count() == places
    assert [outcome.invariant.number for outcome in check_all() if outcome.broken] == []


def test_sixteen_clients_hand_nothing_out_beyond_the_overlap_and_strand_nothing(model: RegisteredModel, tmp_path: Path):
    places = claiming.waiting(model, SINGLE, DOUBLE)
    with mortal_web(tmp_path / "web.log", threads=8) as server:
        crowd = Crowd(server, model)
        crowd.work()
        left = QueueItem.objects.open()
        assert left.count() == left.leased().count()
        claiming.let_time_pass()
        crowd.work(answers=1.0)
        assert crowd.refused == []
        all_is_well(crowd, places)
    assert Lease.objects.count() == len(crowd.handed) > places


def test_a_server_killed_in_the_middle_loses_and_doubles_nothing(model: RegisteredModel, tmp_path: Path):
    places = claiming.waiting(model, KILLED_SINGLE, KILLED_DOUBLE)
    with mortal_web(tmp_path / "web.log", threads=8) as server:
        crowd = Crowd(server, model, halfway_at=places // 3)

        def strike() -> None:
            assert crowd.halfway.wait(60)
            server.kill()
            server.start()

        striker = threading.Thread(target=strike)
        striker.start()
        crowd.work(answers=0.6)
        striker.join()
        # An answer that was stored and whose reply was lost is told to whoever sends it again.
        assert {code for _, code in crowd.refused} <= {"already_decided", "lease_lost"}
        claiming.let_time_pass()
        crowd.work(answers=1.0)
        all_is_well(crowd, places)


def test_an_expired_lease_is_claimable_within_five_seconds_and_no_job_runs(model: RegisteredModel, tmp_path: Path):
    ReviewQueue.objects.update(lease_seconds=1)
    claiming.waiting(model, 1, 0)
    keys = [access.create_service_key(name=name, scopes=["review"], model=model, created_by="test")[1] for name in "ab"]
    with mortal_web(tmp_path / "web.log") as server, ExitStack() as stack:
        first, second = (stack.enter_context(closing(Caller(server, key))) for key in keys)
        path = f"/queues/{model.slug}/claim/"
        assert first.post(path, {})[0] == 200
        assert second.post(path, {}) == (204, "leased")
        eventually(lambda: second.post(path, {})[0] == 200, "the lease that ran out is handed on", seconds=10)
    before, after = Lease.objects.order_by("claimed_at")
    assert timedelta(0) <= after.claimed_at - before.expires_at < timedelta(seconds=5)
    assert before.ending == Lease.Ending.EXPIRED


def at(second: int) -> datetime:
    return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=second)


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ([Held(1, "a", at(0), at(9), False), Held(1, "b", at(9), at(12), True)], []),
        ([Held(1, "a", at(0), at(9), False), Held(1, "b", at(8), at(12), False)], [1]),
        ([Held(1, "a", at(0), at(9), True), Held(1, "b", at(10), at(12), False)], [1]),
        ([Held(2, "a", at(0), at(9), True), Held(2, "b", at(1), at(12), False)], []),
        ([Held(2, "a", at(0), at(9), True), Held(2, "a", at(10), at(12), False)], [2]),
        ([Held(2, who, at(0), at(9), False) for who in "abc"], [2]),
    ],
    ids=["one after another", "two at once", "after its answer", "as many as needed", "one person twice", "three"],
)
def test_the_count_catches_what_is_handed_out_too_often(rows: list[Held], found: list[int]):
    assert claiming.beyond_overlap(rows, {1: 1, 2: 2}) == found
