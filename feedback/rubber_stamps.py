"""Who may be following the model instead of looking: a signal for a talk between a lead and a reviewer, and no proof.

Only answers given with the model on screen count. What a person who looks would agree with at most comes, in this
order, from the truth of a gold item, the version's calibration (from outcomes and blind decisions), the agreement
of this model's blind answers, and else from the guess stored at routing.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from feedback import alerts
from feedback.estimators import wilson
from feedback.estimators.following import WRONG, Following, Haste, attentive, following, haste
from feedback.known_tables import count_unknown
from models_registry import sql
from models_registry.models import Calibration, RegisteredModel
from models_registry.wording import share, span

KIND = alerts.FOLLOWING
# The newest answers of a model, and of each reviewer, that are looked at.
NEWEST, OF_ONE = 50_000, 1_000
# Blind answers, and known cases of a bin, that tell how often the model is agreed with.
FEWEST_BLIND, FEWEST_KNOWN = 30, 50

_ANSWERS = """
    SELECT d.reviewer, d.label = p.predicted, i.kind = 'gold' AND g.value IS NOT NULL, g.value = p.predicted,
           coalesce(d.model_shown_at, e.model_shown_at) IS NOT NULL, e.mode IN ('assisted', 'on_request'),
           p.version_id, p.predicted, p.confidence, coalesce(r.model_guess, p.confidence),
           coalesce(d.seconds_active, EXTRACT(EPOCH FROM d.decided_at - coalesce(e.opened_at, d.claimed_at)))
    FROM (
        SELECT * FROM review_reviewdecision WHERE model_id = %(model)s AND kind = 'decision'
        ORDER BY id DESC LIMIT %(newest)s
    ) d
    JOIN review_lease e ON e.token = d.lease_id
    JOIN review_queueitem i ON i.id = d.item_id
    JOIN review_prediction p ON p.id = d.prediction_id
    LEFT JOIN review_routingdecision r ON r.prediction_id = d.prediction_id
    LEFT JOIN feedback_goldtruth g ON g.prediction_id = d.prediction_id
    WHERE NOT d.abstained
      AND NOT EXISTS (SELECT FROM review_reviewdecision u WHERE u.supersedes_id = d.id AND u.kind = 'undo')
    ORDER BY d.id
"""


@dataclass(frozen=True)
class Signal:
    """What the newest answers of one reviewer say."""

    reviewer: str
    following: Following
    haste: Haste

    @property
    def alarm(self) -> bool:
        return self.following.alarm or self.haste.alarm

    @property
    def over(self) -> bool:
        return self.following.over and not self.haste.alarm

    @property
    def words(self) -> str:
        """Neutral, and about the answers: what was seen, and that it is worth a talk."""
        said = []
        if self.following.alarm:
            said.append(
                f"the last {self.following.streak} answers agree with the model, more than the "
                f"{share(self.following.expected)} that careful reading would bring"
                if self.following.streak >= 10
                else f"{self.following.agreed} of {self.following.n} answers agree with the model, more than careful "
                "reading would bring"
            )
        if self.haste.alarm:
            said.append(f"{self.haste.below} of the last {self.haste.n} answers came within {span(self.haste.floor)}")
        return "; ".join(said)

    def document(self) -> dict[str, Any]:
        of_agreement, of_time = asdict(self.following), asdict(self.haste)
        return {
            "reviewer": self.reviewer,
            "signal": self.alarm,
            "agreement": {**of_agreement, "signal": self.following.alarm},
            "haste": {**of_time, "signal": self.haste.alarm},
        }


def signals(model: RegisteredModel, *, newest: int = NEWEST) -> dict[str, Signal]:
    """Every reviewer who answered with the model on screen, by pseudonym in alphabetical order."""
    count_unknown()
    rows = sql.rows(_ANSWERS, {"model": model.pk, "newest": newest})
    rates = _Rates(model, [bool(row[1]) for row in rows if not row[4] and not row[2]])
    found: dict[str, list[tuple[bool, float, float]]] = {}
    for reviewer, agrees, is_gold, right, seen, own_mode, version, label, confidence, guess, seconds in rows:
        if seen and own_mode:
            most = (1.0 if right else WRONG) if is_gold else rates.most(version, label, confidence, guess)
            found.setdefault(reviewer, []).append((bool(agrees), most, float(seconds or 0.0)))
    return {reviewer: _signal(reviewer, found[reviewer][-OF_ONE:]) for reviewer in sorted(found)}


def watch(model: RegisteredModel) -> None:
    """Open, refresh or resolve the signal of each reviewer of a model, for its leads and owners."""
    for reviewer, signal in signals(model).items():
        if signal.alarm:
            title = f"{reviewer}: {signal.words}. Worth looking at some cases together"
            alerts.raise_alert(model=model, kind=KIND, subject=reviewer, title=title, detail=signal.document())
        elif signal.over:
            alerts.resolve(model=model, kind=KIND, subject=reviewer)


def _signal(reviewer: str, answers: list[tuple[bool, float, float]]) -> Signal:
    agree, most, seconds = zip(*answers, strict=True)
    return Signal(reviewer, following(np.array(agree, dtype=bool), np.array(most)), haste(seconds))


class _Rates:
    """How often a person who looks agrees with an answer of the model, at most."""

    def __init__(self, model: RegisteredModel, blind: list[bool]) -> None:
        self._blind = wilson(sum(blind) / len(blind), len(blind))[1] if len(blind) >= FEWEST_BLIND else None
        known = Calibration.objects.filter(version__model=model).values_list("version_id", "bins")
        self._bins = {version: [one for one in bins if one["n"] >= FEWEST_KNOWN] for version, bins in known}

    def most(self, version: int, label: str, confidence: float, guess: float) -> float:
        for one in self._bins.get(version, ()):
            last = one["high"] >= 1 and confidence >= one["high"]
            if one["label"] == label and (one["low"] <= confidence < one["high"] or last):
                right = wilson(one["k"] / one["n"], one["n"])[1]
                break
        else:
            right = guess if self._blind is None else self._blind
        return float(attentive(np.array([right]))[0])
