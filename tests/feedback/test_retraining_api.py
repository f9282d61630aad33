from __future__ import annotations

from typing import Any

import pytest

from feedback import datasets, retraining
from feedback.models import TrainingRun
from tests.conftest import Cast

URL = "/api/v1/models/payments/retrainings/"


@pytest.fixture
def admin(client_with: Any) -> Any:
    return client_with("admin")


def test_a_request_is_queued_and_can_be_looked_at(cast: Cast, admin: Any):
    answer = admin.post(URL, {"reason": "drift in gaming"}, format="json")
    assert answer.status_code == 202
    body = answer.json()
    assert (body["status"], body["candidate"], body["gates"], body["champion"]) == ("queued", None, [], "1")
    seen = admin.get(f"{URL}{body['id']}/")
    assert seen.status_code == 200
    assert seen.json() == body
    assert [run["id"] for run in admin.get(URL).json()["results"]] == [body["id"]]


def test_a_finished_run_shows_why_it_failed(cast: Cast, admin: Any):
    run = retraining.request(model=cast.model, reason="why not", actor="erin")
    TrainingRun.objects.filter(pk=run.pk).update(status="failed", failure="nothing to fit")
    body = admin.get(f"{URL}{run.pk}/").json()
    assert (body["status"], body["failure"]) == ("failed", "nothing to fit")


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({}, "/reason", "required"),
        ({"reason": ""}, "/reason", "length"),
        ({"reason": "   "}, "/reason", "pattern"),
        ({"reason": 7}, "/reason", "type"),
        ({"reason": "x", "estimator": "sklearn.svm.SVC"}, "/estimator", "not_allowed"),
        ({"reason": "x", "estimator": None}, "/estimator", "not_allowed"),
        ({"reason": "x", "n_jobs": -1}, "/n_jobs", "unknown_field"),
        ({"reason": "x", "snapshot": "999"}, "/snapshot", "not_found"),
        ({"reason": "x", "snapshot": "1; drop"}, "/snapshot", "not_found"),
        ({"reason": "x", "snapshot": 1}, "/snapshot", "type"),
    ],
)
def test_a_bad_request_names_the_fault_and_queues_nothing(
    cast: Cast, admin: Any, body: dict[str, Any], pointer: str, code: str
):
    answer = admin.post(URL, body, format="json")
    assert answer.status_code == 400
    assert (pointer, code) in [(fault["pointer"], fault["code"]) for fault in answer.json()["errors"]]
    assert not TrainingRun.objects.exists()


def test_every_fault_is_told_at_once(cast: Cast, admin: Any):
    answer = admin.post(URL, {"estimator": "x", "trees": -1}, format="json")
    assert {fault["pointer"] for fault in answer.json()["errors"]} == {"/estimator", "/trees", "/reason"}


def test_a_snapshot_of_another_model_is_not_found(cast: Cast, admin: Any):
    foreign = datasets.request_snapshot(model=cast.other_model, actor="mallory")
    answer = admin.post(URL, {"reason": "x", "snapshot": str(foreign.pk)}, format="json")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == "/snapshot"


def test_an_unknown_parameter_or_run_is_refused(cast: Cast, admin: Any):
    assert admin.post(f"{URL}?dry=1", {"reason": "x"}, format="json").status_code == 400
    assert admin.get(f"{URL}?state=queued").status_code == 400
    assert admin.get(f"{URL}12345/").status_code == 404
    assert admin.get(f"{URL}one/").status_code == 404


@pytest.mark.parametrize("scope", ["read", "review", "ingest"])
def test_asking_for_a_run_needs_admin(cast: Cast, client_with: Any, scope: str):
    assert client_with(scope).post(URL, {"reason": "x"}, format="json").status_code == 403
    assert not TrainingRun.objects.exists()


def test_mallory_sees_no_run_of_a_foreign_model(cast: Cast, client_with: Any):
    run = retraining.request(model=cast.model, reason="x", actor="erin")
    foreign = client_with("admin", model=cast.other_model)
    assert foreign.get(URL).status_code == 404
    assert foreign.get(f"{URL}{run.pk}/").status_code == 404
    assert foreign.post(URL, {"reason": "x"}, format="json").status_code == 404


def test_a_model_without_champion_has_nothing_to_beat(cast: Cast, admin: Any):
    cast.model.champion = None
    cast.model.save()
    answer = admin.post(URL, {"reason": "x"}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (409, "no_champion")
