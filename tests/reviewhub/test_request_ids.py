"""Every request has an id: in the answer, on error pages and in the log."""

from __future__ import annotations

import logging
import re

import pytest
from django.test import Client

from review.views import own
from reviewhub import request_ids
from reviewhub.logging import LineFormatter


@pytest.fixture
def alice(cast):
    client = Client(raise_request_exception=False)
    client.force_login(cast.alice)
    return client


def shown(answer) -> str:
    return re.search(r"number of the request: <code>([0-9a-f]{16})</code>", answer.content.decode()).group(1)


def test_each_answer_carries_an_id_of_its_own_whatever_the_caller_sends(alice):
    one, two = (alice.get("/queues/", headers={"X-Request-ID": "mine"})["X-Request-ID"] for _ in range(2))
    assert re.fullmatch(r"[0-9a-f]{16}", one)
    assert one != two
    assert Client().get("/api/v1/models/")["X-Request-ID"] not in ("", one, two)


@pytest.mark.parametrize(
    ("path", "status"), [("/models/secrets/", 404), ("/nowhere/", 404), ("/models/payments/settings/members/", 403)]
)
def test_an_error_page_names_it_and_a_next_step(alice, path, status):
    answer = alice.get(path)
    assert answer.status_code == status
    assert shown(answer) == answer["X-Request-ID"]
    assert b"Back to the start" in answer.content


def test_a_request_that_is_none_is_told_so_too(alice):
    answer = alice.get("/queues/", headers={"Host": "elsewhere.example"})
    assert answer.status_code == 400
    assert shown(answer) == answer["X-Request-ID"]


def test_what_broke_on_our_side_is_in_the_log_under_the_number_that_the_page_shows(alice, monkeypatch):
    lines: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(self.format(record))

    def broken(principal):
        raise RuntimeError

    keep = Keep()
    keep.setFormatter(LineFormatter())
    log = logging.getLogger("django.request")
    log.addHandler(keep)
    monkeypatch.setattr(own, "waiting_for", broken)
    try:
        answer = alice.get("/queues/waiting/")
    finally:
        log.removeHandler(keep)
    assert answer.status_code == 500
    assert f"request={shown(answer)}" in lines[0].splitlines()[0]
    assert request_ids.current() == ""
