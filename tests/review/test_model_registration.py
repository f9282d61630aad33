from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from models_registry import registration
from models_registry.models import Membership, ModelVersion, RegisteredModel
from review import routing
from review.models import ReviewQueue, RoutingControl, RoutingDecision
from tests.conftest import CONTRACT, Cast
from tests.review.received import obey, receive

MODEL = {"slug": "loans", "name": "Loans", "task": "binary", "classes": ["good", "bad"], "costs": {"good": {"bad": 5}}}


@pytest.fixture
def admin(cast: Cast, client_with: Any) -> APIClient:
    return client_with("admin")


def post(client: APIClient, path: str, body: Any = None) -> Any:
    return client.post(f"/api/v1/models/{path}", body, format="json")


def version_of(model: RegisteredModel, contract: dict[str, Any] = CONTRACT, **fields: Any) -> ModelVersion:
    made = registration.register_version(model=model, version="1.0", contract=contract, actor="test")
    ModelVersion.objects.filter(pk=made.pk).update(**fields) if fields else None
    return made


def test_a_new_model_has_its_queue_and_no_policy_so_everything_is_held(admin: APIClient) -> None:
    made = post(admin, "", MODEL)
    assert (made.status_code, made.json()["slug"], made.json()["champion"]) == (201, "loans", None)
    model = RegisteredModel.objects.get(slug="loans")
    assert list(ReviewQueue.objects.filter(models=model).values_list("slug", flat=True)) == ["loans"]
    assert RoutingControl.objects.get(model=model).active is None
    model.champion = version_of(model)
    receive(model)
    routing.route_batch(limit=1)
    assert RoutingDecision.objects.get(model=model).reasons == ["no_active_policy"]


def test_a_person_who_registers_a_model_owns_it(cast: Cast) -> None:
    client = APIClient()
    client.force_login(cast.erin)
    assert post(client, "", MODEL).status_code == 201
    assert Membership.objects.get(model__slug="loans").user == cast.erin


def test_nothing_is_left_of_a_model_that_could_not_be_made(cast: Cast, admin: APIClient) -> None:
    assert post(admin, "", {**MODEL, "task": "guess"}).status_code == 400
    assert post(admin, "", {**MODEL, "slug": "payments"}).status_code == 409
    ReviewQueue.objects.create(slug="loans")
    assert post(admin, "", MODEL).json()["code"] == "slug_taken"
    assert RegisteredModel.objects.count() == 2


def test_models_are_registered_by_owners_and_unbound_admin_keys_only(cast: Cast, client_with: Any) -> None:
    for person in (cast.alice, cast.dana):
        client = APIClient()
        client.force_login(person)
        assert post(client, "", MODEL).status_code == 403
    for client in (client_with("read"), client_with("ingest"), client_with("admin", model=cast.model)):
        assert post(client, "", MODEL).status_code == 403
    assert post(APIClient(), "", MODEL).status_code == 401


def activation(admin: APIClient, slug: str = "loans") -> Any:
    return post(admin, f"{slug}/versions/1.0/activate/")


def test_a_version_is_activated_once_a_policy_is_live(admin: APIClient) -> None:
    post(admin, "", MODEL)
    model = RegisteredModel.objects.get(slug="loans")
    version_of(model)
    refused = activation(admin)
    assert (refused.status_code, refused.json()["code"]) == (409, "gates_missing")
    assert [error["pointer"] for error in refused.json()["errors"]] == ["/gates/policy"]

    obey(model, {"review": [{"name": "young", "when": {"field": "feature.age", "lt": 25}}]})
    made = activation(admin)
    assert made.status_code == 200
    assert (made.json()["version"], made.json()["kind"], made.json()["contract"]) == ("1.0", "activation", CONTRACT)
    assert activation(admin).json()["promoted_at"] == made.json()["promoted_at"]


def test_every_missing_gate_is_named_at_once(admin: APIClient) -> None:
    post(admin, "", MODEL)
    model = RegisteredModel.objects.get(slug="loans")
    version_of(model, state="rejected", state_reason="not_skops: a pickle")
    assert [error["pointer"] for error in activation(admin).json()["errors"]] == [
        "/gates/policy",
        "/gates/artifact_checked",
    ]


def test_a_contract_without_what_the_policy_asks_for_is_a_missing_gate(admin: APIClient) -> None:
    post(admin, "", MODEL)
    model = RegisteredModel.objects.get(slug="loans")
    obey(model, {"review": [{"name": "rich", "when": {"field": "feature.income", "gt": 25}}]})
    version_of(model)
    assert [error["pointer"] for error in activation(admin).json()["errors"]] == ["/gates/contract"]


def test_a_promotion_to_a_version_without_what_the_policy_asks_for_is_refused(cast: Cast, admin: APIClient) -> None:
    obey(cast.model, {"review": [{"name": "rich", "when": {"field": "feature.amount", "gt": 25}}]})
    short = {"features": [feature for feature in CONTRACT["features"] if feature["name"] != "amount"]}
    stored = cast.model.contracts.create(number=2, document=short, sha256="2" * 64)
    cast.model.versions.create(version="2", contract=stored, state="ready", created_by="test")
    answer = post(admin, "payments/promotions/", {"version": "2", "reason": "leaner"})
    assert (answer.status_code, answer.json()["code"]) == (409, "gates_missing")
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/gates/contract"]
    erin = Client()
    erin.force_login(cast.erin)
    page = erin.post("/models/payments/versions/2/promote/", {"reason": "leaner"}, follow=True)
    assert "asks for features that the version does not have" in page.content.decode()
    cast.model.refresh_from_db()
    assert cast.model.champion == cast.version


def test_a_version_that_is_still_checked_is_a_missing_gate(admin: APIClient) -> None:
    post(admin, "", MODEL)
    model = RegisteredModel.objects.get(slug="loans")
    obey(model, {})
    version_of(model, state="checking")
    assert [error["pointer"] for error in activation(admin).json()["errors"]] == ["/gates/artifact_checked"]


def test_activation_is_for_owners_of_the_model(cast: Cast, client_with: Any) -> None:
    path = "payments/versions/1/activate/"
    for person, status in ((cast.alice, 403), (cast.dana, 403), (cast.mallory, 404)):
        client = APIClient()
        client.force_login(person)
        assert post(client, path).status_code == status
    assert post(client_with("ingest"), path).status_code == 403
    assert post(client_with("admin"), "payments/versions/9/activate/").status_code == 404
    assert post(client_with("admin"), path, {"force": True}).status_code == 400
