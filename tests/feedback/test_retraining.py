from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from feedback import datasets, retraining
from feedback.models import TrainingRun
from models_registry import artifacts, promotion
from models_registry.errors import Conflict, Invalid
from models_registry.models import AuditEvent, RegisteredModel
from tests.conftest import make_model
from tests.feedback.labelled import gates_of, labelled_model

pytestmark = pytest.mark.django_db(transaction=True)


def retrained(model: RegisteredModel, **asked: Any) -> TrainingRun:
    run = retraining.request(model=model, reason="new labels", actor="erin", **asked)
    return retraining.run(run_id=run.pk)


def test_labels_become_a_gated_candidate_that_can_be_promoted():
    model = labelled_model("loans", rows=900)
    run = retrained(model)
    assert (run.status, run.failure) == ("succeeded", "")
    assert run.candidate is not None
    assert run.snapshot is not None
    assert run.candidate.state == "ready"
    assert run.candidate.origin == "retrained"
    assert run.candidate.parent == model.champion
    assert run.candidate.snapshot_sha256 == run.snapshot.sha256
    assert gates_of(run)["better_log_loss"] == "passed"
    assert run.metrics["candidate"]["log_loss"] < run.metrics["champion"]["log_loss"]
    assert run.weights["ess"] == pytest.approx(run.weights["rows"])
    assert run.candidate.evaluations.get().compared_with == model.champion
    assert {result.compared_with for result in run.candidate.gate_results.all()} == {model.champion}
    promotion.promote(model=model, version=run.candidate, reason="better", actor="erin")
    assert RegisteredModel.objects.get(pk=model.pk).champion == run.candidate
    # The next one clones the pipeline that was learnt here, and beats nobody by chance.
    again = retrained(RegisteredModel.objects.get(pk=model.pk), snapshot=run.snapshot)
    assert again.metrics["pipeline"] == "champion"
    assert gates_of(again)["better_log_loss"] == "failed"
    assert again.status == "succeeded"
    with pytest.raises(Conflict) as refused:
        promotion.promote(model=model, version=again.candidate, reason="why not", actor="erin")
    assert "better_log_loss" in str(refused.value)


def test_one_class_fails_with_the_reason_and_makes_no_candidate():
    model = labelled_model("loans", rows=60, truth=[0] * 60)
    run = retrained(model)
    assert run.status == "failed"
    assert "two classes are needed" in run.failure
    assert run.candidate is None
    assert model.versions.count() == 1
    assert AuditEvent.objects.filter(action="retraining.failed", model=model).exists()


def test_without_labels_there_is_nothing_to_fit():
    model, _ = make_model("loans")
    run = retrained(model)
    assert run.status == "failed"
    assert run.failure.startswith("nothing to fit: of 0 labels")


def test_a_second_worker_leaves_a_running_run_alone():
    model = labelled_model("loans", rows=30)
    run = retraining.request(model=model, reason="new labels", actor="erin")
    TrainingRun.objects.filter(pk=run.pk).update(status="running", attempts=1, heartbeat_at=timezone.now())
    assert retraining.run(run_id=run.pk).status == "running"
    assert retraining.resume_stale() == []


def test_a_run_whose_worker_died_is_taken_up_again_and_given_up_at_the_third_death():
    model = labelled_model("loans", rows=30)
    run = retraining.request(model=model, reason="new labels", actor="erin")
    silent = timezone.now() - timedelta(seconds=retraining.STALE_SECONDS + 5)
    TrainingRun.objects.filter(pk=run.pk).update(status="running", attempts=1, heartbeat_at=silent)
    assert retraining.resume_stale() == [run.pk]
    TrainingRun.objects.filter(pk=run.pk).update(status="running", attempts=3, heartbeat_at=silent)
    assert retraining.resume_stale() == []
    run.refresh_from_db()
    assert run.status == "failed"
    assert "died 3 times" in run.failure


