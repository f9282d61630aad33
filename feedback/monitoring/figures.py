"""From sums to figures as the API gives them, each with what it must be read beside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from feedback.estimators import AUTO_ACCEPTED_ERROR, Estimate, State, departs, estimate, guessed, nonresponse_bounds
from feedback.estimators import unweighted as naive
from feedback.estimators.baselines import accuracy_may_lead, no_better_than_constant
from feedback.monitoring.cells import KINDS
from feedback.monitoring.nonresponse import rate
from feedback.monitoring.parts import Part
from feedback.monitoring.population import costs_of

# Below this share of arrived labels a review kind carries weights too large to say anything.
LEAST_ARRIVED = 0.05
LEAST_SHARE = 1e-6


class Figures:
    """The figures of one part of a window; ``enough`` says whether labels of every drawn kind have arrived."""

    def __init__(self, part: Part, names: Sequence[str], *, enough: bool) -> None:
        self.part, self.names, self.enough = part, names, enough
        self._lost = part.nonresponse(names)

    def estimate(self, name: str) -> Estimate:
        totals = self.part.totals(name)
        return estimate(totals) if self.enough else naive(totals)

    def figure(self, name: str) -> dict[str, Any]:
        """One headline."""
        found, totals = self.estimate(name), self.part.totals(name)
        guess = guessed(totals)
        document = {
            **shown(found),
            "label_free": guess,
            "departs": departs(found, guess),
            "bounds": _ends(found.bounds),
            "unsupported_share": found.unsupported_share,
            "nonresponse": self._nonresponse(name),
            "constant": self.constants.get(name),
        }
        if self.part.model.simulated:
            document["truth"] = self.part.truth[name]
        return document

    def of_class(self, k: int) -> dict[str, Any]:
        """Precision and recall of one class against the rest, as far as they are asked for."""
        asked = [name for name in self.names if name in ("precision", "recall")]
        return {name: shown(self.estimate(f"{name}/{k}")) for name in asked}

    @property
    def shares(self) -> list[Estimate]:
        """The base rate of each class."""
        return [self.estimate(f"share/{k}") for k in range(self.part.shape.classes)]

    @property
    def constant(self) -> int | None:
        """The class that is best always answered."""
        points = [share.point for share in self.shares]
        return None if not self.enough or None in points else int(np.argmax(np.array(points, dtype=np.float64)))

    @property
    def constants(self) -> dict[str, float | None]:
        """What the best constant would have scored, by metric; empty where base rates are not known."""
        best, shares = self.constant, self.shares
        if best is None or any(share.state is not State.OK for share in shares):
            return {}
        points = np.array([share.point for share in shares], dtype=np.float64)
        rates = np.clip(points, LEAST_SHARE, None)
        rates /= rates.sum()
        spread = float(1 - rates @ rates)
        positive, classes = self.part.shape.positive, len(points)
        found: dict[str, float | None] = {
            "accuracy": float(rates[best]),
            "cost": float(np.min(costs_of(self.part.model) @ rates)),
            "brier": spread / 2 if classes == 2 else spread,
            "log_loss": float(-(rates @ np.log(rates))),
        }
        if positive is None:
            return found | {"recall": 1 / classes}
        return found | {
            "recall": float(best == positive),
            "precision": float(rates[best]) if best == positive else None,
        }

    def baseline(self) -> dict[str, Any]:
        """Base rates, and whether the model is better than a constant (accuracy, paired on the same rows)."""
        shares, best, classes = self.shares, self.constant, self.part.model.classes
        ahead = None if best is None else no_better_than_constant("accuracy", self.estimate(f"ahead/{best}"))
        found = [{name: shown(share)[name] for name in ("estimate", "low", "high")} for share in shares]
        return {
            "prevalence": dict(zip(classes, found, strict=True)),
            "constant_class": None if best is None else classes[best],
            "no_better_than_constant": ahead,
            "accuracy_may_lead": best is not None and accuracy_may_lead(shares, self.part.shape.positive),
        }

    def calibration(self) -> dict[str, Any]:
        """Reliability of the positive class's score; with more than two classes, of the answer's."""
        found, positive = self.part.reliability, self.part.shape.positive
        state = found.state if self.part.counts["unsupported"] == 0 else State.UNSUPPORTED
        known = state is State.OK and self.enough
        return {
            "of": "answer" if positive is None else self.part.model.classes[positive],
            "bins": [
                {name: getattr(one, name) for name in
                 ("low", "high", "mean_score", "n", "labels", "share", "share_low", "share_high")}
                for one in found.bins
            ],
            "ece": found.ece if known else None,
            "ece_noise": found.ece_noise if known else None,
            "ece_limit": found.ece_limit if known else None,
            "miscalibrated": found.miscalibrated if known else None,
            "slope": found.slope if known else None,
            "intercept": found.intercept if known else None,
            "state": str(state if self.enough else State.INSUFFICIENT),
        }  # fmt: skip

    def confusion(self) -> dict[str, Any]:
        """By answer (rows) and true class (columns): labelled predictions, and what they stand for."""
        counted, weighed = self.part.confusion
        total = weighed.sum()
        scale = self.part.counts["predictions"] / total if total else 0.0
        return {
            "classes": self.part.model.classes,
            "counts": counted.astype(int).tolist(),
            "weighted": (weighed * scale).tolist(),
        }

    def _nonresponse(self, name: str) -> dict[str, float] | None:
        if name not in self._lost or not self.enough:
            return None
        whole, worst, best = self._lost[name]
        return _ends(nonresponse_bounds(whole, (worst, best)))


def enough(counts: dict[str, int]) -> bool:
    """Whether of every kind that was drawn some labels are there."""
    return all(counts[f"labelled_{kind}"] >= LEAST_ARRIVED * counts[kind] for kind in KINDS)


def shown(found: Estimate) -> dict[str, Any]:
    """The figure as the API gives it: nothing but the naive mean where there is too little to show."""
    ok = found.state is State.OK
    sequence = found.sequence if ok and found.sequence else (None, None)
    return {
        "estimate": found.point if ok else None,
        "low": found.low if ok else None,
        "high": found.high if ok else None,
        "effective_n": round(found.effective_n, 1),
        "state": str(found.state),
        "labels": found.labels,
        "naive": found.naive,
        "naive_low": found.naive_low,
        "naive_high": found.naive_high,
        "sequence": {"low": sequence[0], "high": sequence[1]},
    }


def outcomes(part: Part, names: Sequence[str], *, able: int, total: int, mature: int) -> dict[str, Any]:
    """Outcomes as a population of their own; ``part`` holds those that are old enough to show one."""
    model = part.model
    complete = model.outcomes_complete_for
    found = part.outcomes(proceeded_only=complete == model.CompleteFor.PROCEEDED)
    known = complete != model.CompleteFor.NONE
    figures = {name: estimate(found[name]) for name in names if name != AUTO_ACCEPTED_ERROR}
    if not known:
        figures = dict.fromkeys(figures, Estimate(None, None, None, None, 0.0, State.INSUFFICIENT))
    return {
        "population": complete,
        "horizon_days": model.outcomes_horizon_days,
        "predictions": able,
        "unsupported": total - able,
        "mature": mature,
        "observed": round(float(found["accuracy"].counts[1])) if known else 0,
        "metrics": {name: shown(figure) for name, figure in figures.items()},
    }


def able(part: Part) -> int:
    """How many predictions can show an outcome."""
    complete = part.model.outcomes_complete_for
    if complete == part.model.CompleteFor.ALL:
        return part.counts["predictions"]
    return part.counts["proceed"] if complete == part.model.CompleteFor.PROCEEDED else 0


def maturity(counts: dict[str, int]) -> dict[str, Any]:
    """Per review kind how many were drawn and how many of those are labelled by now."""
    kinds = {kind: _arrived(counts[kind], counts[f"labelled_{kind}"]) for kind in KINDS}
    drawn, decided = (sum(one[name] for one in kinds.values()) for name in ("drawn", "decided"))
    return {**_arrived(drawn, decided), "review": kinds}


def population(counts: dict[str, int]) -> dict[str, Any]:
    return {
        "predictions": counts["predictions"],
        "review": {kind: counts[kind] for kind in ("none", *KINDS)},
        "labelled": sum(counts[f"labelled_{kind}"] for kind in KINDS),
        "labelled_without_draw": counts["manual"],
        "unsupported": counts["unsupported"],
        "withdrawn": counts["withdrawn"],
        "withdrawn_labelled": counts["withdrawn_labelled"],
    }


def conflicts(counts: dict[str, int]) -> dict[str, Any]:
    """Predictions that have a review label and an explicit outcome, and how many of those pairs differ."""
    both, differ = counts["both"], counts["conflicts"]
    return {"both": both, "conflicts": differ, **rate(differ, both)}


def _arrived(drawn: int, decided: int) -> dict[str, Any]:
    return {"drawn": drawn, "decided": decided, "share": decided / drawn if drawn else None}


def _ends(bounds: tuple[float, float] | None) -> dict[str, float] | None:
    return None if bounds is None else {"low": bounds[0], "high": bounds[1]}
