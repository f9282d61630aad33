"""Tables that the planner takes for empty are counted before their rows are joined, or joins run over all pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection

from feedback import arrivals, behaviour, frequencies, known_tables, labels, monitoring, reliance, rubber_stamps
from models_registry import planner
from models_registry.models import RegisteredModel
from review.models import Prediction
from tests.conftest import make_model
from tests.feedback.live_world import BEGIN, world
from tests.kept import kept

ROWS = 1200
TAKE_FOR_EMPTY = """
    UPDATE pg_class SET reltuples = 0, relpages = greatest(pg_relation_size(oid) / 8192, 1)
    WHERE relkind IN ('r', 'i') AND relname ~ '^(review|feedback)_'
"""
FIGURES: dict[str, Callable[[RegisteredModel], Any]] = {
    "quality": lambda model: monitoring.quality(model=model),
    "delays": lambda model: monitoring.delays(model=model),
    "reliance": lambda model: reliance.reliance(model=model),
    "behaviour": lambda model: behaviour.behaviour(model=model),
    "rubber stamps": rubber_stamps.signals,
    "arrivals": lambda model: arrivals.learn(model, now=BEGIN),
    "frequencies": lambda model: frequencies.count(model, now=BEGIN),
    "labels": lambda model: labels.pull(),
}


@pytest.fixture(scope="module")
def written(django_db_setup: None, django_db_blocker: Any) -> Iterator[RegisteredModel]:
    with kept(django_db_blocker):
        yield world(make_model("live")[0], n=ROWS, days=3).model


@pytest.fixture
def forgotten(written: RegisteredModel, db: None) -> RegisteredModel:
    """A model with rows, as after an automatic count of the tables just before these came."""
    with connection.cursor() as cursor:
        cursor.execute(TAKE_FOR_EMPTY)
    return written


def _expected(table: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (FORMAT JSON) SELECT * FROM {table}")
        return int(cursor.fetchone()[0][0]["Plan"]["Plan Rows"])


def test_a_table_that_was_counted_while_empty_is_counted_again_and_once(forgotten: RegisteredModel) -> None:
    assert _expected("review_prediction") == 1
    assert "review_prediction" in known_tables.count_unknown()
    assert _expected("review_prediction") == pytest.approx(ROWS, rel=0.1)
    assert planner.count_unknown(Prediction) == []


@pytest.mark.parametrize("name", FIGURES)
def test_no_figure_is_read_from_tables_that_the_planner_knows_nothing_of(forgotten: RegisteredModel, name: str) -> None:
    FIGURES[name](forgotten)
    assert _expected("review_prediction") == pytest.approx(ROWS, rel=0.1)


def test_small_tables_are_left_alone(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    # However many rows earlier tests wrote and took back in it.
    monkeypatch.setattr(planner, "FEWEST_PAGES", 10**6)
    make_model("small")
    assert planner.count_unknown(RegisteredModel) == []
