"""From a request to a gated candidate: snapshot, fit in a child process, register, judge.

A run belongs to one worker at a time: the claim counts up ``attempts``, and every later write names that
attempt, so a worker that was taken for dead cannot finish a run that another one has taken over.
"""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.db.models import F

from feedback import datasets
from feedback.models import DatasetSnapshot, TrainingRun
from models_registry import artifacts, checking, gates, registration
from models_registry.errors import Conflict, Fault, Invalid, ReviewHubError
from models_registry.ledger import record
from models_registry.models import DatabaseNow, Evaluation, GateResult, ModelVersion, RegisteredModel
from models_registry.training.pipelines import ESTIMATORS

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = logging.getLogger("reviewhub.training")

HEARTBEAT_SECONDS = 10
STALE_SECONDS = 60
MAX_ATTEMPTS = 3
MAX_REASON = 500


class _LostRunError(Exception):
    """Another worker has taken the run over."""


def request(
    *,
    model: RegisteredModel,
    reason: str,
    actor: str,
    snapshot: DatasetSnapshot | None = None,
    estimator: str = "",
) -> TrainingRun:
    """Queue a retraining. Without a snapshot the run makes its own when it starts.

    Raises Invalid for an unknown estimator or a foreign snapshot, Conflict (``no_champion``, ``no_artifact``,
    ``snapshot_failed``) where it could never run.
    """
    champion = champion_to_beat(model=model, reason=reason, snapshot=snapshot, estimator=estimator)
    with transaction.atomic():
        run = TrainingRun.objects.create(
            model=model, reason=reason, requested_by=actor, snapshot=snapshot, estimator=estimator, champion=champion
        )
        detail = {"reason": reason, "estimator": estimator, "snapshot": snapshot and snapshot.pk}
        record(actor=actor, action="retraining.requested", subject=str(run.pk), model=model, detail=detail)
    return run


def champion_to_beat(
    *, model: RegisteredModel, reason: str, snapshot: DatasetSnapshot | None, estimator: str
) -> ModelVersion:
    """The champion that a run asked for in this way would be measured against; raises as `request` does."""
    if not reason.strip() or len(reason) > MAX_REASON:
        raise Invalid(errors=[Fault("/reason", "length", f"say why, in 1 to {MAX_REASON} characters")])
    if estimator and estimator not in ESTIMATORS:
        choices = ", ".join(ESTIMATORS)
        raise Invalid(errors=[Fault("/estimator", "not_allowed", f"choose one of {choices}")])
    if snapshot is not None and snapshot.model_id != model.pk:
        raise Invalid(errors=[Fault("/snapshot", "not_found", f"model {model.slug!r} has no such snapshot")])
    if snapshot is not None and snapshot.status == DatasetSnapshot.Status.FAILED:
        raise Conflict(f"snapshot {snapshot.pk} failed: {snapshot.failure}", code="snapshot_failed")
    champion = model.champion
    if champion is None:
        raise Conflict("the model has no champion yet: activate a version first", code="no_champion")
    if estimator == "champion" and champion.artifact_id is None:
        raise Conflict(f"champion {champion.version!r} has no artifact to clone a pipeline from", code="no_artifact")
    return champion


def run(*, run_id: int) -> TrainingRun:
    """Carry out a queued run and return it as it then stands; safe to call twice or from two workers.

    ``failed`` means that there was nothing to fit or the fit itself failed; the reason says which. A gate that
    did not pass blocks promotion and leaves the run ``succeeded``. Worker only.
    """
    claimed = _claim(run_id)
    if claimed is not None:
        with _heartbeat(claimed):
            try:
                _carry_out(claimed)
            except _LostRunError:
                logger.warning("training run %s was taken over by another worker", run_id)
            except artifacts.ChildFailed as error:
                _fail(claimed, error.reason)
            except ReviewHubError as error:
                _fail(claimed, "; ".join([error.detail, *(fault.message for fault in error.errors)]))
            except DatabaseError:
                # The database will be back, and then the sweeper puts the run in the queue again.
                raise
            except Exception as error:
                # Anything else would fail again in the same way, so a person has to read it.
                logger.exception("training run %s failed", run_id)
                _fail(claimed, f"{type(error).__name__}: {error}")
    return TrainingRun.objects.select_related("model", "champion", "candidate", "snapshot").get(pk=run_id)


