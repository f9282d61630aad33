"""When a backlog passes its due times, at the rates of now."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import pdtrc

# An hour is unusual when chance brings so many arrivals less often than this, and they are this many times the usual.
CHANCE = 0.001
TIMES = 2.0


@dataclass(frozen=True)
class Forecast:
    """Seconds from now until the first item passes its due time, and until nothing waits; None where never.

    ``of`` says which one: an item that ``waits`` already, or one that is still to ``arrive``.
    """

    breach: float | None = None
    of: str = ""
    empty: float | None = None


def forecast(
    due: ArrayLike, *, inflow: float, rate: float, allowed: float | None, horizon: float = math.inf
) -> Forecast:
    """The first breach of a queue that is worked off in the order of due times, if it comes within ``horizon``.

    ``due`` (B,) are the seconds left to each open item, infinite where it has no due time; ``inflow`` and ``rate``
    are arrivals and reviews in items per second, ``allowed`` the seconds an arriving item is given. No order of
    work does better than that of the due times, so a breach found here comes unless somebody works faster.

    >>> forecast([50.0, 50.0], inflow=0.0, rate=0.1, allowed=None)
    Forecast(breach=None, of='', empty=20.0)
    >>> forecast([15.0, 15.0], inflow=0.0, rate=0.1, allowed=None)
    Forecast(breach=15.0, of='waits', empty=20.0)
    >>> forecast([], inflow=0.3, rate=0.1, allowed=100.0)
    Forecast(breach=150.0, of='arrives', empty=None)
    """
    left = np.sort(np.asarray(due, dtype=np.float64))
    # What is overdue already is no forecast, but it takes its time all the same.
    done = np.arange(1, left.size + 1) / rate if rate > 0 else np.full(left.size, np.inf)
    late = left[(left >= 0) & np.isfinite(left) & (done > left)]
    found = [(float(late[0]), "waits")] if late.size else []
    arriving = _arriving(left.size, inflow=inflow, rate=rate, allowed=allowed)
    if arriving is not None:
        found.append((arriving, "arrives"))
    empty = left.size / (rate - inflow) if rate > inflow else None
    breach, of = min((one for one in found if one[0] <= horizon), default=(None, ""))
    return Forecast(breach, of, empty)


def _arriving(backlog: int, *, inflow: float, rate: float, allowed: float | None) -> float | None:
    """When the first item that is still to arrive passes its due time."""
    if allowed is None or inflow <= rate:
        return None
    room = rate * allowed - backlog
    return allowed + max(0.0, room) / (inflow - rate)


def unusual(count: int, usual: float) -> bool:
    """Whether an hour with ``count`` arrivals stands out where ``usual`` come: by Poisson, and by its size.

    >>> unusual(30, 10.0), unusual(13, 10.0), unusual(2, 0.5)
    (True, False, False)
    """
    return count > TIMES * usual and float(pdtrc(count - 1, max(usual, 1e-9))) < CHANCE if count else False
