"""Traffic with known truth: hard cases near a boundary, and a segment where the champion is sure and wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

CLASSES = ["ok", "bad"]
CONTRACT: dict[str, Any] = {
    "features": [
        {"name": "x", "dtype": "float"},
        {"name": "z", "dtype": "float"},
        {"name": "segment", "dtype": "category", "values": ["old", "new"]},
    ]
}
POLICY: dict[str, Any] = {
    "review": [{"name": "low_confidence", "when": {"field": "confidence", "lt": 0.8}, "p": 1.0, "kind": "gate"}],
    "sampling": {"kind": "uniform", "budget": 0.45},
    "audit_floor": 0.1,
}


@dataclass(frozen=True)
class Stream:
    bodies: list[dict[str, Any]]
    truth: dict[str, str]
    artifact: bytes
    reference: str

    def accuracy(self) -> float:
        """The share of predictions whose likeliest class is the true one."""
        right = [max(b["scores"], key=b["scores"].get) == self.truth[b["external_id"]] for b in self.bodies]
        return float(np.mean(right))


def stream(slug: str, rows: int, *, seed: int) -> Stream:
    """A champion that knows the old segment only, and traffic in which half of the new one is different."""
    import pandas as pd
    import skops.io
    from sklearn.compose import ColumnTransformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    rng = np.random.default_rng(seed)
    known, known_bad = _draw(rng, 1500, with_new=False)
    traffic, bad = _draw(rng, rows, with_new=True)
    encode = ColumnTransformer(
        [("numbers", StandardScaler(), ["x", "z"]), ("segment", OneHotEncoder(handle_unknown="ignore"), ["segment"])]
    )
    model = make_pipeline(encode, LogisticRegression()).fit(known, np.where(known_bad, "bad", "ok"))
    scores = model.predict_proba(traffic)
    bodies = [
        {
            "model": slug,
            "external_id": f"case-{place:05d}",
            "features": {"x": float(row.x), "z": float(row.z), "segment": row.segment},
            "scores": dict(zip(map(str, model.classes_), map(float, scores[place]), strict=True)),
        }
        for place, row in enumerate(traffic.itertuples())
    ]
    truth = {f"case-{place:05d}": "bad" if is_bad else "ok" for place, is_bad in enumerate(bad)}
    reference = pd.concat([known, pd.Series(np.where(known_bad, "bad", "ok"), name="label")], axis=1)
    return Stream(bodies, truth, skops.io.dumps(model), reference.to_csv(index=False))


def _draw(rng: np.random.Generator, rows: int, *, with_new: bool) -> tuple[Any, Any]:
    import pandas as pd

    x, z = rng.normal(size=rows), rng.normal(size=rows)
    segment = np.where(rng.random(rows) < (0.4 if with_new else 0.02), "new", "old")
    logit = 4.0 * x
    # Sure and wrong: in the new segment what drives the outcome is z, and the champion still answers by x.
    logit = np.where((segment == "new") & with_new, 4.0 * z, logit)
    return pd.DataFrame({"x": x, "z": z, "segment": segment}), rng.random(rows) < 1 / (1 + np.exp(-logit))
