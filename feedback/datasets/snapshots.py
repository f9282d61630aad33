"""Snapshots: labelled rows at one moment as Parquet parts, named by the hash of their content."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Any

from django.conf import settings
from django.db import DatabaseError, transaction
from django.utils import timezone

from feedback import arrivals, labels
from feedback.arrivals import Arrivals
from feedback.datasets.columns import Column, Kind, snapshot_columns
from feedback.datasets.content import ContentHash
from feedback.datasets.rows import last_label_id, rows_of
from feedback.models import DatasetSnapshot, SnapshotPart
from models_registry import artifacts, sql
from models_registry.errors import NotFound, ReviewHubError
from models_registry.ledger import record
from models_registry.models import Artifact, RegisteredModel

logger = logging.getLogger("reviewhub.snapshots")

# Rows held in memory at a time, and rows of one file at most.
BLOCK = 10_000
PART_ROWS = 100_000
_LOCK = 0x534E_4150

Status = DatasetSnapshot.Status


def request_snapshot(*, model: RegisteredModel, actor: str) -> DatasetSnapshot:
    """Queue a snapshot of all standing labels; `build` makes it."""
    with transaction.atomic():
        snapshot = DatasetSnapshot.objects.create(model=model, created_by=actor)
        record(actor=actor, action="snapshot.requested", subject=str(snapshot.pk), model=model)
    return snapshot


def build(*, snapshot_id: int, wait: bool = True) -> DatasetSnapshot:
    """Pull every accepted decision and outcome, write the parts, mark the snapshot ready. Worker only.

    Safe to call twice and from two workers: one builds, the other waits for it, or with ``wait=False``
    leaves it alone. A worker that dies leaves the snapshot ``running`` and the next call starts over.
    """
    DatasetSnapshot.objects.filter(pk=snapshot_id, status=Status.QUEUED).update(status=Status.RUNNING)
    labels.pull_all()
    try:
        with transaction.atomic():
            if _alone(snapshot_id, wait=wait):
                snapshot = _get(snapshot_id)
                if snapshot.status == Status.RUNNING:
                    _write(snapshot)
    except DatabaseError:
        # The database will be back, and then the sweeper starts over.
        raise
    except Exception as error:
        # Anything else would fail again in the same way, so a person has to read it.
        logger.exception("snapshot %s failed", snapshot_id)
        failure = error.detail if isinstance(error, ReviewHubError) else f"{type(error).__name__}: {error}"
        running = DatasetSnapshot.objects.filter(pk=snapshot_id, status=Status.RUNNING)
        running.update(status=Status.FAILED, failure=failure)
    return _get(snapshot_id)


def unfinished() -> list[int]:
    """Ids of snapshots that wait for a worker, or whose worker may have died."""
    waiting = DatasetSnapshot.objects.filter(status__in=[Status.QUEUED, Status.RUNNING])
    return list(waiting.order_by("pk").values_list("pk", flat=True))


def _get(snapshot_id: int) -> DatasetSnapshot:
    found = DatasetSnapshot.objects.select_related("model").filter(pk=snapshot_id).first()
    if found is None:
        raise NotFound("there is no such snapshot")
    return found


def _alone(snapshot_id: int, *, wait: bool) -> bool:
    """Hold the snapshot's lock until the transaction ends; a dead worker's is released with its connection."""
    if wait:
        sql.change("SELECT pg_advisory_xact_lock(%s, %s)", [_LOCK, snapshot_id])
        return True
    [(alone,)] = sql.rows("SELECT pg_try_advisory_xact_lock(%s, %s)", [_LOCK, snapshot_id])
    return bool(alone)


def _write(snapshot: DatasetSnapshot) -> None:
    model, now = snapshot.model, timezone.now()
    columns, arrival, upto = snapshot_columns(model), arrivals.learn(model, now=now), last_label_id(model)
    content = ContentHash(columns)
    rows = rows_of(model, upto=upto, now=now, columns=columns, arrival=arrival)
    for number, (file, count) in enumerate(_parts(rows, columns, content)):
        artifact = artifacts.store(file, kind=Artifact.Kind.SNAPSHOT)
        SnapshotPart.objects.create(snapshot=snapshot, number=number, artifact=artifact, row_count=count)
    snapshot.status, snapshot.sha256, snapshot.row_count = Status.READY, content.hexdigest(), content.rows
    snapshot.schema = [{"name": column.name, "type": str(column.kind)} for column in columns]
    snapshot.query = _query(model, upto, now, arrival)
    snapshot.ready_at = timezone.now()
    snapshot.save(update_fields=["status", "sha256", "row_count", "schema", "query", "ready_at"])


def _query(model: RegisteredModel, upto: int, now: datetime, arrival: Arrivals) -> dict[str, Any]:
    """What was asked of the database, enough to understand every figure in the rows."""
    return {
        "model": model.slug,
        "labels": "standing",
        "last_label_id": upto,
        "as_of": now.isoformat(),
        "arrival": arrival.summary(),
        "outcomes_complete_for": model.outcomes_complete_for,
        "outcomes_horizon_days": model.outcomes_horizon_days,
        "holdout_share": settings.REVIEWHUB["HOLDOUT_SHARE"],
    }


def _parts(rows: Iterator[dict[str, Any]], columns: list[Column], content: ContentHash) -> Iterator[tuple[bytes, int]]:
    """Parquet files of at most PART_ROWS rows, with their row counts; one empty file where there are no rows."""
    import pyarrow
    import pyarrow.parquet as parquet

    schema = pyarrow.schema([(column.name, _arrow_type(column.kind)) for column in columns])
    first = True
    while True:
        part, count = io.BytesIO(), 0
        with parquet.ParquetWriter(part, schema, compression="zstd") as writer:
            while count < PART_ROWS and (block := list(islice(rows, min(BLOCK, PART_ROWS - count)))):
                cells = {column.name: [row[column.name] for row in block] for column in columns}
                content.add(cells)
                writer.write_table(pyarrow.table(cells, schema=schema))
                count += len(block)
        if count or first:
            yield part.getvalue(), count
        if count < PART_ROWS:
            return
        first = False


def _arrow_type(kind: Kind) -> Any:
    import pyarrow

    types = {
        Kind.TEXT: pyarrow.string(),
        Kind.INTEGER: pyarrow.int64(),
        Kind.NUMBER: pyarrow.float64(),
        Kind.FLAG: pyarrow.bool_(),
        Kind.TIME: pyarrow.timestamp("us", tz="UTC"),
        Kind.TEXTS: pyarrow.list_(pyarrow.string()),
    }
    return types[kind]
