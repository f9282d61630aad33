"""What comes late restates days and says so; what differs is kept and counted; implicit is no label."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from django.utils import timezone

from feedback import labels, outcomes
from feedback.models import Label, OutcomeEvent
from feedback.monitoring.agreement import conflicts, reliability
from feedback.monitoring.ledger import restatements
from models_registry.models import LabelDefinition
from tests.feedback.cases import NOON, decide, make_case, make_cases, outcome_body, undo

LABELS, DELAYS = "/api/v1/models/payments/labels/", "/api/v1/models/payments/delays/"
DEFINITIONS = "/api/v1/models/payments/definitions/"


def body(**changes):
    return {"classes": ["ok", "fraud"], "guidelines": "Look.", **changes}


def declared(model, mapping):
    return LabelDefinition.objects.create(
        model=model, number=2, classes=["ok", "fraud"], implicit=mapping, created_by="test"
    )


def report(*bodies):
    outcomes.record(bodies=list(bodies), actor="test")
    labels.pull_all()


def click(name, value="fraud", source="click", **changes):
    return outcome_body(name, value, source=source, kind="implicit", **changes)


def test_labels_that_come_late_are_counted_for_the_days_they_move(cast, client_with):
    for number in range(3):
        make_case(cast.model, f"p-{number}", occurred_at=NOON + timedelta(days=number // 2))
    decide(make_case(cast.model, "early"), "ok")
    labels.pull_all()
    Label.objects.update(created_at=NOON + timedelta(hours=3))
    report(*(outcome_body(f"p-{number}") for number in range(3)))
    since = NOON + timedelta(days=5)
    assert restatements(model=cast.model, since=since)["days"] == [
        {"day": "2026-03-01", "reviews": 0, "outcomes": 2, "retired": 0},
        {"day": "2026-03-02", "reviews": 0, "outcomes": 1, "retired": 0},
    ]
    undo(Label.objects.get(source="review").decision)
    labels.pull_all()
    found = client_with("read").get(f"{DELAYS}?since=2026-03-02").json()["restated"]
    assert found["since"] == "2026-03-02T00:00:00+00:00"
    assert found["days"] == [{"day": "2026-03-01", "reviews": 0, "outcomes": 2, "retired": 1}]
    assert restatements(model=cast.model, since=timezone.now() + timedelta(hours=1))["days"] == []


def test_a_moment_that_is_none_is_refused(client_with, cast):
    response = client_with("read").get(f"{DELAYS}?since=soon")
    assert (response.status_code, response.json()["errors"][0]["pointer"]) == (400, "/since")


def test_reviews_and_outcomes_that_differ_are_both_kept_and_counted(cast):
    for number in range(4):
        decide(make_case(cast.model, f"p-{number}", occurred_at=NOON + timedelta(days=number)), "ok")
    report(*(outcome_body(f"p-{number}", "fraud" if number else "ok") for number in range(3)))
    found = conflicts(model=cast.model)
    assert (found["both"], found["conflicts"], found["rate"]) == (3, 2, pytest.approx(2 / 3))
    assert found["low"] < 2 / 3 < found["high"]
    assert [example["external_id"] for example in found["examples"]] == ["p-2", "p-1"]
    assert found["examples"][0] | {"id": ""} == {"id": "", "external_id": "p-2", "review": "ok", "outcome": "fraud"}
    day = conflicts(model=cast.model, start=NOON + timedelta(days=1), end=NOON + timedelta(days=2))
    assert (day["both"], day["conflicts"]) == (1, 1)
    assert Label.objects.filter(retired_at=None).count() == 7


def test_with_three_in_ten_accidental_clicks_reliability_reads_seven_in_ten(cast, client_with):
    rng = np.random.default_rng(7)
    truth = rng.random(1000) < 0.5
    said = truth ^ (rng.random(1000) < 0.3)
    rows = make_cases(cast.model, {f"p-{i}": {"review": "none", "propensity": 0.05} for i in range(1000)})
    definition = declared(cast.model, {"click": {"pressed": "fraud", "left": "ok"}})
    shared = {"model": cast.model, "definition": definition, "observed_at": NOON + timedelta(days=1)}
    OutcomeEvent.objects.bulk_create(
        OutcomeEvent(prediction=row, kind="explicit", source="ledger", value="fraud" if t else "ok", **shared)
        for row, t in zip(rows, truth, strict=True)
    )
    OutcomeEvent.objects.bulk_create(
        OutcomeEvent(prediction=row, kind="implicit", source="click", value="pressed" if s else "left", **shared)
        for row, s in zip(rows, said, strict=True)
    )
    labels.pull_all()
    [found] = client_with("read").get(DELAYS).json()["implicit"]
    assert found["rate"] == pytest.approx(0.70, abs=0.05)
    assert found["low"] <= 0.7 <= found["high"]
    assert (found["source"], found["mapped"], found["n"], found["unmapped"]) == ("click", True, 1000, 0)


def test_the_last_event_of_a_source_speaks_and_an_unmapped_value_is_told(cast):
    decide(make_case(cast.model, "p-1"), "fraud")
    report(click("p-1", "ok"), click("p-1", "fraud", observed_at="2026-03-21T00:00:00Z"), click("p-1", source="view"))
    assert [(one["source"], one["mapped"], one["agree"]) for one in reliability(model=cast.model)] == [
        ("click", False, 1), ("view", False, 1),
    ]  # fmt: skip
    declared(cast.model, {"click": {"pressed": "fraud"}})
    [clicks, _] = reliability(model=cast.model)
    assert (clicks["n"], clicks["unmapped"], clicks["rate"]) == (0, 1, None)


def test_implicit_feedback_in_its_own_words_needs_a_mapping(cast, client_with):
    make_case(cast.model, "p-1")
    ingest = client_with("ingest")
    assert ingest.post("/api/v1/outcomes/", click("p-1", "pressed"), format="json").status_code == 422
    declared(cast.model, {"click": {"pressed": "fraud"}})
    assert ingest.post("/api/v1/outcomes/", click("p-1", "pressed"), format="json").status_code == 202
    for refused in (click("p-1", "pressed", source="view"), outcome_body("p-1", "pressed", source="click")):
        assert ingest.post("/api/v1/outcomes/", refused, format="json").status_code == 422


def rows_of(response):
    assert response.status_code == 200, response.content
    return [json.loads(line) for line in b"".join(response.streaming_content).splitlines()]


def test_an_export_of_both_kinds_is_refused_without_a_mapping_and_marks_them_with_one(cast, client_with):
    cast.model.outcomes_complete_for, cast.model.outcomes_horizon_days = "all", 1
    cast.model.save()
    make_case(cast.model, "p-1", review="none", propensity=0.05)
    read = client_with("read")
    refused = read.get(f"{LABELS}?kinds=explicit,implicit&format=ndjson")
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (400, "/kinds")
    assert refused.json()["errors"][0]["code"] == "no_mapping"
    declared(cast.model, {"click": {"pressed": "fraud"}})
    report(outcome_body("p-1", "ok"), click("p-1", "pressed"), click("p-1", "ok", source="view"))
    explicit, implicit = rows_of(read.get(f"{LABELS}?kinds=explicit,implicit&format=ndjson"))
    shared = ("label", "label_kind", "label_source", "selection", "weight", "arrival_probability")
    assert [explicit[name] for name in shared] == ["ok", "explicit", "outcome", "outcome", 1.0, 1.0]
    assert [implicit[name] for name in shared] == ["fraud", "implicit", "outcome", "outcome", None, None]
    assert list(explicit) == list(implicit)
    [alone] = rows_of(read.get(f"{LABELS}?format=ndjson"))
    assert "label_kind" not in alone


@pytest.mark.parametrize(("query", "pointer"), [
    ("kinds=implicit", "/kinds"), ("kinds=", "/kinds"), ("kinds=explicit,implicit&after=3", "/after"),
])  # fmt: skip
def test_other_kinds_are_refused(cast, client_with, query, pointer):
    declared(cast.model, {"click": {"pressed": "fraud"}})
    response = client_with("read").get(f"{LABELS}?{query}")
    assert (response.status_code, response.json()["errors"][0]["pointer"]) == (400, pointer)


def test_a_definition_says_what_implicit_feedback_means(cast, client_with):
    admin = client_with("admin")
    made = admin.post(DEFINITIONS, body(implicit={"click": {"pressed": "fraud"}}), format="json")
    assert (made.status_code, made.json()["implicit"]) == (201, {"click": {"pressed": "fraud"}})


@pytest.mark.parametrize(("implicit", "pointer"), [
    ({"click": {"pressed": "theft"}}, "/implicit/click/pressed"), ({"click": "fraud"}, "/implicit/click"),
    ([], "/implicit"), ({"click": {"pressed": 1}}, "/implicit/click/pressed"), ({"": {}}, "/implicit"),
    ({"click": {"x" * 101: "fraud"}}, "/implicit/click"),
])  # fmt: skip
def test_a_meaning_that_is_none_is_refused_with_its_place(cast, client_with, implicit, pointer):
    response = client_with("admin").post(DEFINITIONS, body(implicit=implicit), format="json")
    assert response.status_code == 400
    assert response.json()["errors"][0]["pointer"].startswith(pointer)
    assert LabelDefinition.objects.filter(model=cast.model).count() == 1


def test_outcome_cohorts_hold_those_that_wait(cast, client_with):
    cast.model.outcomes_complete_for, cast.model.outcomes_horizon_days = "proceeded", 10
    cast.model.save()
    for number in range(2):
        make_case(cast.model, f"p-{number}", review="none", propensity=0.05)
    make_case(cast.model, "refused", review="none", propensity=0.05, disposition="refuse")
    report(outcome_body("p-0"))
    [week] = client_with("read").get(DELAYS).json()["outcomes"]["cohorts"]
    assert (week["n"], week["ended"], week["p90"]) == (2, 1, None)
    assert week["p50"] == 18.5 * 86_400
    assert datetime.fromisoformat(week["week"]).replace(tzinfo=UTC) <= NOON
