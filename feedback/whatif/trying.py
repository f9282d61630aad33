"""Try a policy on the past beside the live one: what it would have reviewed, passed, caught and cost."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np

from feedback.estimators import consequences as what
from feedback.estimators import planning, risk_coverage
from feedback.estimators.linear import Figure, mean
from feedback.estimators.metrics import Floats
from feedback.estimators.thresholds import Prices
from feedback.whatif.past import Past, load
from feedback.whatif.proposals import Proposed, proposal
from models_registry import sql
from models_registry.errors import Fault
from models_registry.models import RegisteredModel
from review import policies, policy_versions, previews, sampling
from review.models import PolicyVersion

# What a page and an API call replay where nothing else is asked for, and the most they may ask for.
LAST, MOST = 20_000, 200_000
WEEK = 7
# Before there is traffic an interval is planned for so many predictions.
UNKNOWN_TRAFFIC = 10_000
# A budget is sought on so many of the rows.
ROWS_FOR_A_BUDGET = 5_000
EXAMPLES = 5
# The newest decisions tell how long a review takes; a longer one was left lying.
TIMED, LONGEST_SECONDS = 1_000, 900
_SECONDS = """
    SELECT avg(seconds), count(*) FROM (
        SELECT least(coalesce(seconds_active, extract(epoch FROM decided_at - claimed_at)), %s)::float8 AS seconds
        FROM review_reviewdecision WHERE model_id = %s AND kind = 'decision'
            AND (seconds_active IS NOT NULL OR claimed_at IS NOT NULL)
        ORDER BY id DESC LIMIT %s) newest
