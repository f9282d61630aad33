"""Pages refuse what is malformed or not theirs with a clear page, and change nothing by GET."""

from __future__ import annotations

import uuid

import pytest
from django.test import Client

from models_registry.models import Invitation, Membership
from review.models import QueueItem
from tests.review.items import make_item

LONG = "9" * 30


@pytest.fixture
def erin(cast):
    client = Client()
    client.force_login(cast.erin)
    return client


@pytest.mark.parametrize(
    "path",
    [
        "/predictions/?q=%00",
        "/predictions/?model=%00",
        f"/predictions/?before={LONG}",
        "/predictions/?before=²",
        "/predictions/?status=nonsense",
        "/models/payments/quality/?window=nonsense",
    ],
)
def test_odd_parameters_are_answered(erin, path):
    assert erin.get(path).status_code == 200


@pytest.mark.parametrize(
    "path", [f"/predictions/{LONG}/", "/predictions/0/", "/models/nowhere/", "/queues/nowhere/review/"]
)
def test_what_is_not_there_is_404(erin, path):
    assert erin.get(path).status_code == 404


@pytest.mark.parametrize("answer", ["", "label:²", "label:99", "label:-1", "nonsense", "label:\0", "x" * 5000])
def test_an_answer_that_is_none_decides_nothing(erin, cast, answer):
    item = make_item(cast.model)
    erin.post("/queues/payments/review/claim/")
    token = QueueItem.objects.get(pk=item.pk).lease_token
    path = f"/queues/payments/review/{token}/decide/"
    assert erin.post(path, {"answer": answer}).status_code == 302
    body = {"answers": [{"token": str(token), "answer": answer[:40]}]}
    told = erin.post("/queues/payments/review/answers/", body, content_type="application/json")
    assert told.status_code == (400 if "\0" in answer else 200)
    assert b"saved" not in told.content
    assert not item.decisions.exists()


def test_without_script_the_forms_come_back_to_the_case(erin, cast):
    item = make_item(cast.model)
    answer = erin.post("/queues/payments/review/claim/", follow=True)
    assert b"p-1" in answer.content
    token = QueueItem.objects.get(pk=item.pk).lease_token
    answer = erin.post(f"/queues/payments/review/{token}/decide/", {"answer": "agree", "seconds": "nan"}, follow=True)
    assert answer.redirect_chain[-1][0] == "/queues/payments/review/?plain&none"
    assert item.decisions.get().label == "ok"


def test_a_foreign_lease_is_404(erin):
    assert erin.post(f"/queues/payments/review/{uuid.uuid4()}/decide/", {"answer": "agree"}).status_code == 404


def test_looking_at_the_review_page_takes_nothing(erin, cast):
    make_item(cast.model)
    assert erin.get("/queues/payments/review/").status_code == 200
    assert not QueueItem.objects.leased().exists()


@pytest.mark.parametrize(
    "path",
    [
        "/sign-out/",
        "/queues/payments/review/claim/",
        "/queues/payments/pause/",
        "/models/payments/versions/1/promote/",
        "/models/payments/rollback/",
        "/models/payments/retrain/",
        "/models/payments/snapshots/take/",
        "/models/payments/settings/kill-switch/",
        "/models/payments/settings/policy/1/activate/",
    ],
)
def test_changes_need_a_post_with_its_token(erin, cast, path):
    assert erin.get(path).status_code == 405
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(cast.erin)
    assert strict.post(path).status_code == 403


def test_a_version_name_with_nul_is_404(erin):
    assert erin.post("/models/payments/versions/%00/promote/", {"reason": "x"}).status_code == 404


def test_pages_ask_for_signing_in(cast):
    for path in ("/", "/queues/", "/predictions/", "/models/", "/models/payments/settings/keys/"):
        answer = Client().get(path)
        assert (answer.status_code, answer["Location"]) == (302, f"/sign-in/?next={path}")


def test_signing_in_leads_to_no_other_site(cast):
    answer = Client().post(
        "/sign-in/", {"username": "erin", "password": "erin-password-1", "next": "https://evil.example/"}
    )
    assert answer["Location"] == "/"


def test_the_last_owner_stays(erin, cast):
    owner = Membership.objects.get(user=cast.erin)
    answer = erin.post(f"/models/payments/settings/members/{owner.pk}/revoke/", follow=True)
    assert b"needs at least one owner" in answer.content
    assert Membership.objects.filter(pk=owner.pk).exists()


def test_an_owner_changes_nothing_of_another_model(erin, cast):
    theirs = Membership.objects.get(user=cast.mallory)
    assert erin.post(f"/models/secrets/settings/members/{theirs.pk}/revoke/").status_code == 404
    assert erin.post(f"/models/payments/settings/members/{theirs.pk}/revoke/").status_code == 404
    assert erin.post("/models/secrets/settings/members/", {"role": "owner"}).status_code == 404
    assert not Invitation.objects.exists()


def test_a_policy_form_over_an_older_policy_is_refused(erin, cast):
    form = {"audit_floor": "0.1", "on_timeout": "hold", "sampling": "uniform", "budget": "0.4", "live": "7"}
    form["step"] = "activate"
    answer = erin.post("/models/payments/settings/policy/", form)
    assert b"Somebody changed the policy meanwhile" in answer.content
    assert cast.model.policies.count() == 1
