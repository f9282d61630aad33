"""Idempotency-Key: the same key and body have one effect and one answer, whoever else sends what."""

from __future__ import annotations

import json
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as configured
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import OperationalError, connections
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from models_registry import access
from models_registry.models import AuditEvent, IdempotencyKey, LabelDefinition, ModelVersion, ServiceKey
from review.models import PolicyVersion, Prediction, QueueItem
from reviewhub.tasks import forget_answers
from tests.conftest import CONTRACT, Cast, make_model, prediction_body

KEY = "0123456789abcdef-1"
DEFINITIONS = "/api/v1/models/payments/definitions/"
VERSIONS = "/api/v1/models/payments/versions/"
DEFINITION = {"classes": ["ok", "fraud"], "guidelines": "Look thrice."}


@pytest.fixture
def owner(cast: Cast, client_with: Any) -> APIClient:
    client: APIClient = client_with("admin", model=cast.model)
    return client


def post(client: Any, body: Any = DEFINITION, path: str = DEFINITIONS, key: str = KEY) -> Any:
    return client.post(path, json.dumps(body), content_type="application/json", HTTP_IDEMPOTENCY_KEY=key)


def definitions() -> int:
    return LabelDefinition.objects.filter(model__slug="payments").count()


def test_the_first_answer_is_given_again_and_nothing_happens_twice(owner: APIClient):
    first, events = post(owner), AuditEvent.objects.count()
    again = post(owner)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert again["Content-Type"] == first["Content-Type"]
    assert (again["Idempotency-Replayed"], "Idempotency-Replayed" in first) == ("true", False)
    assert (definitions(), AuditEvent.objects.count()) == (2, events)


def test_a_prediction_keeps_its_id(cast: Cast, client_with: Any):
    client = client_with("ingest")
    first, again = (post(client, prediction_body("p-1"), "/api/v1/predictions/") for _ in range(2))
    assert (first.status_code, again.status_code, again.json()) == (202, 202, first.json())
    assert Prediction.objects.count() == 1


def test_another_body_under_the_same_key_is_refused(owner: APIClient):
    post(owner)
    answer = post(owner, {**DEFINITION, "guidelines": "Something else."})
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    assert (answer["Content-Type"], definitions()) == ("application/problem+json", 2)


@pytest.mark.parametrize(
    "key", ["", "short", "x" * 15, "x" * 129, "x y" * 10, '"' * 20, '"abc"', "ключ-ключ-ключ-ключ"]
)
def test_a_key_of_another_form_is_refused(owner: APIClient, key: str):
    answer = post(owner, key=key)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_key")
    assert (definitions(), IdempotencyKey.objects.count()) == (1, 0)


@pytest.mark.parametrize(
    "key", ["x" * 16, "x" * 128, "!#$%&'()*+,-./:;<=>?@[]^_`{|}~", "8e03978e-40d5-43dd-bc93-6894a57f9324"]
)
def test_a_key_may_stand_in_quotes_or_bare_and_is_the_same(owner: APIClient, key: str):
    assert post(owner, key=f'"{key}"').status_code == 201
    assert post(owner, key=key)["Idempotency-Replayed"] == "true"


def test_a_refused_request_is_not_remembered(owner: APIClient):
    assert post(owner, {"classes": ["ok"]}).status_code == 400
    assert IdempotencyKey.objects.count() == 0
    assert (post(owner).status_code, definitions()) == (201, 2)


def test_an_error_of_ours_is_not_remembered_and_leaves_nothing(owner: APIClient, monkeypatch: pytest.MonkeyPatch):
    owner.raise_request_exception = False
    with monkeypatch.context() as patched:
        patched.setattr("models_registry.serializers.definition_body", lambda _: 1 / 0)
        assert post(owner).status_code == 500
    assert (definitions(), IdempotencyKey.objects.count()) == (1, 0)
    assert post(owner).status_code == 201


def test_an_empty_claim_is_not_remembered(cast: Cast, client_with: Any):
    client, path = client_with("review", model=cast.model), "/api/v1/queues/payments/claim/"
    assert (post(client, {}, path).status_code, IdempotencyKey.objects.count()) == (204, 0)
    assert QueueItem.objects.count() == 0


def test_other_credentials_and_other_addresses_have_keys_of_their_own(cast: Cast, client_with: Any):
    answers = [post(client_with("admin", model=cast.model)) for _ in range(2)]
    answers += [
        post(client_with("admin"), path=f"/api/v1/models/{slug}/definitions/") for slug in ("payments", "secrets")
    ]
    assert [answer.status_code for answer in answers] == [201] * 4
    assert not any("Idempotency-Replayed" in answer for answer in answers)
    assert definitions() == 4


