"""The same reviewers and gold items as `reviewed_by_people`, carried through the real steps: predictions come in, are
routed, known cases follow the routings that call for one, and all is claimed and decided under the lease that shows or
hides the model."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np

from feedback import gold, labels, planting
from feedback.estimators import Outputs
from feedback.raters import Confusion, confusion, screens
from models_registry import access
from models_registry.models import RegisteredModel
from review import decisions, ingest, queue, routing
from review.models import PolicyVersion, Prediction, QueueItem, ReviewQueue, RoutingControl, RoutingDecision
from tests.conftest import prediction_body
from tests.feedback.cases import NOON, make_cases
from tests.feedback.reviewed_by_people import COSTS, answers


@dataclass
class Stepped:
    """N predictions as sent, and what the steps made of them; ``hidden`` (N,) whether a label's reviewer saw none."""

    model: RegisteredModel
    outputs: Outputs
    truth: np.ndarray
    labels: np.ndarray
    hidden: np.ndarray
    propensity: np.ndarray
    gold: Confusion


class Reviewers:
    """People who err as `answers` says, of whom ``copied`` would-be disagreements follow a model that they see."""

    def __init__(self, people: list[Any], copied: float, rng: np.random.Generator) -> None:
        self.people = [access.principal_of_user(person) for person in people]
        self.copied, self.rng = copied, rng
        self.given: list[tuple[int, int, bool, str]] = []

    def work_off(self, line: ReviewQueue, truth: dict[int, int]) -> int:
        """Everybody claims and decides until nothing is left for anybody; how many decisions that were."""
        done, left = 0, True
        while left:
            left = False
            for who in self.people:
                for item in queue.claim(queue=line, models=list(line.models.all()), holder=who.pseudonym, count=20):
                    self.decide(item, who, truth[item.prediction_id])
                    done, left = done + 1, True
        return done

    def decide(self, item: QueueItem, who: access.Principal, truth: int) -> None:
        classes = item.model.classes
        shown = classes.index(item.prediction.predicted)
        hidden = item.mode == "blind"
        copied = 0.0 if hidden else self.copied
        said = int(answers(self.rng, np.array([truth]), np.array([shown]), copied)[0])
        made = decisions.decide(token=item.lease_token, principal=who, label=classes[said])
        # The step's own record of what was on screen, never the simulation's.
        assert (made.model_shown_at is None) == hidden
        self.given.append((item.prediction_id, said, hidden, item.kind))


def stepped(
    model: RegisteredModel, people: list[Any], *, n: int, each: int, copied: float, seed: int, blind: float = 0.0,
    budget: float = 0.5,
) -> Stepped:  # fmt: skip
    """``n`` predictions, and ``each`` gold answers of both classes under both suggestions, if so many are drawn."""
    rng = np.random.default_rng(seed)
    positive = np.round(1 / (1 + np.exp(-rng.normal(-1.8, 2.0, n))), 6)
    true = (rng.random(n) < positive).astype(np.int64)
    document = {
        "sampling": {"kind": "uniform", "budget": budget}, "audit_floor": 0.05, "gold_share": 1.0, "blind_share": blind,
    }  # fmt: skip
    policy = PolicyVersion.objects.create(model=model, number=9, document=document, created_by="test")
    RoutingControl.objects.filter(model=model).update(active=policy)
    known, line = _known(model, -(-each // len(people))), ReviewQueue.objects.get(slug=model.slug)
    sent = _send(model, positive)
    # In the order of the rows, which ingestion sets.
    order = np.argsort(sent)
    sent, positive, true = [sent[place] for place in order], positive[order], true[order]
    truth = dict(zip(sent, true.tolist(), strict=True)) | known
    reviewers = Reviewers(people, copied, rng)
    # A known case waits for one person at a time, so that planting and answering take turns.
    while planting.plant(limit=len(known)):
        reviewers.work_off(line, truth)
    labels.pull_all()
    return _told(model, sent, positive, true, reviewers)


def _known(model: RegisteredModel, cases: int) -> dict[int, int]:
    """So many known cases of long ago for each class under each suggestion: what is true of each."""
    found = {}
    for says, true in ((0, 0), (0, 1), (1, 0), (1, 1)):
        scores = [0.8, 0.2] if says == 0 else [0.2, 0.8]
        fields = {"review": "none", "scores": scores, "occurred_at": NOON - timedelta(days=90)}
        for case in make_cases(model, {f"known-{says}-{true}-{place}": fields for place in range(cases)}):
            gold.set_gold(prediction=case, value=model.classes[true], actor="nobody")
            found[case.pk] = true
    return found


def _send(model: RegisteredModel, positive: np.ndarray) -> list[int]:
    features = prediction_body()["features"]
    bodies = [
        {"model": model.slug, "external_id": f"p-{place}", "features": features,
         "scores": {model.classes[0]: 1 - float(p), model.classes[1]: float(p)}}
        for place, p in enumerate(positive)
    ]  # fmt: skip
    for start in range(0, len(bodies), 500):
        ingest.accept(model=model, bodies=bodies[start : start + 500], actor="test")
    while routing.route_batch(limit=500):
        pass
    rows = Prediction.objects.filter(model=model, external_id__startswith="p-")
    by_name = dict(rows.values_list("external_id", "pk"))
    return [by_name[f"p-{place}"] for place in range(len(positive))]


def _told(
    model: RegisteredModel, sent: list[int], positive: np.ndarray, true: np.ndarray, reviewers: Reviewers
) -> Stepped:
    """What the people themselves remember, and the propensities that routing stored."""
    scores = np.column_stack([1 - positive, positive])
    predicted = scores.argmax(axis=1)
    said = {pk: (label, hidden) for pk, label, hidden, kind in reviewers.given if kind != "gold"}
    asked = dict(Prediction.objects.filter(gold__isnull=False).values_list("pk", "gold__value"))
    says = dict(Prediction.objects.filter(pk__in=asked).values_list("pk", "predicted"))
    tests = [(pk, label, hidden) for pk, label, hidden, kind in reviewers.given if kind == "gold"]
    place = model.classes.index
    shown, known = (np.array([place(of[pk]) for pk, _, _ in tests]) for of in (says, asked))
    screen = screens(shown, np.array([hidden for _, _, hidden in tests]), 2)
    stored = dict(RoutingDecision.objects.filter(model=model).values_list("pk", "propensity"))
    return Stepped(
        model=model, outputs=Outputs(scores, predicted, 1, COSTS), truth=true,
        labels=np.array([said.get(pk, (-1, False))[0] for pk in sent]),
        hidden=np.array([said.get(pk, (-1, False))[1] for pk in sent]),
        propensity=np.array([stored[pk] for pk in sent]),
        gold=confusion(screen, known, np.array([label for _, label, _ in tests]), 2, 4),
    )  # fmt: skip
