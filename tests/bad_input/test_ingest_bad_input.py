from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.core.management import call_command

from models_registry import access
from models_registry.models import AuditEvent
from review.models import Prediction, PredictionPayload
from tests import running
from tests.bad_input.cases import CASES, JSON, SINGLE, Case, body
from tests.conftest import make_model, prediction_body

# The rows that the server shares with these tests are made outside of their transactions.
pytestmark = pytest.mark.django_db


@dataclass
class Server:
    port: int
    key: str
    reading_key: str

    def send(self, case: Case, key: str | None = None) -> tuple[int, Any, Any]:
        """The answer to the case's bytes: status, headers, decoded body."""
        headers = {"Host": "127.0.0.1", "Connection": "close", **case.headers}
        if key != "":
            headers["Authorization"] = f"Bearer {key or self.key}"
        if case.raw or case.method == "POST":
            headers["Content-Length"] = str(len(case.raw))
        head = [f"{case.method} {case.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        status, answered, raw = running.answer(self.port, "\r\n".join([*head, "", ""]).encode() + case.raw)
        return status, answered, json.loads(raw)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, django_db_setup: None, django_db_blocker: Any) -> Iterator[Server]:
    """The production web server with one model and one key that may both send and read."""
    with django_db_blocker.unblock():
        model, _ = make_model("payments")
        make_model("secrets")
        _, key = access.create_service_key(name="test", scopes=["ingest", "read"], model=model, created_by="test")
        _, reading = access.create_service_key(name="reader", scopes=["read"], model=model, created_by="test")
        try:
            with running.web(tmp_path_factory.mktemp("web") / "web.log") as port:
                yield Server(port, key, reading)
        finally:
            call_command("flush", verbosity=0, interactive=False)


def rows() -> tuple[int, int, int]:
    return Prediction.objects.count(), PredictionPayload.objects.count(), AuditEvent.objects.count()


@pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in CASES])
def test_it_is_refused_with_a_problem_and_writes_nothing(server: Server, case: Case):
    before = rows()
    status, headers, problem = server.send(case)
    assert (status, problem["status"]) == (case.status, case.status), problem
    assert headers["Content-Type"] == "application/problem+json"
    assert {"type", "title", "detail", "instance", "code", "errors"} <= problem.keys()
    assert case.code in {problem["code"], *(error["code"] for error in problem["errors"])}, problem
    if case.pointer is not None:
        assert case.pointer in {error["pointer"] for error in problem["errors"]}, problem
    assert rows() == before


def test_the_cases_are_many_and_each_has_a_name_of_its_own():
    assert len({case.id for case in CASES}) == len(CASES) >= 45


@pytest.mark.parametrize("key", ["", "rh_", "rh_00000000_" + "x" * 43, "rh_\xe9" + "x" * 40, "x" * 5000])
def test_without_a_valid_key_nothing_is_looked_at(server: Server, key: str):
    status, headers, problem = server.send(Case("key", b"not even JSON", 401, ""), key=key)
    assert (status, problem["code"]) == (401, "not_authenticated")
    assert headers["WWW-Authenticate"].startswith("Bearer")


def test_a_key_that_may_only_read_stores_nothing(server: Server):
    before = rows()
    assert server.send(Case("reader", body(), 403, ""), key=server.reading_key)[0] == 403
    assert rows() == before


STRANGE = {
    "__proto__": {"constructor": 1, "toString": None},
    "html": "<img src=x onerror=alert(1)>",
    "svg": "<svg onload=alert(1)>",
    "template": "{{ 7*7 }} {% debug %} ${7*7}",
    "link": "[x](javascript:alert(1))",
    "text": "emoji 😀, right-to-left \u202e, combining e\u0301, line\u2028break",
    "numbers": [0.1, 1e-300, -9007199254740991],
    "": "an empty key",
}


def test_strange_content_is_kept_as_it_came(server: Server):
    sent = prediction_body("line\nbreak \x1b[31mred", context=STRANGE, raw=STRANGE, entity_id=" ")
    status, headers, answered = server.send(Case("strange", json.dumps(sent).encode(), 202, "", headers=JSON))
    assert (status, answered["external_id"]) == (202, sent["external_id"])
    assert headers["Location"] == f"{SINGLE}{answered['id']}/"
    stored = PredictionPayload.objects.get(prediction_id=int(answered["id"]))
    assert stored.context == stored.raw == STRANGE


def test_the_server_still_answers_after_all_of_it(server: Server):
    status, _, answered = server.send(Case("after", json.dumps(prediction_body("after")).encode(), 202, ""))
    assert (status, answered["status"]) == (202, "received")
