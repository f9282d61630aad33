"""The arrival model that figures are read with: learned now and then, because it takes longer than a page may."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta

from feedback.arrivals import Arrivals, learn
from feedback.delays import ArrivalModel, Shift
from feedback.models import Label, LearnedArrival
from models_registry.models import RegisteredModel

KEEPS = timedelta(minutes=10)
# With so many more labels than there were, what was learned is old.
GROWTH = 0.05


def arrivals_of(model: RegisteredModel, *, now: datetime, newer_than: timedelta = KEEPS) -> Arrivals:
    """What is known about the model's arrivals: as last learned, or learned now where that is old."""
    row = LearnedArrival.objects.filter(model=model).first()
    if row is not None and abs(now - row.learned_at) < newer_than:
        known = row.document["labelled"]
        most = int(GROWTH * sum(known.values()))
        if Label.objects.filter(model=model, id__gt=row.last_label).order_by("id")[: most + 1].count() <= most:
            return _read(row.document)
    # The label first: what comes meanwhile is taken for news, not for known.
    newest = Label.objects.filter(model=model).order_by("-id").values_list("id", flat=True).first()
    found = learn(model, now=now)
    values = {"document": _document(found), "last_label": newest or 0, "learned_at": now}
    LearnedArrival.objects.update_or_create(model=model, defaults=values)
    return found


def _document(found: Arrivals) -> dict[str, object]:
    counts = {"drawn": found.drawn, "labelled": found.labelled}
    return {"model": found.model.document(), "shift": asdict(found.shift), **counts}


def _read(document: dict[str, dict[str, object]]) -> Arrivals:
    return Arrivals(
        model=ArrivalModel.from_document(document["model"]),
        shift=Shift(**document["shift"]),  # type: ignore[arg-type]
        drawn=document["drawn"],  # type: ignore[arg-type]
        labelled=document["labelled"],  # type: ignore[arg-type]
    )
