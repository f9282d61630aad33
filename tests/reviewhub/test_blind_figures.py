"""No figure of a model tells a blind reviewer of one case: not one of a short window, nor two that differ by it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from feedback import withholding
from feedback.monitoring.blocks import edges_of, widened
from models_registry import access
from review.models import Prediction, RoutingDecision
from tests.conftest import Cast
from tests.review.items import make_item, make_prediction
from tests.reviewhub.blind_world import World, leaks, make

API = "/api/v1/models/payments"
# The case's score: as the mean of a bin, as a guess of the answer.
SCORES = ("0.8713579", "0.12864")


def window_of(found: Prediction) -> str:
    later = found.occurred_at + timedelta(milliseconds=1)
    return f"from={found.occurred_at.isoformat()}&to={later.isoformat()}".replace("+", "%2B")


def figures(world: World) -> dict[str, str]:
    window = window_of(world.item.prediction)
    found = [f"{API}/quality/?{window}{more}" for more in ("", "&version=1", "&group=segment:rare", "&series=day")]
    found += [f"{API}/reliance/?{window}", f"{API}/behaviour/", f"{API}/counterfactual/?threshold=0.5"]
    found += ["/models/payments/quality/?window=7", "/models/payments/workload/?copy=reasons", "/"]
    return {address: world.client.get(address).content.decode() for address in found}


def routed(model: Any, name: str, at: datetime) -> None:
    row = make_prediction(model, name, occurred_at=at)
    RoutingDecision.objects.create(
        prediction=row, model=model, review="none", disposition="proceed", reasons=[], draw=0.5, p_gate=0.0,
        propensity=0.3, model_guess=0.6, oversight_always=False,
    )  # fmt: skip


def test_a_window_of_the_case_alone_tells_its_reviewer_nothing_and_an_analyst_all(cast: Cast):
    world = make(cast, "blind")
    assert leaks(figures(world), (*SCORES, "reason_of_mark")) == set()
    told = world.client.get(f"{API}/quality/?{window_of(world.item.prediction)}").json()
    assert (told["population"]["predictions"], told["calibration"]["bins"]) == (0, [])
    assert told["metrics"]["accuracy"]["label_free"] is None
    world.client.force_login(cast.dana)
    told = world.client.get(f"{API}/quality/?{window_of(world.item.prediction)}").json()
    assert [one["n"] for one in told["calibration"]["bins"]] == [1]
    assert leaks(figures(world), ("0.8713579",)) != set()


def test_figures_that_forget_who_asks_are_caught(cast: Cast, monkeypatch: pytest.MonkeyPatch):
    world = make(cast, "blind")
    monkeypatch.setattr(withholding, "withheld", lambda viewer, model: False)
    assert leaks(figures(world), ("0.8713579",)) != set()


def test_nothing_is_withheld_where_nothing_that_waits_is_hidden(cast: Cast):
    viewer = access.principal_of_user(cast.alice)
    item = make_item(cast.model)
    assert withholding.edges_for(viewer, cast.model) is None
    for mark in ({"required": 2}, {"blind_share": 0.2, "blind_draw": 0.1}, {"kind": "gold", "slot": 2}):
        with transaction.atomic():
            type(item).objects.filter(pk=item.pk).update(**mark)
            assert withholding.edges_for(viewer, cast.model) == []
            assert withholding.edges_for(access.principal_of_user(cast.dana), cast.model) is None
            transaction.set_rollback(True)


def test_any_two_windows_differ_by_whole_blocks_of_twenty_or_by_nothing(cast: Cast):
    begin = timezone.now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=9)
    numbers = [3, 11, 9, 25, 0, 1, 22, 2, 4, 30]
    times = [begin + timedelta(days=day, minutes=i) for day, n in enumerate(numbers) for i in range(n)]
    times = [at for at in times if at < timezone.now()]
    for i, at in enumerate(times):
        routed(cast.model, f"t-{i}", at)
    edges = edges_of(cast.model, fewest=20, now=timezone.now())
    assert [(edge - begin).days for edge in edges] == [3, 4, 7]
    asked = [None, *(begin + timedelta(days=day, hours=hour) for day in range(-1, 11) for hour in (0, 7))]
    windows = {widened(edges, start, end) for start, end in product(asked, asked)}

    def inside(window: Any) -> set[datetime]:
        return {at for at in times if (window[0] is None or at >= window[0]) and at < window[1]}

    assert len(windows) > 4
    for one, other in product(windows, windows):
        assert len(inside(one) ^ inside(other)) not in range(1, 20)


def test_a_preview_of_the_newest_prediction_alone_tries_none_that_is_not_past(cast: Cast):
    world = make(cast, "blind")
    world.client.force_login(cast.erin)
    told = world.client.post(f"{API}/policies/preview/?last=1", {"audit_floor": 0.1}, "application/json")
    assert (told.status_code, told.json()["predictions"]) == (200, 0)
    type(world.item).objects.update(state="decided", lease_token=None, lease_holder=None, lease_expires_at=None)
    told = world.client.post(f"{API}/policies/preview/?last=1", {"audit_floor": 0.1}, "application/json")
    assert told.json()["predictions"] == 1


def test_the_due_time_of_a_blind_case_is_not_told_for_a_branch_may_have_set_it(cast: Cast):
    world = make(cast, "blind")
    type(world.item).objects.filter(pk=world.item.pk).update(due_at=timezone.now() + timedelta(hours=1))
    claimed = world.client.post("/api/v1/queues/payments/claim/", {}, "application/json").json()["item"]
    assert (claimed["due_at"], claimed["priority"]) == (None, None)
