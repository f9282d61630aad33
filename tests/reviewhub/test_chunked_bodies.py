"""A body without a Content-Length counts like any other."""

from __future__ import annotations

import io
import json
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest
from django.test.client import ClientHandler

from models_registry import access
from reviewhub.chunked import Counted
from tests.conftest import Cast, prediction_body


class Trickle(io.RawIOBase):
    """A server's input: it gives what has arrived, never all that was asked for, and cannot go back."""

    def __init__(self, content: bytes) -> None:
        self.rest = content

    def read(self, size: int = -1) -> bytes:
        piece, self.rest = self.rest[: min(size, 7)], self.rest[min(size, 7) :]
        return piece


@pytest.fixture
def post(cast: Cast):
    # The handler of Django's own test client, which stays on the test's connection.
    application = Counted(lambda environ, _: ClientHandler(enforce_csrf_checks=False)(environ))
    _, secret = access.create_service_key(name="chunks", scopes=["ingest", "admin"], created_by="test")

    def send(path: str, body: bytes, kind: str = "application/json") -> tuple[int, Any]:
        environ: dict[str, Any] = {
            "REQUEST_METHOD": "POST",
            "PATH_INFO": path,
            "CONTENT_TYPE": kind,
            "HTTP_HOST": "127.0.0.1",
            "HTTP_AUTHORIZATION": f"Bearer {secret}",
            "HTTP_TRANSFER_ENCODING": "chunked",
            "wsgi.input": Trickle(body),
        }
        setup_testing_defaults(environ)
        answer: Any = application(environ, lambda *_: None)
        return answer.status_code, answer.json() if hasattr(answer, "json") else json.loads(answer.content)

    return send


def test_a_prediction_may_come_in_chunks(post: Any):
    status, body = post("/api/v1/predictions/", json.dumps(prediction_body("chunked")).encode())
    assert (status, body["external_id"], body["status"]) == (202, "chunked", "received")


def test_a_policy_may_come_in_chunks(post: Any):
    status, body = post("/api/v1/models/payments/policies/", b'{"audit_floor": 0.2}')
    assert (status, body["document"]) == (201, {"audit_floor": 0.2})


def test_chunks_without_content_are_still_no_body(post: Any):
    status, body = post("/api/v1/models/payments/policies/", b"")
    assert (status, body["detail"]) == (400, "send the policy document")


def test_chunks_beyond_the_limit_are_413(post: Any, settings: Any):
    settings.REVIEWHUB = {**settings.REVIEWHUB, "MAX_BODY_BYTES": 100}
    status, body = post("/api/v1/outcomes/bulk/", b" " * 150 + b"{}")
    assert (status, body["code"]) == (413, "too_large")


def test_a_form_may_come_in_chunks(post: Any):
    parts = {"version": "2.0", "contract": json.dumps({"features": [{"name": "amount", "dtype": "float"}]})}
    lines = [f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n' for name, text in parts.items()]
    form = "".join([*lines, "--x--\r\n"]).encode()
    status, body = post("/api/v1/models/payments/versions/", form, "multipart/form-data; boundary=x")
    assert (status, body["version"]) == (201, "2.0")
