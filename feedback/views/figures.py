"""One metric's figure as rows of a chart and its table, and what has to be said beside it."""

from __future__ import annotations

import math
from typing import Any

from feedback import charts

METRICS = {
    "accuracy": ("Accuracy", "share", "share of all predictions whose answer was right"),
    "precision": ("Precision", "share", "share of positive answers that were right"),
    "recall": ("Recall", "share", "share of true positives that the model found"),
    "cost": ("Cost", "number", "mean cost of acting on the model's answer"),
    "brier": ("Brier score", "number", "squared distance of the scores from the truth, 0 is best"),
    "log_loss": ("Log loss", "number", "surprise at the truth, 0 is best"),
    "auto_accepted_error": ("Error of what nobody looked at", "share", "share of unreviewed answers that were wrong"),
}
# Where one class is rare, accuracy says next to nothing: it goes last.
USUAL = ("accuracy", "precision", "recall", "cost", "brier", "log_loss")
RARE = ("precision", "recall", "cost", "brier", "log_loss", "accuracy")
LOSSES = ("cost", "brier", "log_loss")
FEWEST = 30


def order(accuracy_may_lead: bool) -> tuple[str, ...]:
    return USUAL if accuracy_may_lead else RARE


def metric(name: str, figure: dict[str, Any], beside: dict[str, Any] | None = None) -> dict[str, Any]:
    """One metric with its chart: weighted or bounds, naive, the model's guess, the constant answer, maybe the truth.

    ``beside`` is the part of the document about reviewers' errors.
    """
    title, kind, meaning = METRICS[name]
    low, high = (0.0, 1.0) if kind == "share" else (-float("inf"), float("inf"))
    of = "for all that nobody looked at" if name == "auto_accepted_error" else "for all predictions"
    shown = rows(figure, of)
    shown[1:1] = [] if beside is None else beside_reviewers(name, beside)
    chart = charts.intervals(shown, kind, low=low, high=high)
    truth_x = next((row.get("x") for row in chart["rows"] if row["key"] == "true"), None)
    named = {"name": name, "title": title, "kind": kind, "meaning": meaning, "figure": figure}
    return {**named, "chart": chart, "truth_x": truth_x, "beaten": beaten(name, figure)}


def beaten(name: str, figure: dict[str, Any]) -> bool:
    """Whether the constant answer is surely better: beyond the interval, on the good side.

    >>> cost = {"constant": 0.6, "low": 1.8, "high": 2.7}
    >>> beaten("cost", cost), beaten("accuracy", cost), beaten("cost", {**cost, "constant": 2.0})
    (True, False, False)
    """
    constant, low, high = (figure.get(key) for key in ("constant", "low", "high"))
    if constant is None or low is None or high is None:
        return False
    return bool(constant > high if name == "accuracy" else constant < low and name in LOSSES)


def rows(figure: dict[str, Any], of: str = "for all predictions") -> list[dict[str, Any]]:
    """The rows of one figure; one that has nothing to show is left out, but for the weighted one.

    >>> figure = {"state": "unsupported", "estimate": None, "bounds": {"low": 0.6, "high": 0.9}, "label_free": 0.8}
    >>> [(row["key"], row["estimate"], row["low"]) for row in rows(figure)]
    [('bounds', None, 0.6), ('label_free', 0.8, None)]
    """
    bounds = figure.get("bounds")
    if figure.get("state") == "unsupported" and bounds:
        first = _row("bounds", "Bounds", "no point: some could never be reviewed", None, bounds["low"], bounds["high"])
    else:
        interval = (figure.get("estimate"), figure.get("low"), figure.get("high"))
        first = _row("weighted", "Weighted", of, *interval)
    naive = (figure.get("naive"), figure.get("naive_low"), figure.get("naive_high"))
    others = [
        _row("naive", "Reviewed only", "biased by routing", *naive),
        _row("label_free", "The model’s own guess", "without labels; blind to concept drift", figure.get("label_free")),
        _row("constant", "Constant answer", "the best that never looks at the case", figure.get("constant")),
        _row("true", "True", "known in a simulation", figure.get("truth")),
    ]
    return [first, *(row for row in others if row["estimate"] is not None)]