"""


@dataclass(frozen=True)
class Side:
    """One policy on the past. ``week`` and ``width``: half the width that the interval of live accuracy will
    have over a week's predictions (None where nobody knows how many) and over ``WhatIf.rows`` of them.
    """

    replay: previews.Replay
    found: what.Consequences
    week: float | None
    width: float | None


@dataclass(frozen=True)
class Move:
    """How many predictions go from one treatment to another, and the ids of the newest of them."""

    before: str
    after: str
    count: int
    examples: tuple[int, ...]


@dataclass(frozen=True)
class WhatIf:
    """A policy beside the live one on the same rows. Differences are new less live; None without a live policy.

    ``wanted`` is a half width over a week (or over ``rows``) and ``budget`` what buys it, None where nothing does.
    """

    past: Past
    rows: int
    seconds: float | None
    timed: int
    new: Side
    live: Side | None
    number: int | None
    passed: Figure | None
    caught: Figure | None
    cost: Figure | None
    moves: list[Move] | None
    curve: list[risk_coverage.Point]
    recall: list[risk_coverage.Caught]
    wanted: float | None
    budget: float | None
    proposal: Proposed | None
    warnings: list[Fault]

    @property
    def changed(self) -> int | None:
        return None if self.moves is None else sum(move.count for move in self.moves)


def what_if(
    *,
    model: RegisteredModel,
    document: Any,
    last: int = LAST,
    half_width: float | None = None,
    before: datetime | None = None,
) -> WhatIf:
    """Replay a document, and the live policy, on the ``last`` routed predictions or on the reference rows.

    ``before``: on none that came or occurred later. ``half_width``: also seek the budget that makes the interval of
    live accuracy that narrow. Raises Invalid with every fault of the document.
    """
    policy_versions.check(model=model, document=document)
    live = policy_versions.control_of(model=model).active
    ours, theirs = policies.parse(document), None if live is None else _readable(live)
    past = load(model, [policy for policy in (ours, theirs) if policy is not None], last=last, before=before)
    tables = _Tables.of(model, past)
    rows = len(past) if past.source == "predictions" else UNKNOWN_TRAFFIC
    new = _side(model, past, ours, tables, rows)
    other = None if theirs is None else _side(model, past, theirs, tables, rows, live=live)
    seconds, timed = _seconds(model)
    return WhatIf(
        past=past,
        rows=rows,
        seconds=seconds,
        timed=timed,
        new=new,
        live=other,
        number=None if live is None else live.number,
        **_differences(tables, past, new, other),
        moves=None if other is None else _moves(past, other.replay.choices, new.replay.choices),
        curve=risk_coverage.curve(past.evidence, past.batch.confidence, tables.wrong),
        recall=risk_coverage.recall_at_budgets(past.evidence, 1.0 - past.batch.guess, tables.wrong),
        wanted=half_width,
        budget=None if half_width is None else _budget(past, new.replay, rows, half_width),
        proposal=proposal(model, past, tables.prices),
        warnings=previews.warnings(model, document, new.replay),
    )


@dataclass(frozen=True)
class _Tables:
    """What every policy is judged by: wrong answers (K, N), prices where they are declared and known."""

    wrong: Floats
    prices: Prices | None

    @classmethod
    def of(cls, model: RegisteredModel, past: Past) -> _Tables:
        wrong = what.wrong(past.batch.predicted, len(model.classes))
        return cls(wrong, prices_of(model) if past.source == "predictions" else None)

    def costs(self, past: Past, routes: what.Routes) -> Floats | None:
        if self.prices is None:
            return None
        return what.cost_table(routes, past.batch.predicted, self.prices, past.batch.value)


def prices_of(model: RegisteredModel) -> Prices | None:
    """What answers and reviews cost, by a model that declares either; a review that has no price is free."""
    if model.costs is None and model.review_cost is None:
        return None
    costs = [[model.cost(predicted, actual) for actual in model.classes] for predicted in model.classes]
    return Prices(np.array(costs, dtype=np.float64), model.review_cost or 0.0)


def routes_of(choices: policies.Choices) -> what.Routes:
    return what.Routes(choices.p_gate, choices.propensity, np.asarray(choices.by == "rule"))


def _readable(live: PolicyVersion) -> policies.Policy | None:
    """The live policy; None for one that cannot be read, which holds everything."""
    try:
        return policies.parse(live.document)
    except Exception:  # noqa: BLE001 - routing says so for every batch
        return None


def _side(
    model: RegisteredModel,
    past: Past,
    policy: policies.Policy,
    tables: _Tables,
    rows: int,
    *,
    live: PolicyVersion | None = None,
) -> Side:
    if past.source != "predictions":
        policy = policies.on_confidence(policy)
    replay = previews.replay(model, policy, past.batch, past.draws, live=live, per_day=past.per_day)
    routes = routes_of(replay.choices)
    found = what.consequences(past.evidence, routes, tables.costs(past, routes), wrongs=tables.wrong)
    variance = _variance(past, replay)
    week = None if past.per_day is None else planning.half_width(variance, routes.propensity, WEEK * past.per_day)
    return Side(replay, found, week, planning.half_width(variance, routes.propensity, rows))


def _differences(tables: _Tables, past: Past, new: Side, live: Side | None) -> dict[str, Figure | None]:
    """New less live on the same rows, which is much better known than either."""
    if live is None:
        return dict.fromkeys(("passed", "caught", "cost"))
    ours, theirs = routes_of(new.replay.choices), routes_of(live.replay.choices)
    new_costs, live_costs = tables.costs(past, ours), tables.costs(past, theirs)
    return {
        "passed": mean(past.evidence, tables.wrong * (ours.unseen - theirs.unseen)),
        "caught": mean(past.evidence, tables.wrong * (ours.propensity - theirs.propensity)),
        "cost": None if new_costs is None or live_costs is None else mean(past.evidence, new_costs - live_costs),
    }


def treatment(choices: policies.Choices) -> np.ndarray[Any, Any]:
    """Per row what happens to it: ``held``, ``refused``, ``checked`` afterwards, or ``alone``."""
    refused, checked = choices.disposition == "refuse", choices.review == "audit"
    names = np.where(refused, "refused", "alone")
    return np.where(choices.review == "gate", "held", np.where(checked & ~refused, "checked", names))


def _moves(past: Past, before: policies.Choices, after: policies.Choices) -> list[Move]:
    """Every treatment that becomes another, the most frequent first; by the stored draws, so none by chance."""
    if past.source != "predictions":
        return []
    changed = np.flatnonzero((before.disposition != after.disposition) | (before.review != after.review))
    was, is_ = treatment(before)[changed], treatment(after)[changed]
    found = []
    for pair in sorted(set(zip(was.tolist(), is_.tolist(), strict=True))):
        rows = changed[(was == pair[0]) & (is_ == pair[1])]
        found.append(Move(*pair, rows.size, tuple(past.ids[rows[:EXAMPLES]].tolist())))
    return sorted(found, key=lambda move: -move.count)


def _variance(past: Past, found: previews.Replay) -> Floats:
    """The squared residual that accuracy is expected to have in each row, (N,), by the guess of its sampler."""
    return planning.residual_variance(found.guess, past.right, past.evidence.seen)


def _budget(past: Past, found: previews.Replay, rows: int, wanted: float) -> float | None:
    """The budget whose sampler would make the interval that narrow, of the policy's own kind or uniform.

    Its tau and temperature are those of the replay. 0 where gates, audits and floors do so without any sampling.
    """
    some = slice(None, None, max(1, len(past) // ROWS_FOR_A_BUDGET))
    guess, least, spread = found.guess[some], found.unsampled[some], _variance(past, found)[some]
    policy = found.policy
    kind = "uniform" if policy.sampling.kind == "none" else policy.sampling.kind
    over = rows if past.per_day is None else WEEK * past.per_day
    tau = None if found.fit is None else found.fit.tau

    def width(budget: float) -> float | None:
        asked = replace(policy, sampling=replace(policy.sampling, kind=kind, budget=budget))
        fit = policies.solve(asked, guess=guess, least=least, tau=tau)
        return planning.half_width(spread, np.maximum(least, sampling.probability(fit, guess)), over)

    return planning.budget_for(wanted, width)


def _seconds(model: RegisteredModel) -> tuple[float | None, int]:
    """How long a review takes on average, by the newest decisions, and how many of them; None without any."""
    [(seconds, timed)] = sql.rows(_SECONDS, [LONGEST_SECONDS, model.pk, TIMED])
    return seconds, timed
