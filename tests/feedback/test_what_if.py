"""A policy tried on the past: what it says is what counting says, what happens next, and nothing is written."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from django.apps import apps
from django.contrib.sessions.models import Session
from django.utils import timezone
from rest_framework.test import APIClient

from feedback import whatif
from models_registry.models import DataContract, ReferenceProfile
from models_registry.profiles import build_profile
from review import policies, policy_facts, policy_versions
from review.models import Prediction, PredictionPayload, RoutingDecision
from tests.conftest import CONTRACT, Cast
from tests.feedback.replayed import label_all, send, truth_of
from tests.review.received import obey

GATE = {"name": "unsure", "when": {"field": "confidence", "lt": 0.75}, "p": 1.0, "kind": "gate"}
EVERYTHING = {"review": [{**GATE, "when": {"field": "confidence", "lte": 1}}], "audit_floor": 0.05}
NEW: dict[str, Any] = {"review": [GATE], "audit_floor": 0.1}
ACTIVE = {"review": [GATE], "sampling": {"kind": "active", "budget": 0.65}, "audit_floor": 0.05}
ASKING = {
    "rules": [{"name": "french", "when": {"field": "feature.country", "eq": "FR"}, "disposition": "refuse"}],
    "review": [
        {"name": "old", "when": {"field": "feature.age", "gte": 70}, "p": 0.5, "kind": "audit"},
        {"name": "large", "when": {"field": "group.size", "in": [5, 6]}, "p": 1.0, "kind": "gate"},
        {"name": "nowhere", "when": {"field": "feature.country", "missing": True}, "p": 0.9, "kind": "gate"},
    ],
    "sampling": {
        "kind": "active",
        "budget": 0.6,
        "floors": [{"when": {"field": "group.segment", "eq": "vip"}, "p": 0.3}],
    },
    "audit_floor": 0.02,
}


def ask(cast: Cast, document: dict[str, Any], query: str = "") -> dict[str, Any]:
    client = APIClient()
    client.force_login(cast.erin)
    answer = client.post(f"/api/v1/models/payments/policies/preview/{query}", document, format="json")
    assert answer.status_code == 200, answer.content
    return answer.json()


def test_figures_are_those_of_counting_where_every_label_is_known(cast: Cast):
    obey(cast.model, EVERYTHING)
    send(cast.model, 120)
    label_all(cast.model, seconds_active=30)
    found = ask(cast, NEW)
    errors = passed = held = 0.0
    for prediction in Prediction.objects.filter(model=cast.model):
        error, gate = float(truth_of(prediction) != prediction.predicted), prediction.confidence < 0.75
        errors += error
        held += gate
        passed += error * (0.0 if gate else 0.9)
    new, live = found["figures"]["new"], found["figures"]["live"]
    assert (found["basis"]["labels"], found["basis"]["measured"]) == (120, True)
    assert new["errors_passed"]["estimate"] == pytest.approx(passed / 120)
    assert new["errors_caught"]["estimate"] == pytest.approx((errors - passed) / 120)
    assert live["errors_passed"]["estimate"] == 0
    assert found["figures"]["difference"]["errors_passed"]["estimate"] == pytest.approx(passed / 120)
    assert found["basis"]["per_day"] == pytest.approx(24)
    assert new["held"] == pytest.approx(held / 120)
    reviews = 24 * (held + 0.1 * (120 - held)) / 120
    assert new["reviews_per_day"] == pytest.approx(reviews)
    assert new["reviewer_hours_per_day"] == pytest.approx(reviews * 30 / 3600)
    assert new["errors_passed"]["per_day"]["estimate"] == pytest.approx(24 * passed / 120)
    assert live["half_width"]["week"] == 0
    assert found["moves"][0]["from"] == "held"
    moved = set(found["moves"][0]["examples"])
    assert moved <= {str(pk) for pk in Prediction.objects.filter(confidence__gte=0.75).values_list("pk", flat=True)}


def test_costs_are_those_that_the_model_declares(cast: Cast):
    cast.model.costs, cast.model.review_cost = {"ok": {"fraud": 20}, "fraud": {"ok": 1}}, 0.5
    cast.model.save()
    obey(cast.model, EVERYTHING)
    send(cast.model, 90)
    label_all(cast.model)
    cost = 0.0
    for prediction in Prediction.objects.filter(model=cast.model):
        gate = prediction.confidence < 0.75
        wrong = (prediction.value or 1) * cast.model.cost(prediction.predicted, truth_of(prediction))
        cost += (0.0 if gate else wrong) + 0.5 * (1.0 if gate else 0.1)
    answer = ask(cast, NEW)
    found = answer["figures"]
    assert answer["proposal"]["risk"] == 0.5
    assert answer["proposal"]["saved"] > 0
    assert found["new"]["cost"]["estimate"] == pytest.approx(cost / 90)
    assert found["live"]["cost"]["estimate"] == pytest.approx(0.5)
    assert found["difference"]["cost"]["estimate"] == pytest.approx(cost / 90 - 0.5)


def test_a_preview_writes_nothing(cast: Cast):
    send(cast.model, 60)
    label_all(cast.model)

    def counts() -> dict[str, Any]:
        return {model.__name__: model.objects.count() for model in apps.get_models() if model is not Session}

    before = counts()
    assert before["RoutingDecision"] == 60
    for document in (NEW, ACTIVE, ASKING):
        ask(cast, document, "?half_width=0.2")
    assert counts() == before


@pytest.mark.parametrize("document", [NEW, ACTIVE, ASKING], ids=["threshold", "active", "asking"])
def test_what_is_foreseen_is_what_then_happens(cast: Cast, document: dict[str, Any]):
    send(cast.model, 900)
    found = ask(cast, document)
    made = policy_versions.create(model=cast.model, document=document, actor="erin")
    policy_versions.activate(policy=made, actor="erin")
    send(cast.model, 900, name="again")
    routed = RoutingDecision.objects.filter(prediction__external_id__startswith="again-")
    pi = np.array(routed.values_list("propensity", flat=True))
    assert pi.mean() == pytest.approx(found["expected_reviewed"], abs=1e-9)
    sigma = np.sqrt(np.sum(pi * (1 - pi))) / 900
    reviewed = np.mean(np.array(routed.values_list("review", flat=True)) != "none")
    assert abs(reviewed - found["figures"]["new"]["reviewed"]) <= 3 * sigma
    held = routed.filter(review="gate").count() / 900
    assert abs(held - found["figures"]["new"]["held"]) <= 0.05


def by_rows(cast: Cast, policy: policies.Policy, last: int) -> policies.Batch:
    """The newest predictions as routing reads them."""
    rows = list(Prediction.objects.order_by("-id").values(*policy_facts.COLUMNS)[:last])
    policy_facts.add_features(rows, {cast.model.pk: [policy]})
    return policy_facts.batch_of(policy_facts.setting_of(cast.model), rows)


@pytest.mark.parametrize("document", [NEW, ASKING], ids=["threshold", "asking"])
def test_rows_read_as_columns_are_the_rows(cast: Cast, document: dict[str, Any]):
    send(cast.model, 200)
    policy = policies.parse(document)
    past = whatif.load(cast.model, [policy], last=150)
    routed = Prediction.objects.order_by("-id").values_list("pk", "routing__draw")[:150]
    assert list(zip(past.ids.tolist(), past.draws.tolist(), strict=True)) == list(routed)
    other = by_rows(cast, policy, 150)
    ours, theirs = (policies.choose_many(policy, rows, past.draws) for rows in (past.batch, other))
    for name in ("disposition", "review", "p_gate", "propensity", "by"):
        assert getattr(ours, name).tolist() == getattr(theirs, name).tolist(), name
    assert Counter(ours.review.tolist()).keys() >= {"gate", "none"}


def test_staleness_and_novelty_are_those_of_routing(cast: Cast):
    contract = {"features": [{**f, "group": "bureau", "max_age_seconds": 60} for f in CONTRACT["features"]]}
    cast.version.contract = DataContract.objects.create(model=cast.model, number=2, document=contract, sha256="1" * 64)
    cast.version.save()
    columns = {"amount": [*range(50)] * 4, "age": [*range(20, 70)] * 4, "country": ["DE", "FR"] * 100}
    ReferenceProfile.objects.create(
        version=cast.version, document=build_profile(contract, columns), rows=200, sha256="2" * 64
    )
    send(cast.model, 60)
    stamps = ({"bureau": "2020-01-01T00:00:00Z"}, {"bureau": timezone.now().isoformat()}, None)
    for number, payload in enumerate(PredictionPayload.objects.all()):
        payload.as_of = stamps[number % 3]
        payload.save()
    policy = policies.parse(
        {
            "review": [
                {"name": "old", "when": {"field": "stale.bureau", "eq": True}, "p": 1.0, "kind": "audit"},
                {"name": "strange", "when": {"field": "novelty", "gt": 0.5}, "p": 1.0, "kind": "gate"},
            ]
        }
    )
    past, other = whatif.load(cast.model, [policy], last=50), by_rows(cast, policy, 50)
    ours, theirs = (policies.choose_many(policy, rows, past.draws) for rows in (past.batch, other))
    assert ours.propensity.tolist() == theirs.propensity.tolist()
    assert past.batch.column("novelty").tolist() == other.column("novelty").tolist()
    assert {*ours.propensity.tolist()} == {0.05, 1.0}


def test_withdrawn_predictions_are_not_tried(cast: Cast):
    send(cast.model, 40)
    Prediction.objects.filter(external_id__in=["t-1", "t-2"]).update(status="withdrawn")
    assert ask(cast, NEW)["predictions"] == 38
    assert ask(cast, NEW, "?last=10")["predictions"] == 10


def test_without_labels_errors_are_the_word_of_the_model_and_named_so(cast: Cast):
    send(cast.model, 100)
    found = ask(cast, NEW)
    passed = found["figures"]["new"]["errors_passed"]
    assert (passed["estimate"], found["basis"]["measured"]) == (None, False)
    rows = Prediction.objects.filter(model=cast.model)
    word = sum(0.9 * (1 - row.confidence) for row in rows if row.confidence >= 0.75) / 100
    assert passed["guess"] == pytest.approx(word)
    assert {point["error"]["state"] for point in found["curve"]} == {"insufficient_data"}


def test_before_there_is_traffic_the_reference_rows_tell(cast: Cast):
    counts = [0] * 10 + [40] * 10
    ReferenceProfile.objects.create(
        version=cast.version, document={"confidence": {"counts": counts}, "features": {}}, rows=400, sha256="1" * 64
    )
    found = ask(cast, {**ASKING, "review": [GATE, *ASKING["review"]]}, "?half_width=0.02")
    assert (found["predictions"], found["reviewed"], found["basis"]["source"]) == (0, None, "reference")
    new = found["figures"]["new"]
    assert new["held"] == pytest.approx(0.5)
    assert new["reviewed"] == pytest.approx(0.6, abs=0.01)
    assert new["errors_passed"]["guess"] > 0
    assert new["half_width"]["week"] is None
    assert 0 < new["half_width"]["rows"] < 0.05
    assert found["budget"]["budget"] > 0


def test_with_neither_traffic_nor_reference_rows_there_is_nothing_and_no_error(cast: Cast):
    found = ask(cast, ACTIVE, "?half_width=0.02")
    assert (found["basis"]["source"], found["curve"], found["recall"], found["moves"]) == ("none", [], [], [])
    assert found["figures"]["new"]["reviewed"] is None
    assert found["budget"] == {"half_width": 0.02, "budget": None}


def test_the_budget_that_is_proposed_gives_the_interval_that_was_wished(cast: Cast):
    send(cast.model, 600)
    document = {"sampling": {"kind": "uniform", "budget": 0.2}, "audit_floor": 0.02}
    wanted = ask(cast, document)["figures"]["new"]["half_width"]["week"] / 2
    budget = ask(cast, document, f"?half_width={wanted}")["budget"]["budget"]
    assert budget > 0.2
    bought = ask(cast, {**document, "sampling": {"kind": "uniform", "budget": budget}})
    assert bought["figures"]["new"]["half_width"]["week"] == pytest.approx(wanted, rel=0.01)


def test_a_capacity_below_the_budget_takes_from_sampling_and_says_so(cast: Cast):
    send(cast.model, 300)
    document = {"sampling": {"kind": "uniform", "budget": 0.5}, "audit_floor": 0.05, "capacity": {"per_day": 6}}
    found = ask(cast, document)
    assert found["figures"]["new"]["reviews_per_day"] == pytest.approx(6, rel=0.2)
    assert [warning["pointer"] for warning in found["warnings"]] == ["/capacity/per_day"]


def test_traffic_of_less_than_an_hour_says_nothing_about_a_day(cast: Cast):
    send(cast.model, 50, hours=0.001)
    found = ask(cast, NEW)
    assert found["basis"]["per_day"] is None
    assert found["figures"]["new"]["reviews_per_day"] is None
    assert found["figures"]["new"]["errors_passed"]["per_day"] is None
