from __future__ import annotations

from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from review.models import Resolution, RoutingDecision
from tests.conftest import Cast
from tests.review.items import make_prediction

PASSED_BY = {
    "draw": 0.5,
    "p_gate": 0.0,
    "propensity": 0.1,
    "disposition": "proceed",
    "review": "none",
    "oversight_always": False,
}
GATED = {**PASSED_BY, "p_gate": 1.0, "propensity": 1.0, "disposition": "hold", "review": "gate"}
AUDITED = {**PASSED_BY, "draw": 0.05, "review": "audit"}


def decide(cast: Cast, values: dict[str, Any]) -> RoutingDecision:
    prediction = make_prediction(cast.model)
    return RoutingDecision.objects.create(
        prediction=prediction, model=cast.model, reasons=[], model_guess=0.6, **values
    )


@pytest.mark.parametrize("values", [PASSED_BY, GATED, AUDITED], ids=["none", "gate", "audit"])
def test_what_agrees_with_its_draw_is_stored(cast: Cast, values: dict[str, Any]) -> None:
    assert decide(cast, values).pk


@pytest.mark.parametrize(
    ("values", "constraint"),
    [
        ({**PASSED_BY, "draw": 0.05}, "reviewed_iff_draw_below_propensity"),
        ({**AUDITED, "draw": 0.5}, "reviewed_iff_draw_below_propensity"),
        ({**AUDITED, "draw": 0.05, "p_gate": 0.08}, "gate_iff_draw_below_p_gate"),
        ({**GATED, "p_gate": 0.2, "draw": 0.5}, "gate_iff_draw_below_p_gate"),
        ({**GATED, "disposition": "proceed"}, "hold_iff_gate"),
        ({**PASSED_BY, "disposition": "hold"}, "hold_iff_gate"),
        ({**PASSED_BY, "oversight_always": True}, "oversight_never_proceeds"),
        ({**PASSED_BY, "draw": 1.0}, "routing_probabilities"),
        ({**GATED, "draw": -0.1}, "routing_probabilities"),
        ({**GATED, "propensity": 1.1}, "routing_probabilities"),
        ({**PASSED_BY, "p_gate": 0.2, "draw": 0.5}, "routing_probabilities"),
        ({**PASSED_BY, "draw": float("nan")}, "routing_probabilities"),
        ({**PASSED_BY, "disposition": "reject"}, "disposition_known"),
    ],
)
def test_the_database_refuses_a_decision_that_contradicts_its_draw(
    cast: Cast, values: dict[str, Any], constraint: str
) -> None:
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        decide(cast, values)


RAW = """
    INSERT INTO review_routingdecision (prediction_id, model_id, draw, p_gate, propensity, disposition, review, reasons,
        model_guess, oversight_always, routed_at) VALUES (%s, %s, 0.5, 0, 0.1, %s, 'none', '[]', 0.9, true, now())
"""


def test_not_even_raw_sql_lets_a_case_proceed_where_a_person_must_decide(cast: Cast) -> None:
    prediction = make_prediction(cast.model)
    with connection.cursor() as cursor:
        with pytest.raises(IntegrityError, match="oversight_never_proceeds"), transaction.atomic():
            cursor.execute(RAW, [prediction.pk, cast.model.pk, "proceed"])
        cursor.execute(RAW, [prediction.pk, cast.model.pk, "refuse"])
        for change in ("disposition = 'proceed'", "oversight_always = false"):
            with pytest.raises(DatabaseError), transaction.atomic():
                cursor.execute(f"UPDATE review_routingdecision SET {change} WHERE prediction_id = %s", [prediction.pk])
    assert RoutingDecision.objects.get(pk=prediction.pk).disposition == "refuse"


def test_a_routing_decision_is_written_once_and_never_changed(cast: Cast) -> None:
    decision = decide(cast, PASSED_BY)
    with pytest.raises(IntegrityError), transaction.atomic():
        RoutingDecision.objects.create(
            prediction=decision.prediction, model=cast.model, reasons=[], model_guess=0.6, **PASSED_BY
        )
    with pytest.raises(DatabaseError), transaction.atomic():
        RoutingDecision.objects.filter(pk=decision.pk).update(propensity=1.0)
    with pytest.raises(DatabaseError), transaction.atomic():
        decision.delete()


def test_only_a_fallback_may_leave_a_caller_holding_for_good(cast: Cast) -> None:
    prediction = make_prediction(cast.model)
    Resolution.objects.create(prediction=prediction, model=cast.model, disposition="hold", by="fallback")
    with pytest.raises(IntegrityError, match="resolution_holds_only_by_fallback"), transaction.atomic():
        Resolution.objects.create(prediction=prediction, model=cast.model, disposition="hold", by="model")
