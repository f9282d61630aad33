"""Checking a version: what a worker finds out about the bytes that came with it.

The looking itself happens in the child process (`inspection.inspect_version`); here the verdict is
written down. A version leaves ``checking`` once: to ``ready`` with its reference profile, or to
``rejected`` with the reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from models_registry import artifacts, ledger, sql
from models_registry.models import ModelVersion, ReferenceProfile

ACTOR = "worker"
# First half of the advisory lock's key; the second is the version's id.
_LOCK = 0x52484356


def check_version(*, version_id: int) -> ModelVersion:
    """Check a version's artifact and reference rows and store the verdict. Safe twice and side by side.

    Returns the version as it is afterwards: still ``checking`` where another worker is at it.
    """
    with _sole_worker(version_id) as alone:
        # Read under the lock: whoever held it before may have written the verdict.
        version = ModelVersion.objects.select_related("model", "contract").get(pk=version_id)
        if alone and version.state == ModelVersion.State.CHECKING:
            found, reason = _inspect(version)
            return _write_down(version, found, reason)
    return version


def _inspect(version: ModelVersion) -> tuple[dict[str, Any], str]:
    """What the child process found, and why the version must be rejected; no reason when it need not."""
    sent = {"artifact": version.artifact_id, "rows": version.reference_id}
    files = {name: str(sha256) for name, sha256 in sent.items() if sha256 is not None}
    if not files:
        return {}, ""
    product = settings.REVIEWHUB
    try:
        found: dict[str, Any] = artifacts.run(
            "inspect_version",
            seconds=product["CHECK_SECONDS"],
            memory_bytes=product["CHECK_MEMORY_BYTES"],
            files=files,
            contract=version.contract.document,
            classes=version.model.classes,
            max_rows=product["MAX_REFERENCE_ROWS"],
        )
    except (artifacts.ChildFailed, artifacts.ArtifactDamaged) as failure:
        return {}, f"{failure.code}: {failure}"
    return found, ""


@transaction.atomic
def _write_down(inspected: ModelVersion, found: dict[str, Any], reason: str) -> ModelVersion:
    """Store the verdict if the version still waits for it with the bytes that were inspected."""
    waiting = ModelVersion.objects.select_for_update(of=("self",), no_key=True).select_related("model")
    version = waiting.get(pk=inspected.pk)
    same_bytes = (version.artifact_id, version.reference_id) == (inspected.artifact_id, inspected.reference_id)
    if version.state != ModelVersion.State.CHECKING or not same_bytes:
        return version
    version.state = ModelVersion.State.REJECTED if reason else ModelVersion.State.READY
    version.state_reason = reason
    version.environment = {**version.environment, **found.get("environment", {})}
    version.checked_at = timezone.now()
    version.save(update_fields=["state", "state_reason", "environment", "checked_at"])
    if found.get("profile") is not None:
        ReferenceProfile.objects.create(
            version=version, document=found["profile"], rows=found["rows"], sha256=found["profile_sha256"]
        )
    ledger.record(
        actor=ACTOR,
        action=f"version.{version.state}",
        subject=f"{version.model.slug}/{version.version}",
        model=version.model,
        detail={"reason": reason} if reason else {},
    )
    return version


@contextmanager
def _sole_worker(version_id: int) -> Iterator[bool]:
    """Whether this is the only worker at the version; the lock goes with the connection if the worker dies."""
    key = [_LOCK, version_id % 2**31]
    [(alone,)] = sql.rows("SELECT pg_try_advisory_lock(%s, %s)", key)
    try:
        yield alone
    finally:
        if alone:
            sql.change("SELECT pg_advisory_unlock(%s, %s)", key)
