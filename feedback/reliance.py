"""How much of what people confirmed is their own: the answers of a model's reviews, compared by the arm of the draw.

Items carry a draw of their own for the blind arm, so both arms have the same propensities.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from django.utils import timezone

from feedback.estimators.reliance import Arm, Gap, Pooled, Share, appropriate, gap, pooled
from feedback.first_answers import DAYS, NEWEST, Answers, Column, answers_of
from models_registry.models import RegisteredModel
from review.models import Mode


def reliance(
    *, model: RegisteredModel, start: datetime | None = None, end: datetime | None = None, newest: int = NEWEST
) -> dict[str, Any]:
    """The document of GET …/reliance/, of items that came in [start, end); every reviewer's own row is in it."""
    end = end or timezone.now() + timedelta(seconds=1)
    start = start or end - timedelta(days=DAYS)
    rows = answers_of(model, start=start, end=end, newest=newest)
    drawn, modes = randomised(rows)
    strata = drawn.strata(modes)
    return {
        "window": {
            "from": start.isoformat(),
            "to": end.isoformat(),
            "cut": newest if rows.kind.size >= newest else None,
        },
        "gap": shown(gap(drawn.agree, drawn.hidden, strata)),
        "naive": shown(gap(*_as_seen(rows), fewest=1)),
        "queues": _parts("queue", drawn, strata, drawn.queue),
        "modes": _parts("mode", drawn, strata, modes),
        "by_truth": _by_truth(model, drawn, strata),
        "gold": _gold(rows),
        "answer_first": _answer_first(rows),
        "reviewers": _reviewers(drawn, strata),
        "arms": _arms(rows, drawn),
    }


def randomised(rows: Answers) -> tuple[Answers, Column]:
    """The answers whose arm was drawn, each with the mode of the other arm at the time.

    That mode is of the queue and changes with it: it is read from the shown arm's answers, the last one claimed
    before. Items of times in which both arms are blind are left out, for nobody is shown anything.
    """
    found = rows.where(rows.drawn & rows.answered & (rows.kind != "gold"))
    modes = np.full(found.kind.size, "", dtype=object)
    order = np.argsort(found.claimed, kind="stable")
    for queue in sorted(set(found.queue)):
        own = order[found.queue[order] == queue]
        told = [place for place, row in enumerate(own) if not found.hidden[row]]
        if told:
            last = np.searchsorted(told, np.arange(own.size), side="right") - 1
            modes[own] = found.mode[own[np.asarray(told)[np.maximum(last, 0)]]]
    keep = (modes != "") & (modes != Mode.BLIND)
    return found.where(keep), modes[keep]


def shown(found: Gap) -> dict[str, Any]:
    """A gap as the API gives it: nothing but the counts where there is too little to show."""
    ok = found.state == "ok"
    ends = {"estimate": found.point, "low": found.low, "high": found.high}
    return {
        **(ends if ok else dict.fromkeys(ends)),
        "state": str(found.state),
        "shown": _arm(found.shown),
        "hidden": _arm(found.hidden),
    }


def counts_of(found: Share) -> dict[str, Any]:
    return {"n": found.n, "k": found.k, "estimate": found.point, "low": found.low, "high": found.high}


def _arm(arm: Arm) -> dict[str, Any]:
    return {"n": arm.n, "agree": arm.agree, "share": arm.share, "effective_n": round(arm.effective_n, 1)}


def _as_seen(rows: Answers) -> tuple[Column, Column, Column]:
    """Agreement by what the reviewer had seen, whoever chose it: what must not be taken for the gap."""
    found = rows.where(rows.answered & (rows.kind != "gold"))
    return found.agree, ~found.saw, np.zeros(found.kind.size)


def _parts(name: str, rows: Answers, strata: Column, by: Column) -> list[dict[str, Any]]:
    """Each part in alphabetical order; a comparison of people or queues by size is nobody's business here."""
    found = []
    for part in sorted(set(by)):
        own = by == part
        found.append({name: part, **shown(gap(rows.agree[own], rows.hidden[own], strata[own]))})
    return found


