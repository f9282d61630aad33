"""The API's description of itself: valid, whole, and true of what the endpoints answer."""

from __future__ import annotations

import io
from typing import Any

import jsonschema_rs
import pytest
from django.core.management import call_command
from drf_spectacular.generators import SchemaGenerator
from rest_framework.test import APIClient

from feedback import alerts
from models_registry import access
from models_registry.models import GateResult, WebhookEndpoint
from review import routing
from tests.conftest import CONTRACT, POLICY, Cast, prediction_body
from tests.routes import api_methods, template

BASE = "/api/v1"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    made: dict[str, Any] = SchemaGenerator().get_schema(public=True)
    return made


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [(method, path, op) for path, ops in document["paths"].items() for method, op in ops.items()]


def test_it_is_valid_and_no_endpoint_leaves_a_doubt():
    out = io.StringIO()
    call_command("spectacular", "--validate", "--fail-on-warn", stdout=out)
    assert out.getvalue().startswith("openapi: 3.1")


def test_every_operation_says_what_it_does_who_may_call_and_what_comes_back(document: dict[str, Any]):
    wrong = []
    for method, path, op in operations(document):
        answers = [
            answer for status, answer in op["responses"].items() if status < "400" and status not in ("204", "304")
        ]
        schemas = [content["schema"] for answer in answers for content in answer.get("content", {}).values()]
        body = op.get("requestBody", {}).get("content", {})
        whole = [
            op.get("summary"),
            op.get("description"),
            op.get("x-scopes"),
            op["security"] == [{"serviceKey": []}, {"session": []}],
            (answers or method == "delete") and all(answer.get("content") for answer in answers),
            all(schema.get("properties") or schema.get("type") == "string" for schema in schemas),
            all(content["schema"].get("type") == "object" for content in body.values()),
            "4XX" in op["responses"],
        ]
        if not all(whole):
            wrong.append((method, path, whole))
    assert wrong == []


def test_operation_ids_and_summaries_are_unique(document: dict[str, Any]):
    for name in ("operationId", "summary"):
        named = [op[name] for _, _, op in operations(document)]
        assert len(set(named)) == len(named) > 50


def test_every_route_and_method_is_described(document: dict[str, Any]):
    prefix = f"{BASE}/"
    described = {template(path.removeprefix(prefix)): set(methods) for path, methods in document["paths"].items()}
    assert {path: methods for path, methods in api_methods().items() if path not in ("schema", "docs")} == described


def strict(schema: Any) -> Any:
    """The schema with every member that it does not name refused; what maps names to values stays open."""
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: strict(part) for key, part in schema.items()}
    if found.get("properties") and isinstance(found.get("type"), str | list):
        found.setdefault("additionalProperties", False)
    return found


def holds(document: dict[str, Any], path: str, method: str, answer: Any) -> None:
    content = document["paths"][f"{BASE}{path}"][method]["responses"][str(answer.status_code)]["content"]
    schema = strict(content["application/json"]["schema"])
    problems = [
        f"{error.instance_path}: {error.message}"
        for error in jsonschema_rs.validator_for(schema).iter_errors(answer.json())
    ]
    assert problems == [], path


@pytest.fixture
def admin(cast: Cast, client_with: Any) -> APIClient:
    client: APIClient = client_with("admin")
    return client


def test_the_answers_of_the_registry_are_as_described(document: dict[str, Any], cast: Cast, admin: APIClient):
    GateResult.objects.create(version=cast.version, gate="better_log_loss", verdict="passed", reason="it is better")
    WebhookEndpoint.objects.create(url="https://example.com/", events=["model.promoted"], secret="s", created_by="test")
    access.invite(model=cast.model, role="lead", note="", actor="test", days=1)
    model = {"slug": "fresh", "name": "Fresh", "task": "binary", "classes": ["a", "b"]}
    holds(document, "/models/", "post", admin.post(f"{BASE}/models/", model, format="json"))
    body = {"version": "2", "contract": CONTRACT}
    made = admin.post(f"{BASE}/models/payments/versions/", body, format="json")
    holds(document, "/models/{slug}/versions/", "post", made)
    promoted = admin.post(f"{BASE}/models/payments/promotions/", {"version": "2", "reason": "why"}, format="json")
    holds(document, "/models/{slug}/promotions/", "post", promoted)
    for name in ("", "versions/", "champion/", "definitions/", "promotions/"):
        holds(document, f"/models/{{slug}}/{name}", "get", admin.get(f"{BASE}/models/payments/{name}"))
    holds(document, "/models/{slug}/versions/{version}/", "get", admin.get(f"{BASE}/models/payments/versions/1/"))
    holds(document, "/models/", "get", admin.get(f"{BASE}/models/"))
    holds(document, "/webhooks/", "get", admin.get(f"{BASE}/webhooks/"))