def beside_reviewers(name: str, beside: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of a metric corrected for reviewers' errors and by the blind arm alone, as far as there is a figure.

    Where their window is shorter, what labels say of it stands beside them.

    >>> ok, none = {"state": "ok", "estimate": 0.9, "low": 0.8, "high": 0.95}, {"state": "insufficient_data"}
    >>> of = {"accuracy": {"labels": ok, "corrected": ok, "hidden_arm": none}}
    >>> [row["key"] for row in beside_reviewers("accuracy", {"metrics": of, "window": {"cut": None}})]
    ['corrected']
    >>> [row["key"] for row in beside_reviewers("accuracy", {"metrics": of, "window": {"cut": 20000}})]
    ['recent', 'corrected']
    """
    found, cut = beside["metrics"].get(name, {}), beside["window"]["cut"]
    kinds = [
        ("recent", "labels", "Weighted, lately", "for the shorter window of the next line"),
        ("corrected", "corrected", "Corrected", "for reviewers’ errors, by known cases"),
        ("hidden_arm", "hidden_arm", "Blind arm", "by labels given without seeing the model"),
    ]
    return [
        _row(key, title, note, *(found[of].get(end) for end in ("estimate", "low", "high")))
        for key, of, title, note in kinds
        if of in found and found[of]["state"] == "ok" and (key != "recent" or cut)
    ]


def _row(
    key: str, name: str, note: str, estimate: float | None, low: float | None = None, high: float | None = None
) -> dict[str, Any]:
    return {"key": key, "name": name, "note": note, "estimate": estimate, "low": low, "high": high}


def per_thousand(figure: dict[str, Any]) -> dict[str, str]:
    """An error rate's interval in cases of a thousand, outwards to whole ones.

    >>> per_thousand({"low": 0.0121, "high": 0.0306})
    {'low': '12', 'high': '31'}
    """
    low, high = figure.get("low"), figure.get("high")
    if low is None or high is None:
        return {}
    return {"low": f"{math.floor(1000 * low + 1e-9)}", "high": f"{math.ceil(1000 * high - 1e-9)}"}


def parts(found: dict[str, dict[str, Any]], names: tuple[str, ...]) -> list[dict[str, Any]]:
    """Per metric a small chart over parts (classes or groups): {part: {metric: figure}} on one axis each.

    A part with fewer labels than ``FEWEST`` keeps its place and shows nothing.
    """
    charts_of = []
    for name in names:
        title, kind, _ = METRICS[name]
        given = [
            {"key": "weighted", "part": part, "labels": (figures.get(name) or {}).get("labels", 0)}
            | _shown(figures.get(name) or {})
            for part, figures in found.items()
        ]
        high = 1.0 if kind == "share" else float("inf")
        chart = charts.intervals(given, kind, low=0.0, high=high)
        charts_of.append({"name": name, "title": title, "kind": kind, **chart})
    return charts_of


def _shown(figure: dict[str, Any]) -> dict[str, Any]:
    few = (figure.get("labels") or 0) < FEWEST
    return {key: None if few else figure.get(key) for key in ("estimate", "low", "high")} | {
        "few": few,
        "state": figure.get("state", "insufficient_data"),
    }


def csv_rows(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Every metric's rows as one table."""
    names = ("key", "estimate", "low", "high")
    return [
        {"metric": name, "state": figure["state"], "labels": figure["labels"], "effective_n": figure["effective_n"]}
        | {key: row[key] for key in names}
        for name, figure in found["metrics"].items()
        for row in [*rows(figure), *(beside_reviewers(name, found["reviewers"]) if "reviewers" in found else [])]
    ]
