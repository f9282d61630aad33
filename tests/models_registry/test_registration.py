from __future__ import annotations

from typing import Any

import pytest

from models_registry import registration
from models_registry.errors import Conflict, Invalid, TooLarge
from models_registry.models import Artifact, AuditEvent, DataContract, ModelVersion, RegisteredModel
from tests.conftest import CONTRACT, Cast

BODY: dict[str, Any] = {"slug": "credit", "name": "Credit", "task": "binary", "classes": ["good", "bad"]}


def register(**changes: Any) -> RegisteredModel:
    return registration.register_model(body={**BODY, **changes}, actor="test", owner=None)


def faults_of(refused: pytest.ExceptionInfo[Invalid]) -> list[tuple[str, str]]:
    return [(fault.pointer, fault.code) for fault in refused.value.errors]


def test_a_model_is_registered_with_its_first_definition_owner_and_audit_event(cast: Cast):
    costs = {"good": {"bad": 5}, "bad": {"good": 1.0}}
    body = {**BODY, "costs": costs, "outcomes": {"complete_for": "proceeded", "horizon_days": 30}}
    model = registration.register_model(body=body, actor="erin", owner=cast.erin)
    assert model.cost("good", "bad") == 5.0
    assert model.cost("good", "good") == 0.0
    assert (model.outcomes_complete_for, model.outcomes_horizon_days) == ("proceeded", 30)
    assert model.definitions.get().classes == ["good", "bad"]
    assert model.memberships.get().role == "owner"
    assert AuditEvent.objects.filter(model=model, action="model.registered", actor="erin").count() == 1


@pytest.mark.django_db
def test_the_second_class_of_a_binary_model_is_the_positive_one_by_default():
    assert register().positive_class == "bad"
    assert register(slug="a", positive_class="good").positive_class == "good"
    assert register(slug="b", task="multiclass", classes=["x", "y", "z"]).positive_class is None


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"slug": "Credit"}, ("/slug", "pattern")),
        ({"slug": "-credit"}, ("/slug", "pattern")),
        ({"slug": "x" * 64}, ("/slug", "pattern")),
        ({"slug": "credit\n"}, ("/slug", "pattern")),
        ({"name": "  "}, ("/name", "pattern")),
        ({"task": "regression"}, ("/task", "not_allowed")),
        ({"classes": ["one"]}, ("/classes", "length")),
        ({"classes": ["a", "b", "c"]}, ("/classes", "length")),
        ({"classes": ["a", 1]}, ("/classes/1", "type")),
        ({"classes": ["a", ""]}, ("/classes/1", "length")),
        ({"classes": ["yes", "YES"]}, ("/classes/1", "duplicate")),
        ({"classes": ["café", "cafe\u0301"]}, ("/classes/1", "duplicate")),
        ({"classes": ["a", " b"]}, ("/classes/1", "name")),
        ({"positive_class": "ugly"}, ("/positive_class", "unknown_class")),
        ({"oversight": "sometimes"}, ("/oversight", "not_allowed")),
        ({"costs": {"ugly": {}}}, ("/costs/ugly", "unknown_class")),
        ({"costs": {"good": {"ugly": 1}}}, ("/costs/good/ugly", "unknown_class")),
        ({"costs": {"good": {"bad": -1}}}, ("/costs/good/bad", "out_of_range")),
        ({"costs": {"good": {"bad": "5"}}}, ("/costs/good/bad", "type")),
        ({"costs": {"good": {"bad": float("inf")}}}, ("/costs/good/bad", "out_of_range")),
        ({"costs": {"good": 5}}, ("/costs/good", "type")),
        ({"review_cost": -1}, ("/review_cost", "out_of_range")),
        ({"disposition_of": {"ugly": "proceed"}}, ("/disposition_of/ugly", "unknown_class")),
        ({"disposition_of": {"good": "hold"}}, ("/disposition_of/good", "not_allowed")),
        ({"outcomes": {"complete_for": "some"}}, ("/outcomes/complete_for", "not_allowed")),
        ({"outcomes": {"complete_for": "all"}}, ("/outcomes/horizon_days", "required")),
        ({"outcomes": {"complete_for": "all", "horizon_days": -1}}, ("/outcomes/horizon_days", "out_of_range")),
        ({"champion": 1}, ("/champion", "unknown_field")),
        ({"simulated": True}, ("/simulated", "unknown_field")),
    ],
)
def test_a_faulty_declaration_is_refused_and_writes_nothing(changes: dict[str, Any], fault: tuple[str, str]):
    with pytest.raises(Invalid) as refused:
        register(**changes)
    assert fault in faults_of(refused)
    assert not RegisteredModel.objects.exists()


@pytest.mark.django_db
def test_all_faults_of_a_declaration_are_told_at_once():
    with pytest.raises(Invalid) as refused:
        register(slug="A", positive_class="ugly", costs={"good": {"bad": -1}}, extra=1)
    assert {pointer for pointer, _ in faults_of(refused)} == {"/slug", "/positive_class", "/costs/good/bad", "/extra"}