def test_the_answers_about_policies_are_as_described(document: dict[str, Any], cast: Cast, admin: APIClient):
    at, known = f"{BASE}/models/payments", "/models/{slug}"
    admin.post(f"{BASE}/predictions/", prediction_body(), format="json")
    routing.route_batch(limit=10)
    holds(document, f"{known}/policies/", "post", admin.post(f"{at}/policies/", POLICY, format="json"))
    holds(document, f"{known}/policies/preview/", "post", admin.post(f"{at}/policies/preview/", POLICY, format="json"))
    holds(document, f"{known}/policies/", "get", admin.get(f"{at}/policies/"))
    holds(document, f"{known}/policies/{{number}}/", "get", admin.get(f"{at}/policies/1/"))
    for act in ("activate", "shadow"):
        holds(document, f"{known}/policies/{{number}}/{act}/", "post", admin.post(f"{at}/policies/2/{act}/"))
    switch = {"on": True, "reason": "a test"}
    holds(document, f"{known}/kill-switch/", "post", admin.post(f"{at}/kill-switch/", switch, format="json"))
    holds(document, f"{known}/kill-switch/", "get", admin.get(f"{at}/kill-switch/"))


STEPS = [("blind_first", "first-answer"), ("on_request", "reveal"), ("blind", "open")]


@pytest.mark.parametrize(("mode", "step"), STEPS)
def test_the_answers_about_what_is_shown_are_as_described(
    document: dict[str, Any], cast: Cast, admin: APIClient, mode: str, step: str
):
    settings = admin.patch(f"{BASE}/queues/payments/", {"mode": mode}, format="json")
    holds(document, "/queues/{slug}/", "patch", settings)
    admin.post(f"{BASE}/predictions/", prediction_body(), format="json")
    routing.route_batch(limit=10)
    claimed = admin.post(f"{BASE}/queues/payments/claim/", {}, format="json")
    holds(document, "/queues/{slug}/claim/", "post", claimed)
    item = claimed.json()["item"]
    assert (item["model_shown"], item["prediction"]["predicted"], item["alternatives"]) == (False, None, [])
    body = {"label": "ok"} if step == "first-answer" else {}
    shown = admin.post(f"{BASE}/leases/{item['lease']['token']}/{step}/", body, format="json")
    holds(document, f"/leases/{{token}}/{step}/", "post", shown)
    holds(document, "/predictions/{id}/", "get", admin.get(f"{BASE}/predictions/{item['prediction']['id']}/"))
    decided = admin.post(f"{BASE}/leases/{item['lease']['token']}/decide/", {"label": "ok"}, format="json")
    holds(document, "/leases/{token}/decide/", "post", decided)
    holds(document, "/predictions/{id}/", "get", admin.get(f"{BASE}/predictions/{item['prediction']['id']}/"))


def test_the_answers_along_the_loop_are_as_described(document: dict[str, Any], cast: Cast, admin: APIClient):
    sent = admin.post(f"{BASE}/predictions/", prediction_body(), format="json")
    holds(document, "/predictions/", "post", sent)
    bulk = {"predictions": [prediction_body("p-2"), prediction_body("p-3")]}
    holds(document, "/predictions/bulk/", "post", admin.post(f"{BASE}/predictions/bulk/", bulk, format="json"))
    routing.route_batch(limit=10)
    claimed = admin.post(f"{BASE}/queues/payments/claim/", {"prefetch": 2}, format="json")
    holds(document, "/queues/{slug}/claim/", "post", claimed)
    first, second = (f"{BASE}/leases/{item['lease']['token']}" for item in claimed.json()["items"])
    holds(document, "/leases/{token}/renew/", "post", admin.post(f"{first}/renew/"))
    released = admin.post(f"{second}/release/", {"reason": "lunch"}, format="json")
    holds(document, "/leases/{token}/release/", "post", released)
    decided = admin.post(f"{first}/decide/", {"label": "ok", "confidence": 0.9}, format="json")
    holds(document, "/leases/{token}/decide/", "post", decided)
    outcome = {"model": "payments", "external_id": "p-1", "value": "ok", "observed_at": "2026-01-01T00:00:00Z"}
    outcome |= {"source": "bank", "kind": "explicit"}
    holds(document, "/outcomes/", "post", admin.post(f"{BASE}/outcomes/", outcome, format="json"))
    several = {"outcomes": [{**outcome, "external_id": "p-2"}]}
    holds(document, "/outcomes/bulk/", "post", admin.post(f"{BASE}/outcomes/bulk/", several, format="json"))
    assert admin.get(f"{BASE}/models/payments/labels/").status_code == 200
    for path in ("/predictions/", "/resolutions/", "/queues/"):
        holds(document, path, "get", admin.get(f"{BASE}{path}"))
    shown = admin.get(f"{BASE}/predictions/{claimed.json()['item']['prediction']['id']}/")
    holds(document, "/predictions/{id}/", "get", shown)
    holds(document, "/queues/{slug}/", "get", admin.get(f"{BASE}/queues/payments/"))
    undone = admin.post(f"{BASE}/decisions/{decided.json()['decision']['id']}/undo/")
    holds(document, "/decisions/{id}/undo/", "post", undone)
    withdrawn = admin.post(f"{BASE}/predictions/{sent.json()['id']}/withdraw/", {"reason": "a test"}, format="json")
    holds(document, "/predictions/{id}/withdraw/", "post", withdrawn)


