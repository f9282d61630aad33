"""No response of any kind tells a blind reviewer what the model or a colleague answered before they answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from models_registry import access
from review import decisions, exposure, queue
from review.models import CaseView, QueueItem, RoutingDecision
from tests.conftest import Cast
from tests.reviewhub.blind_world import AROUND, COLLEAGUE_MARKS, MODEL_MARKS, World, age, answers, leaks, make, posted

API = "/api/v1"
ALL = (*MODEL_MARKS, *COLLEAGUE_MARKS)


def claim(world: World) -> Any:
    claimed = world.client.post(f"{API}/queues/payments/claim/", {}, "application/json")
    assert claimed.status_code == 200
    assert claimed.json()["item"]["prediction"]["external_id"] == "the-case"
    return claimed


@pytest.mark.parametrize(("mode", "kind"), [("blind", "gate"), ("blind_first", "audit"), ("on_request", "audit")])
def test_nothing_is_told_before_the_own_answer_and_all_after_it(cast: Cast, mode: str, kind: str, settings: Any):
    world = make(cast, mode, kind)
    before = answers(world)
    assert leaks(before, ALL) == set()
    assert len(before) > 90
    claimed = claim(world)
    token = claimed.json()["item"]["lease"]["token"]
    assert leaks({"claim": claimed.content.decode()}, ALL) == set()
    held = answers(world, token)
    assert leaks(held, ALL) == set()
    assert CaseView.objects.filter(viewer=world.alice.pseudonym, what="model").count() == AROUND
    body = json.dumps({"label": "ok"})
    decided = world.client.post(f"{API}/leases/{token}/decide/", body, "application/json")
    assert decided.status_code == 200
    assert decided.json()["decision"]["model_shown_at"] is None
    undoable = answers(world)
    assert leaks(undoable, COLLEAGUE_MARKS) == set()
    assert {mark for _, mark in leaks(undoable, MODEL_MARKS)} >= {"0.8713579", "0.4531977"}
    settings.REVIEWHUB = {**settings.REVIEWHUB, "UNDO_SECONDS": 0}
    after = answers(world)
    told = {mark for _, mark in leaks(after, ALL)}
    assert told >= {"0.8713579", "0.4531977", "reason_of_mark", "RATIONALE-MARK"}


def test_nothing_that_is_posted_is_answered_with_what_is_hidden(cast: Cast):
    world = make(cast, "blind")
    token = claim(world).json()["item"]["lease"]["token"]
    told = posted(world, token)
    assert leaks(told, ALL) == set()
    assert len([address for address in told if address.endswith(" 200")]) > 10


def test_the_first_answer_tells_of_the_model_and_not_of_the_colleague(cast: Cast):
    world = make(cast, "blind_first")
    token = claim(world).json()["item"]["lease"]["token"]
    shown = world.client.post(f"{API}/leases/{token}/first-answer/", json.dumps({"label": "ok"}), "application/json")
    assert shown.status_code == 200
    item = shown.json()["item"]
    assert (item["model_shown"], item["prediction"]["confidence"], item["mode"]) == (True, 0.8713579, "blind_first")
    assert item["prediction"]["hidden"] == ["colleagues"]
    assert leaks({"shown": shown.content.decode()}, COLLEAGUE_MARKS) == set()
    found = answers(world, token)
    assert leaks(found, COLLEAGUE_MARKS) == set()
    assert {mark for _, mark in leaks(found, MODEL_MARKS)} >= {"0.8713579", "0.4531977"}


def test_under_assisted_only_the_colleague_is_hidden_where_two_decide(cast: Cast):
    world = make(cast, "assisted")
    claimed = claim(world)
    assert leaks({"claim": claimed.content.decode()}, COLLEAGUE_MARKS) == set()
    found = answers(world, claimed.json()["item"]["lease"]["token"])
    assert leaks(found, COLLEAGUE_MARKS) == set()
    assert leaks(found, ("0.8713579",)) != set()


def test_what_alice_may_not_see_dana_and_a_reading_key_may(cast: Cast, client_with: Any):
    world = make(cast, "blind")
    world.client.force_login(cast.dana)
    assert {mark for _, mark in leaks(answers(world), ALL)} >= {"0.8713579", "RATIONALE-MARK"}
    read = client_with("read", model=cast.model).get(f"{API}/predictions/{world.item.prediction_id}/")
    assert (read.json()["confidence"], read.json()["hidden"]) == (0.8713579, [])


def test_an_owner_who_reviews_gets_no_row_of_the_case_in_an_export(cast: Cast):
    world = make(cast, "blind")
    world.client.force_login(cast.erin)
    found = answers(world)
    assert leaks(found, ALL) == set()
    exported = [text for address, text in found.items() if "/models/payments/labels/" in address and "api" in address]
    assert exported
    assert all("the-case" not in text for text in exported)


def test_a_look_at_the_case_after_an_undo_makes_the_next_answer_a_shown_one(cast: Cast):
    world = make(cast, "blind")
    token = claim(world).json()["item"]["lease"]["token"]
    made = decisions.decide(token=token, principal=world.alice, label="ok")
    world.client.get(f"/predictions/{world.item.prediction_id}/")
    decisions.undo(decision=made, principal=world.alice)
    line = world.item.queue
    [held] = queue.claim(queue=line, models=[cast.model], holder=world.alice.pseudonym, item=world.item.pk)
    again = decisions.decide(token=held.lease_token, principal=world.alice, label="ok")
    assert (made.model_shown_at, again.mode) == (None, "blind")
    assert again.model_shown_at is not None


def test_a_veil_that_hides_nothing_is_caught(cast: Cast, monkeypatch: pytest.MonkeyPatch):
    from review import sightings, veil

    world = make(cast, "blind")
    monkeypatch.setattr(sightings, "veils", lambda viewer, rows: {row.pk: veil.NOTHING for row in rows})
    assert {mark for _, mark in leaks(answers(world), ALL)} >= {"0.8713579", "RATIONALE-MARK"}


def test_a_reveal_is_asked_for_under_the_lease_and_recorded(cast: Cast):
    world = make(cast, "on_request")
    token = claim(world).json()["item"]["lease"]["token"]
    shown = world.client.post(f"{API}/leases/{token}/reveal/", {}, "application/json")
    assert shown.json()["item"]["prediction"]["scores"]["fraud"] == 0.8713579
    assert shown.json()["lease"]["model_shown_at"] is not None
    assert exposure.reveal(token=token, principal=world.alice).model_shown_at is not None


def test_a_gold_item_is_told_like_an_audit_that_nobody_answered(cast: Cast, settings: Any):
    """Bob has answered a case that is put to Alice as gold: nothing she gets tells that it is not new."""
    world = make(cast, "assisted", "audit")
    found = world.item.prediction
    type(world.item.queue).objects.update(required_decisions=1)
    decisions.decide(token=claim(world).json()["item"]["lease"]["token"], principal=world.alice, label="ok")
    type(found).objects.filter(pk=found.pk).update(
        received_at="2020-02-02T02:02:02.500Z", occurred_at="2020-02-02T02:02:01.500Z"
    )
    age(RoutingDecision.objects.filter(prediction=found), routed_at="2020-02-02T02:02:03Z")
    gold = QueueItem.objects.create(
        prediction=found,
        model=cast.model,
        queue=world.item.queue,
        kind="gold",
        slot=9,
        enqueued_at="2026-03-04T05:06:07Z",
    )
    user = access.create_user(username="carol", password="carol-password-1")
    access.grant_role(user=user, model=cast.model, role="reviewer", actor="test")
    world.client.force_login(user)
    carol = access.principal_of_user(user)
    told = world.client.get(f"{API}/predictions/{found.pk}/").json()
    assert (told["status"], told["review"], told["decisions"], told["labels"]) == ("routed", "audit", [], [])
    assert (told["resolution"]["by"], told["hidden"]) == ("model", [])
    times = [told[name] for name in ("occurred_at", "received_at", "routed_at")]
    assert times == ["2026-03-04T05:06:05.500000Z", "2026-03-04T05:06:06.500000Z", "2026-03-04T05:06:07Z"]
    assert told["resolution"]["at"].startswith("2026-03-04T05:06:07.0625")
    assert [told[name] for name in ("propensity", "draw")] == [None, None]
    marks = (*COLLEAGUE_MARKS, "2020-02", "2 February 2020", "2 Feb 2020")
    shown = {
        address: world.client.get(address).content.decode()
        for address in (f"/predictions/{found.pk}/", "/predictions/?q=entity-1", "/predictions/", f"{API}/predictions/")
    }
    assert leaks(shown, marks) == set()
    assert "hidden until you have answered" not in shown[f"/predictions/{found.pk}/"]
    assert "Resolved: refuse" in shown[f"/predictions/{found.pk}/"]
    assert world.bob.pseudonym not in shown[f"/predictions/{found.pk}/"]
    assert "the-case" not in shown["/predictions/"]
    [held] = queue.claim(queue=gold.queue, models=[cast.model], holder=carol.pseudonym, item=gold.pk)
    made = decisions.decide(token=held.lease_token, principal=carol, label="ok")
    told = world.client.get(f"{API}/predictions/{found.pk}/").json()
    assert (told["status"], told["review"], told["labels"], told["hidden"]) == ("decided", "audit", [], ["colleagues"])
    assert [row["id"] for row in told["decisions"]] == [str(made.pk)]
    assert (told["resolution"]["by"], told["resolution"]["label"]) == ("person", "ok")
    page = world.client.get(f"/predictions/{found.pk}/").content.decode()
    assert leaks({"page": page}, marks) == set()
    settings.REVIEWHUB = {**settings.REVIEWHUB, "UNDO_SECONDS": 0}
    told = world.client.get(f"{API}/predictions/{found.pk}/").json()
    assert len(told["decisions"]) == 3
    assert told["labels"] != []
