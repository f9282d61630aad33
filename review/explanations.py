"""Attributions for routed predictions, by an own worker. An item never waits for its explanation.

Posted attributions are taken as given. Otherwise the version's artifact is explained in a limited child
process, kept per version. Each row is tried EXPLANATION_ATTEMPTS times: first with others, then alone, so
that one that kills the process costs its neighbours nothing. Then it is `failed` with the reason.
"""

from __future__ import annotations

import atexit
import time
from collections import OrderedDict
from collections.abc import Sequence
from datetime import timedelta
from itertools import groupby
from math import exp
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q

from models_registry.artifacts import Child, ChildFailed
from models_registry.errors import ReviewHubError
from models_registry.models import DatabaseNow, ModelVersion, ReferenceProfile
from review import flips, similar
from review.models import Explanation, Prediction, PredictionPayload

KEPT_CHILDREN = 2
# A worker that dies leaves its rows to others after this; longer than any task may run.
CLAIM_FOR = timedelta(seconds=90)
# No new call begins after this, so that a batch ends within one call's limit of it.
BEGIN_SECONDS = 3.0
FIRST_CHUNK, LARGEST_CHUNK = 8, 256
QUICK_SECONDS = 0.5
MISMATCH = 1e-3
# Stands in for reference rows where a version was registered without: its latest predictions.
RECENT_ROWS = 100
# What may be otherwise at the next try; any other refusal of the child is final.
PASSING = {"timed_out", "died", "out_of_memory", "failed"}

_children: OrderedDict[int, Child] = OrderedDict()


def explain_batch(*, limit: int = 500) -> int:
    """Try up to ``limit`` pending rows once; returns how many were tried, whatever came of it.

    Takes at most BEGIN_SECONDS plus one call's EXPLANATION_SECONDS; what is left stays pending.
    """
    last_begin = time.monotonic() + BEGIN_SECONDS
    tried = 0
    waiting: list[Explanation] = []
    claimed = _claim(limit)
    near = similar.find(row.prediction for row in claimed)
    for row in claimed:
        row.similar = near.get(row.pk, [])
        if row.prediction.payload.attributions is not None:
            _store(row, _posted(row.prediction))
        elif row.prediction.version.artifact_id is None:
            _fail(row, "this version has no artifact and no attributions were posted")
        else:
            waiting.append(row)
            continue
        tried += 1
    waiting.sort(key=lambda row: (row.prediction.version_id, row.attempts > 1))
    for _, group in groupby(waiting, key=lambda row: row.prediction.version_id):
        tried += _explain_version(list(group), last_begin)
    return tried


def close_children() -> None:
    """End the child processes of this process; they are started again when needed."""
    while _children:
        _children.popitem()[1].close()


atexit.register(close_children)


def _claim(limit: int) -> list[Explanation]:
    """Pending rows that nobody works on, counted as begun. A row begun too often is failed here."""
    most = settings.REVIEWHUB["EXPLANATION_ATTEMPTS"]
    related = ("prediction__model", "prediction__payload", "prediction__version__contract")
    with transaction.atomic():
        free = Explanation.objects.filter(Q(claimed_until=None) | Q(claimed_until__lt=DatabaseNow()), status="pending")
        oldest = free.select_related(*related).order_by("requested_at")
        rows = list(oldest.select_for_update(skip_locked=True, of=("self",))[:limit])
        Explanation.objects.filter(pk__in=[row.pk for row in rows]).update(
            claimed_until=DatabaseNow() + CLAIM_FOR, attempts=F("attempts") + 1
        )
    usable = []
    for row in rows:
        row.attempts += 1
        if row.attempts > most:
            _fail(row, row.reason or f"begun {most} times, and the worker died each time")
        else:
            usable.append(row)
    return usable


def _explain_version(rows: list[Explanation], last_begin: float) -> int:
    """Explain rows of one version, in chunks that grow while they are quick; rows tried before go alone."""
    tried, size = 0, FIRST_CHUNK
    while rows:
        begun = time.monotonic()
        if begun > last_begin:
            _give_back(rows)
            break
        fresh = [row for row in rows[:size] if row.attempts == 1]
        chunk = fresh or rows[:1]
        rows = rows[len(chunk) :]
        _explain_chunk(chunk)
        tried += len(chunk)
        if time.monotonic() - begun < QUICK_SECONDS:
            size = min(size * 2, LARGEST_CHUNK)
    return tried


def _explain_chunk(rows: Sequence[Explanation]) -> None:
    version = rows[0].prediction.version
    try:
        found = _child(version).call(
            "explain",
            seconds=settings.REVIEWHUB["EXPLANATION_SECONDS"],
            contract=version.contract.document,
            classes=rows[0].prediction.model.classes,
            rows=[row.prediction.payload.features for row in rows],
            labels=[row.prediction.predicted for row in rows],
            background=_recent(version) if version.reference_id is None else None,
            ranges=_ranges(version),
        )
    except (ChildFailed, ReviewHubError) as error:
        last = isinstance(error, ChildFailed) and error.code not in PASSING
        for row in rows:
            _tried(row, str(error), last=last)
        return
    with transaction.atomic():
        for row, one in zip(rows, found, strict=True):
            if "reason" in one:
                _fail(row, one["reason"])
            else:
                _store(row, _computed(row.prediction, one))


