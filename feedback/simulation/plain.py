"""The interval that one would draw around a plain mean of rows reviewed uniformly: what policies are compared with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from feedback.estimators import Ratio, wilson

Integers = NDArray[np.int64]


def plain_width(ratios: list[Ratio], labels: Integers, *, of: int, proportion: bool) -> float:
    """Width of the 95 % interval of the plain ratio over n labelled rows of ``of``, with finite-population correction.

    ``ratios`` are tables (n, K) of the labelled rows alone. Proportions get Wilson's interval at n / (1 - n / N),
    means Student's. For several ratios (a macro average) the mean of them, as if they were independent. nan
    where a ratio has no row to stand on.
    """
    rows, reviewed = np.arange(labels.size), labels.size / of
    widths = []
    for ratio in ratios:
        a, b = ratio.numerator[rows, labels], ratio.denominator[rows, labels]
        n = float(b.sum())
        if n <= 0:
            return float("nan")
        if reviewed >= 1:
            # All are known; nothing is left to chance.
            widths.append(0.0)
            continue
        if proportion:
            low, high = wilson(float(a.sum() / n), n / (1 - reviewed))
            widths.append(high - low)
        else:
            spread = float(np.std(a, ddof=1)) if n > 1 else float("nan")
            widths.append(2 * float(stats.t.ppf(0.975, max(n - 1, 1))) * spread * ((1 - reviewed) / n) ** 0.5)
    return float(np.sqrt(np.sum(np.square(widths)))) / len(widths)


def remainder_width(errors: int, n: int, *, of: int) -> float:
    """Width of Wilson's interval for the error rate of the ``of`` - n rows nobody looked at, from n that somebody did.

    The variance of a predicted remainder is that of the sample's mean times N / (N - n).
    """
    if n == 0 or n == of:
        return float("nan")
    low, high = wilson(errors / n, n * (of - n) / of)
    return high - low
