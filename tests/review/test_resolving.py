from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from models_registry import webhooks
from models_registry.models import RegisteredModel, WebhookDelivery, WebhookEndpoint
from review import resolutions, routing
from review.models import Prediction, QueueItem, Resolution
from tests.conftest import Cast
from tests.review.items import make_item
from tests.review.received import obey, receive

LATE, EARLY = timedelta(seconds=-1), timedelta(hours=1)


def waiting(cast: Cast, external_id: str, hold: timedelta, fallback: str = "refuse", **fields: Any) -> QueueItem:
    return make_item(cast.model, external_id, hold_until=timezone.now() + hold, hold_fallback=fallback, **fields)


def listen(model: RegisteredModel | None) -> WebhookEndpoint:
    return WebhookEndpoint.objects.create(
        model=model,
        url="https://example.org/hook",
        events=list(webhooks.EVENTS),
        secret="whsec_eA==",
        created_by="test",
    )


@pytest.mark.parametrize("fallback", ["hold", "proceed", "refuse"])
def test_a_hold_that_times_out_resolves_as_its_policy_said_and_stays_open(cast: Cast, fallback: str) -> None:
    item = waiting(cast, "p-1", LATE, fallback)
    assert resolutions.resolve_overdue(limit=10) == 1
    said = resolutions.current(item.prediction)
    assert (said["state"], said["label"], said["disposition"], said["by"]) == ("final", None, fallback, "fallback")
    item.refresh_from_db()
    assert item.state == "open"
    assert resolutions.resolve_overdue(limit=10) == 0


def test_only_open_holds_whose_time_is_over_fall_back(cast: Cast) -> None:
    waiting(cast, "early", EARLY)
    waiting(cast, "decided", LATE, state="decided")
    waiting(cast, "withdrawn", LATE, state="withdrawn")
    make_item(cast.model, "endless")
    late = [waiting(cast, f"late-{number}", LATE * (3 - number)) for number in range(3)]
    assert resolutions.resolve_overdue(limit=2) == 2
    assert resolutions.resolve_overdue(limit=2) == 1
    assert list(Resolution.objects.values_list("prediction", flat=True)) == [item.prediction_id for item in late]


def test_the_policy_sets_the_time_a_caller_waits(cast: Cast) -> None:
    rule = {"name": "all", "when": {"field": "confidence", "gte": 0}, "disposition": "hold"}
    obey(cast.model, {"rules": [rule], "hold": {"timeout_seconds": 0.001, "on_timeout": "proceed"}})
    [prediction] = receive(cast.model)
    routing.route_batch(limit=1)
    assert resolutions.current(prediction)["state"] == "pending"
    assert resolutions.resolve_overdue(limit=1) == 1
    fresh = Prediction.objects.get(pk=prediction.pk)
    assert resolutions.current(fresh)["disposition"] == "proceed"


def test_a_later_answer_of_a_person_is_a_further_resolution(cast: Cast) -> None:
    prediction = waiting(cast, "p-1", LATE).prediction
    resolutions.resolve_overdue(limit=1)
    resolutions.resolve(prediction=prediction, label="fraud", disposition="refuse", by="person")
    told = list(Resolution.objects.values_list("by", "label", "disposition"))
    assert told == [("fallback", None, "refuse"), ("person", "fraud", "refuse")]
    assert resolutions.current(prediction)["by"] == "person"


def test_the_caller_is_told_by_webhook_and_a_correction_has_a_name_of_its_own(cast: Cast) -> None:
    endpoint = listen(cast.model)
    prediction = make_item(cast.model, "p-1").prediction
    resolutions.resolve(prediction=prediction, label="ok", disposition="proceed", by="person")
    resolutions.resolve(prediction=prediction, label="fraud", disposition="refuse", by="person")
    first, second = WebhookDelivery.objects.filter(endpoint=endpoint).order_by("id")
    assert (first.event, second.event) == ("prediction.resolved", "review.corrected")
    assert first.ordering_key == second.ordering_key == f"prediction:{prediction.pk}"
    newest = Resolution.objects.latest("id")
    assert second.payload == {
        "id": str(newest.pk),
        "prediction": str(prediction.pk),
        "external_id": "p-1",
        "model": "payments",
        "label": "fraud",
        "disposition": "refuse",
        "by": "person",
        "at": newest.at.isoformat(),
    }


def test_an_answer_after_a_fallback_is_the_first_one_and_corrects_nobody(cast: Cast) -> None:
    listen(None)
    prediction = waiting(cast, "p-1", LATE).prediction
    resolutions.resolve_overdue(limit=1)
    resolutions.resolve(prediction=prediction, label="ok", disposition="proceed", by="person")
    assert set(WebhookDelivery.objects.values_list("event", flat=True)) == {"prediction.resolved"}


def test_routing_tells_the_callers_of_a_batch_and_nobody_elses(cast: Cast) -> None:
    obey(cast.model, {"audit_floor": 0.01})
    endpoint, foreign = listen(cast.model), listen(cast.other_model)
    receive(cast.model, 30)
    routing.route_batch(limit=100)
    assert endpoint.deliveries.count() == 30
    assert foreign.deliveries.count() == 0


def test_the_feed_is_in_the_order_of_the_ids_and_starts_after_its_cursor(cast: Cast) -> None:
    predictions = receive(cast.model, 5)
    made = resolutions.resolve_many(
        [resolutions.Draft(p.pk, cast.model.pk, p.external_id, "ok", "proceed", "model") for p in predictions]
    )
    ids = [pk for pk, _ in made]
    assert ids == sorted(ids)
    everything = RegisteredModel.objects.all()
    assert [row.prediction_id for row in resolutions.feed(models=everything)] == [p.pk for p in predictions]
    assert [row.pk for row in resolutions.feed(models=everything, after=ids[1])] == ids[2:]
    assert not resolutions.feed(models=RegisteredModel.objects.filter(slug="secrets")).exists()
