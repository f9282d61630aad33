from __future__ import annotations

from typing import Any

from review.models import RoutingControl
from tests.conftest import Cast


def test_reading_the_kill_switch_of_a_model_without_one_writes_nothing(cast: Cast, client_with: Any) -> None:
    RoutingControl.objects.filter(model=cast.model).delete()

    answer = client_with("read").get("/api/v1/models/payments/kill-switch/")

    assert (answer.status_code, answer.json()["on"], answer.json()["changed_by"]) == (200, False, "")
    assert not RoutingControl.objects.filter(model=cast.model).exists()
