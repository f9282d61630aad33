from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection

from models_registry import promotion
from models_registry.errors import Conflict, NotFound
from models_registry.models import (
    AuditEvent,
    GateResult,
    ModelVersion,
    Promotion,
    RegisteredModel,
    WebhookDelivery,
    WebhookEndpoint,
)
from tests.conftest import Cast, make_model

MET = {"contract": True, "policy": True, "artifact_checked": True}


def candidate(model: RegisteredModel, name: str = "2", **fields: Any) -> ModelVersion:
    contract = model.contracts.get()
    values: dict[str, Any] = {"state": "ready", "created_by": "test", **fields}
    return ModelVersion.objects.create(model=model, version=name, contract=contract, **values)


def judge(version: ModelVersion, gate: str, verdict: str, *, blocking: bool = True) -> None:
    reason = f"{gate} is {verdict}"
    GateResult.objects.create(
        version=version,
        compared_with=version.model.champion,
        gate=gate,
        verdict=verdict,
        blocking=blocking,
        reason=reason,
    )


def promote(model: RegisteredModel, version: ModelVersion) -> Promotion:
    return promotion.promote(model=model, version=version, reason="better", actor="erin")


@pytest.fixture
def fresh(cast: Cast) -> RegisteredModel:
    """A model that has never had a champion."""
    model, _ = make_model("fresh")
    model.champion = None
    model.save()
    return model


def test_the_first_activation_needs_every_gate(fresh: RegisteredModel):
    version = candidate(fresh, state="checking")
    evidence = {"contract": True, "policy": False, "artifact_checked": False}
    with pytest.raises(Conflict) as refused:
        promotion.activate(model=fresh, version=version, evidence=evidence, actor="erin")
    assert refused.value.code == "gates_missing"
    assert {fault.pointer for fault in refused.value.errors} == {"/gates/policy", "/gates/artifact_checked"}
    assert not Promotion.objects.exists()


def test_a_rejected_version_is_not_activated_and_says_why(fresh: RegisteredModel):
    version = candidate(fresh, state="rejected", state_reason="untrusted_type: a type nobody knows")
    with pytest.raises(Conflict) as refused:
        promotion.activate(model=fresh, version=version, evidence=MET, actor="erin")
    assert "a type nobody knows" in refused.value.errors[0].message


def test_activating_twice_is_one_change(fresh: RegisteredModel):
    version = candidate(fresh)
    made = [promotion.activate(model=fresh, version=version, evidence=MET, actor="erin") for _ in range(2)]
    assert made[0] == made[1]
    assert (made[0].kind, made[0].previous) == ("activation", None)
    assert AuditEvent.objects.filter(model=fresh, action="model.activation").count() == 1


def test_nothing_is_promoted_before_the_first_activation(fresh: RegisteredModel):
    with pytest.raises(Conflict) as refused:
        promote(fresh, candidate(fresh))
    assert refused.value.code == "not_activated"


def test_a_version_registered_by_hand_is_promoted_without_gate_results(cast: Cast):
    version = candidate(cast.model)
    made = promote(cast.model, version)
    assert (made.kind, made.previous, made.reason) == ("promotion", cast.version, "better")
    cast.model.refresh_from_db()
    assert cast.model.champion == version


def test_a_version_that_is_not_checked_is_not_promoted(cast: Cast):
    with pytest.raises(Conflict) as refused:
        promote(cast.model, candidate(cast.model, state="checking"))
    assert refused.value.code == "gates_missing"


def test_a_retrained_version_without_gate_results_is_not_promoted(cast: Cast):
    with pytest.raises(Conflict) as refused:
        promote(cast.model, candidate(cast.model, origin="retrained"))
    assert refused.value.errors[0].pointer == "/gates/evaluation"


def test_blocking_gates_that_did_not_pass_are_named(cast: Cast):
    version = candidate(cast.model, origin="retrained")
    judge(version, "log_loss", "failed")
    judge(version, "rows", "insufficient_data")
    judge(version, "auc", "passed")
    judge(version, "fairness", "failed", blocking=False)
    with pytest.raises(Conflict) as refused:
        promote(cast.model, version)
    assert refused.value.code == "gate_failed"
    assert [(fault.pointer, fault.code) for fault in refused.value.errors] == [
        ("/gates/log_loss", "failed"),
        ("/gates/rows", "insufficient_data"),
    ]
    with pytest.raises(Conflict, match="log_loss, rows"):
        promotion.activate(model=cast.model, version=version, evidence=MET, actor="erin")


