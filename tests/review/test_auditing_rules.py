from __future__ import annotations

from review.models import QueueItem, Resolution, ReviewQueue
from tests.conftest import Cast
from tests.review.items import make_prediction
from tests.review.test_deciding import decide


def told(item: QueueItem) -> list[tuple[str | None, str, str]]:
    rows = Resolution.objects.filter(prediction=item.prediction_id).order_by("id")
    return list(rows.values_list("label", "disposition", "by"))


def make_refused_by_rule(cast: Cast) -> QueueItem:
    prediction = make_prediction(cast.model)
    Resolution.objects.create(prediction=prediction, model=cast.model, label="ok", disposition="refuse", by="rule")
    line = ReviewQueue.objects.get(slug=cast.model.slug)
    return QueueItem.objects.create(prediction=prediction, model=cast.model, queue=line, kind="audit")


def test_agreeing_in_an_audit_with_a_rule_that_refuses_says_nothing(cast: Cast) -> None:
    item = make_refused_by_rule(cast)

    decide(cast, cast.alice, label="ok")

    assert told(item) == [("ok", "refuse", "rule")]


def test_another_label_in_an_audit_leaves_the_disposition_of_a_rule(cast: Cast) -> None:
    item = make_refused_by_rule(cast)

    decide(cast, cast.alice, label="fraud")

    assert told(item) == [("ok", "refuse", "rule"), ("fraud", "refuse", "person")]
