"""Whatever a reviewer asks about a gold item and an audit, before and after answering, is answered alike."""

from __future__ import annotations

import re
from itertools import product
from typing import Any

import pytest
from django.test import Client

from feedback import gold, labels
from feedback.reliance import reliance
from models_registry import access
from models_registry.errors import Conflict
from review import decisions, queue, sightings
from review.models import Mode, QueueItem, Resolution, ReviewQueue, RoutingControl
from tests.conftest import Cast
from tests.feedback.cases import ask, make_case
from tests.feedback.cases import decide as was_decided
from tests.review.overlapping import asked, make_overlap, say, take, who

API = "/api/v1"
# What any two cases differ in: their own names, ids, tokens and the moments at which things happened.
OWN = re.compile(
    r"known-case|audit-case|csrf\w+\" value=\"\w+|[0-9a-f]{8}-[0-9a-f-]{27}|\d{4}-\d\d-\d\d[T ][\d:.]+(Z|\+00:00)?"
    r"|\d{1,2} \w+ \d{4}[^<\"]*|\d+ (seconds?|ms)( later)?|at once|nonce-[\w-]+|, ok(?=</span>)|(?<=mono\">)\d+|"
    r"[\"']\d+[\"']|/\d+/|after the prediction"
    r"|\"mono\">\d+<"
)


@pytest.fixture
def pair(cast: Cast) -> dict[str, QueueItem]:
    """A case that Bob decided long ago, put to Alice as gold, and an audit of today."""
    known = make_case(cast.model, "known-case", review="audit")
    was_decided(known, "fraud", reviewer=who(cast.bob).pseudonym)
    type(known).objects.filter(pk=known.pk).update(status="decided")
    labels.pull_all()
    gold.set_gold(prediction=known, value="fraud", actor="erin")
    audit = make_case(
        cast.model,
        "audit-case",
        review="audit",
        routing={"policy": RoutingControl.objects.get(model=cast.model).active},
    )
    # As routing tells it: with the label.
    Resolution.objects.create(prediction=audit, model=cast.model, label="ok", disposition="proceed", by="model")
    return {"known-case": ask(known), "audit-case": audit.items.get()}


def statuses(client: Client, name: str) -> list[Any]:
    """How often the case stands in each list that names it."""
    found: list[Any] = []
    for status, model, by in product(("", *("received", "routed", "decided", "withdrawn")), ("", "payments"), ("id",)):
        given = {key: value for key, value in (("status", status), ("model", model)) if value}
        page = client.get("/predictions/", {"q": name, **given})
        listed = client.get(f"{API}/predictions/", {"external_id": name, **given}).json()["results"]
        found.append((status, model, by, page.status_code, len(listed), [row["status"] for row in listed]))
    return found


def answer(cast: Cast, item: QueueItem, label: str | None) -> Any:
    line, alice = ReviewQueue.objects.get(pk=item.queue_id), who(cast.alice)
    [held] = queue.claim(queue=line, models=[cast.model], holder=alice.pseudonym, item=item.pk)
    return decisions.decide(token=held.lease_token, principal=alice, label=label, abstain=label is None)


@pytest.mark.parametrize("label", ["fraud", "ok", None])
def test_every_filter_finds_a_known_case_as_it_finds_an_audit(
    cast: Cast, pair: dict[str, QueueItem], client: Client, label: str | None
) -> None:
    client.force_login(cast.alice)
    assert statuses(client, "known-case") == statuses(client, "audit-case")
    for item in pair.values():
        answer(cast, item, label)
    after = statuses(client, "known-case")
    assert after == statuses(client, "audit-case")
    assert ("decided", "", "id", 302, 1, ["decided"]) in after or label is None


@pytest.mark.parametrize("several", [1, 2])
@pytest.mark.parametrize("mode", Mode.values)
@pytest.mark.parametrize("label", [None, "fraud", "ok"])
def test_its_body_reads_as_an_audit_s_before_and_after_the_answer(
    cast: Cast, pair: dict[str, QueueItem], client: Client, mode: str, label: str | None, several: int
) -> None:
    ReviewQueue.objects.update(mode=mode, required_decisions=several)
    pair["audit-case"].prediction.items.update(required=several)
    if several > 1:
        shared = {"prediction": pair["audit-case"].prediction, "model": cast.model, "queue": pair["audit-case"].queue}
        QueueItem.objects.create(**shared, kind="audit", slot=2, required=several)
    client.force_login(cast.alice)
    for step in ("before", "after"):
        bodies = []
        for item in pair.values():
            if step == "after":
                answer(cast, QueueItem.objects.get(pk=item.pk), label)
            body = client.get(f"{API}/predictions/{item.prediction_id}/").json()
            body["decisions"] = [{**row, "id": 0, "model_shown_seconds": 0} for row in body["decisions"]]
            bodies.append(OWN.sub("", str(body)))
        assert bodies[0] == bodies[1], step