def test_the_newest_result_of_a_gate_counts(cast: Cast):
    version = candidate(cast.model, origin="retrained")
    judge(version, "log_loss", "failed")
    judge(version, "log_loss", "passed")
    assert promote(cast.model, version).version == version
    worse = candidate(cast.model, "3", origin="retrained")
    judge(worse, "log_loss", "passed")
    judge(worse, "log_loss", "failed")
    with pytest.raises(Conflict):
        promote(cast.model, worse)


def test_a_verdict_against_an_earlier_champion_promotes_nothing_but_rolling_back_needs_none(cast: Cast):
    first, second = (candidate(cast.model, name, origin="retrained") for name in ("2", "3"))
    judge(first, "log_loss", "passed")
    judge(second, "log_loss", "passed")
    promote(cast.model, first)
    with pytest.raises(Conflict, match="judged against version '1', which no longer serves: retrain") as refused:
        promote(cast.model, second)
    assert (refused.value.code, refused.value.errors[0].pointer) == ("gates_missing", "/gates/log_loss")
    with pytest.raises(Conflict, match="no longer serves"):
        promotion.activate(model=cast.model, version=second, evidence=MET, actor="erin")
    cast.model.refresh_from_db()
    assert cast.model.champion == first
    assert promotion.rollback(model=cast.model, reason="worse", actor="erin").version == cast.version
    assert promote(cast.model, second).version == second


def test_a_version_of_another_model_is_not_found(cast: Cast):
    with pytest.raises(NotFound):
        promote(cast.model, candidate(cast.other_model, "9"))


def test_a_promotion_is_announced_in_its_own_transaction(cast: Cast):
    for model in (cast.model, cast.other_model, None):
        WebhookEndpoint.objects.create(
            model=model, url="https://example.com", events=["model.promoted"], secret="whsec_", created_by="test"
        )
    promote(cast.model, candidate(cast.model))
    told = WebhookDelivery.objects.filter(event="model.promoted")
    assert [delivery.endpoint.model for delivery in told.order_by("endpoint_id")] == [cast.model, None]
    assert told[0].payload["version"] == "2"
    assert told[0].payload["previous"] == "1"


def test_rolling_back_twice_goes_back_twice(fresh: RegisteredModel):
    versions = [candidate(fresh, name) for name in ("2", "3", "4")]
    promotion.activate(model=fresh, version=versions[0], evidence=MET, actor="erin")
    promote(fresh, versions[1])
    promote(fresh, versions[2])
    for expected in (versions[1], versions[0]):
        made = promotion.rollback(model=fresh, reason="worse", actor="erin")
        assert (made.kind, made.version) == ("rollback", expected)
    with pytest.raises(Conflict) as refused:
        promotion.rollback(model=fresh, reason="worse", actor="erin")
    assert refused.value.code == "nothing_to_roll_back"


@pytest.mark.django_db(transaction=True)
def test_twenty_parallel_promotions_leave_one_consistent_history():
    model, first = make_model("contended")
    versions = [candidate(model, str(number)) for number in range(2, 22)]

    def attempt(version: ModelVersion) -> str:
        try:
            promote(RegisteredModel.objects.get(pk=model.pk), version)
        except Conflict as refused:
            return refused.code
        finally:
            connection.close()
        return "promoted"

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(attempt, versions))
    assert set(answers) <= {"promoted", "champion_changed"}
    history = list(model.promotions.order_by("id"))
    assert len(history) == answers.count("promoted") >= 1
    assert [row.previous_id for row in history] == [first.pk, *(row.version_id for row in history[:-1])]
    model.refresh_from_db()
    assert model.champion_id == history[-1].version_id


@pytest.mark.django_db(transaction=True)
def test_one_version_promoted_in_parallel_is_one_change():
    model, _ = make_model("contended")
    version = candidate(model)

    def attempt(_: int) -> int:
        try:
            return promote(RegisteredModel.objects.get(pk=model.pk), version).pk
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(attempt, range(8))) == {model.promotions.get().pk}
