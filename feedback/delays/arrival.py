"""The probability that a drawn review has its label by now, given what the label says.

An arrived label knows its own verdict, so P(arrived | stratum, verdict, age) is all that its weight needs, and old
cohorts, in which nearly all verdicts are in, tell it. A Kaplan-Meier curve of the stratum (Kaplan and Meier 1958)
is not enough where overrides take longer than agreements: that is informative censoring.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from feedback.delays.curves import Curve, kaplan_meier, reached, truncated

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Words = NDArray[np.object_]

DAY = 86_400.0
# What a label says about the model's answer; without a label nobody knows.
AGREE, OVERRIDE, UNKNOWN = 1, 0, -1
VERDICTS = (UNKNOWN, AGREE, OVERRIDE)
# A cohort is mature once so much of it has arrived.
COMPLETE = 0.98
# Fewer rows than this do not make a curve of their own.
FEWEST = 15
# A row whose label had a smaller chance to be here carries a weight too large to say anything.
LEAST = 0.05
# A report begins at the age at which every stratum has this chance: the youngest band would be nearly all noise.
LEAST_IN_REPORTS = 0.1
POINTS = 200
BANDS = (0.6, 0.75, 0.9)

Key = tuple[str, ...]


@dataclass(frozen=True)
class Strata:
    """N rows by what decides how soon they are reviewed.

    ``kind`` (N,) is gate or audit, ``line`` (N,) queue and priority, "" where not known, ``band`` (N,) the
    confidence band.
    """

    kind: Words
    line: Words
    band: Integers

    def groups(self, verdict: Integers) -> Iterator[tuple[Key, int, Integers]]:
        """Each (finest stratum, verdict) with the places of its rows."""
        found: dict[tuple[Key, int], list[int]] = {}
        cells = zip(self.kind, self.line, self.band.tolist(), verdict.tolist(), strict=True)
        for place, (kind, line, band, said) in enumerate(cells):
            found.setdefault(((str(kind), str(line), str(band)), said), []).append(place)
        for (key, said), places in found.items():
            yield key, said, np.array(places, dtype=np.int64)

    def where(self, keep: NDArray[np.bool_]) -> Strata:
        return Strata(self.kind[keep], self.line[keep], self.band[keep])


@dataclass(frozen=True)
class Reviews:
    """N drawn rows: ``age`` (N,) and ``latency`` (N,) in seconds since routing, the latter nan without a label."""

    strata: Strata
    verdict: Integers
    age: Floats
    latency: Floats

    @property
    def arrived(self) -> NDArray[np.bool_]:
        return np.isfinite(self.latency)

    def where(self, keep: NDArray[np.bool_]) -> Reviews:
        return Reviews(self.strata.where(keep), self.verdict[keep], self.age[keep], self.latency[keep])


@dataclass(frozen=True)
class Cell:
    """A distribution of latencies learned from ``n`` rows, joined linearly between its points from (0, 0) on."""

    n: int
    seconds: Floats
    share: Floats

    def at(self, age: ArrayLike) -> Floats:
        """The share of labels that arrive within each age."""
        ages, seconds = np.asarray(age, dtype=np.float64), np.append(0.0, self.seconds)
        return np.asarray(np.interp(ages, seconds, np.append(0.0, self.share)), dtype=np.float64)


@dataclass(frozen=True)
class ArrivalModel:
    """What old cohorts say about how soon labels arrive.

    ``mature`` is, for each review kind, the age in seconds from which on a cohort counts as complete; None where
    there is no such cohort yet: the kind's Kaplan-Meier curve then stands in, whatever the verdict. ``response`` is
    the share of mature drawn rows that have a label, by stratum; ``cells`` the latencies by stratum and verdict.
    A stratum is (kind, line, band), (kind, line) or (kind,).
    """

    mature: Mapping[str, float | None]
    response: Mapping[Key, float]
    cells: Mapping[tuple[Key, int], Cell]

    def arrival(self, strata: Strata, verdict: ArrayLike, age: ArrayLike) -> Floats:
        """P(label here by now) for each row (N,); verdict UNKNOWN gives the one that knows no verdict.

        1 for a review kind of which nothing was ever drawn. Rows below ``LEAST`` should not be used.
        """
        said = np.broadcast_to(np.asarray(verdict, dtype=np.int64), strata.kind.shape)
        ages = np.broadcast_to(np.asarray(age, dtype=np.float64), strata.kind.shape)
        found = np.ones(strata.kind.shape, dtype=np.float64)
        for key, which, places in strata.groups(said):
            cell = self.cell(key, which)
            if cell is not None:
                found[places] = self.share_labelled(key) * cell.at(ages[places])
        return found

    def cell(self, key: Key, verdict: int) -> Cell | None:
        """The finest cell that has enough rows; where no stratum has that verdict, the one of all verdicts."""
        tried = ((part, which) for which in (verdict, UNKNOWN) for part in _coarser(key))
        return next((self.cells[one] for one in tried if one in self.cells), None)

    def share_labelled(self, key: Key) -> float:
        """The share of drawn rows of a stratum that ever get a label."""
        return next((self.response[part] for part in _coarser(key) if part in self.response), 1.0)

    def holds_from(self) -> float:
        """The age in seconds from which on every stratum has a chance of at least ``LEAST``.

        Younger predictions, drawn or not, are to be left out of a report: that choice knows no label.
        """
        ages = [0.0]
        for (key, _), cell in self.cells.items():
            most = self.share_labelled(key)
            if most * (cell.share[-1] if cell.n else 0.0) >= LEAST_IN_REPORTS:
                ages.append(_age_at(cell, LEAST_IN_REPORTS / most))
        return max(ages)

    def document(self) -> dict[str, Any]:
        """As JSON; `from_document` reads it."""
        return {
            "mature": dict(self.mature),
            "response": [[list(key), share] for key, share in self.response.items()],
            "cells": [
                {"stratum": list(key), "verdict": verdict, "n": cell.n,
                 "seconds": cell.seconds.tolist(), "share": cell.share.tolist()}
                for (key, verdict), cell in self.cells.items()
            ],
        }  # fmt: skip

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> ArrivalModel:
        """The model that `document` wrote."""
        cells = {
            (tuple(row["stratum"]), int(row["verdict"])): Cell(
                int(row["n"]), np.array(row["seconds"], dtype=np.float64), np.array(row["share"], dtype=np.float64)
            )
            for row in document["cells"]
        }
        return cls(dict(document["mature"]), {tuple(key): share for key, share in document["response"]}, cells)


def bands(confidence: ArrayLike) -> Integers:
    """The confidence band of each row, 0 to 3.

    >>> bands([0.5, 0.6, 0.89, 0.99]).tolist()
    [0, 1, 2, 3]
    """
    return np.digitize(np.asarray(confidence, dtype=np.float64), BANDS).astype(np.int64)


def maturity(age: ArrayLike, latency: ArrayLike, *, floor: float = DAY) -> float | None:
    """The age in seconds at which 98 % of drawn rows have a label, at least ``floor``; None if it cannot be told.

    Where some rows are never answered the share is not reached. Then it is the age at which 98 % of the labels
    of the older half had come, provided that this half has been waiting for at least twice as long.

    >>> maturity([9e5, 9e5, 9e5], [2e5, 3e5, 1e5])
    300000.0
    >>> maturity([9e5, 9e5, 9e5], [2e5, 2e5, float("nan")])
    200000.0
    >>> maturity([9e4, 9e4], [8e4, float("nan")]) is None
    True
    """
    ages, delays = np.asarray(age, dtype=np.float64), np.asarray(latency, dtype=np.float64)
    done = np.isfinite(delays)
    if not done.any():
        return None
    found = reached(kaplan_meier(np.where(done, delays, ages), done), COMPLETE)
    if found is None:
        half = float(np.median(ages))
        old = delays[done & (ages >= half)]
        found = float(np.quantile(old, COMPLETE)) if old.size else None
        if found is None or found > half / 2:
            return None
    return max(found, floor)


def fit(reviews: Reviews, *, floor: float = DAY) -> ArrivalModel:
    """Learn from the cohorts that are old enough; ``floor`` is the least age of a mature one, in seconds."""
    mature: dict[str, float | None] = {}
    response: dict[Key, float] = {}
    cells: dict[tuple[Key, int], Cell] = {}
    for kind in sorted({str(kind) for kind in reviews.strata.kind}):
        rows = reviews.where(np.asarray(reviews.strata.kind == kind, dtype=bool))
        age = maturity(rows.age, rows.latency, floor=floor)
        old = rows.where(np.asarray(rows.age >= (np.inf if age is None else age)))
        enough = bool(old.arrived.any()) and old.age.size >= min(FEWEST, rows.age.size)
        mature[kind] = age if enough else None
        if enough:
            _learn(old, (kind,), response, cells)
        elif rows.arrived.any():
            curve = kaplan_meier(np.where(rows.arrived, rows.latency, rows.age), rows.arrived)
            cells[(kind,), UNKNOWN] = _cell(curve, rows.age.size)
        else:
            cells[(kind,), UNKNOWN] = Cell(0, np.zeros(1), np.zeros(1))
    return ArrivalModel(mature, response, cells)


def _learn(rows: Reviews, kind: Key, response: dict[Key, float], cells: dict[tuple[Key, int], Cell]) -> None:
    """Fill in the strata of one review kind from its mature rows, each level where it has enough of them.

    A mature cohort lacks its slowest labels, and these are rather overrides: what its age cuts off is made up for.
    """
    places: dict[Key, list[int]] = {}
    for key, _, found in rows.strata.groups(np.zeros(rows.age.size, dtype=np.int64)):
        for part in _coarser(key):
            places.setdefault(part, []).extend(found.tolist())
    seen = np.ones(rows.age.size)
    for key in sorted(places, key=len):
        found = np.sort(places[key])
        here = rows.where(_marked(found, rows.age.size))
        for which in VERDICTS:
            chosen = here.arrived & ((here.verdict == which) | (which == UNKNOWN))
            if chosen.sum() >= FEWEST or (key == kind and which == UNKNOWN):
                cell = _cell(truncated(here.latency[chosen], here.age[chosen]), int(chosen.sum()))
                cells[key, which] = cell
                seen[found[chosen]] = cell.at(here.age[chosen])
        if here.age.size >= FEWEST or key == kind:
            response[key] = min(1.0, float(np.sum(here.arrived / np.maximum(seen[found], LEAST))) / here.age.size)


def _marked(places: Integers, size: int) -> NDArray[np.bool_]:
    marked = np.zeros(size, dtype=bool)
    marked[places] = True
    return marked


def _cell(curve: Curve, n: int) -> Cell:
    """The curve on at most ``POINTS`` steps, which are joined by lines."""
    count = curve.seconds.size
    places = np.unique(np.linspace(0, count - 1, min(count, POINTS)).round().astype(int))
    return Cell(n, curve.seconds[places], curve.share[places])


def _age_at(cell: Cell, share: float) -> float:
    return float(np.interp(share, np.concatenate([[0.0], cell.share]), np.concatenate([[0.0], cell.seconds])))


def _coarser(key: Key) -> Iterator[Key]:
    """The stratum itself and those it lies in, the finest first."""
    for length in range(len(key), 0, -1):
        yield key[:length]
