"""Models with labelled predictions, made without the API: outcomes declared complete, all of them known."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

import numpy as np
from django.utils import timezone

from feedback import labels
from feedback.models import OutcomeEvent
from models_registry.models import DataContract, RegisteredModel
from review.models import Prediction, PredictionPayload
from tests.conftest import make_model
from tests.models_registry.snapshots import CLASSES, CONTRACT, traffic


def labelled_model(slug: str, *, rows: int = 300, truth: list[int] | None = None, seed: int = 0) -> RegisteredModel:
    """A model whose champion posted 0.5 for everything, and whose every prediction has a mature outcome."""
    model, version = make_model(slug, classes=CLASSES, outcomes_complete_for="all", outcomes_horizon_days=1.0)
    version.contract = DataContract.objects.create(model=model, number=2, document=CONTRACT, sha256="1" * 64)
    version.save()
    records, drawn = traffic(rows, seed=seed)
    before = timezone.now() - timedelta(days=5)
    predictions = Prediction.objects.bulk_create(
        Prediction(
            model=model,
            version=version,
            external_id=f"p-{i}",
            fingerprint=hashlib.sha256(str(i).encode()).hexdigest(),
            scores=[0.5, 0.5],
            predicted=CLASSES[0],
            confidence=0.5,
            occurred_at=before,
        )
        for i in range(rows)
    )
    PredictionPayload.objects.bulk_create(
        PredictionPayload(prediction=prediction, features=record)
        for prediction, record in zip(predictions, records, strict=True)
    )
    definition = model.definitions.get()
    OutcomeEvent.objects.bulk_create(
        OutcomeEvent(
            model=model,
            prediction=prediction,
            value=CLASSES[value],
            source="ledger",
            kind="explicit",
            definition=definition,
            observed_at=before + timedelta(hours=1),
        )
        for prediction, value in zip(predictions, np.array(drawn if truth is None else truth).tolist(), strict=True)
    )
    labels.pull_all()
    return RegisteredModel.objects.get(pk=model.pk)


def gates_of(run: Any) -> dict[str, str]:
    return dict(run.candidate.gate_results.values_list("gate", "verdict"))
