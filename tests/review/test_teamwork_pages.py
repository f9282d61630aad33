from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from review import escalation, resolutions
from review.models import Override, Prediction, QueueItem
from tests.conftest import Cast
from tests.review.items import make_item
from tests.review.overlapping import make_overlap, say, take, who

OVERRIDES = "/models/payments/settings/overrides/"
ESCALATED = "/queues/escalated/"


def page(person: Any) -> Client:
    client = Client()
    client.force_login(person)
    return client


def segment(**change: str) -> dict[str, str]:
    said = {"when": '{"field": "confidence", "lt": 0.8}', "disposition": "hold", "until": "8", "reason": "odd"}
    return {"scope": "segment"} | {f"segment-{name}": value for name, value in {**said, **change}.items()}


def test_a_lead_overrides_a_segment_for_a_while_and_ends_it(cast: Cast) -> None:
    client = page(cast.erin)

    assert client.post(OVERRIDES, segment(), follow=True).status_code == 200
    made = Override.objects.get()
    assert (made.reason, made.created_by, made.expires_at is not None) == ("odd", "erin", True)
    shown = client.get(OVERRIDES).content.decode()
    assert "odd" in shown
    assert f"{OVERRIDES}{made.pk}/end/" in shown

    ended = client.post(f"{OVERRIDES}{made.pk}/end/", follow=True).content.decode()
    assert f"{OVERRIDES}{made.pk}/end/" not in ended
    assert Override.objects.get().ended_by == "erin"


def test_a_lead_overrides_a_case_by_its_external_id(cast: Cast) -> None:
    prediction = make_item(cast.model, "p-7", kind="audit").prediction
    said = {"scope": "case", "case-external_id": "p-7", "case-label": "fraud", "case-reason": "they called"}

    assert page(cast.erin).post(OVERRIDES, said).status_code == 302

    assert resolutions.current(Prediction.objects.get(pk=prediction.pk))["label"] == "fraud"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (segment(when="{"), "not JSON"),
        (segment(when='{"field": "feature.none", "eq": 1}'), "is not in the contract"),
        (segment(reason=" "), "required"),
        (segment(until="5"), "valid choice"),
        ({"scope": "case", "case-external_id": "none", "case-label": "ok", "case-reason": "x"}, "no such case"),
        ({"scope": "case", "case-external_id": "p-1", "case-reason": "x"}, "what the caller should do"),
    ],
)
def test_what_is_wrong_is_said_beside_the_form(cast: Cast, body: dict[str, str], words: str) -> None:
    make_item(cast.model)

    answer = page(cast.erin).post(OVERRIDES, body)

    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert Override.objects.count() == 0


def test_the_pages_of_leads_are_for_leads(cast: Cast) -> None:
    for address in (OVERRIDES, ESCALATED):
        assert page(cast.alice).get(address).status_code == 403
        assert page(cast.erin).get(address).status_code == 200


def test_an_override_of_a_case_is_hidden_from_a_lead_who_has_to_answer_it(cast: Cast) -> None:
    make_overlap(cast.model, "p-7")
    said = {"scope": "case", "case-external_id": "p-7", "case-label": "fraud", "case-reason": "they called"}
    client = page(cast.erin)
    client.post(OVERRIDES, said)

    shown = client.get(OVERRIDES).content.decode()

    assert "hidden until your own answer" in shown
    assert "they called" not in shown


def test_leads_see_what_was_escalated_and_take_it(cast: Cast) -> None:
    make_item(cast.model, "p-1")
    differing = make_overlap(cast.model, "p-2")
    held = take(cast.model, cast.alice)
    assert held is not None
    assert held.lease_token is not None
    escalation.escalate(token=held.lease_token, principal=who(cast.alice), note="beyond me")
    say(cast.model, cast.alice, "ok")
    say(cast.model, cast.bob, "fraud")
    client = page(cast.erin)

    shown = client.get(ESCALATED).content.decode()
    assert "beyond me" in shown
    assert "answers differ" in shown
    assert "2" in client.get("/queues/").content.decode()

    between = QueueItem.objects.get(prediction=differing, kind="adjudication")
    answer = client.post(f"{ESCALATED}{between.pk}/take/")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/queues/payments/review/")
    between.refresh_from_db()
    assert between.lease_holder == who(cast.erin).pseudonym
    assert page(cast.alice).post(f"{ESCALATED}{between.pk}/take/").status_code == 404
