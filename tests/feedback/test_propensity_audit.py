"""The propensity audit: honest routing stays silent, reviews that vanish and wrong propensities do not."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.utils import timezone

from feedback import propensity_audit as audits
from feedback.estimators.audit import propensity_audit
from feedback.models import Alert
from feedback.tasks import audit_propensities
from review.models import Prediction, QueueItem, ReviewQueue, RoutingDecision
from tests.conftest import Cast
from tests.feedback.cases import make_case

ROWS = 4000


def traffic(seed: int, rows: int = ROWS) -> tuple[Any, Any, Any]:
    """Draws, propensities and guesses of an active sampler: the less sure the model, the likelier the review."""
    rng = np.random.default_rng(seed)
    guess = rng.uniform(0.5, 1.0, rows)
    propensity = np.clip(0.9 * np.sqrt(guess * (1 - guess)), 0.05, 1.0)
    return rng.random(rows), propensity, guess


def test_the_overall_share_alone_would_miss_what_the_deciles_find():
    """The naive check, drawn against expected in total, is blind to a shift from hard to easy cases."""
    draw, propensity, guess = traffic(3)
    swapped = np.sort(propensity)[np.argsort(np.argsort(guess))]
    drawn = draw < swapped
    total = (drawn.sum() - propensity.sum()) ** 2 / (propensity * (1 - propensity)).sum()
    assert total < 3.84
    assert propensity_audit(guess, propensity, drawn).alarm


def route(cast: Cast, *, seed: int = 5, days_ago: float = 1, rows: int = 1500) -> Any:
    """Routed predictions with an item for each drawn one; returns the guesses."""
    draw, propensity, guess = traffic(seed, rows)
    at, queue = timezone.now() - timedelta(days=days_ago), ReviewQueue.objects.get(slug="payments")
    made = Prediction.objects.bulk_create(
        Prediction(model=cast.model, version=cast.version, external_id=f"{seed}-{n}", fingerprint="0" * 64,
                   occurred_at=at, status="routed", scores=[m, 1 - m], predicted="ok", confidence=m)
        for n, m in enumerate(guess.tolist())
    )  # fmt: skip
    rows_of = list(zip(made, draw.tolist(), propensity.tolist(), guess.tolist(), strict=True))
    RoutingDecision.objects.bulk_create(
        RoutingDecision(prediction=prediction, model=cast.model, draw=u, p_gate=0.0, propensity=p, reasons=[],
                        disposition="proceed", review="audit" if u < p else "none", model_guess=m,
                        oversight_always=False, routed_at=at)
        for prediction, u, p, m in rows_of
    )  # fmt: skip
    QueueItem.objects.bulk_create(
        QueueItem(prediction=prediction, model=cast.model, queue=queue, kind="audit")
        for prediction, u, p, _ in rows_of
        if u < p
    )


def lose_hard_reviews() -> None:
    """What must never happen: the items of unsure predictions are not there, the choices say that they are."""
    lost = QueueItem.objects.filter(prediction__confidence__lt=0.7)
    QueueItem.objects.filter(pk__in=list(lost.values_list("pk", flat=True))[::2]).delete()


def test_honest_routing_opens_no_alert(cast: Cast):
    route(cast)
    audit_propensities()
    assert not Alert.objects.exists()


def test_items_of_hard_reviews_that_are_missing_open_one_alert_with_the_evidence(cast: Cast):
    route(cast)
    lose_hard_reviews()
    assert RoutingDecision.objects.filter(review="audit").count() > QueueItem.objects.count()
    audit_propensities()
    audit_propensities()
    [alert] = Alert.objects.all()
    assert (alert.model, alert.kind, alert.severity) == (cast.model, "propensity_audit", "critical")
    assert (alert.state, alert.times_seen) == ("open", 2)
    assert alert.detail["p_value"] < 0.001
    assert "over 1,500 routings" in alert.title
    assert sum(band["rows"] for band in alert.detail["bands"]) == 1500
    easiest, hardest = alert.detail["bands"][0], alert.detail["bands"][-1]
    assert hardest["observed"] < 0.7 * hardest["expected"]
    assert easiest["observed"] > 0.7 * easiest["expected"]


def test_an_audit_of_the_stored_choices_alone_would_find_nothing(cast: Cast, monkeypatch: pytest.MonkeyPatch):
    """The broken variant: counting review <> 'none' believes what routing says of itself."""
    route(cast)
    lose_hard_reviews()
    start, end = audits._ROUTED.index("EXISTS"), audits._ROUTED.index("r.propensity")
    believing = audits._ROUTED[:start] + "r.review <> 'none', " + audits._ROUTED[end:]
    monkeypatch.setattr(audits, "_ROUTED", believing)
    found = audits.audit(cast.model)
    assert found is not None
    assert not found.alarm


def test_one_certain_review_without_its_item_is_named_in_the_title(cast: Cast):
    make_case(cast.model, "sure", review="gate", propensity=1.0, occurred_at=timezone.now() - timedelta(hours=1))
    audit_propensities()
    assert not Alert.objects.exists()
    QueueItem.objects.all().delete()
    audit_propensities()
    assert "1 certain" in Alert.objects.get().title


def test_a_manual_item_is_no_draw(cast: Cast):
    route(cast)
    QueueItem.objects.filter(prediction__confidence__lt=0.7).update(kind="manual")
    audit_propensities()
    assert Alert.objects.get().kind == "propensity_audit"


def test_the_alert_is_resolved_once_the_window_is_honest_again(cast: Cast, monkeypatch: pytest.MonkeyPatch):
    route(cast, days_ago=3)
    lose_hard_reviews()
    audit_propensities()
    # The bad days leave the window, and nothing else has come: that is no proof that the cause is gone.
    monkeypatch.setattr(audits, "DAYS", 2)
    audit_propensities()
    assert Alert.objects.get().state == "open"
    route(cast, seed=6, rows=20)
    audit_propensities()
    assert Alert.objects.get().state == "open"
    route(cast, seed=7)
    audit_propensities()
    assert Alert.objects.get().state == "resolved"


def test_only_the_newest_rows_are_read(cast: Cast, monkeypatch: pytest.MonkeyPatch):
    route(cast, days_ago=3)
    lose_hard_reviews()
    route(cast, seed=6)
    monkeypatch.setattr(audits, "NEWEST", 1500)
    found = audits.audit(cast.model)
    assert found is not None
    assert (sum(band.rows for band in found.bands), found.alarm) == (1500, False)