def test_a_worker_that_was_taken_for_dead_writes_nothing_more(monkeypatch: pytest.MonkeyPatch):
    model = labelled_model("loans", rows=90)
    run = retraining.request(model=model, reason="new labels", actor="erin")
    fit = artifacts.run

    def overtaken(*arguments: Any, **options: Any) -> Any:
        # While this worker was fitting, another one claimed the run.
        TrainingRun.objects.filter(pk=run.pk).update(attempts=2)
        return fit(*arguments, **options)

    monkeypatch.setattr(artifacts, "run", overtaken)
    left = retraining.run(run_id=run.pk)
    assert (left.status, left.candidate, left.attempts) == ("running", None, 2)
    assert model.versions.count() == 1


def test_a_child_that_dies_fails_the_run_with_its_reason(monkeypatch: pytest.MonkeyPatch):
    model = labelled_model("loans", rows=30)

    def dies(*_: Any, **__: Any) -> Any:
        raise artifacts.ChildFailed("it took longer than 1800 seconds", code="timed_out")

    monkeypatch.setattr(artifacts, "run", dies)
    run = retrained(model)
    assert (run.status, run.failure) == ("failed", "it took longer than 1800 seconds")


def test_a_promotion_while_the_run_waits_changes_whom_it_is_measured_against():
    model = labelled_model("loans", rows=90)
    run = retraining.request(model=model, reason="new labels", actor="erin")
    newer = model.versions.create(version="2", contract=model.champion.contract, state="ready", created_by="erin")
    promotion.promote(model=model, version=newer, reason="better", actor="erin")
    left = retraining.run(run_id=run.pk)
    assert left.champion == newer
    assert left.status == "succeeded"
    # Version 2 has posted nothing yet, so nothing can be said.
    assert gates_of(left)["better_log_loss"] == "insufficient_data"


def test_what_can_never_run_is_refused_at_once():
    model, _ = make_model("loans")
    other, _ = make_model("cards")
    foreign = datasets.request_snapshot(model=other, actor="erin")
    with pytest.raises(Invalid) as refused:
        retraining.request(model=model, reason="x", actor="erin", estimator="__import__('os')")
    assert refused.value.errors[0].pointer == "/estimator"
    with pytest.raises(Invalid) as refused:
        retraining.request(model=model, reason="x", actor="erin", snapshot=foreign)
    assert refused.value.errors[0].pointer == "/snapshot"
    with pytest.raises(Invalid):
        retraining.request(model=model, reason="  ", actor="erin")
    with pytest.raises(Conflict) as conflict:
        retraining.request(model=model, reason="x", actor="erin", estimator="champion")
    assert conflict.value.code == "no_artifact"
    RegisteredModel.objects.filter(pk=model.pk).update(champion=None)
    with pytest.raises(Conflict) as conflict:
        retraining.request(model=RegisteredModel.objects.get(pk=model.pk), reason="x", actor="erin")
    assert conflict.value.code == "no_champion"


def test_a_mistake_inside_a_run_fails_it_at_once_and_says_which(monkeypatch: pytest.MonkeyPatch):
    model = labelled_model("payments", rows=30)
    monkeypatch.setattr(retraining, "_fit", lambda *_: {}["pipeline"])
    run = retrained(model)
    assert (run.status, run.attempts) == ("failed", 1)
    assert run.failure == "KeyError: 'pipeline'"
    assert retraining.waiting() == []


def test_a_registered_version_of_the_same_name_does_not_stop_a_run():
    model = labelled_model("payments")
    run = retraining.request(model=model, reason="weekly", actor="erin")
    model.versions.create(
        version=f"retrained-{run.pk}", contract=model.champion.contract, state="ready", created_by="erin"
    )
    done = retraining.run(run_id=run.pk)
    assert (done.status, done.candidate and done.candidate.version) == ("succeeded", f"retrained-{run.pk}-2")