def _child(version: ModelVersion) -> Child:
    """The version's child process, started on first use; the one used longest ago makes room."""
    child = _children.pop(version.pk, None)
    if child is None or not child.alive:
        if child is not None:
            child.close()
        files = {"artifact": version.artifact_id, "reference_rows": version.reference_id}
        present = {name: sha256 for name, sha256 in files.items() if sha256 is not None}
        child = Child(memory_bytes=settings.REVIEWHUB["EXPLANATION_MEMORY_BYTES"], files=present)
    _children[version.pk] = child
    while len(_children) > KEPT_CHILDREN:
        _children.popitem(last=False)[1].close()
    return child


def _recent(version: ModelVersion) -> list[dict[str, Any]]:
    payloads = PredictionPayload.objects.filter(prediction__version=version).order_by("-prediction_id")
    return list(payloads.values_list("features", flat=True)[:RECENT_ROWS])


def _ranges(version: ModelVersion) -> dict[str, dict[str, Any]]:
    """Within what the features may be changed to see what turns an answer; nothing without reference rows."""
    profile = ReferenceProfile.objects.filter(version=version).first()
    return {} if profile is None else flips.ranges(profile.document["features"], version.contract.document)


def _computed(prediction: Prediction, found: dict[str, Any]) -> dict[str, Any]:
    mismatch = abs(found["probability"] - prediction.score_of(prediction.predicted)) > MISMATCH
    kept = {name: found[name] for name in ("base_value", "output", "space", "explainer", "contributions")}
    sought = {"contrast": found.get("contrast"), "flips": found.get("flips")}
    return {**kept, **sought, "origin": "artifact", "mismatch": mismatch}


def _posted(prediction: Prediction) -> dict[str, Any]:
    """Attributions as the caller sent them, largest first, and whether they fit the posted score.

    With a base value they sum to a probability or, for two classes, to log-odds; without one, or with more
    classes in margin space, nobody can tell, so nothing is claimed.
    """
    payload = prediction.payload
    sent: dict[str, float] = payload.attributions or {}
    named = [
        {"feature": name, "value": payload.features.get(name), "contribution": value}
        for name, value in sorted(sent.items(), key=lambda pair: -abs(pair[1]))
    ]
    found = {"contributions": named, "base_value": payload.base_value, "origin": "posted", "output": None, "space": ""}
    binary = len(prediction.model.classes) == 2
    if payload.base_value is None:
        return found
    output, score = payload.base_value + sum(sent.values()), prediction.score_of(prediction.predicted)
    as_probability, as_margin = abs(output - score) <= MISMATCH, abs(_sigmoid(output) - score) <= MISMATCH
    inside = 0 <= payload.base_value <= 1 and 0 <= output <= 1
    space = "probability" if as_probability or (inside and not (binary and as_margin)) else "margin"
    mismatch = not as_probability and not as_margin and (binary or space == "probability")
    contrast = _mirrored(prediction, named, payload.base_value, output, space) if binary else None
    return {**found, "output": output, "space": space, "mismatch": mismatch, "contrast": contrast}


def _mirrored(
    prediction: Prediction, named: list[dict[str, Any]], base: float, output: float, space: str
) -> dict[str, Any]:
    """Of two classes one is the other's mirror image, so their difference is known from either."""
    against = next(label for label in prediction.model.classes if label != prediction.predicted)
    whole = 1.0 if space == "probability" else 0.0
    doubled = [{**row, "contribution": 2 * row["contribution"]} for row in named]
    return {
        "against": against, "base_value": 2 * base - whole, "output": 2 * output - whole, "contributions": doubled,
    }  # fmt: skip


def _sigmoid(margin: float) -> float:
    return exp(-max(0.0, -margin)) / (1 + exp(-abs(margin)))


def _store(row: Explanation, values: dict[str, Any]) -> None:
    ready = {"status": Explanation.Status.READY, "explained_class": row.prediction.predicted, "reason": ""}
    _finish(row, {**values, **ready})


def _fail(row: Explanation, reason: str) -> None:
    _finish(row, {"status": Explanation.Status.FAILED, "reason": reason[:500]})


def _finish(row: Explanation, values: dict[str, Any]) -> None:
    # A slow worker whose claim ran out may come second; the first result stays.
    pending = Explanation.objects.filter(pk=row.pk, status=Explanation.Status.PENDING)
    pending.update(**values, similar=row.similar, computed_at=DatabaseNow(), claimed_until=None)


def _tried(row: Explanation, reason: str, *, last: bool) -> None:
    """One attempt did not succeed: back to pending with the reason, or failed when it was the last."""
    if last or row.attempts >= settings.REVIEWHUB["EXPLANATION_ATTEMPTS"]:
        _fail(row, reason)
    else:
        Explanation.objects.filter(pk=row.pk, status="pending").update(claimed_until=None, reason=reason[:500])


def _give_back(rows: Sequence[Explanation]) -> None:
    """Rows there was no time for: pending again, and not counted as tried."""
    left = Explanation.objects.filter(pk__in=[row.pk for row in rows], status="pending")
    left.update(claimed_until=None, attempts=F("attempts") - 1)
