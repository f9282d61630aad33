"""An upload is answered with the worker's verdict where that comes in time."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection

from models_registry import checking, tasks
from models_registry.api import versions
from models_registry.models import ModelVersion
from tests.conftest import CONTRACT, make_model

pytestmark = pytest.mark.django_db(transaction=True)
GOOD = b"amount,age,country,label\n" + b"".join(b"%d,%d,DE,%s\n" % (n, n, (b"ok", b"fraud")[n % 2]) for n in range(60))


@pytest.fixture
def owner(client_with: Any) -> Any:
    make_model("payments")
    return client_with("admin")


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A worker in a thread of its own, woken by the doorbell."""
    running: list[threading.Thread] = []

    def check(version_id: int) -> None:
        try:
            checking.check_version(version_id=version_id)
        finally:
            connection.close()

    def ring(version_id: int) -> None:
        running.append(threading.Thread(target=check, args=[version_id]))
        running[-1].start()

    monkeypatch.setattr(tasks, "ring_check", ring)
    yield
    for thread in running:
        thread.join()


def upload(client: Any, reference: bytes) -> Any:
    parts = {"version": "2", "contract": json.dumps(CONTRACT), "reference": SimpleUploadedFile("r.csv", reference)}
    return client.post("/api/v1/models/payments/versions/", parts)


def test_a_good_upload_is_ready_in_the_answer(owner: Any, worker: Any):
    answer = upload(owner, GOOD)
    assert (answer.status_code, answer.json()["state"]) == (201, "ready")


def test_a_rejected_upload_is_refused_with_the_reason(owner: Any, worker: Any):
    answer = upload(owner, b"amount,age,country\n1,2,DE\n")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_reference")
    assert "label" in answer.json()["detail"]
    assert answer.json()["errors"][0]["pointer"] == "/reference"
    assert ModelVersion.objects.get(version="2").state == "rejected"
    assert upload(owner, GOOD).status_code == 201


def test_without_a_worker_the_answer_comes_after_the_wait(owner: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(versions, "WAIT_SECONDS", 0.3)
    answer = upload(owner, GOOD)
    assert (answer.status_code, answer.json()["state"]) == (202, "checking")


def test_only_some_of_the_web_threads_wait(owner: Any, monkeypatch: pytest.MonkeyPatch):
    taken = threading.BoundedSemaphore(1)
    taken.acquire()
    monkeypatch.setattr(versions, "_waiting", taken)
    assert upload(owner, GOOD).status_code == 202
