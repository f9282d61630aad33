"""Some weeks of routed rows whose labels take their time, written as rows, under a clock of their own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import numpy as np

from feedback import labels
from feedback.models import Label
from models_registry.models import RegisteredModel
from review.models import Lease, Prediction, QueueItem, ReviewDecision, RoutingDecision

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)


@dataclass
class World:
    """``truth`` (N,) class indexes, ``latency`` (N,) in days, of ``rows`` in the order of their making."""

    model: RegisteredModel
    rows: list[Prediction]
    truth: np.ndarray
    latency: np.ndarray
    kinds: np.ndarray
    decided: dict[int, ReviewDecision]

    @property
    def drawn(self) -> np.ndarray:
        return self.kinds != "none"

    @property
    def right(self) -> np.ndarray:
        predicted = np.array([self.model.classes.index(row.predicted) for row in self.rows])
        return predicted == self.truth

    def decide(self, now: datetime) -> int:
        """Let everybody decide whose time has come by ``now``; how many labels that made."""
        queue, definition = self.model.queues.get(), self.model.definitions.get()
        due = [
            i for i in np.flatnonzero(self.drawn).tolist()
            if i not in self.decided and self.rows[i].occurred_at + timedelta(days=self.latency[i]) <= now
        ]  # fmt: skip
        items = QueueItem.objects.bulk_create(
            QueueItem(prediction=self.rows[i], model=self.model, queue=queue, state="decided",
                      kind=self.kinds[i])
            for i in due
        )  # fmt: skip
        leases = Lease.objects.bulk_create(
            Lease(token=uuid4(), item=item, holder="r", expires_at=BEGIN) for item in items
        )
        made = ReviewDecision.objects.bulk_create(
            ReviewDecision(
                item=item, prediction=self.rows[i], model=self.model, lease=lease, reviewer="r", definition=definition,
                label=self.model.classes[self.truth[i]],
                decided_at=self.rows[i].occurred_at + timedelta(days=self.latency[i]),
            ) for i, item, lease in zip(due, items, leases, strict=True)
        )  # fmt: skip
        self.decided.update(zip(due, made, strict=True))
        labels.pull_all()
        # When a label was made is a matter of the database's clock, which is not this world's.
        Label.objects.filter(created_at__gt=now).update(created_at=now)
        return len(due)


def world(
    model: RegisteredModel, *, n: int = 3000, days: int = 30, seed: int = 3, slower: float = 2.5, mean: float = 1.0,
    begin: datetime = BEGIN, prefix: str = "w", scores: np.ndarray | None = None, truth: np.ndarray | None = None,
    propensity: np.ndarray | None = None,
) -> World:  # fmt: skip
    """Traffic whose overrides take ``slower`` times as long; unsure rows are reviewed more often, some held."""
    rng = np.random.default_rng(seed)
    k = len(model.classes)
    scores = rng.dirichlet(np.full(k, 0.7), n) if scores is None else scores
    if truth is None:
        truth = (scores.cumsum(axis=1) < rng.random((n, 1))).sum(axis=1).clip(0, k - 1)
    sure, predicted = scores.max(axis=1), scores.argmax(axis=1)
    if propensity is None:
        propensity = np.clip(0.06 + 1.3 * (1 - sure), 0, 1)
    gate = np.where(sure < 0.6, propensity / 2, 0.0)
    draw, when = rng.random(n), np.sort(rng.random(n)) * days
    kinds = np.where(draw < gate, "gate", np.where(draw < propensity, "audit", "none"))
    latency = rng.exponential(mean, n) * np.where(predicted == truth, 1.0, slower)
    rows = Prediction.objects.bulk_create(
        Prediction(
            model=model, version=model.champion, external_id=f"{prefix}-{i}", fingerprint="0" * 64, status="routed",
            scores=scores[i].tolist(), predicted=model.classes[predicted[i]], confidence=sure[i],
            occurred_at=begin + timedelta(days=when[i]), groups={"segment": "vip" if i % 3 == 0 else "rest"},
        ) for i in range(n)
    )  # fmt: skip
    RoutingDecision.objects.bulk_create(
        RoutingDecision(
            prediction=row, model=model, draw=draw[i], p_gate=gate[i], propensity=propensity[i], reasons=[],
            review=kinds[i], disposition="hold" if kinds[i] == "gate" else "proceed", model_guess=sure[i],
            oversight_always=False, routed_at=row.occurred_at + timedelta(seconds=1),
        ) for i, row in enumerate(rows)
    )  # fmt: skip
    return World(model, rows, truth, latency, kinds, {})