def resume_stale() -> list[int]:
    """Put runs whose worker went silent back in the queue; returns the ids of all runs that wait for a worker."""
    silent = TrainingRun.objects.filter(
        status=TrainingRun.Status.RUNNING, heartbeat_at__lt=DatabaseNow() - timedelta(seconds=STALE_SECONDS)
    )
    for given_up in silent.filter(attempts__gte=MAX_ATTEMPTS):
        _fail(given_up, f"the worker died {MAX_ATTEMPTS} times during this run; look at its memory limits and its log")
    silent.filter(attempts__lt=MAX_ATTEMPTS).update(
        status=TrainingRun.Status.QUEUED, progress="waiting for a worker again"
    )
    return waiting()


def waiting() -> list[int]:
    """Ids of the runs that wait for a worker, the oldest first."""
    queued = TrainingRun.objects.filter(status=TrainingRun.Status.QUEUED).order_by("pk")
    return list(queued.values_list("pk", flat=True))


def _claim(run_id: int) -> TrainingRun | None:
    taken = TrainingRun.objects.filter(pk=run_id, status=TrainingRun.Status.QUEUED).update(
        status=TrainingRun.Status.RUNNING,
        attempts=F("attempts") + 1,
        started_at=DatabaseNow(),
        heartbeat_at=DatabaseNow(),
        progress="collecting labels",
    )
    if not taken:
        return None
    runs = TrainingRun.objects.select_related(
        "model__champion__contract", "champion__contract", "snapshot", "candidate"
    )
    run = runs.get(pk=run_id)
    if run.candidate is None and run.champion != run.model.champion:
        # Somebody promoted while the run was waiting: measure against what is served now.
        run.champion = run.model.champion
        _update(run, champion=run.champion)
    return run


def _mine(run: TrainingRun) -> Any:
    return TrainingRun.objects.filter(pk=run.pk, status=TrainingRun.Status.RUNNING, attempts=run.attempts)


def _update(run: TrainingRun, **changes: Any) -> None:
    """Write to the run if it is still this worker's; otherwise stop."""
    if not _mine(run).update(heartbeat_at=DatabaseNow(), **changes):
        raise _LostRunError


