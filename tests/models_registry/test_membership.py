from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from models_registry import access
from models_registry.errors import NotFound
from models_registry.models import Membership
from tests.conftest import Cast


def test_links_that_an_owner_made_end_with_the_ownership(cast: Cast):
    access.grant_role(user=cast.dana, model=cast.model, role="owner", actor="test")
    made = [
        access.invite(model=model, role="owner", note="", actor=actor, days=7)
        for model, actor in ((cast.model, "dana"), (cast.model, "erin"), (cast.other_model, "dana"))
    ]
    analyst, owner = cast.model.memberships.filter(user=cast.dana).order_by("role")
    access.revoke_role(membership=analyst, actor="erin")
    assert access.open_invitation(made[0][1]) == made[0][0]
    access.revoke_role(membership=owner, actor="erin")
    with pytest.raises(NotFound):
        access.accept_invitation(token=made[0][1], user=cast.dana)
    assert [access.open_invitation(token) for _, token in made[1:]] == [made[1][0], made[2][0]]


def test_taking_a_role_away_does_not_hold_up_rows_that_point_at_the_model(cast: Cast):
    membership = Membership.objects.get(user=cast.bob, model=cast.model)
    with CaptureQueriesContext(connection) as queries:
        access.revoke_role(membership=membership, actor="erin")
    locks = [query["sql"] for query in queries if " FOR " in query["sql"] and "registeredmodel" in query["sql"]]
    assert [sql.rpartition(" FOR ")[2] for sql in locks] == ["NO KEY UPDATE"]


def test_a_link_that_stops_working_while_somebody_signs_up_leaves_no_account(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
):
    invitation, token = access.invite(model=cast.model, role="reviewer", note="", actor="erin", days=7)
    create = access.create_user

    def overtaken(**who: Any) -> Any:
        made = create(**who)
        access.revoke_invitation(invitation=invitation, actor="erin")
        return made

    monkeypatch.setattr(access, "create_user", overtaken)
    body = {"username": "frida", "password1": "long-and-odd-4711", "password2": "long-and-odd-4711"}
    page = Client().post(f"/invitations/{token}/", body)
    assert "used or expired" in page.content.decode()
    assert not get_user_model().objects.filter(username="frida").exists()
    monkeypatch.undo()
    assert Client().post(f"/invitations/{token}/", body).status_code == 302
    assert Membership.objects.get(user__username="frida").role == "reviewer"


def test_owners_see_how_many_keys_reach_every_model_and_superusers_see_which(cast: Cast):
    key, _ = access.create_service_key(name="nightly-export", scopes=["admin"], created_by="test")
    root = get_user_model().objects.create_superuser("root", password="root-password-1")
    shown = {}
    for person in (cast.erin, root):
        client = Client()
        client.force_login(person)
        shown[person.username] = client.get("/models/payments/settings/keys/").content.decode()
    assert "1 further key of this installation" in shown["erin"]
    assert "nightly-export" not in shown["erin"]
    assert key.prefix not in shown["erin"]
    assert "nightly-export" in shown["root"]