@pytest.mark.django_db
def test_a_slug_is_given_once():
    register()
    with pytest.raises(Conflict) as refused:
        register(name="Another")
    assert refused.value.code == "slug_taken"


def version_of(model: RegisteredModel, name: str = "2", **fields: Any) -> ModelVersion:
    arguments: dict[str, Any] = {"contract": CONTRACT, "actor": "test", **fields}
    return registration.register_version(model=model, version=name, **arguments)


def test_a_version_without_files_is_ready_at_once(cast: Cast):
    version = version_of(cast.model)
    assert (version.state, version.artifact, version.created_by) == ("ready", None, "test")


def test_a_version_with_files_waits_for_the_worker(cast: Cast):
    version = version_of(cast.model, reference=b"amount,age,country,label\n1,2,DE,ok\n", held_out=True)
    assert (version.state, version.reference_held_out) == ("checking", True)
    assert Artifact.objects.get(pk=version.reference_id).kind == "reference"


def test_contracts_of_the_same_content_are_one_row(cast: Cast):
    first, second = version_of(cast.model, "2"), version_of(cast.model, "3")
    swapped = {"features": [dict(reversed(feature.items())) for feature in CONTRACT["features"]]}
    third = version_of(cast.model, "4", contract=swapped)
    assert first.contract_id == second.contract_id == third.contract_id
    other = version_of(cast.model, "5", contract={"features": CONTRACT["features"][:2]})
    assert other.contract.number == first.contract.number + 1


def test_a_version_name_is_given_once(cast: Cast):
    with pytest.raises(Conflict) as refused:
        version_of(cast.model, "1")
    assert refused.value.code == "version_taken"


def test_the_name_of_a_rejected_upload_is_free_again(cast: Cast):
    rejected = version_of(cast.model, "2", reference=b"nonsense")
    ModelVersion.objects.filter(pk=rejected.pk).update(state="rejected", state_reason="invalid_reference: no rows")
    again = version_of(cast.model, "2")
    again.refresh_from_db()
    assert (again.pk, again.state, again.state_reason, again.reference) == (rejected.pk, "ready", "", None)


@pytest.mark.parametrize("name", ["", "a/b", "a b", ".hidden", "x" * 101, "1\n", "é"])
def test_a_version_name_that_no_address_can_carry_is_refused(cast: Cast, name: str):
    with pytest.raises(Invalid) as refused:
        version_of(cast.model, name)
    assert faults_of(refused) == [("/version", "name")]


def test_a_faulty_contract_is_refused_with_pointers_into_the_upload(cast: Cast):
    with pytest.raises(Invalid) as refused:
        version_of(cast.model, contract={"features": [{"name": "a", "dtype": "int", "min": 2, "max": 1}]})
    assert faults_of(refused) == [("/contract/features/0/max", "out_of_range")]
    assert DataContract.objects.filter(model=cast.model).count() == 1


@pytest.mark.parametrize("content", [b"", b"\x80\x04\x95pickle", b"PK\x03\x04 cut short"])
def test_a_file_that_is_no_skops_archive_is_refused_before_anything_is_written(cast: Cast, content: bytes):
    with pytest.raises(Invalid) as refused:
        version_of(cast.model, artifact=content)
    assert refused.value.code == "unsupported_format"
    assert not Artifact.objects.exists()
    assert not cast.model.versions.filter(version="2").exists()


def test_files_over_the_cap_are_refused(cast: Cast, settings: Any):
    settings.REVIEWHUB = {**settings.REVIEWHUB, "MAX_ARTIFACT_BYTES": 10}
    for name in ("artifact", "reference"):
        with pytest.raises(TooLarge):
            version_of(cast.model, **{name: b"x" * 11})


def test_definitions_are_numbered_and_speak_of_every_class(cast: Cast):
    body = {"classes": ["fraud", "ok"], "guidelines": "Look.", "reason_codes": {"fraud": ["new_card"]}}
    assert registration.add_definition(model=cast.model, body=body, actor="erin").number == 2
    assert cast.model.definitions.count() == 2


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"classes": ["ok", "fraud", "unclear"]}, ("/classes/2", "unknown_class")),
        ({"classes": ["ok", "Fraud"]}, ("/classes/1", "unknown_class")),
        ({"classes": ["ok"]}, ("/classes", "length")),
        ({"reason_codes": {"unclear": []}}, ("/reason_codes/unclear", "unknown_class")),
        ({"reason_codes": {"ok": ["a", "a"]}}, ("/reason_codes/ok", "duplicate")),
        ({"reason_codes": {"ok": ["\n"]}}, ("/reason_codes/ok/0", "pattern")),
        ({"guidelines": 5}, ("/guidelines", "type")),
        ({"author": "me"}, ("/author", "unknown_field")),
    ],
)
def test_a_faulty_definition_is_refused(cast: Cast, changes: dict[str, Any], fault: tuple[str, str]):
    body = {"classes": ["ok", "fraud"], "guidelines": "Look.", **changes}
    with pytest.raises(Invalid) as refused:
        registration.add_definition(model=cast.model, body=body, actor="erin")
    assert fault in faults_of(refused)
    assert cast.model.definitions.count() == 1