def test_answer_look_undo_and_answer_again_teaches_nothing(cast: Cast, pair: dict[str, QueueItem], client: Client):
    client.force_login(cast.alice)
    item = pair["known-case"]
    made = answer(cast, item, "ok")
    for address in (
        f"/predictions/{item.prediction_id}/", f"{API}/predictions/{item.prediction_id}/", "/predictions/?q=known-case",
        f"/queues/payments/review/decisions/{made.pk}/", "/models/payments/labels/",
        f"{API}/models/payments/labels/", f"{API}/resolutions/", f"{API}/predictions/{item.prediction_id}/comments/",
    ):  # fmt: skip
        told = client.get(address)
        text = (b"".join(told) if told.streaming else told.content).decode()
        # Bob's answer stands on no other case.
        assert who(cast.bob).pseudonym not in text
        assert "Decided: fraud" not in text
        assert not re.search(r"known-case[^\n]*\bfraud\b", text) or "/predictions/" in address
    undone = decisions.undo(decision=made, principal=who(cast.alice))
    assert undone.supersedes == made


def test_colleagues_are_not_told_before_the_own_answer_is_final(cast: Cast, client: Client, settings: Any) -> None:
    found = make_overlap(cast.model, required=2)
    say(cast.model, cast.bob, "fraud", rationale="BOBS-WORDS")
    made = say(cast.model, cast.alice, "ok")
    client.force_login(cast.alice)
    assert "BOBS-WORDS" not in client.get(f"/predictions/{found.pk}/").content.decode()
    assert [row["id"] for row in client.get(f"{API}/predictions/{found.pk}/").json()["decisions"]] == [str(made.pk)]
    decisions.undo(decision=made, principal=who(cast.alice))
    assert "BOBS-WORDS" not in client.get(f"/predictions/{found.pk}/").content.decode()
    say(cast.model, cast.alice, "ok")
    assert asked(found) is not None
    settings.REVIEWHUB = {**settings.REVIEWHUB, "UNDO_SECONDS": 0}
    assert "BOBS-WORDS" in client.get(f"/predictions/{found.pk}/").content.decode()


def test_a_key_that_carried_the_answer_is_told_no_more_than_the_person(cast: Cast) -> None:
    found = make_overlap(cast.model, required=1, kind="audit")
    made, secret = access.create_service_key(name="ui", scopes=["review", "read"], created_by="test")
    service = access.principal_of_key(made)
    held = take(cast.model, service)
    assert held is not None
    behalf = who(cast.alice).pseudonym
    decisions.decide(token=held.lease_token, principal=service, label="ok", on_behalf_of=behalf)
    told = Client().get(f"{API}/predictions/{found.pk}/", headers={"Authorization": f"Bearer {secret}"}).json()
    assert (told["hidden"], told["labels"], len(told["decisions"])) == (["colleagues"], [], 1)


def test_who_has_seen_the_others_since_may_not_take_the_answer_back(cast: Cast) -> None:
    found = make_overlap(cast.model, required=2)
    made = say(cast.model, cast.alice, "ok")
    alice = who(cast.alice)
    # As a file that is fetched whole is recorded.
    sightings.write([found.pk], viewer=alice.pseudonym, whats=["colleagues"], where="export")
    with pytest.raises(Conflict) as refused:
        decisions.undo(decision=made, principal=alice)
    assert refused.value.code == "answers_seen"
    assert decisions.undo(decision=made, principal=who(cast.erin)).supersedes == made


def test_an_answer_moves_no_count_of_reliance_before_it_is_final(
    cast: Cast, pair: dict[str, QueueItem], client: Client, settings: Any
) -> None:
    client.force_login(cast.alice)

    def counted() -> int:
        return int(reliance(model=cast.model)["gold"]["n"])

    before = counted()
    answer(cast, pair["known-case"], "ok")
    assert counted() == before
    settings.REVIEWHUB = {**settings.REVIEWHUB, "UNDO_SECONDS": 0}
    assert counted() > before
