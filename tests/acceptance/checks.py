"""One figure, the bar it must meet, and whether it does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """``low`` and ``high`` are the ends of what is allowed, None for an open one."""

    number: str
    what: str
    figure: float
    low: float | None = None
    high: float | None = None

    @property
    def met(self) -> bool:
        # A figure that is not a number meets nothing.
        return (self.low is None or self.figure >= self.low) and (self.high is None or self.figure <= self.high)

    @property
    def bar(self) -> str:
        if self.low is None:
            return f"<= {self.high:g}"
        return f">= {self.low:g}" if self.high is None else f"{self.low:g} to {self.high:g}"


@dataclass(frozen=True)
class Size:
    """How much an experiment repeats; ``again`` is for cells near their bar, 0 for not at all."""

    replications: int
    again: int = 0
    slack: float = 0.0


FULL = Size(300, 1_000)
# The same code in the suite, where a coverage is known to within a few points: the bars are that much lower.
SMALL = Size(40, slack=0.07)

Experiment = Callable[[Size], Sequence[Check]]
# A coverage of 300 replications is known to a point and a half; closer to its bar than that it is measured anew.
NEAR = 0.015


def measured(run: Callable[[int], Sequence[Check]], size: Size) -> list[Check]:
    """The checks of a run of so many replications; of more where one is near its bar, on either side."""
    found = list(run(size.replications))
    if size.again and any(_near(check) for check in found):
        found = list(run(size.again))
    return found


def _near(check: Check) -> bool:
    return any(end is not None and abs(check.figure - end) < NEAR for end in (check.low, check.high))


def line(check: Check) -> str:
    verdict = "met" if check.met else "MISSED"
    return f"{check.number:5} {check.what:64} {check.figure:>9.4f}  {check.bar:>16}  {verdict}"