@contextmanager
def _heartbeat(run: TrainingRun) -> Iterator[None]:
    """Say every few seconds that the worker is alive, from a thread with a connection of its own."""
    done = threading.Event()

    def beat() -> None:
        try:
            while not done.wait(HEARTBEAT_SECONDS):
                _mine(run).update(heartbeat_at=DatabaseNow())
        finally:
            connection.close()

    thread = threading.Thread(target=beat, name=f"training-run-{run.pk}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _carry_out(run: TrainingRun) -> None:
    if run.candidate is None:
        snapshot = _snapshot(run)
        _update(run, progress="fitting")
        _register(run, snapshot, _fit(run, snapshot))
    _update(run, progress="checking the candidate")
    assert run.candidate_id is not None
    candidate = checking.check_version(version_id=run.candidate_id)
    if candidate.state == ModelVersion.State.REJECTED:
        raise Conflict(f"the candidate was fitted and then refused: {candidate.state_reason}")
    if candidate.state == ModelVersion.State.CHECKING:
        # Another worker has it in hand; the sweeper comes back to this run.
        _update(run, status=TrainingRun.Status.QUEUED, progress="waiting for the candidate's check")
        return
    with transaction.atomic():
        _update(run, status=TrainingRun.Status.SUCCEEDED, finished_at=DatabaseNow(), progress="")
        record(
            actor=run.requested_by,
            action="retraining.succeeded",
            subject=str(run.pk),
            model=run.model,
            detail={"candidate": candidate.version},
        )


def _snapshot(run: TrainingRun) -> DatasetSnapshot:
    snapshot = run.snapshot
    if snapshot is None:
        snapshot = datasets.request_snapshot(model=run.model, actor=run.requested_by)
        _update(run, snapshot=snapshot)
        run.snapshot = snapshot
    if snapshot.status != DatasetSnapshot.Status.READY:
        snapshot = datasets.build(snapshot_id=snapshot.pk)
    if snapshot.status != DatasetSnapshot.Status.READY:
        raise Conflict(f"the snapshot could not be built: {snapshot.failure or snapshot.status}")
    return snapshot


def _fit(run: TrainingRun, snapshot: DatasetSnapshot) -> dict[str, Any]:
    champion, model = _champion(run), run.model
    files = {f"part_{part.number}": part.artifact_id for part in snapshot.parts.all()}
    if champion.artifact_id:
        files["artifact"] = champion.artifact_id
    if champion.reference_id:
        files["reference_rows"] = champion.reference_id
    limits = settings.REVIEWHUB
    result: dict[str, Any] = artifacts.run(
        "fit",
        seconds=limits["TRAINING_SECONDS"],
        memory_bytes=limits["TRAINING_MEMORY_BYTES"],
        files=files,
        contract=champion.contract.document,
        classes=model.classes,
        costs=[[model.cost(predicted, actual) for actual in model.classes] for predicted in model.classes],
        champion_version=champion.version,
        estimator=run.estimator,
        discount=limits["REFERENCE_DISCOUNT"],
    )
    return result


def _register(run: TrainingRun, snapshot: DatasetSnapshot, result: dict[str, Any]) -> None:
    """Candidate, evaluations, verdicts and figures of the run in one transaction: all of them or none."""
    champion, evidence = _champion(run), result["evidence"]
    assert snapshot.sha256 is not None
    with transaction.atomic():
        candidate = registration.register_version(
            model=run.model,
            version=_free_name(run),
            contract=champion.contract.document,
            artifact=result["artifact"],
            reference=result["reference"],
            actor=run.requested_by,
            origin=ModelVersion.Origin.RETRAINED,
            parent=champion,
            snapshot_sha256=snapshot.sha256,
        )
        about = {"rows": evidence["rows"], "effective_n": evidence["effective_n"]}
        for version, other, found in ((candidate, champion, "candidate"), (champion, candidate, "champion")):
            if evidence[found]:
                Evaluation.objects.create(
                    version=version,
                    compared_with=other,
                    snapshot_sha256=snapshot.sha256,
                    metrics={**evidence[found], **about},
                )
        GateResult.objects.bulk_create(
            GateResult(
                version=candidate,
                compared_with=champion,
                gate=verdict.gate,
                verdict=verdict.verdict,
                blocking=verdict.blocking,
                reason=verdict.reason,
                evidence=verdict.evidence,
            )
            for verdict in gates.judge(evidence)
        )
        metrics = {**evidence, "pipeline": result["pipeline"]}
        _update(run, candidate=candidate, weights=result["weights"], metrics=metrics)
    run.candidate = candidate


def _free_name(run: TrainingRun) -> str:
    """``retrained-<run>``, with a counter where somebody has registered a version of that name."""
    name, number = f"retrained-{run.pk}", 1
    while ModelVersion.objects.filter(model=run.model, version=name).exists():
        number += 1
        name = f"retrained-{run.pk}-{number}"
    return name


def _champion(run: TrainingRun) -> ModelVersion:
    if run.champion is None:
        raise Conflict("the model has no champion yet: activate a version first", code="no_champion")
    return run.champion


def _fail(run: TrainingRun, reason: str) -> None:
    with transaction.atomic():
        if _mine(run).update(status=TrainingRun.Status.FAILED, failure=reason, finished_at=DatabaseNow(), progress=""):
            record(
                actor=run.requested_by,
                action="retraining.failed",
                subject=str(run.pk),
                model=run.model,
                detail={"reason": reason},
            )