def test_the_answers_about_what_was_learned_are_as_described(document: dict[str, Any], cast: Cast, admin: APIClient):
    at, known = f"{BASE}/models/payments", "/models/{slug}"
    admin.post(f"{BASE}/predictions/", prediction_body(groups={"shop": "a"}), format="json")
    routing.route_batch(limit=10)
    holds(document, f"{known}/quality/", "get", admin.get(f"{at}/quality/"))
    holds(document, f"{known}/quality/", "get", admin.get(f"{at}/quality/?group=shop"))
    holds(document, f"{known}/quality/", "get", admin.get(f"{at}/quality/?group=shop:a"))
    holds(document, f"{known}/delays/", "get", admin.get(f"{at}/delays/"))
    holds(document, f"{known}/reliance/", "get", admin.get(f"{at}/reliance/"))
    holds(document, f"{known}/behaviour/", "get", admin.get(f"{at}/behaviour/"))
    holds(document, f"{known}/snapshots/", "post", admin.post(f"{at}/snapshots/", {}, format="json"))
    holds(document, f"{known}/snapshots/", "get", admin.get(f"{at}/snapshots/"))
    body = {"reason": "a test"}
    holds(document, f"{known}/retrainings/", "post", admin.post(f"{at}/retrainings/", body, format="json"))
    holds(document, f"{known}/retrainings/", "get", admin.get(f"{at}/retrainings/"))
    alert = alerts.raise_alert(model=cast.model, kind="latency", title="Slower than before", detail={"p99": 2.5})
    holds(document, f"{known}/alerts/", "get", admin.get(f"{at}/alerts/?state=open"))
    seen = admin.post(f"{at}/alerts/{alert.pk}/acknowledge/")
    holds(document, f"{known}/alerts/{{id}}/acknowledge/", "post", seen)


def test_the_answers_around_a_decision_are_as_described(document: dict[str, Any], cast: Cast, admin: APIClient):
    admin.post(f"{BASE}/predictions/bulk/", {"predictions": [prediction_body("p-1"), prediction_body("p-2")]}, "json")
    routing.route_batch(limit=10)
    items = admin.post(f"{BASE}/queues/payments/claim/", {"prefetch": 2, "reserved": True}, format="json")
    holds(document, "/queues/{slug}/claim/", "post", items)
    first, second = (item["lease"]["token"] for item in items.json()["items"])
    for token, act, body in ((first, "escalate", {"note": "x"}), (second, "hand-over", {"to": "alice"})):
        holds(document, f"/leases/{{token}}/{act}/", "post", admin.post(f"{BASE}/leases/{token}/{act}/", body, "json"))
    case = items.json()["items"][0]["prediction"]["id"]
    holds(document, "/predictions/{id}/comments/", "post", admin.post(f"{BASE}/predictions/{case}/comments/",
                                                                      {"text": "x"}, format="json"))  # fmt: skip
    holds(document, "/predictions/{id}/comments/", "get", admin.get(f"{BASE}/predictions/{case}/comments/"))
    at = f"{BASE}/models/payments/overrides/"
    made = [
        admin.post(at, {"reason": "a test", **said}, format="json")
        for said in (
            {"scope": "case", "prediction": case, "label": "ok"},
            {"scope": "segment", "when": {"field": "confidence", "lt": 0.2}, "disposition": "hold"},
        )
    ]
    for answer in made:
        holds(document, "/models/{slug}/overrides/", "post", answer)
    holds(document, "/models/{slug}/overrides/", "get", admin.get(at))
    ended = admin.post(f"{at}{made[1].json()['override']['id']}/end/", {}, format="json")
    holds(document, "/models/{slug}/overrides/{id}/end/", "post", ended)
    holds(document, "/queues/{slug}/", "get", admin.get(f"{BASE}/queues/payments/"))
