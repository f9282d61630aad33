"""The handwritten digits that ship with scikit-learn: 8 × 8 pixels, ten classes, each with a drawing to look at.

The champion learns from the first few hundred, the others arrive as predictions. Labels are the data set's
own. Two scripts review part of them: one is always right, the other takes some digits for their likes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

SLUG = "digits"
SIDE = 8
DARKEST = 16
TRAINED_ON = 400
FIRST_WAVE = 360
# Answers of the noisy script that are wrong, and of its cases a digit it may be taken for.
SLIPS = 0.12
LIKES = {"0": "6", "1": "7", "2": "3", "3": "8", "4": "9", "5": "6", "6": "0", "7": "1", "8": "3", "9": "4"}
# How many cases the noisy script takes at a time; the other answers all the rest.
FOR_THE_NOISY = 45
GOLD = 24
PRACTICE = 12
# In the order of the keys, so that each key chooses its own digit.
CLASSES = tuple("1234567890")

MODEL: dict[str, Any] = {
    "slug": SLUG,
    "name": "Handwritten digits",
    "task": "multiclass",
    "classes": list(CLASSES),
    "review_cost": 0.2,
}
DEFINITION: dict[str, Any] = {
    "classes": list(CLASSES),
    "guidelines": "Which digit did the writer mean? Look at the drawing first.\n\n"
    "A 7 may have a bar, a 1 a foot, a 4 may be open. Where two digits are equally likely, say that you can't tell.",
    "reason_codes": {"7": ["with_a_bar"], "4": ["open_top"], "1": ["with_a_foot"]},
}
POLICY: dict[str, Any] = {
    "review": [
        {"name": "low_confidence", "when": {"field": "confidence", "lt": 0.7}, "p": 1.0, "kind": "gate", "priority": 5}
    ],
    "sampling": {"kind": "uniform", "budget": 0.3},
    "audit_floor": 0.1,
    "blind_share": 0.25,
    "overlap_share": 0.2,
    "gold_share": 0.1,
}


@dataclass(frozen=True)
class Digits:
    contract: dict[str, Any]
    artifact: bytes
    reference: str
    predictions: list[dict[str, Any]]
    truth: dict[str, str]
    noisy: dict[str, str]


def build() -> Digits:
    """Train the champion and score every drawing it has not seen."""
    import pandas as pd
    import skops.io
    from sklearn.datasets import load_digits
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    data = load_digits()
    frame = pd.DataFrame(data.data.astype(int), columns=[name for row in names() for name in row])
    order = pd.Series(range(len(frame))).sample(frac=1, random_state=5)
    frame, labels = frame.loc[order].reset_index(drop=True), pd.Series(data.target[order]).astype(str)
    known, unseen = frame[:TRAINED_ON], frame[TRAINED_ON:]
    # Strongly held back, so that it is sometimes unsure and sometimes wrong.
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.2, max_iter=500)).fit(known, labels[:TRAINED_ON])
    scores = model.predict_proba(unseen)
    now = datetime.now(UTC)
    predictions = []
    for place, (row, features) in enumerate(zip(scores, unseen.to_dict("records"), strict=True)):
        age = timedelta(hours=8.0 * (1 - place / len(unseen)))
        answered = dict(zip(sorted(CLASSES), map(float, row), strict=True))
        occurred = {"occurred_at": (now - age).isoformat()}
        predictions.append({**_prediction(place, answered, features), **occurred})
    truth = {body["external_id"]: label for body, label in zip(predictions, labels[TRAINED_ON:], strict=True)}
    reference = pd.concat([known, labels[:TRAINED_ON].rename("label")], axis=1).to_csv(index=False)
    return Digits(_contract(), skops.io.dumps(model), reference, predictions, truth, slipping(truth))


def names() -> list[list[str]]:
    """The feature of each pixel, in the rows of the drawing."""
    return [[f"pixel_{row + 1}_{column + 1}" for column in range(SIDE)] for row in range(SIDE)]


def slipping(truth: dict[str, str]) -> dict[str, str]:
    """The answers of somebody who now and then takes a digit for one that looks like it."""
    draw = Random(11)  # noqa: S311 - a script's slips, no secret
    return {name: LIKES[label] if draw.random() < SLIPS else label for name, label in truth.items()}


def _prediction(place: int, scores: dict[str, float], features: dict[str, Any]) -> dict[str, Any]:
    values = [[int(features[name]) for name in row] for row in names()]
    drawing = {"values": values, "min": 0, "max": DARKEST, "features": names(), "title": f"Drawing {place + 1}"}
    return {
        "model": SLUG,
        "external_id": f"digit-{place + 1:04d}",
        "features": {name: int(value) for name, value in features.items()},
        "scores": scores,
        "context": {"array": drawing},
    }


def _contract() -> dict[str, Any]:
    features = [
        {
            "name": name,
            "dtype": "int",
            "min": 0,
            "max": DARKEST,
            "label": f"Column {column + 1}",
            "group": f"Row {row + 1}",
        }
        for row, line in enumerate(names())
        for column, name in enumerate(line)
    ]
    return {"features": features}