def _by_truth(model: RegisteredModel, rows: Answers, strata: Column) -> dict[str, Any]:
    """The gap where the model proved right, and wrong, with where that is known from.

    ``depends_on_answers``: whether a truth is known can follow from what was answered. Outcomes that only predictions
    show which went on, and adjudications that only differing answers have, select cases after the draw.
    """
    known = np.array([truth is not None for truth in rows.truth], dtype=bool)
    right = known & (rows.truth == rows.predicted)
    wrong = known & ~right
    sources = {name: int((rows.source == name).sum()) for name in ("outcome", "gold", "adjudication")}
    complete = model.outcomes_complete_for == model.CompleteFor.ALL
    return {
        "right": shown(gap(rows.agree[right], rows.hidden[right], strata[right])),
        "wrong": shown(gap(rows.agree[wrong], rows.hidden[wrong], strata[wrong])),
        "sources": sources,
        "depends_on_answers": bool(sources["adjudication"] or (sources["outcome"] and not complete)),
    }


def _gold(rows: Answers) -> dict[str, Any]:
    """Errors that the model's answer brings about, on cases whose truth is known beforehand.

    By the draw where any was made; else by what the screen showed, which is a comparison of queues and says so.
    """
    known = np.array([value is not None for value in rows.gold], dtype=bool)
    of_gold = rows.where(known & rows.answered)
    basis = "draw" if of_gold.drawn.any() else "mode"
    if basis == "draw":
        of_gold = of_gold.where(of_gold.drawn)
        hidden, strata = of_gold.hidden, of_gold.strata(np.zeros(of_gold.kind.size))
    else:
        hidden, strata = ~of_gold.saw, np.zeros(of_gold.kind.size)
    wrong = of_gold.gold != of_gold.predicted
    right = ~wrong
    return {
        "n": int(of_gold.kind.size),
        "basis": basis if of_gold.kind.size else None,
        "over_reliance": shown(gap(of_gold.agree[wrong], hidden[wrong], strata[wrong])),
        "under_reliance": shown(gap(~of_gold.agree[right], hidden[right], strata[right])),
    }


def _answer_first(rows: Answers) -> dict[str, Any]:
    """What people made of the model's answer after they had given their own."""
    known = np.array([truth is not None for truth in rows.truth], dtype=bool)
    first = np.array([answer is not None for answer in rows.first], dtype=bool)
    found = rows.where(rows.answered & known & first & (rows.mode == Mode.BLIND_FIRST))
    rair, rsr = appropriate(found.first.tolist(), found.label.tolist(), found.predicted.tolist(), found.truth.tolist())
    return {"rair": counts_of(rair), "rsr": counts_of(rsr)}


def _reviewers(rows: Answers, strata: Column) -> list[dict[str, Any]]:
    """Everybody who answered, by pseudonym in alphabetical order."""
    known = pooled(rows.agree, rows.hidden, strata, rows.reviewer)
    return [
        {"reviewer": name, **_of_reviewer(known.get(name), rows.hidden[rows.reviewer == name])}
        for name in sorted(set(rows.reviewer))
    ]


def _of_reviewer(found: Pooled | None, hidden: Column) -> dict[str, Any]:
    seen, veiled = int((~hidden).sum()), int(hidden.sum())
    if found is None:
        ends: dict[str, Any] = dict.fromkeys(("estimate", "low", "high", "unpooled"))
        return {**ends, "state": "insufficient_data", "n_shown": seen, "n_hidden": veiled}
    ends = {"estimate": found.point, "low": found.low, "high": found.high, "unpooled": found.raw}
    return {**ends, "state": "ok", "n_shown": found.shown, "n_hidden": found.hidden}


def _arms(rows: Answers, answers: Answers) -> dict[str, Any]:
    """What became of each arm: drawn, answered, and how often the screen was not what the draw had said."""
    drawn = rows.where(rows.drawn & (rows.kind != "gold"))
    told = {"shown": ~drawn.hidden, "hidden": drawn.hidden}
    crossed = {"shown": ~answers.hidden & ~answers.saw, "hidden": answers.hidden & answers.saw}
    return {
        name: {
            "items": int(members.sum()),
            "answered": int((members & drawn.answered).sum()),
            "otherwise": int(crossed[name].sum()),
        }
        for name, members in told.items()
    }


def seen_by(reviewers: Iterable[dict[str, Any]], *, leads: bool, own: str) -> list[dict[str, Any]]:
    """The rows that somebody may see: leads all of them, everybody else their own."""
    return [row for row in reviewers if leads or row["reviewer"] == own]
