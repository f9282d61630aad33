"""A generated stream of card payments with known truth. Simulated, and called so on every page.

The champion learnt from older payments. Within the stream a fraud pattern appears that it has never
seen (gaming merchants at night), and there it is sure and wrong: low-confidence review alone cannot
show that, audits can. Chargebacks come weeks later, and only for payments that went through.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SLUG = "payments"
TRAINED_ON = 6000
STREAM = 5000
# The new pattern begins with this payment.
BEFORE = 1200
# The newest payments are left to people.
LEFT_OPEN = 150
DAYS = 90
HORIZON_DAYS = 30
CLASSES = ("legit", "fraud")
COUNTRIES = ("DE", "FR", "NL", "US", "BR")
MERCHANTS = ("grocery", "travel", "electronics", "gaming", "giftcards")

MODEL: dict[str, Any] = {
    "slug": SLUG,
    "name": "Card payments (simulated)",
    "task": "binary",
    "classes": list(CLASSES),
    "positive_class": "fraud",
    "costs": {"legit": {"fraud": 1.0}, "fraud": {"legit": 0.1}},
    "review_cost": 2.0,
    "disposition_of": {"legit": "proceed", "fraud": "refuse"},
    "outcomes": {"complete_for": "proceeded", "horizon_days": HORIZON_DAYS},
}
DEFINITION: dict[str, Any] = {
    "classes": list(CLASSES),
    "guidelines": "Fraud when the card holder would not recognise the payment. A high amount alone is no fraud; "
    "many attempts in an hour, a new card or a far-away merchant together are.",
    "reason_codes": {"fraud": ["many_attempts", "new_card", "odd_hour"], "legit": ["known_pattern"]},
}
POLICY: dict[str, Any] = {
    "review": [
        {
            "name": "low_confidence",
            "when": {"field": "confidence", "lt": 0.8},
            "p": 1.0,
            "kind": "gate",
            "priority": 5,
            "due_seconds": 3600,
        },
        {"name": "high_risk", "when": {"field": "risk", "gte": 40}, "p": 1.0, "kind": "gate", "priority": 8},
    ],
    "sampling": {"kind": "active", "budget": 0.2, "tau": "auto"},
    "audit_floor": 0.05,
    "hold": {"timeout_seconds": 86400, "on_timeout": "refuse"},
}
CONTRACT: dict[str, Any] = {
    "features": [
        {"name": "amount", "dtype": "float", "min": 0, "unit": "EUR", "label": "Amount", "group": "Payment"},
        {"name": "merchant", "dtype": "category", "values": list(MERCHANTS), "label": "Merchant", "group": "Payment"},
        {"name": "hour", "dtype": "int", "min": 0, "max": 23, "label": "Hour of day", "group": "Payment"},
        {"name": "country", "dtype": "category", "values": list(COUNTRIES), "label": "Country", "group": "Payment"},
        {
            "name": "distance_km",
            "dtype": "float",
            "min": 0,
            "unit": "km",
            "label": "Distance from home",
            "group": "Card",
        },
        {
            "name": "card_age_days",
            "dtype": "int",
            "min": 0,
            "unit": "days",
            "label": "Age of the card",
            "group": "Card",
        },
        {"name": "attempts_last_hour", "dtype": "int", "min": 0, "label": "Attempts in the last hour", "group": "Card"},
        {"name": "recurring", "dtype": "bool", "label": "Recurring payment", "group": "Card"},
    ]
}


@dataclass(frozen=True)
class Payments:
    artifact: bytes
    reference: str
    predictions: list[dict[str, Any]]
    truth: dict[str, str]
    outcomes: list[dict[str, Any]]


def build() -> Payments:
    """Train the champion on old payments and score the stream."""
    import pandas as pd
    import skops.io
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    rng = np.random.default_rng(20)
    old, old_fraud = _generate(rng, TRAINED_ON, with_new_pattern=False)
    quiet, quiet_fraud = _generate(rng, BEFORE, with_new_pattern=False)
    changed, changed_fraud = _generate(rng, STREAM - BEFORE, with_new_pattern=True)
    stream, fraud = pd.concat([quiet, changed], ignore_index=True), np.concatenate([quiet_fraud, changed_fraud])
    encode = ColumnTransformer(
        [("category", OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["merchant", "country"])],
        remainder="passthrough",
    )
    learner = HistGradientBoostingClassifier(max_iter=60, max_leaf_nodes=12, learning_rate=0.1, random_state=0)
    model = make_pipeline(encode, learner).fit(old, np.where(old_fraud, "fraud", "legit"))
    reference = old.assign(label=np.where(old_fraud, "fraud", "legit"))[:4000]
    scores = model.predict_proba(stream)
    occurred = _times()
    predictions: list[dict[str, Any]] = []
    for place, features in enumerate(stream.to_dict("records")):
        predictions.append(
            {
                "model": SLUG,
                "external_id": f"payment-{place + 1:05d}",
                "entity_id": f"card-{int(rng.integers(1, 2200)):04d}",
                "features": {name: _plain(value) for name, value in features.items()},
                "scores": dict(zip(map(str, model.classes_), map(float, scores[place]), strict=True)),
                "value": float(features["amount"]),
                "groups": {"country": features["country"], "merchant": features["merchant"]},
                "occurred_at": occurred[place].isoformat(),
            }
        )
    truth = {str(body["external_id"]): CLASSES[int(bad)] for body, bad in zip(predictions, fraud, strict=True)}
    outcomes = _outcomes(rng, predictions, occurred, fraud)
    return Payments(skops.io.dumps(model), reference.to_csv(index=False), predictions, truth, outcomes)


def _generate(rng: np.random.Generator, rows: int, *, with_new_pattern: bool) -> tuple[Any, NDArray[np.bool_]]:
    import pandas as pd

    amount = np.round(np.exp(rng.normal(3.4, 1.0, rows)), 2)
    merchant = rng.choice(MERCHANTS, rows, p=[0.34, 0.12, 0.2, 0.24, 0.1])
    hour = rng.choice(24, rows, p=_hours())
    country = rng.choice(COUNTRIES, rows, p=[0.45, 0.2, 0.15, 0.12, 0.08])
    distance = np.round(rng.gamma(1.0, 60.0, rows) * np.where(np.isin(country, ["US", "BR"]), 8, 1), 1)
    card_age = rng.gamma(1.3, 400, rows).astype(int)
    attempts = rng.poisson(0.5, rows)
    recurring = rng.random(rows) < 0.2
    night = (hour < 9) | (hour >= 21)
    logit = (
        -3.6
        + 0.9 * (np.log(amount) - 3.4)
        + 1.5 * np.isin(merchant, ["electronics", "giftcards"])
        + 1.3 * (attempts >= 2)
        + 1.4 * (card_age < 60)
        + 1.0 * (distance > 500)
        - 1.5 * recurring
    )
    if with_new_pattern:
        logit = logit + np.where((merchant == "gaming") & night & ~recurring, 6.5, 0.0)
    fraud = rng.random(rows) < 1 / (1 + np.exp(-logit))
    columns = {
        "amount": amount,
        "merchant": merchant,
        "hour": hour,
        "country": country,
        "distance_km": distance,
        "card_age_days": card_age,
        "attempts_last_hour": attempts,
        "recurring": recurring,
    }
    return pd.DataFrame(columns), fraud


def _hours() -> NDArray[np.float64]:
    shares = np.array([3, 2, 2, 2, 2, 2] + [4] * 6 + [6] * 12, dtype=float)
    return np.asarray(shares / shares.sum())


def _times() -> list[datetime]:
    """Evenly over the last days, in order; the newest an hour ago."""
    end = datetime.now(UTC) - timedelta(hours=1)
    return [end - timedelta(days=DAYS) * (1 - place / (STREAM - 1)) for place in range(STREAM)]


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _outcomes(
    rng: np.random.Generator, predictions: list[dict[str, Any]], occurred: list[datetime], fraud: NDArray[np.bool_]
) -> list[dict[str, Any]]:
    """A chargeback after days to weeks, or the silence of the whole horizon; only what is known by now."""
    now = datetime.now(UTC)
    delays = np.minimum(np.exp(rng.normal(2.3, 0.5, len(predictions))), HORIZON_DAYS)
    outcomes = []
    for body, start, bad, delay in zip(predictions, occurred, fraud, delays, strict=True):
        seen = start + timedelta(days=float(delay) if bad else HORIZON_DAYS)
        if seen < now:
            value, source = ("fraud", "chargeback") if bad else ("legit", "no chargeback")
            outcome = {"model": SLUG, "external_id": body["external_id"], "value": value, "source": source}
            outcomes.append({**outcome, "observed_at": seen.isoformat(), "kind": "explicit"})
    return outcomes
