"""The simulation and the steps give the same rows the same propensities, draws and labels."""

from __future__ import annotations

import numpy as np
import pytest
from django.conf import settings

from feedback import labels
from feedback.models import Label
from feedback.simulation import Options, Setup, routes
from models_registry import access
from review import decisions, policies, policy_versions, queue, routing, samplers
from review.models import Prediction, PredictionPayload, ReviewQueue, RoutingDecision
from review.terms import draw_key
from tests.conftest import make_model

ROWS = 400
BUDGET = 0.3


@pytest.fixture
def setup_of_rows() -> Setup:
    rng = np.random.default_rng(5)
    positive = rng.beta(1.2, 2.0, 2 * ROWS).clip(0.01, 0.99)
    scores = np.column_stack([1 - positive, positive])
    truth = (rng.random(2 * ROWS) < positive).astype(np.int64)
    tier = rng.random(2 * ROWS) < 0.15
    return Setup(scores, truth, tier, ("ok", "fraud"), 1, 1 - np.eye(2), Options(budget=BUDGET), rows=2 * ROWS)


def receive(model, rows: routes.Rows, prefix: str) -> None:
    made = Prediction.objects.bulk_create(
        Prediction(
            model=model, version=model.champion, external_id=f"{prefix}-{n}", fingerprint="0" * 64,
            scores=scores.tolist(), predicted=model.classes[place], confidence=float(scores[place]),
            groups={"tier": bool(tier)}, occurred_at="2026-01-01T00:00:00Z",
        )
        for n, (scores, place, tier) in enumerate(zip(rows.scores, rows.predicted, rows.tier, strict=True))
    )  # fmt: skip
    PredictionPayload.objects.bulk_create(PredictionPayload(prediction=row, features={}) for row in made)
    while routing.route_batch(limit=100):
        pass


def decide_all(model, truth: dict[str, str]) -> None:
    """A perfect reviewer, through the steps that the pages and the API call."""
    key, _ = access.create_service_key(name="r", scopes=["review"], created_by="test")
    principal = access.principal_of_key(key)
    place = ReviewQueue.objects.get(slug=model.slug)
    while items := queue.claim(queue=place, models=[model], holder=principal.pseudonym, count=5):
        for item in items:
            label = truth[item.prediction.external_id]
            decisions.decide(token=item.lease_token, principal=principal, label=label)
    labels.pull_all()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", ["uniform", "threshold", "active", "default"])
def test_rows_are_routed_drawn_and_labelled_alike(name: str, setup_of_rows: Setup) -> None:
    setup = setup_of_rows
    tier_share = float(setup.tier.mean())
    first = {"sampling": {"kind": "uniform", "budget": BUDGET}, "audit_floor": 0.05}
    model, _ = make_model("payments", policy=first)
    past, window = (routes.rows_at(setup, np.arange(start, start + ROWS)) for start in (0, ROWS))
    receive(model, past, "past")
    evidence = routes.Evidence.of(past, budget=BUDGET, rng=np.random.default_rng(6))
    told = samplers.Told(
        tau=evidence.tau(past.guess, np.zeros(ROWS), BUDGET),
        temperature=1.3,
        evidence={"version": model.champion_id, "budget": BUDGET, "tau": 0.625},
    )
    evidence = routes.Evidence(told.temperature, evidence.residual, evidence.weight)
    document = routes.document(name, budget=BUDGET, tier_share=tier_share)
    policy = policy_versions.create(model=model, document=document, actor="erin")
    policy_versions.activate(policy=policy, actor="erin")
    samplers.refit(model=model, told=told)
    receive(model, window, "now")

    found = routes.route(
        setup, name, window=evidence.trusted(window), past=evidence.trusted(past), evidence=evidence
    ).window
    stored = list(
        RoutingDecision.objects.filter(prediction__external_id__startswith="now")
        .order_by("prediction_id")
        .values_list("propensity", "draw", "review", "model_guess")
    )
    propensity, draw, review, guess = (np.array(column) for column in zip(*stored, strict=True))
    assert propensity == pytest.approx(found, abs=1e-12)
    assert guess == pytest.approx(evidence.trusted(window).guess, abs=1e-12)
    ids = [f"now-{n}" for n in range(ROWS)]
    mine = policies.draws(draw_key(settings.SECRET_KEY), model.slug, ids, policy.number)
    assert draw.tolist() == mine.tolist()
    drawn = mine < found
    assert (review != "none").tolist() == drawn.tolist()
    assert 0.2 < drawn.mean() < 0.4

    truth = {f"now-{n}": model.classes[place] for n, place in enumerate(window.labels)}
    truth |= {f"past-{n}": model.classes[place] for n, place in enumerate(past.labels)}
    decide_all(model, truth)
    known = dict(
        Label.objects.filter(selection="draw", prediction__external_id__startswith="now").values_list(
            "prediction__external_id", "value"
        )
    )
    assert known == {ids[n]: model.classes[window.labels[n]] for n in np.flatnonzero(drawn)}
