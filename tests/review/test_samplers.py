from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.conf import settings
from django.db import DatabaseError, transaction

from models_registry.models import ModelVersion, ReferenceProfile, RegisteredModel
from models_registry.profiles import build_profile
from review import policy_versions, routing, samplers, sampling
from review.models import PolicyVersion, RoutingDecision, SamplerFit
from tests.conftest import Cast
from tests.review.received import obey, receive

ACTIVE: dict[str, Any] = {"sampling": {"kind": "active", "budget": 0.3, "tau": 0.5}, "audit_floor": 0.05}
UNIFORM: dict[str, Any] = {"sampling": {"kind": "uniform", "budget": 0.3}, "audit_floor": 0.05}


def activate(cast: Cast, document: dict[str, Any]) -> PolicyVersion:
    policy = policy_versions.create(model=cast.model, document=document, actor="erin")
    policy_versions.activate(policy=policy, actor="erin")
    return policy


def send(cast: Cast, rows: int, *, first: int = 0, low: float = 0.5) -> None:
    """Predictions with every confidence from ``low`` to 1, routed by what is live."""
    for number, confidence in enumerate(np.linspace(low, 0.99, 20).tolist()):
        receive(cast.model, rows // 20, confidence=confidence, first=first + number * (rows // 20))
    while routing.route_batch(limit=500):
        pass


def test_activation_solves_the_sampler_so_that_the_first_prediction_is_routed_by_it(cast: Cast) -> None:
    send(cast, 400)
    policy = activate(cast, ACTIVE)
    fit = SamplerFit.objects.get(policy=policy)
    assert (fit.kind, fit.rows, fit.least) == ("active", 400, pytest.approx(0.05))
    [first] = receive(cast.model, confidence=0.6, first=1000)
    routing.route_batch(limit=10)
    decision = RoutingDecision.objects.get(prediction=first)
    solved = samplers.fit_of(fit)
    assert (decision.sampler_fit_id, decision.sampler_c, decision.sampler_tau) == (fit.pk, solved.scale, 0.5)
    assert decision.propensity == pytest.approx(float(sampling.probability(solved, np.array([0.6]))[0]))
    assert solved.scale > 0


def test_a_fit_meets_the_budget_on_the_past_with_the_gates_in_it(cast: Cast) -> None:
    send(cast, 400)
    gate = {"name": "low", "when": {"field": "confidence", "lt": 0.6}, "p": 1.0, "kind": "gate"}
    activate(cast, {**ACTIVE, "review": [gate]})
    send(cast, 400, first=400)
    shares = RoutingDecision.objects.order_by("-prediction_id").values_list("propensity", flat=True)[:400]
    assert float(np.mean(shares)) == pytest.approx(0.3, abs=1e-6)


def test_a_fit_knows_nothing_of_the_rows_that_it_samples(cast: Cast) -> None:
    send(cast, 400)
    policy = activate(cast, ACTIVE)
    before = SamplerFit.objects.get(policy=policy)
    # The traffic turns doubtful: it is sampled by the constants of the past, whatever that costs.
    for number in range(200):
        receive(cast.model, confidence=0.5, first=1000 + number)
    routing.route_batch(limit=500)
    decisions = RoutingDecision.objects.filter(policy=policy)
    assert {(row.sampler_fit_id, row.sampler_c) for row in decisions} == {(before.pk, before.parameters["scale"])}
    assert np.mean([row.propensity for row in decisions]) > 0.35
    after = samplers.refit(model=cast.model)
    assert after is not None
    assert after.parameters["scale"] < before.parameters["scale"]


def test_without_traffic_the_reference_rows_speak(cast: Cast) -> None:
    confidence = np.linspace(0.5, 1.0, 1000)
    document = build_profile({"features": []}, {}, scores=np.column_stack([confidence, 1 - confidence]))
    ReferenceProfile.objects.create(version=cast.version, document=document, rows=1000, sha256="0" * 64)
    gate = {"name": "low", "when": {"field": "confidence", "lt": 0.6}, "p": 1.0, "kind": "gate"}
    asks_more = {"name": "old", "when": {"field": "feature.age", "gt": 80}, "p": 1.0, "kind": "gate"}
    policy = activate(cast, {**ACTIVE, "review": [gate, asks_more]})
    fit = SamplerFit.objects.get(policy=policy)
    assert (fit.rows, fit.least) == (0, pytest.approx(0.2 + 0.8 * 0.05, abs=0.01))
    pi = np.maximum(np.where(confidence < 0.6, 1.0, 0.05), sampling.probability(samplers.fit_of(fit), confidence))
    assert pi.mean() == pytest.approx(0.3, abs=0.01)


def test_without_any_past_the_budget_is_drawn_uniformly(cast: Cast) -> None:
    policy = activate(cast, ACTIVE)
    assert samplers.fit_of(SamplerFit.objects.get(policy=policy)) == sampling.unfitted("active", budget=0.3)
    receive(cast.model, 3, confidence=0.6)
    routing.route_batch(limit=10)
    assert {row.propensity for row in RoutingDecision.objects.all()} == {0.3}


def test_a_policy_that_samples_nothing_has_no_fit(cast: Cast) -> None:
    policy = activate(cast, {"audit_floor": 0.1})
    assert samplers.refit(model=cast.model) is None
    assert not SamplerFit.objects.filter(policy=policy).exists()
    assert not samplers.is_due(cast.model)


def test_tau_is_that_of_uniform_review_until_residuals_speak_and_stays_with_the_budget(cast: Cast) -> None:
    auto = {"sampling": {"kind": "active", "budget": 0.3}, "audit_floor": 0.05}
    send(cast, 400)
    activate(cast, auto)
    assert SamplerFit.objects.latest("id").parameters["tau"] == 1.0
    evidence = {"budget": 0.3, "tau": 0.625, "version": cast.version.pk}
    told = samplers.refit(model=cast.model, told=samplers.Told(tau=0.625, temperature=1.5, evidence=evidence))
    assert told is not None
    assert (told.parameters["tau"], told.parameters["temperature"]) == (0.625, 1.5)
    # An edit that leaves the budget alone keeps what was learnt; another budget asks anew.
    activate(cast, {**auto, "audit_floor": 0.06})
    assert SamplerFit.objects.latest("id").parameters["tau"] == 0.625
    activate(cast, {**auto, "sampling": {"kind": "active", "budget": 0.25}})
    newest = SamplerFit.objects.latest("id").parameters
    assert (newest["tau"], newest["temperature"]) == (1.0, 1.5)
    # Another champion's scores have proved nothing yet.
    other = ModelVersion.objects.create(
        model=cast.model, version="2", contract=cast.version.contract, state="ready", created_by="test"
    )
    RegisteredModel.objects.filter(pk=cast.model.pk).update(champion=other)
    cast.model.refresh_from_db()
    activate(cast, auto)
    newest = SamplerFit.objects.latest("id").parameters
    assert (newest["tau"], newest["temperature"]) == (1.0, 1.0)


def test_a_fit_is_due_at_first_while_traffic_doubles_and_every_day(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    obey(cast.model, UNIFORM)
    assert samplers.is_due(cast.model)
    fit = samplers.refit(model=cast.model)
    assert fit is not None
    assert not samplers.is_due(cast.model)
    send(cast, 80)
    assert not samplers.is_due(cast.model)
    send(cast, 20, first=80)
    assert samplers.is_due(cast.model)
    second = samplers.refit(model=cast.model)
    assert second is not None
    assert second.rows == 100
    assert not samplers.is_due(cast.model)
    monkeypatch.setattr(samplers, "LONGEST", timedelta(0))
    assert samplers.is_due(cast.model)


def test_only_the_newest_rows_count(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(settings.REVIEWHUB, "SAMPLER_ROWS", 200)
    obey(cast.model, UNIFORM)
    send(cast, 200, low=0.5)
    send(cast, 200, first=200, low=0.9)
    policy = samplers.sampler_of(samplers.live_policy(cast.model))
    assert policy is not None
    past = samplers.past_of(cast.model, policy)
    assert (len(past.ids), past.guess.min()) == (200, pytest.approx(0.9))


def test_fits_are_never_changed(cast: Cast) -> None:
    activate(cast, ACTIVE)
    with pytest.raises(DatabaseError), transaction.atomic():
        SamplerFit.objects.update(rows=3)


def test_another_champion_is_not_routed_by_the_fit_to_the_one_before(cast: Cast) -> None:
    policy = activate(cast, ACTIVE)
    send(cast, 400)
    assert samplers.refit(model=cast.model) is not None
    assert not samplers.is_due(cast.model)
    assert policy.pk in samplers.newest([policy.pk])
    other = ModelVersion.objects.create(
        model=cast.model, version="2", contract=cast.version.contract, state="ready", created_by="test"
    )
    RegisteredModel.objects.filter(pk=cast.model.pk).update(champion=other)
    cast.model.refresh_from_db()
    assert samplers.newest([policy.pk]) == {}
    assert samplers.is_due(cast.model)
    send(cast, 20, first=10_000)
    decision = RoutingDecision.objects.order_by("-prediction_id").first()
    assert decision is not None
    assert (decision.sampler_fit_id, decision.model_guess) == (None, decision.prediction.confidence)