def test_a_revoked_key_gets_no_stored_answer(cast: Cast, owner: APIClient):
    post(owner)
    access.revoke_service_key(key=ServiceKey.objects.get(), actor="test")
    assert post(owner).status_code == 401
    assert post(APIClient()).status_code == 401


@pytest.mark.parametrize("name", ["sessionid", "__Host-sessionid"])
def test_a_session_is_a_credential_whatever_its_cookie_is_called(cast: Cast, settings: Any, name: str):
    settings.SESSION_COOKIE_NAME = name
    erin, other = Client(), Client()
    erin.force_login(cast.erin)
    access.grant_role(user=cast.bob, model=cast.model, role="owner", actor="test")
    other.force_login(cast.bob)
    assert post(erin).content == post(erin).content
    assert "Idempotency-Replayed" not in post(other)
    erin.logout()
    assert (post(erin).status_code, definitions()) == (401, 3)


@pytest.mark.django_db(transaction=True)
def test_twenty_at_once_have_one_effect_and_one_answer():
    make_model("payments")
    _, secret = access.create_service_key(name="test", scopes=["admin"], created_by="test")
    start, answers = threading.Barrier(20), []

    def send() -> None:
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
        try:
            start.wait()
            answers.append(post(client))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=send) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {(answer.status_code, answer.content) for answer in answers} == {(201, answers[0].content)}
    assert sum("Idempotency-Replayed" in answer for answer in answers) == 19
    assert definitions() == 2


def upload(client: APIClient, content: bytes, **parts: Any) -> Any:
    rows = SimpleUploadedFile("rows.csv", content)
    fields = {"version": "2", "contract": json.dumps(CONTRACT), "reference": rows, **parts}
    return client.post(VERSIONS, fields, HTTP_IDEMPOTENCY_KEY=KEY)


def test_an_upload_larger_than_a_body_may_be_is_taken_once(owner: APIClient, settings: Any):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 2_000
    rows = b"amount,age,country,label\n" + b"1,2,DE,ok\n" * 400_000
    first = upload(owner, rows)
    assert (first.status_code, first.json()["reference_sha256"]) == (
        202,
        ModelVersion.objects.get(version="2").reference_id,
    )
    assert upload(owner, rows).content == first.content
    assert upload(owner, rows + b"3,4,FR,ok\n").status_code == 422
    assert upload(owner, rows, version="3").status_code == 422


def test_a_body_over_the_limit_is_413(owner: APIClient, settings: Any):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    assert post(owner, {**DEFINITION, "guidelines": "x" * 200}).status_code == 413
    settings.REVIEWHUB = {**settings.REVIEWHUB, "MAX_ARTIFACT_BYTES": 100, "MAX_BODY_BYTES": 100}
    assert upload(owner, b"x" * 2000).status_code == 413


def test_a_form_that_cannot_be_read_is_refused(owner: APIClient):
    for kind in ("multipart/form-data", "multipart/form-data; boundary=x"):
        answer = owner.generic("POST", VERSIONS, b"--y\r\nnonsense", content_type=kind, HTTP_IDEMPOTENCY_KEY=KEY)
        assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")


def test_a_form_where_none_is_taken_is_415(owner: APIClient):
    answer = owner.post("/api/v1/models/payments/policies/", {"a": "b"}, HTTP_IDEMPOTENCY_KEY=KEY)
    assert (answer.status_code, PolicyVersion.objects.filter(model__slug="payments").count()) == (415, 1)


def test_a_database_that_is_away_is_503(owner: APIClient, monkeypatch: pytest.MonkeyPatch):
    def away(*_: Any) -> None:
        raise OperationalError("connection refused at 10.0.0.7")

    monkeypatch.setattr("models_registry.access.find_key", away)
    answer = post(owner)
    assert (answer.status_code, answer["Retry-After"], b"10.0.0.7" in answer.content) == (503, "2", False)


def test_answers_are_forgotten_after_their_days(owner: APIClient):
    post(owner)
    post(owner, key="another-key-another-key")
    old = timezone.now() - timedelta(days=configured.REVIEWHUB["IDEMPOTENCY_DAYS"], minutes=1)
    IdempotencyKey.objects.filter(key=KEY).update(created_at=old)
    forget_answers()
    assert [row.key for row in IdempotencyKey.objects.all()] == ["another-key-another-key"]
