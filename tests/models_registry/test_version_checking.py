"""A worker checks what came with a version: ready with its reference profile, or rejected with the reason."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta

import pytest

from models_registry import artifacts, checking, inspection, tasks
from models_registry.errors import Invalid
from models_registry.models import AuditEvent, DatabaseNow, DataContract, ModelVersion, ReferenceProfile
from tests.models_registry import model_makers

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def home(tmp_path, settings):
    settings.REVIEWHUB = {**settings.REVIEWHUB, "HOME": tmp_path}


@pytest.fixture
def register(cast):
    def make(artifact: bytes | None, reference: bytes | None, contract=model_makers.CONTRACT) -> ModelVersion:
        files = {
            name: None if content is None else artifacts.store(content, kind=kind)
            for name, content, kind in (("artifact", artifact, "model"), ("reference", reference, "reference"))
        }
        number = 2 + cast.model.contracts.count()
        stored = DataContract.objects.create(
            model=cast.model, number=number, document=contract, sha256=f"{number:064d}"
        )
        return ModelVersion.objects.create(
            model=cast.model, version=f"v{number}", contract=stored, created_by="test", state="checking", **files
        )

    return make


@pytest.fixture(scope="module")
def table():
    return model_makers.rows()


@pytest.fixture(scope="module")
def good(table) -> bytes:
    return model_makers.as_skops(model_makers.fitted(model_makers.pipeline(), table))


def csv(table) -> bytes:
    return table.to_csv(index=False).encode()


def test_a_good_version_becomes_ready_with_its_profile_once(register, good, table):
    version = register(good, csv(table))
    checked = checking.check_version(version_id=version.pk)
    assert (checked.state, checked.state_reason) == ("ready", "")
    assert checked.checked_at is not None
    assert checked.environment["runs_with"]["scikit-learn"]
    assert checked.environment["columns_of_classes"] == {"ok": 1, "fraud": 0}
    profile = ReferenceProfile.objects.get(version=version)
    assert profile.rows == len(table)
    assert profile.feature("country")["nulls"] == 0
    assert sum(profile.document["confidence"]["counts"]) == len(table)
    again = checking.check_version(version_id=version.pk)
    assert again.checked_at == checked.checked_at
    assert AuditEvent.objects.filter(action="version.ready", model=version.model).count() == 1


def test_posted_scores_that_differ_from_the_artifact_are_said_to(register, good, table):
    from sklearn.base import clone

    own = model_makers.fitted(model_makers.pipeline(), table).predict_proba(table.drop(columns="label"))
    same = table.assign(**{"score.fraud": own[:, 0], "score.ok": own[:, 1]})
    other = model_makers.fitted(clone(model_makers.pipeline().set_params(logisticregression__C=0.001)), table)
    wrong = other.predict_proba(table.drop(columns="label"))
    off = table.assign(**{"score.fraud": wrong[:, 0], "score.ok": wrong[:, 1]})
    found = [
        checking.check_version(version_id=register(good, csv(rows)).pk).environment["reference"]["agreement"]
        for rows in (same, off)
    ]
    assert [entry["mismatch"] for entry in found] == [False, True]
    assert found[0]["largest_difference"] < 1e-9


@pytest.mark.parametrize("maker", [model_makers.forest, model_makers.boosting])
def test_tree_models_are_accepted_and_scored(register, table, maker):
    reference = csv(table[["amount", "age", "label"]])
    version = checking.check_version(version_id=register(maker(), reference, model_makers.NUMBERS).pk)
    assert (version.state, version.state_reason) == ("ready", "")
    assert version.profile.document["scores"]["fraud"]["nulls"] == 0


def test_an_artifact_alone_is_tried_on_a_made_up_row(register, good):
    version = checking.check_version(version_id=register(good, None).pk)
    assert (version.state, version.state_reason) == ("ready", "")
    assert not ReferenceProfile.objects.filter(version=version).exists()


def test_reference_rows_alone_get_a_profile_from_posted_scores(register, table):
    rows = table.assign(**{"score.ok": 0.25, "score.fraud": 0.75})
    version = checking.check_version(version_id=register(None, csv(rows)).pk)
    assert version.state == "ready"
    assert version.profile.document["confidence"]["counts"][15] == len(table)


def test_a_version_without_bytes_is_ready(register):
    assert checking.check_version(version_id=register(None, None).pk).state == "ready"


def test_a_verdict_about_other_bytes_is_not_written_down(register, good, monkeypatch):
    version = register(good, None)
    other = artifacts.store(model_makers.forest(), kind="model")
    run = artifacts.run

    def overtaken(*arguments, **options):
        ModelVersion.objects.filter(pk=version.pk).update(artifact=other)
        return run(*arguments, **options)

    monkeypatch.setattr(artifacts, "run", overtaken)
    assert checking.check_version(version_id=version.pk).state == "checking"
    assert not AuditEvent.objects.filter(action__startswith="version.").exists()
    monkeypatch.undo()
    assert checking.check_version(version_id=version.pk).state == "ready"


def test_a_verdict_given_while_a_worker_waited_its_turn_is_left_alone(register, good, monkeypatch):
    version = register(good, None)
    alone = checking._sole_worker

    @contextmanager
    def late(version_id):
        ModelVersion.objects.filter(pk=version_id).update(state="ready")
        with alone(version_id) as yes:
            yield yes

    monkeypatch.setattr(checking, "_sole_worker", late)
    monkeypatch.setattr(artifacts, "run", lambda *_, **__: pytest.fail("it was inspected again"))
    assert checking.check_version(version_id=version.pk).state == "ready"


def test_the_reason_of_a_rejection_is_kept_and_audited(register, good, table):
    damaged = model_makers.with_nodes(model_makers.forest(), "left_child", lambda column: column + 5000)
    cases = {
        "untrusted_type: ": register(model_makers.with_schema(good, lambda s: s.update(__class__="Evil")), None),
        "invalid_model: ": register(damaged, None, model_makers.NUMBERS),
        "invalid_reference: ": register(None, csv(table.assign(amount="x"))),
    }
    for expected, version in cases.items():
        checked = checking.check_version(version_id=version.pk)
        assert checked.state == "rejected"
        assert checked.state_reason.startswith(expected)
        assert AuditEvent.objects.get(subject=f"payments/{version.version}").detail["reason"] == checked.state_reason


def test_a_model_that_does_not_fit_what_is_registered_is_refused(good, table):
    from sklearn.svm import LinearSVC

    no_scores = model_makers.as_skops(LinearSVC().fit(table[["amount", "age"]], table["label"]))
    swapped = {
        "features": [{**model_makers.NUMBERS["features"][0], "name": "sum"}, model_makers.NUMBERS["features"][1]]
    }
    cases = [
        (no_scores, model_makers.NUMBERS, ["ok", "fraud"], "LinearSVC has no predict_proba"),
        (good, model_makers.CONTRACT, ["A", "B"], r"classes \(fraud, ok\) are not those registered \(A, B\)"),
        (good, model_makers.CONTRACT, ["ok", "fraud", "other"], "are not those registered"),
        (model_makers.forest(), swapped, ["ok", "fraud"], "columns the contract does not have: amount"),
    ]
    for artifact, contract, classes, named in cases:
        with pytest.raises(Invalid, match=named) as caught:
            inspection.inspect_version(contract=contract, classes=classes, max_rows=10, artifact=artifact)
        assert caught.value.code == "invalid_model"


def test_whole_number_classes_match_the_registered_strings(register, table, cast):
    from sklearn.linear_model import LogisticRegression

    cast.model.classes = ["0", "1"]
    cast.model.save()
    labels = (table["label"] == "fraud").astype(int)
    model = LogisticRegression(max_iter=500).fit(table[["amount", "age"]].to_numpy(), labels)
    reference = csv(table[["amount", "age"]].assign(label=labels))
    version = register(model_makers.as_skops(model), reference, model_makers.NUMBERS)
    checked = checking.check_version(version_id=version.pk)
    assert (checked.state, checked.state_reason) == ("ready", "")
    assert checked.profile.document["labels"] == [["0", int((labels == 0).sum())], ["1", int((labels == 1).sum())]]


def test_a_check_that_takes_too_long_rejects_and_says_so(register, good, settings):
    settings.REVIEWHUB = {**settings.REVIEWHUB, "CHECK_SECONDS": 0.05}
    version = checking.check_version(version_id=register(good, None).pk)
    assert version.state == "rejected"
    assert version.state_reason.startswith("timed_out: ")


def test_a_stored_file_that_changed_is_refused(register, good):
    version = register(good, None)
    path = artifacts.path_of(version.artifact_id)
    path.write_bytes(good[:-1] + b"\x01")
    assert checking.check_version(version_id=version.pk).state_reason.startswith("artifact_damaged: ")


def test_the_sweeper_rings_for_versions_left_unchecked(register, monkeypatch, django_capture_on_commit_callbacks):
    rung = []
    monkeypatch.setattr(tasks.Doorbell, "_ring", lambda bell: rung.append(bell.ids[0]))
    old, new, done = (register(None, None) for _ in range(3))
    ModelVersion.objects.filter(pk__in=(old.pk, done.pk)).update(created_at=DatabaseNow() - timedelta(hours=1))
    ModelVersion.objects.filter(pk=done.pk).update(state="ready")
    with django_capture_on_commit_callbacks(execute=True):
        tasks.check_versions()
    assert rung == [old.pk]
    tasks.check_version(new.pk)
    new.refresh_from_db()
    assert new.state == "ready"
