from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.utils import timezone

from review import capacity, policies, routing
from review.models import RoutingDecision
from review.terms import capacity_of
from tests.conftest import Cast
from tests.review.items import make_prediction
from tests.review.received import obey, receive

SAMPLED: dict[str, Any] = {"sampling": {"kind": "uniform", "budget": 0.5}, "audit_floor": 0.1}


def policy(per_day: int | None) -> policies.Policy:
    return policies.parse({**SAMPLED, "capacity": {"per_day": per_day}})


def decided(cast: Cast, at: Any, count: int, *, reviewed: bool, tag: str) -> None:
    for number in range(count):
        RoutingDecision.objects.create(
            prediction=make_prediction(cast.model, f"{tag}-{number}"), model=cast.model, draw=0.05 if reviewed else 0.9,
            p_gate=0.0, propensity=0.1, disposition="proceed", review="audit" if reviewed else "none", reasons=[],
            model_guess=0.6, oversight_always=False, routed_at=at,
        )  # fmt: skip


def state(cast: Cast, per_day: int, now: Any, least: float | None = 0.1) -> capacity.CapacityState:
    found = capacity.capacity_state(cast.model, policy(per_day), now=now, least=least)
    assert found is not None
    return found


@pytest.fixture
def noon() -> Any:
    return timezone.now().replace(hour=12, minute=0, second=0, microsecond=0)


def test_the_share_is_what_is_left_over_what_will_be_asked_for(cast: Cast, noon: Any) -> None:
    # 40 predictions in 12 hours, 10 of them reviewed: 40 more are coming today.
    decided(cast, noon - timedelta(hours=11, minutes=59), 10, reviewed=True, tag="a")
    decided(cast, noon - timedelta(hours=1), 30, reviewed=False, tag="b")
    # Floors take 4 of the rest, sampling up to the budget 16 more.
    assert state(cast, 100, noon).share == 1.0
    assert state(cast, 22, noon).share == pytest.approx(8 / 16, rel=0.01)
    assert state(cast, 14, noon).share == 0.0
    assert [state(cast, 22, noon).used, state(cast, 22, noon).exceeded] == [10, False]


def test_yesterdays_reviews_are_not_of_today(cast: Cast, noon: Any) -> None:
    decided(cast, noon - timedelta(hours=13), 10, reviewed=True, tag="a")
    assert state(cast, 100, noon).used == 0


def test_capacity_is_exceeded_where_gates_and_floors_alone_need_more(cast: Cast, noon: Any) -> None:
    decided(cast, noon - timedelta(hours=1), 10, reviewed=False, tag="a")
    assert not state(cast, 100, noon, least=0.1).exceeded
    assert state(cast, 100, noon, least=0.9).exceeded
    decided(cast, noon - timedelta(minutes=1), 3, reviewed=True, tag="b")
    assert state(cast, 2, noon, least=0.0).exceeded


def test_a_policy_without_capacity_has_no_state(cast: Cast, noon: Any) -> None:
    assert capacity.capacity_state(cast.model, policy(None), now=noon, least=None) is None
    assert capacity.capacity_state(cast.model, None, now=noon, least=None) is None
    assert capacity_of(cast.model) is None


def test_routing_spends_the_day_smoothly_and_stores_what_it_scaled(cast: Cast) -> None:
    obey(cast.model, {**SAMPLED, "capacity": {"per_day": 60}})
    for first in range(0, 400, 20):
        receive(cast.model, 20, first=first)
        routing.route_batch(limit=100)
    shares = np.array(RoutingDecision.objects.order_by("prediction_id").values_list("propensity", flat=True))
    assert shares[:20].tolist() == [0.5] * 20
    assert shares[-20:].tolist() == [0.1] * 20
    found = capacity_of(cast.model)
    assert found is not None
    assert (found.capacity, found.share) == (60, 0.0)
    # What is stored is what was drawn by: each choice agrees with its own propensity.
    assert RoutingDecision.objects.exclude(review="none").count() == sum(
        row.draw < row.propensity for row in RoutingDecision.objects.all()
    )
