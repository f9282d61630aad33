"""A branch on novelty as routing meets it: judged by the version's own reference rows, unknown without any."""

from __future__ import annotations

from typing import Any

from review import previews, routing
from review.models import RoutingDecision
from tests.conftest import Cast
from tests.review.received import FEATURES, obey, receive
from tests.review.test_novelties import profile_of

NOVEL: dict[str, Any] = {
    "review": [{"name": "novel", "when": {"field": "novelty", "gt": 0.99}, "p": 1.0, "kind": "gate"}],
    "audit_floor": 0.01,
}
STRANGE = {**FEATURES, "country": "NL", "amount": 9000.0}


def test_what_is_unlike_the_reference_rows_is_held_and_says_by_what(cast: Cast) -> None:
    profile_of(cast.version)
    obey(cast.model, NOVEL)
    [usual] = receive(cast.model)
    [strange] = receive(cast.model, features=STRANGE, first=1)
    assert routing.route_batch(limit=10) == 2
    found = {row.prediction_id: row for row in RoutingDecision.objects.all()}
    assert found[usual.pk].p_gate == 0
    assert found[strange.pk].disposition == "hold"
    assert found[strange.pk].reasons[0] == "novel"
    assert set(found[strange.pk].reasons[1:]) == {"unusual:country", "unusual:amount"}
    assert "always_unknown" not in {fault.code for fault in previews.warnings_of(model=cast.model, document=NOVEL)}


def test_without_reference_rows_novelty_is_unknown_and_a_person_looks(cast: Cast) -> None:
    obey(cast.model, NOVEL)
    [usual] = receive(cast.model)
    routing.route_batch(limit=10)
    found = RoutingDecision.objects.get(prediction=usual)
    assert (found.disposition, found.reasons) == ("hold", ["novel"])
    assert "always_unknown" in {fault.code for fault in previews.warnings_of(model=cast.model, document=NOVEL)}
