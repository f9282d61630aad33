"""Labels that come late: which are here when one looks, and how likely each was to be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from feedback import delays
from feedback.simulation.reviewing import PAST, WINDOW, Flags, Floats, Integers, ages

KIND = "audit"


@dataclass(frozen=True)
class Late:
    """Rows that were drawn or not, and how long ago: ``agrees`` (N,) what a label would say of the model's answer."""

    confidence: Floats
    agrees: Flags
    drawn: Flags
    latency: Floats

    def reviews(self, age: Floats) -> delays.Reviews:
        """The drawn rows as they are known now; a label that is still out has no verdict."""
        here = self.drawn & (self.latency <= age)
        verdict = np.where(here, np.where(self.agrees, delays.AGREE, delays.OVERRIDE), delays.UNKNOWN)
        known = delays.Reviews(strata_of(self.confidence), verdict, age, np.where(here, self.latency, np.nan))
        return known.where(self.drawn)


@dataclass(frozen=True)
class Arrived:
    """Of a window's N rows: which count in a report, which labels are here, and how likely each was to be."""

    kept: Flags
    here: Flags
    arrival: Floats
    arrival_of_all: Floats


def look(past: Late, window: Late) -> Arrived:
    """What somebody sees at the window's end, arrival learnt from the drawn rows of the past and of the window.

    Rows so young that some stratum has hardly a label are left out, drawn or not: that choice knows no label.
    """
    before = ages(past.drawn.size, youngest=WINDOW, oldest=WINDOW + PAST)
    age = ages(window.drawn.size, youngest=0.0, oldest=WINDOW)
    model = delays.fit(_together(past.reviews(before), window.reviews(age)))
    here = window.drawn & (window.latency <= age)
    verdict: Integers = np.where(here, np.where(window.agrees, delays.AGREE, delays.OVERRIDE), delays.UNKNOWN)
    strata = strata_of(window.confidence)
    arrival = np.where(here, model.arrival(strata, verdict, age), 1.0)
    whole = model.arrival(strata, np.full(age.size, delays.UNKNOWN), age)
    kept = age >= model.holds_from()
    usable = here & (arrival >= delays.LEAST)
    return Arrived(kept, usable, arrival, np.maximum(whole, delays.LEAST))


def strata_of(confidence: Floats) -> delays.Strata:
    """By confidence band, as live figures know it; what really decides the delay is not told."""
    rows = confidence.size
    words = np.full(rows, KIND, dtype=object), np.full(rows, "", dtype=object)
    return delays.Strata(*words, delays.bands(confidence))


def _together(one: delays.Reviews, other: delays.Reviews) -> delays.Reviews:
    strata = delays.Strata(
        *(np.concatenate([getattr(one.strata, name), getattr(other.strata, name)]) for name in ("kind", "line", "band"))
    )
    cells = (np.concatenate([getattr(one, name), getattr(other, name)]) for name in ("verdict", "age", "latency"))
    return delays.Reviews(strata, *cells)
