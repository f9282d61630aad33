"""Another threshold, or another disposition, asked over the API: what logged decisions say, and where they cannot."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from feedback import labels
from feedback.models import OutcomeEvent
from models_registry.models import RegisteredModel
from review.models import Prediction, RoutingDecision
from tests.conftest import Cast
from tests.feedback.replayed import START, label_all, send, truth_of
from tests.review.received import obey

PATH = "/api/v1/models/payments/counterfactual/"
EVERYTHING = {"audit_floor": 1.0}


def ask(cast: Cast, query: str, status: int = 200) -> dict[str, Any]:
    client = APIClient()
    client.force_login(cast.dana)
    answer = client.get(f"{PATH}?{query}")
    assert answer.status_code == status, answer.content
    return answer.json()


def outcomes(model: RegisteredModel, predictions: Any) -> None:
    OutcomeEvent.objects.bulk_create(
        OutcomeEvent(
            model=model, prediction=p, value=truth_of(p), source="bank", kind="explicit",
            definition=model.definitions.get(), observed_at=timezone.now() - timedelta(minutes=1),
        ) for p in predictions.select_related("model")
    )  # fmt: skip
    labels.pull_all()


def test_another_threshold_is_worth_what_counting_says_where_every_label_is_known(cast: Cast):
    cast.model.costs = {"ok": {"fraud": 20}, "fraud": {"ok": 1}}
    cast.model.save()
    obey(cast.model, EVERYTHING)
    send(cast.model, 400)
    label_all(cast.model)
    found = ask(cast, "threshold=0.8")["answers"]
    rows = list(Prediction.objects.filter(model=cast.model).select_related("model"))
    positive = cast.model.classes.index("fraud")
    truth = np.array([truth_of(row) == "fraud" for row in rows])
    live = np.array([row.predicted == "fraud" for row in rows])
    other = np.array([row.scores[positive] >= 0.8 for row in rows])
    assert (found["predictions"], found["labels"], found["changed"]) == (400, 400, int((live != other).sum()))
    assert found["changed"] > 10
    for name, answer in (("live", live), ("candidate", other)):
        cost = np.mean(20.0 * (truth & ~answer) + 1.0 * (answer & ~truth))
        wanted = {"accuracy": np.mean(answer == truth), "precision": truth[answer].mean(), "cost": cost}
        wanted["recall"] = answer[truth].mean()
        assert {m: found["metrics"][m][name]["estimate"] for m in wanted} == pytest.approx(wanted)
    change = found["metrics"]["accuracy"]["difference"]
    assert change["estimate"] == pytest.approx(np.mean(other == truth) - np.mean(live == truth))
    assert change["low"] <= change["estimate"] <= change["high"]


def never_reviewed(model: RegisteredModel, count: int, score: float) -> None:
    made = Prediction.objects.bulk_create(
        Prediction(
            model=model, version=model.champion, external_id=f"never-{n}", fingerprint="0" * 64, status="routed",
            scores=[score, 1 - score], predicted=model.classes[0], confidence=score, occurred_at=START,
        ) for n in range(count)
    )  # fmt: skip
    RoutingDecision.objects.bulk_create(
        RoutingDecision(
            prediction=one, model=model, draw=0.5, p_gate=0.0, propensity=0.0, review="none", reasons=[],
            disposition="proceed", model_guess=score, oversight_always=False,
        ) for one in made
    )  # fmt: skip


def test_where_nothing_could_be_labelled_there_is_no_estimate_but_the_share(cast: Cast):
    obey(cast.model, EVERYTHING)
    send(cast.model, 360)
    label_all(cast.model)
    never_reviewed(cast.model, 40, 0.9)
    found = ask(cast, "threshold=0.8")["answers"]
    assert (found["predictions"], found["unsupported"]) == (400, 0.1)
    for name, one in found["metrics"].items():
        for side in ("candidate", "live"):
            assert (one[side]["state"], one[side]["estimate"]) == ("unsupported", None), (name, side)
    assert found["metrics"]["recall"]["difference"]["state"] == "unsupported"
    # Their answer does not change at 0.8, so the change needs no label of them; past 0.9 it does.
    assert found["metrics"]["accuracy"]["difference"]["state"] == "ok"
    beyond = ask(cast, "threshold=0.05")["answers"]["metrics"]["accuracy"]["difference"]
    changed = ask(cast, "threshold=0.95")["answers"]["metrics"]["accuracy"]["difference"]
    first = cast.model.classes[0] == cast.model.positive_class
    asked = changed if first else beyond
    assert (asked["state"], asked["estimate"], asked["unsupported"]) == ("unsupported", None, 0.1)


def test_without_predictions_nothing_is_known_and_nothing_fails(cast: Cast):
    cast.model.outcomes_complete_for, cast.model.outcomes_horizon_days = "proceeded", 1
    cast.model.save()
    found = ask(cast, "threshold=0.5&disposition=proceed")
    assert (found["answers"]["predictions"], found["dispositions"]["shares"]) == (0, {})
    states = {side["state"] for one in found["answers"]["metrics"].values() for side in one.values()}
    assert states == {"insufficient_data"}


HOLD = {"name": "unsure", "when": {"field": "confidence", "lt": 0.75}, "p": 0.6, "kind": "gate"}


def proceeded(cast: Cast, document: dict[str, Any], count: int) -> dict[str, Any]:
    cast.model.outcomes_complete_for, cast.model.outcomes_horizon_days = "proceeded", 1
    cast.model.save()
    obey(cast.model, document)
    send(cast.model, count)
    outcomes(cast.model, Prediction.objects.filter(model=cast.model, routing__disposition="proceed"))
    return ask(cast, "disposition=proceed")["dispositions"]


def test_had_everything_proceeded_is_weighed_by_the_chance_of_proceeding(cast: Cast):
    found = proceeded(cast, {"review": [HOLD], "audit_floor": 0.05}, 1500)
    rows = list(Prediction.objects.filter(model=cast.model).select_related("model", "routing"))
    went = [row for row in rows if row.routing.disposition == "proceed"]
    weight = np.array([1 / 0.4 if row.confidence < 0.75 else 1.0 for row in went])
    fraud = np.array([truth_of(row) == "fraud" for row in went])
    share = found["shares"]["fraud"]
    assert (found["predictions"], found["proceeded"], found["outcomes"]) == (1500, len(went), len(went))
    assert share["observed"]["estimate"] == pytest.approx(fraud.mean())
    assert share["ips"]["estimate"] == pytest.approx(np.sum(weight * fraud) / 1500)
    assert share["self_normalised"]["estimate"] == pytest.approx(np.average(fraud, weights=weight))
    truth = np.mean([truth_of(row) == "fraud" for row in rows])
    for way in ("ips", "self_normalised", "doubly_robust"):
        assert share[way]["low"] <= truth <= share[way]["high"]
        assert share["unsupported"] == share[way]["unsupported"] == 0


def test_what_a_class_or_a_rule_always_refuses_leaves_no_estimate(cast: Cast):
    cast.model.disposition_of = {"fraud": "refuse"}
    found = proceeded(cast, {"audit_floor": 0.05}, 200)
    refused = RoutingDecision.objects.filter(disposition="refuse").count()
    share = found["shares"]["fraud"]
    assert 0 < refused < 200
    for way in ("ips", "self_normalised", "doubly_robust"):
        assert (share[way]["state"], share[way]["estimate"]) == ("unsupported", None)
        assert share[way]["unsupported"] == share["unsupported"] == pytest.approx(refused / 200)
    assert share["observed"]["state"] == "ok"


def test_outcomes_of_nobody_knows_whom_and_young_ones_say_nothing(cast: Cast):
    obey(cast.model, {"review": [HOLD], "audit_floor": 0.05})
    send(cast.model, 50)
    assert ask(cast, "disposition=proceed")["dispositions"]["shares"] == {}
    age = (timezone.now() - START).total_seconds() / 86_400
    cast.model.outcomes_complete_for, cast.model.outcomes_horizon_days = "all", age - 1.5
    cast.model.save()
    # 36 hours old enough, one prediction an hour.
    assert ask(cast, "disposition=proceed")["dispositions"]["predictions"] == 37


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("", "/threshold"),
        ("threshold=2", "/threshold"),
        ("threshold=nan", "/threshold"),
        ("threshold=high", "/threshold"),
        ("disposition=refuse", "/disposition"),
        ("threshold=0.3&last=5", "/last"),
    ],
)
def test_a_question_that_means_nothing_is_refused_at_its_place(cast: Cast, query: str, pointer: str):
    assert [fault["pointer"] for fault in ask(cast, query, 400)["errors"]] == [pointer]


def test_a_model_without_a_positive_class_has_no_threshold(cast: Cast):
    cast.model.positive_class = None
    cast.model.save()
    assert ask(cast, "threshold=0.3", 409)["code"] == "no_threshold"


def test_who_may_not_read_the_model_may_not_ask(cast: Cast):
    client = APIClient()
    assert client.get(f"{PATH}?threshold=0.3").status_code in (401, 403)
    client.force_login(cast.mallory)
    assert client.get(f"{PATH}?threshold=0.3").status_code == 404
