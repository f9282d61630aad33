"""Which rows share a chance that their label has come by now, and that chance.

Rows are alike within a cell: the day they were routed on and, where a label is known, all that its arrival depends
on. Within a day the chance is the mean over its hours, so that a stored sum of a day can be used at any time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from feedback.delays import AGREE, LEAST, OVERRIDE, UNKNOWN, ArrivalModel, bands
from feedback.monitoring.population import DAY, Flags, Floats, Integers, Population

KINDS = ("gate", "audit")
HOURS = (np.arange(24) + 0.5) / 24
# How a row could have come to be drawn.
AUDIT, GATE, EITHER = 0, 1, 2

# (version, day of routing, how it could be drawn), and (version, day of routing, kind, line, band, verdict).
Everyone = tuple[int, int, int]
Labelled = tuple[int, int, str, str, int, int]


def day_of(seconds: Floats) -> Integers:
    """Days since 1970, in UTC."""
    return np.asarray(np.floor(seconds / DAY), dtype=np.int64)


def everyone(rows: Population) -> list[Everyone]:
    """The cell of each row before its label is known."""
    way = np.where(rows.p_gate <= 0, AUDIT, np.where(rows.p_gate >= rows.propensity, GATE, EITHER))
    return list(zip(rows.version.tolist(), day_of(rows.routed).tolist(), way.tolist(), strict=True))


def labelled(rows: Population) -> list[Labelled]:
    """The cell of each labelled row."""
    verdict = np.where(rows.label == rows.predicted, AGREE, OVERRIDE).tolist()
    columns = (rows.version.tolist(), day_of(rows.routed).tolist(), rows.review, rows.line)
    return list(zip(*columns, bands(rows.guess).tolist(), verdict, strict=True))


@dataclass(frozen=True)
class Chances:
    """Arrival at the moment ``now``, for predictions of [low, high), all in seconds."""

    model: ArrivalModel
    now: float
    low: float
    high: float

    def comes(self, keys: list[Everyone], day: Integers, gate: Floats) -> Floats:
        """(C,) the chance that a label of cells of predictions of ``day`` (C,) has come, before their draws; ``gate``
        (C,) is the share of gates in the propensity."""
        begin, end = self._hours(np.array([key[1] for key in keys], dtype=np.int64), day)
        found = np.zeros(len(keys))
        for kind, share in zip(KINDS, (gate, 1 - gate), strict=True):
            found += share * self.model.share_labelled((kind,)) * self._within((kind,), UNKNOWN, begin, end)
        return np.asarray(np.clip(found, LEAST, 1.0), dtype=np.float64)

    def came(self, keys: list[Labelled], day: Integers, *, answered: bool = False) -> Floats:
        """(D,) the chance that such a label has come; ``answered``: in mature cohorts, of those that ever come."""
        routed = np.array([key[1] for key in keys], dtype=np.int64)
        begin, end = self._hours(routed, day)
        found = np.ones(len(keys))
        places: dict[tuple[str, str, int, int], list[int]] = {}
        for place, key in enumerate(keys):
            places.setdefault(key[2:], []).append(place)
        for (kind, line, band, verdict), here in places.items():
            stratum, some = (kind, line, str(band)), np.array(here)
            ever = np.full(len(here), self.model.share_labelled(stratum))
            if answered:
                ever[self.mature(kind, routed[some])] = 1.0
            found[some] = ever * self._within(stratum, verdict, begin[some], end[some])
        return np.asarray(np.clip(found, LEAST, 1.0), dtype=np.float64)

    def mature(self, kind: str, routed: Integers) -> Flags:
        """Which days of routing are so old that what has no label then will have none."""
        age = self.model.mature.get(kind)
        if age is None:
            return np.zeros(routed.size, dtype=bool)
        return np.asarray((routed + 1) * DAY + age <= self.now, dtype=bool)

    def _hours(self, routed: Integers, day: Integers) -> tuple[Floats, Floats]:
        """When rows of a cell were routed; on the day of the prediction the window's edges cut that short."""
        begin, end, same = routed * DAY, (routed + 1) * DAY, routed == day
        return np.where(same, np.maximum(begin, self.low), begin), np.where(same, np.minimum(end, self.high), end)

    def _within(self, stratum: tuple[str, ...], verdict: int, begin: Floats, end: Floats) -> Floats:
        cell = self.model.cell(stratum, verdict)
        if cell is None:
            return np.ones(begin.size)
        last = np.minimum(end, self.now)
        first = np.minimum(begin, last)
        moments = first[:, None] + (last - first)[:, None] * HOURS
        return np.asarray(cell.at(np.maximum(self.now - moments, 0.0)).mean(axis=1), dtype=np.float64)
