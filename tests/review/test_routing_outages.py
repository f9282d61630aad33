"""What is wrong with one model's rows never holds up the predictions of another."""

from __future__ import annotations

from typing import Any

import pytest

from review import routing, tasks, terms
from review.models import Prediction
from tests.conftest import Cast
from tests.review.received import receive


def test_a_model_whose_terms_cannot_be_read_leaves_the_others_alone(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    receive(cast.other_model, 3)
    Prediction.objects.filter(model=cast.other_model).update(version=cast.other_model.champion)
    receive(cast.model, 40, first=100)
    honest = terms.terms_of

    def broken(model_ids: Any) -> Any:
        wanted = list(model_ids)
        if cast.other_model.pk in wanted:
            raise ValueError("year 10000 is out of range")
        return honest(wanted)

    monkeypatch.setattr(routing, "terms_of", broken)
    for _ in range(5):
        tasks.sweep_received()
    assert not Prediction.objects.filter(model=cast.model, status="received").exists()
    stuck = Prediction.objects.filter(model=cast.other_model)
    assert {row.status for row in stuck} == {"received"}
    assert {row.routing_attempts for row in stuck} == {3}
    # They stand before nobody who comes later, and are routed once the cause is gone.
    receive(cast.model, 5, first=200)
    assert routing.route_batch(limit=2) == 2
    monkeypatch.setattr(routing, "terms_of", honest)
    while routing.route_batch(limit=10):
        pass
    assert not Prediction.objects.filter(status="received").exists()
