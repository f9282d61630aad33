"""Sentences about a case, from templates alone: fluent prose makes people believe more and judge no better.

Pure: rows of the figures in, text out. What is hidden in a row stays hidden here, as only its words are used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from models_registry import wording

# A factor is worth a place in the sentence from this part of the strongest one on.
WORTH_NAMING = 0.25
MOST_FOR = 2
# Fewer known cases than this, in effect, say nothing about the next.
FEWEST = 50
# Counts and their weighted share may differ by so much before both are told.
SAME = 0.005

Row = Mapping[str, Any]


def mostly(rows: Sequence[Row], label: str) -> str:
    """The strongest factors in one sentence; ``rows`` as the factor table has them, strongest first.

    >>> amount = {"title": "Amount", "text": "9 EUR", "contribution": 0.5, "unusual": True, "side": "high"}
    >>> country = {"title": "Country", "text": "DE", "contribution": -0.2}
    >>> mostly([amount, country], "fraud")
    'Mostly because amount is unusually high; country speaks against.'
    >>> mostly([country], "fraud")
    'The strongest factors speak against fraud: country first of all.'
    """
    strongest = max((abs(row["contribution"]) for row in rows), default=0.0)
    told = [row for row in rows if strongest and abs(row["contribution"]) >= WORTH_NAMING * strongest]
    towards = [row for row in told if row["contribution"] > 0][:MOST_FOR]
    against = [row for row in told if row["contribution"] < 0][:1]
    if not told:
        return ""
    if not towards:
        return f"The strongest factors speak against {label}: {name(against[0])} first of all."
    reasons = " and ".join(_because(row) for row in towards)
    return f"Mostly because {reasons}; {name(against[0])} speaks against." if against else f"Mostly because {reasons}."


def _because(row: Row) -> str:
    if row.get("hidden") or row.get("sensitive"):
        return f"{name(row)} weighs in"
    if row.get("missing"):
        return f"{name(row)} is missing"
    if row.get("outside") and row.get("side"):
        return f"{name(row)} is outside what the model was trained on"
    if row.get("unusual") and row.get("side") == "high":
        return f"{name(row)} is unusually high"
    if row.get("unusual") and row.get("side") == "low":
        return f"{name(row)} is unusually low"
    return f"{name(row)} is {_short(row['text'])}"


def name(row: Row) -> str:
    """A feature's label inside a sentence: its first letter small, unless it is an abbreviation.

    >>> name({"title": "Amount"}), name({"title": "IBAN"}), name({"title": "x"})
    ('amount', 'IBAN', 'x')
    """
    label = str(row["title"])
    return label if len(label) > 1 and label[1:2].isupper() else label[:1].lower() + label[1:]


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:39] + "…"


def frequency(bins: Sequence[Mapping[str, Any]], label: str, score: float) -> dict[str, Any]:
    """How often such an answer came true, from a version's calibration: the bin of its class that holds the score.

    ``{"enough": False, "n"}`` where too little is known, else also the counts, the share in percent, its bounds, the
    scores that count as like this, whether counts and share differ, and the basis.

    >>> found = frequency([{"label": "a", "low": 0.5, "high": 0.7, "n": 240, "k": 198, "share": 0.825,
    ...     "share_low": 0.772, "share_high": 0.868, "effective_n": 240.0, "basis": "drawn"}], "a", 0.6)
    >>> found["n"], found["k"], found["share"], found["low"], found["high"], found["differs"]
    (240, 198, '82 %', 77, 87, False)
    >>> frequency([], "a", 0.6)
    {'enough': False, 'n': 0, 'needed': 50}
    """
    found = next((one for one in bins if one["label"] == label and one["low"] <= score < one["high"]), None)
    if found is None or found["effective_n"] < FEWEST:
        return {"enough": False, "n": 0 if found is None else int(found["effective_n"]), "needed": FEWEST}
    return {
        "enough": True,
        "n": found["n"],
        "k": found["k"],
        "share": wording.share(found["share"]),
        "low": round(100 * found["share_low"]),
        "high": round(100 * found["share_high"]),
        "from": f"{found['low']:.2f}",
        "to": f"{min(found['high'], 1.0):.2f}",
        "differs": abs(found["share"] - found["k"] / found["n"]) > SAME,
        "reported": found["basis"] == "reported",
    }


def margin(classes: Sequence[str], scores: Sequence[float], predicted: str) -> str:
    """How far the score is from where the answer would be another one.

    >>> margin(["ok", "fraud"], [0.38, 0.62], "fraud")
    'The score of fraud is 0.62; below 0.50 the answer would be ok.'
    >>> margin(["a", "b", "c"], [0.5, 0.3, 0.2], "a")
    'The score of a is 0.20 ahead of b, the next class.'
    """
    ranked = sorted(zip(scores, classes, strict=True), key=lambda pair: -pair[0])
    score = scores[list(classes).index(predicted)]
    other, runner_up = next((pair for pair in ranked if pair[1] != predicted), (0.0, ""))
    if len(classes) == 2:
        return f"The score of {predicted} is {score:.2f}; below 0.50 the answer would be {runner_up}."
    return f"The score of {predicted} is {score - other:.2f} ahead of {runner_up}, the next class."
