"""Cases that wait for a lead where nobody who leads the model may decide them any more."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from models_registry import access
from models_registry.errors import Conflict, Forbidden
from review import adjudication, escalation
from review.models import Comment, Lease, QueueItem
from tests.conftest import Cast
from tests.review.items import make_item
from tests.review.overlapping import asked, make_overlap, say, take, who

ESCALATED = "/queues/escalated/"


def page(person: Any) -> Client:
    client = Client()
    client.force_login(person)
    return client


def escalate(cast: Cast, person: Any) -> Lease:
    item = take(cast.model, person)
    assert item is not None
    assert item.lease_token is not None
    return escalation.escalate(token=item.lease_token, principal=who(person), note="beyond me")


@pytest.mark.parametrize("at", ["answered", "holds"])
def test_nothing_is_escalated_to_leads_who_could_not_take_it(cast: Cast, at: str) -> None:
    make_overlap(cast.model)
    if at == "answered":
        say(cast.model, cast.erin, "ok")
    else:
        take(cast.model, cast.erin)

    with pytest.raises(Conflict) as refused:
        escalate(cast, cast.alice)

    assert refused.value.code == "no_lead"
    assert (QueueItem.objects.filter(tier=1).count(), Comment.objects.count()) == (0, 0)
    assert QueueItem.objects.leased().filter(lease_holder=who(cast.alice).pseudonym).exists()
    access.grant_role(user=cast.bob, model=cast.model, role="lead", actor="test")
    token = QueueItem.objects.get(lease_holder=who(cast.alice).pseudonym).lease_token
    assert token is not None
    assert escalation.escalate(token=token, principal=who(cast.alice)).ending == "escalated"
    assert take(cast.model, cast.bob) is not None


@pytest.mark.parametrize("lead", ["superuser", "key", "oneself"])
def test_whoever_may_decide_it_is_somebody_to_escalate_to(cast: Cast, lead: str, client_with: Any) -> None:
    make_overlap(cast.model)
    say(cast.model, cast.erin, "ok")
    if lead == "superuser":
        cast.dana.is_superuser = True
        cast.dana.save()
    elif lead == "key":
        client_with("admin", model=cast.model)
    else:
        access.grant_role(user=cast.alice, model=cast.model, role="lead", actor="test")

    assert escalate(cast, cast.alice).ending == "escalated"


def test_a_key_of_another_model_or_of_fewer_scopes_leads_nothing(cast: Cast, client_with: Any) -> None:
    client_with("admin", model=cast.other_model)
    client_with("review", "read", model=cast.model)

    assert adjudication.leads(cast.model.pk) == {who(cast.erin).pseudonym}


def test_an_adjudication_that_no_lead_may_take_says_who_can_help(cast: Cast) -> None:
    prediction = make_overlap(cast.model)
    say(cast.model, cast.erin, "ok")
    say(cast.model, cast.alice, "fraud")
    item = asked(prediction)
    assert item is not None

    shown = page(cast.erin).get(ESCALATED).content.decode()

    assert "none of them may decide it. Somebody else can be made a lead by erin." in shown
    assert f"{ESCALATED}{item.pk}/take/" not in shown
    assert f"{ESCALATED}{item.pk}/return/" not in shown
    access.grant_role(user=cast.bob, model=cast.model, role="lead", actor="test")
    shown = page(cast.bob).get(ESCALATED).content.decode()
    assert "none of them may decide it" not in shown
    assert f"{ESCALATED}{item.pk}/take/" in shown
    assert take(cast.model, cast.bob) == item


def test_an_owner_returns_to_all_what_a_lead_could_not_take_any_more(cast: Cast) -> None:
    prediction = make_overlap(cast.model)
    say(cast.model, cast.bob, "ok")
    escalate(cast, cast.alice)
    item = prediction.items.get(tier=1)
    access.grant_role(user=cast.dana, model=cast.model, role="reviewer", actor="test")
    assert take(cast.model, cast.dana) is None

    shown = page(cast.erin).post(f"{ESCALATED}{item.pk}/return/", follow=True).content.decode()

    assert "Every reviewer can have that case again." in shown
    assert take(cast.model, cast.dana) == item
    assert cast.model.audit_events.filter(action="item.given_back", actor="erin").count() == 1
    item.refresh_from_db()
    escalation.give_back(item=item, principal=who(cast.erin))
    assert cast.model.audit_events.filter(action="item.given_back").count() == 1


def test_only_owners_return_cases_and_only_free_ones_that_were_escalated(cast: Cast) -> None:
    item = make_item(cast.model, tier=1)
    access.grant_role(user=cast.bob, model=cast.model, role="lead", actor="test")

    with pytest.raises(Forbidden):
        escalation.give_back(item=item, principal=who(cast.bob))
    assert page(cast.bob).post(f"{ESCALATED}{item.pk}/return/").status_code == 403
    assert page(cast.alice).post(f"{ESCALATED}{item.pk}/return/").status_code == 404
    assert "/return/" not in page(cast.bob).get(ESCALATED).content.decode()
    assert take(cast.model, cast.bob) == item
    with pytest.raises(Conflict, match="somebody is at this case"):
        escalation.give_back(item=item, principal=who(cast.erin))
    QueueItem.objects.update(kind="adjudication")
    item.refresh_from_db()
    with pytest.raises(Conflict, match="only somebody who leads"):
        escalation.give_back(item=item, principal=who(cast.erin))
    item.refresh_from_db()
    assert item.tier == 1
