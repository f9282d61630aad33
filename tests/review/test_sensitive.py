"""Features that a contract marks as sensitive: masked wherever they stand, given one at a time and on the record."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from feedback import labels
from models_registry import access
from models_registry.models import AuditEvent, DatabaseNow
from review import decisions, queue
from review.models import CaseView, Explanation, QueueItem
from tests.conftest import CONTRACT, Cast
from tests.review.items import make_item

API = "/api/v1"
# A number that stands nowhere else.
MARK = "98765.25"


@pytest.fixture
def item(cast: Cast) -> QueueItem:
    """A case whose amount is sensitive, explained by it."""
    contract = cast.version.contract
    features = [{**one, "sensitive": one["name"] == "amount"} for one in CONTRACT["features"]]
    fresh = type(contract).objects.create(model=cast.model, number=2, document={"features": features}, sha256="1" * 64)
    type(cast.version).objects.filter(pk=cast.version.pk).update(contract=fresh)
    made = make_item(cast.model)
    payload = made.prediction.payload
    payload.features = {**payload.features, "amount": float(MARK)}
    payload.save()
    Explanation.objects.create(
        prediction=made.prediction, status="ready", explained_class="ok", origin="posted", space="margin",
        base_value=0.0, output=1.0, computed_at=DatabaseNow(),
        contributions=[{"feature": "amount", "value": float(MARK), "contribution": 1.0}],
        flips=[{"feature": "amount", "value": float(MARK), "score": 0.4, "label": "fraud"}],
        contrast={"against": "fraud", "contributions": [
            {"feature": "amount", "value": float(MARK), "contribution": 1.0}]},
    )  # fmt: skip
    return made


def signed_in(user: Any) -> Client:
    client = Client()
    client.force_login(user)
    return client


def seen(text: bytes) -> bool:
    return MARK.encode() in text or b"98,765" in text


def looked(client: Client, item: QueueItem) -> list[bytes]:
    found = [f"/predictions/{item.prediction_id}/", f"{API}/predictions/{item.prediction_id}/", f"{API}/predictions/"]
    return [client.get(address).content for address in found]


@pytest.mark.parametrize("name", ["alice", "dana", "erin"])
def test_every_person_sees_it_masked_whatever_the_role(cast: Cast, item: QueueItem, name: str):
    pages = looked(signed_in(getattr(cast, name)), item)
    assert not any(seen(page) for page in pages)
    assert b"hidden by policy" in pages[0]
    assert json.loads(pages[1])["masked"] == ["amount"]


def test_a_claim_masks_it_in_the_case_and_in_the_explanation(cast: Cast, item: QueueItem):
    claimed = signed_in(cast.alice).post(f"{API}/queues/payments/claim/", {}, "application/json")
    assert not seen(claimed.content)
    case = claimed.json()["item"]["prediction"]
    assert (case["features"]["amount"], case["features"]["age"], case["masked"]) == (None, 41, ["amount"])
    assert case["explanation"]["contributions"][0]["value"] is None


def test_a_key_that_only_reviews_gets_it_masked_and_the_system_that_sent_it_does_not(
    cast: Cast, item: QueueItem, client_with: Any
):
    reviewing = client_with("review").post(f"{API}/queues/payments/claim/", {}, format="json").json()["item"]
    assert reviewing["prediction"]["features"]["amount"] is None
    read = client_with("read").get(f"{API}/predictions/{item.prediction_id}/").json()
    assert (read["explanation"]["contributions"][0]["value"], read["masked"]) == (float(MARK), [])


def reveal(client: Client, item: QueueItem, feature: str = "amount") -> Any:
    address = f"{API}/predictions/{item.prediction_id}/reveal/"
    return client.post(address, json.dumps({"feature": feature}), "application/json")


def test_who_holds_the_case_may_ask_and_it_is_recorded(cast: Cast, item: QueueItem):
    client, alice = signed_in(cast.alice), access.principal_of_user(cast.alice)
    assert reveal(client, item).status_code == 403
    queue.claim(queue=item.queue, models=[cast.model], holder=alice.pseudonym, item=item.pk)
    assert reveal(client, item).json() == {"feature": "amount", "value": float(MARK)}
    look = CaseView.objects.get(what="sensitive")
    assert (look.viewer, look.detail, look.where) == (alice.pseudonym, "amount", "api")


def test_an_owner_may_ask_at_any_time_an_analyst_never(cast: Cast, item: QueueItem):
    assert reveal(signed_in(cast.erin), item).status_code == 200
    assert reveal(signed_in(cast.dana), item).status_code == 403
    assert reveal(signed_in(cast.mallory), item).status_code in (403, 404)
    assert CaseView.objects.filter(what="sensitive").count() == 1


@pytest.mark.parametrize("feature", ["age", "nothing"])
def test_what_is_not_hidden_is_refused_by_name(cast: Cast, item: QueueItem, feature: str):
    answer = reveal(signed_in(cast.erin), item, feature)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == "/feature"


def test_the_page_shows_the_value_once_it_was_asked_for(cast: Cast, item: QueueItem):
    client = signed_in(cast.erin)
    address = f"/predictions/{item.prediction_id}/reveal/"
    assert seen(client.post(address, {"feature": "amount"}).content)
    assert not seen(client.get(f"/predictions/{item.prediction_id}/").content)
    assert client.post(address, {"feature": "age"}).status_code == 404
    page = client.get(f"/predictions/{item.prediction_id}/").content.decode()
    assert "Asked for a value that is hidden by policy" in page


def test_an_export_is_masked_for_an_analyst_and_recorded_for_an_owner(cast: Cast, item: QueueItem, client_with: Any):
    bob = access.principal_of_user(cast.bob)
    [held] = queue.claim(queue=item.queue, models=[cast.model], holder=bob.pseudonym, item=item.pk)
    decisions.decide(token=held.lease_token, principal=bob, label="ok")
    labels.pull(limit=10)
    address = f"{API}/models/payments/labels/"
    exports = {name: b"".join(signed_in(getattr(cast, name)).get(address)) for name in ("dana", "erin")}
    assert {name: seen(text) for name, text in exports.items()} == {"dana": False, "erin": True}
    assert b"DE" in exports["dana"]
    assert seen(b"".join(client_with("read").get(address)))
    told = AuditEvent.objects.get(action="labels.exported")
    assert (told.actor, told.detail) == ("erin", {"sensitive": ["amount"]})
