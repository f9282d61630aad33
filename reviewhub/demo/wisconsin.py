"""The Wisconsin diagnostic data that ships with scikit-learn: 569 patients, 30 measurements.

The champion learns from the first patients, the others arrive as predictions. Labels are the data
set's own diagnoses.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

SLUG = "tumours"
TRAINED_ON = 170
FIRST_WAVE = 300
CLASSES = ("benign", "malignant")
GROUPS = {"mean": "Mean of the cells", "error": "Standard error", "worst": "Worst cells"}

MODEL: dict[str, Any] = {
    "slug": SLUG,
    "name": "Breast tumours (Wisconsin diagnostic)",
    "task": "binary",
    "classes": list(CLASSES),
    "positive_class": "malignant",
    "costs": {"benign": {"malignant": 20}, "malignant": {"benign": 1}},
    "review_cost": 0.5,
}
DEFINITION: dict[str, Any] = {
    "classes": list(CLASSES),
    "guidelines": "Malignant when the cell nuclei are large, irregular and uneven together. "
    "One unusual measurement alone is not enough. When in doubt, say that you can't tell.",
    "reason_codes": {"malignant": ["large_nuclei", "irregular_shape"], "benign": ["even_nuclei", "single_outlier"]},
}
POLICY: dict[str, Any] = {
    "review": [
        {
            "name": "low_confidence",
            "when": {"field": "confidence", "lt": 0.8},
            "p": 1.0,
            "kind": "gate",
            "priority": 5,
            "due_seconds": 14400,
        }
    ],
    "sampling": {"kind": "uniform", "budget": 0.3},
    "audit_floor": 0.25,
}


@dataclass(frozen=True)
class Patients:
    contract: dict[str, Any]
    artifact: bytes
    reference: str
    predictions: list[dict[str, Any]]
    truth: dict[str, str]


def build() -> Patients:
    """Train the champion and score everybody it has not seen."""
    import pandas as pd
    import skops.io
    from sklearn.datasets import load_breast_cancer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    data = load_breast_cancer(as_frame=True)
    frame = data.data.rename(columns=lambda name: name.replace(" ", "_"))
    # scikit-learn's target 0 is malignant, 1 benign.
    labels = data.target.map({0: "malignant", 1: "benign"})
    order = frame.sample(frac=1, random_state=8).index
    frame, labels = frame.loc[order].reset_index(drop=True), labels.loc[order].reset_index(drop=True)
    known, unseen = frame[:TRAINED_ON], frame[TRAINED_ON:]
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.05)).fit(known, labels[:TRAINED_ON])
    reference = pd.concat([known, labels[:TRAINED_ON].rename("label")], axis=1)
    scores = model.predict_proba(unseen)
    now = datetime.now(UTC)
    predictions: list[dict[str, Any]] = []
    for place, (row, (_, features)) in enumerate(zip(scores, unseen.iterrows(), strict=True)):
        age = timedelta(hours=12.0 * (1 - place / len(unseen)))
        predictions.append(
            {
                "model": SLUG,
                "external_id": f"biopsy-{place + 1:04d}",
                "entity_id": f"patient-{place + 1:04d}",
                "features": {name: float(value) for name, value in features.items()},
                "scores": dict(zip(map(str, model.classes_), map(float, row), strict=True)),
                "occurred_at": (now - age).isoformat(),
            }
        )
    truth = {str(body["external_id"]): str(label) for body, label in zip(predictions, labels[TRAINED_ON:], strict=True)}
    return Patients(_contract(known), skops.io.dumps(model), reference.to_csv(index=False), predictions, truth)


def _contract(known: Any) -> dict[str, Any]:
    features = []
    for name in known.columns:
        kind = next(group for group in GROUPS if group in name.split("_"))
        words = " ".join(part for part in name.split("_") if part != kind)
        features.append({"name": name, "dtype": "float", "min": 0, "label": words.capitalize(), "group": GROUPS[kind]})
    return {"features": features}
