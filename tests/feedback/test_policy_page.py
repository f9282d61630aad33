"""The policy page: leads look and preview, owners publish and shadow; both read the same figures."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from models_registry import access
from models_registry.models import ReferenceProfile
from review.models import PolicyVersion, RoutingControl
from tests.conftest import Cast
from tests.feedback.replayed import label_all, send

PATH = "/models/payments/settings/policy/"
FORM = {
    "confidence": "0.85",
    "audit_floor": "0.1",
    "sampling": "uniform",
    "budget": "0.6",
    "on_timeout": "hold",
    "live": "1",
}


@pytest.fixture
def lead(cast: Cast) -> Client:
    user = get_user_model().objects.create_user("lena", password="lena-password-1")
    access.grant_role(user=user, model=cast.model, role="lead", actor="test")
    return signed_in(user)


@pytest.fixture
def owner(cast: Cast) -> Client:
    return signed_in(cast.erin)


def signed_in(user: Any) -> Client:
    client = Client()
    client.force_login(user)
    return client


def step(client: Client, name: str, **changes: str) -> Any:
    return client.post(PATH, {**FORM, "step": name, **changes}, follow=True)


def test_a_lead_previews_and_publishes_nothing(cast: Cast, lead: Client):
    send(cast.model, 40)
    assert b"Kill switch" not in lead.get(PATH).content
    shown = step(lead, "preview").content.decode()
    assert "Replayed on the last 40 predictions" in shown
    assert 'value="activate"' not in shown
    assert "An owner of Payments can make it live" in shown
    for name in ("activate", "shadow"):
        assert step(lead, name).status_code == 403
    for path in ("1/activate/", "shadow/off/"):
        assert lead.post(PATH + path).status_code == 403
    assert PolicyVersion.objects.filter(model=cast.model).count() == 1


def test_analysts_and_reviewers_do_not_see_the_page(cast: Cast):
    for person in (cast.dana, cast.alice):
        assert signed_in(person).get(PATH).status_code == 403
    assert signed_in(cast.mallory).get(PATH).status_code == 404


def test_an_owner_watches_a_policy_in_the_shadow_and_takes_it_off(cast: Cast, owner: Client):
    shown = step(owner, "shadow", note="would it be too much?").content.decode()
    assert "Policy 2 in the shadow" in shown
    assert "It has seen no prediction yet" in shown
    control = RoutingControl.objects.get(model=cast.model)
    assert (control.active.number, control.shadow.number) == (1, 2)
    send(cast.model, 30)
    assert "On 30 predictions since" in owner.get(PATH).content.decode()
    assert b"is no longer watched" in owner.post(PATH + "shadow/off/", follow=True).content
    assert RoutingControl.objects.get(model=cast.model).shadow is None


def test_the_preview_tells_measured_errors_with_intervals_and_guesses_as_guesses(cast: Cast, owner: Client):
    send(cast.model, 900)
    guessed = step(owner, "preview").content.decode()
    assert "by the model’s own word, not measured" in guessed
    assert "not measured yet" in guessed
    label_all(cast.model, seconds_active=20)
    measured = step(owner, "preview").content.decode()
    assert "not measured" not in measured
    assert "20 s each, over the last" in measured
    assert 'class="band"' in measured


def test_the_preview_before_any_traffic_says_what_it_rests_on(cast: Cast, owner: Client):
    assert "No prediction yet to try it on" in step(owner, "preview").content.decode()
    document = {"confidence": {"counts": [0] * 10 + [30] * 10}, "features": {}}
    ReferenceProfile.objects.create(version=cast.version, document=document, rows=300, sha256="1" * 64)
    shown = step(owner, "preview").content.decode()
    assert "On the champion’s reference rows, as there is no traffic yet" in shown
    assert "rules, groups and features are left out" in shown


def test_a_wished_interval_proposes_a_budget_that_a_button_previews(cast: Cast, owner: Client):
    send(cast.model, 400)
    shown = step(owner, "preview", half_width="0.02")
    context = shown.context["preview"]
    assert "Preview with this budget" in shown.content.decode()
    again = owner.post(PATH, {**context["with_budget"], "step": "preview"})
    assert again.context["preview"]["budget"] == pytest.approx(context["budget"], rel=0.01)
    assert float(again.context["form"]["budget"].value()) == context["with_budget"]["budget"]


def test_declared_prices_propose_a_threshold_that_a_button_previews(cast: Cast, owner: Client):
    assert b"What the prices ask for" not in owner.get(PATH).content
    cast.model.costs, cast.model.review_cost = {"ok": {"fraud": 20}, "fraud": {"ok": 1}}, 0.5
    cast.model.save()
    send(cast.model, 200)
    page = owner.get(PATH)
    assert "a person decides when the risk reaches <strong>0.5</strong>" in page.content.decode()
    shown = owner.post(PATH, {**page.context["with_proposal"], "step": "preview"}).content.decode()
    assert "Held when the risk reaches" in shown
    assert "Cost of a decision" in shown


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"budget": "0.1"}, "audit_floor"),
        ({"sampling": "none"}, "sampling"),
        ({"budget": ""}, "budget"),
        ({"sampling": "epsilon"}, "epsilon"),
        ({"sampling": "epsilon", "epsilon": "0.7"}, "epsilon"),
        ({"per_day": "0"}, "per_day"),
        ({"half_width": "2"}, "half_width"),
        ({"sampling": "shy"}, "sampling"),
    ],
)
def test_faults_stand_beside_their_field_and_nothing_is_stored(
    cast: Cast, owner: Client, changes: dict[str, str], field: str
):
    for name in ("preview", "activate"):
        answer = step(owner, name, **changes)
        assert answer.context["form"].errors.keys() == {field}
        assert "preview" not in answer.context
    assert PolicyVersion.objects.filter(model=cast.model).count() == 1
