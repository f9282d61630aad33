"""The registry over HTTP: what each endpoint answers and refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from models_registry import artifacts
from models_registry.models import GateResult, ModelVersion, WebhookEndpoint
from tests.conftest import CONTRACT, Cast

BASE = "/api/v1/models/payments"
DEFINITION: dict[str, Any] = {
    "classes": ["ok", "fraud"],
    "guidelines": "Look twice.",
    "reason_codes": {"fraud": ["new_card"]},
}


@pytest.fixture
def owner(cast: Cast, client_with: Any) -> APIClient:
    client: APIClient = client_with("admin", model=cast.model)
    return client


def pointers(answer: Any) -> set[tuple[str, str]]:
    return {(error["pointer"], error["code"]) for error in answer.json()["errors"]}


def upload(client: APIClient, **parts: Any) -> Any:
    fields = {"version": "2", "contract": json.dumps(CONTRACT), **parts}
    return client.post(f"{BASE}/versions/", {name: part for name, part in fields.items() if part is not None})


def file(content: bytes, name: str = "file.bin") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content)


def test_a_model_is_shown_with_its_champion(owner: APIClient):
    body = owner.get(f"{BASE}/").json()
    assert (body["slug"], body["classes"], body["champion"]) == ("payments", ["ok", "fraud"], "1")
    assert body["outcomes"] == {"complete_for": "none", "horizon_days": None}


def test_a_version_without_files_is_made_at_once(owner: APIClient):
    answer = upload(owner)
    assert (answer.status_code, answer.json()["state"]) == (201, "ready")
    assert owner.get(f"{BASE}/versions/2/").json() == answer.json()


def test_a_version_without_files_may_come_as_json(owner: APIClient):
    answer = owner.post(f"{BASE}/versions/", {"version": "2", "contract": CONTRACT}, format="json")
    assert (answer.status_code, answer.json()["contract"]) == (201, CONTRACT)


def test_the_contract_may_come_as_a_file(owner: APIClient):
    assert upload(owner, contract=file(json.dumps(CONTRACT).encode(), "contract.json")).status_code == 201


def test_a_version_that_is_not_checked_yet_says_so(owner: APIClient):
    answer = upload(owner, reference=file(b"amount,age,country,label\n1,2,DE,ok\n"), held_out="true")
    assert (answer.status_code, answer.json()["state"], answer.json()["held_out"]) == (202, "checking", True)


def test_the_versions_are_listed_newest_first_with_the_newest_result_of_each_gate(cast: Cast, owner: APIClient):
    for verdict in ("failed", "passed"):
        GateResult.objects.create(version=cast.version, gate="auc", verdict=verdict, reason=f"it {verdict}")
    upload(owner)
    second, first = owner.get(f"{BASE}/versions/").json()["results"]
    assert [second["version"], first["version"], first["is_champion"]] == ["2", "1", True]
    assert [(gate["gate"], gate["verdict"]) for gate in first["gates"]] == [("auc", "passed")]


@pytest.mark.parametrize(
    ("parts", "faults"),
    [
        ({"version": None, "contract": None}, {("/version", "required"), ("/contract", "required")}),
        ({"version": "a/b"}, {("/version", "name")}),
        ({"version": "a\0"}, {("/version", "invalid_text")}),
        ({"version": file(b"2")}, {("/version", "type")}),
        ({"version": ["2", "3"]}, {("/version", "duplicate")}),
        ({"source": "file:///etc/hostname", "a": "b"}, {("/source", "unknown_field"), ("/a", "unknown_field")}),
        ({"held_out": "yes"}, {("/held_out", "not_allowed")}),
        ({"artifact": "text"}, {("/artifact", "type")}),
        ({"reference": file(b" ")}, {("/reference", "empty")}),
        ({"contract": "{"}, {("/contract", "malformed_json")}),
        ({"contract": '{"features": [], "features": []}'}, {("/contract", "duplicate_key")}),
        ({"contract": '{"features": [{"name": "\\u0000"}]}'}, {("/contract/features/0/name", "invalid_text")}),
        ({"contract": '{"features": []}'}, {("/contract/features", "length")}),
        ({"contract": "[]"}, {("/contract", "type")}),
    ],
)
def test_a_faulty_upload_is_refused_and_writes_nothing(owner: APIClient, parts: dict[str, Any], faults: set[Any]):
    answer = upload(owner, **parts)
    assert (answer.status_code, pointers(answer)) == (400, faults)
    assert ModelVersion.objects.filter(model__slug="payments").count() == 1


@pytest.mark.parametrize("name", ["model.pkl", "model.skops"])
def test_a_pickle_is_refused_by_its_first_bytes_whatever_its_name(owner: APIClient, name: str):
    answer = upload(owner, artifact=file(b"\x80\x04\x95\x00", name))
    assert (answer.status_code, answer.json()["code"], pointers(answer)) == (
        400,
        "unsupported_format",
        {("/artifact", "unsupported_format")},
    )
    assert not ModelVersion.objects.filter(version="2").exists()


def test_what_is_too_large_is_refused_before_it_is_read(owner: APIClient, settings: Any):
    settings.REVIEWHUB = {**settings.REVIEWHUB, "MAX_ARTIFACT_BYTES": 1000}
    assert upload(owner, artifact=file(b"x" * 1001)).status_code == 413
    assert upload(owner, reference=file(b"x" * 1001)).status_code == 413
    settings.REVIEWHUB = {**settings.REVIEWHUB, "MAX_BODY_BYTES": 100}
    assert upload(owner, artifact=file(b"x" * 3000)).status_code == 413


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "text/plain", "application/octet-stream", ""])
def test_other_kinds_of_body_are_415(owner: APIClient, kind: str):
    answer = owner.generic("POST", f"{BASE}/versions/", b"version=2", content_type=kind)
    assert answer.status_code == 415


def test_a_part_that_is_not_utf_8_is_refused(owner: APIClient):
    part = b'--x\r\nContent-Disposition: form-data; name="version"\r\n\r\n\xff\xfe\r\n--x--\r\n'
    answer = owner.generic("POST", f"{BASE}/versions/", part, content_type="multipart/form-data; boundary=x")
    assert answer.status_code == 400
    assert ("/version", "invalid_text") in pointers(answer)


def test_broken_multipart_is_400(owner: APIClient):
    for kind in ("multipart/form-data", "multipart/form-data; boundary=x"):
        assert owner.generic("POST", f"{BASE}/versions/", b"--y\r\nnonsense", content_type=kind).status_code == 400


def test_a_version_name_is_taken_once(owner: APIClient):
    assert upload(owner).status_code == 201
    assert (upload(owner).status_code, upload(owner).json()["code"]) == (409, "version_taken")


@pytest.mark.parametrize("name", ["9", "%00", "a%2Fb", "x" * 200, "é"])
def test_a_version_that_is_not_there_is_404(owner: APIClient, name: str):
    assert owner.get(f"{BASE}/versions/{name}/").status_code == 404


def test_the_champion_is_its_version_contract_and_bytes(cast: Cast, client_with: Any):
    content = b"the bytes of a model"
    stored = artifacts.store(content, kind="model")
    ModelVersion.objects.filter(pk=cast.version.pk).update(artifact=stored)
    serving = client_with("ingest", model=cast.model)
    body = serving.get(f"{BASE}/champion/").json()
    assert (body["version"], body["contract"], body["artifact_sha256"]) == ("1", CONTRACT, stored.sha256)
    answer = serving.get(f"/api/v1/artifacts/{body['artifact_sha256']}")
    assert b"".join(answer.streaming_content) == content
    assert answer["ETag"] == f'"{stored.sha256}"'
    assert answer["Content-Disposition"].startswith("attachment")
    assert answer["Content-Type"] == "application/octet-stream"
    again = serving.get(f"/api/v1/artifacts/{stored.sha256}", HTTP_IF_NONE_MATCH=answer["ETag"])
    assert (again.status_code, again.content) == (304, b"")


def test_a_model_without_champion_says_so(cast: Cast, owner: APIClient):
    cast.model.champion = None
    cast.model.save()
    answer = owner.get(f"{BASE}/champion/")
    assert (answer.status_code, answer.json()["code"]) == (404, "no_champion")


@pytest.mark.parametrize("sha256", ["0" * 64, "A" * 64, "x", "..%2F..%2Fsecret_key", "%00"])
def test_an_artifact_that_is_not_there_is_404(owner: APIClient, sha256: str):
    assert owner.get(f"/api/v1/artifacts/{sha256}").status_code == 404


def test_reference_rows_and_rejected_files_are_not_handed_out(cast: Cast, owner: APIClient):
    rows, refused = artifacts.store(b"rows", kind="reference"), artifacts.store(b"bad", kind="model")
    ModelVersion.objects.filter(pk=cast.version.pk).update(reference=rows)
    contract = cast.version.contract
    ModelVersion.objects.create(
        model=cast.model, version="2", contract=contract, artifact=refused, state="rejected", created_by="test"
    )
    for stored in (rows, refused):
        assert owner.get(f"/api/v1/artifacts/{stored.sha256}").status_code == 404


def test_definitions_are_added_and_listed(owner: APIClient):
    made = owner.post(f"{BASE}/definitions/", DEFINITION, format="json")
    assert (made.status_code, made.json()["number"]) == (201, 2)
    listed = owner.get(f"{BASE}/definitions/").json()["results"]
    assert [definition["number"] for definition in listed] == [2, 1]
    assert listed[0]["reason_codes"] == {"fraud": ["new_card"]}


@pytest.mark.parametrize("body", [[], "x", None, {"classes": "ok"}])
def test_a_definition_that_is_none_is_refused(owner: APIClient, body: Any):
    assert owner.post(f"{BASE}/definitions/", body, format="json").status_code == 400


def test_a_version_is_promoted_and_serving_sees_it(owner: APIClient):
    upload(owner)
    made = owner.post(f"{BASE}/promotions/", {"version": "2", "reason": "better"}, format="json")
    assert (made.status_code, made.json()["previous"], made.json()["kind"]) == (200, "1", "promotion")
    champion = owner.get(f"{BASE}/champion/").json()
    assert (champion["version"], champion["promoted_at"]) == ("2", made.json()["at"])
    assert [row["version"] for row in owner.get(f"{BASE}/promotions/").json()["results"]] == ["2"]


def test_a_promotion_against_a_gate_names_it(owner: APIClient):
    upload(owner)
    version = ModelVersion.objects.get(version="2", model__slug="payments")
    GateResult.objects.create(version=version, gate="log_loss", verdict="failed", reason="worse by 0.1")
    answer = owner.post(f"{BASE}/promotions/", {"version": "2", "reason": "better"}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (409, "gate_failed")
    assert pointers(answer) == {("/gates/log_loss", "failed")}
    assert answer.json()["errors"][0]["message"] == "worse by 0.1"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"version": "2"}, 400),
        ({"version": "1", "reason": " "}, 400),
        ({"version": "1", "reason": "x", "force": True}, 400),
        ({"version": 1, "reason": "x"}, 400),
        ({"version": "none", "reason": "x"}, 404),
    ],
)
def test_a_faulty_promotion_is_refused(owner: APIClient, body: dict[str, Any], status: int):
    assert owner.post(f"{BASE}/promotions/", body, format="json").status_code == status


def test_a_webhook_shows_its_secret_once(cast: Cast, owner: APIClient):
    made = owner.post("/api/v1/webhooks/", {"url": "https://hooks.example.com/a"}, format="json").json()
    assert made["secret"].startswith("whsec_")
    assert made["model"] == "payments"
    assert made["events"] == ["model.promoted", "prediction.resolved", "review.corrected"]
    shown = owner.get(f"/api/v1/webhooks/{made['id']}/").json()
    assert shown == {name: value for name, value in made.items() if name != "secret"}
    assert owner.delete(f"/api/v1/webhooks/{made['id']}/").status_code == 204
    assert owner.get(f"/api/v1/webhooks/{made['id']}/").status_code == 404
    assert WebhookEndpoint.objects.get().disabled_at is not None


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"url": "http://169.254.169.254/"}, 400),
        ({"url": "https://hooks.example.com", "events": []}, 400),
        ({"url": "https://hooks.example.com", "events": ["everything"]}, 400),
        ({"url": "https://hooks.example.com", "secret": "mine"}, 400),
        ({"url": 5}, 400),
        ({"url": "https://hooks.example.com", "model": "secrets"}, 404),
    ],
)
def test_a_faulty_webhook_is_refused(owner: APIClient, body: dict[str, Any], status: int):
    assert owner.post("/api/v1/webhooks/", body, format="json").status_code == status
    assert not WebhookEndpoint.objects.exists()


def test_a_person_names_the_model_of_a_webhook(cast: Cast):
    client = APIClient()
    client.force_login(cast.erin)
    body = {"url": "https://hooks.example.com"}
    assert pointers(client.post("/api/v1/webhooks/", body, format="json")) == {("/model", "required")}
    assert client.post("/api/v1/webhooks/", {**body, "model": "payments"}, format="json").status_code == 201


@pytest.mark.parametrize("number", ["0", "-1", "x", "9" * 30, "٣", "%00"])
def test_a_webhook_that_is_not_there_is_404(owner: APIClient, number: str):
    assert owner.get(f"/api/v1/webhooks/{number}/").status_code == 404
    assert owner.delete(f"/api/v1/webhooks/{number}/").status_code == 404
