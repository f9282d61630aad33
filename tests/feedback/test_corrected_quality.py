"""Live quality beside reviewers' errors: corrected by gold answers of the same screen, and by the blind arm alone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from feedback import gold, monitoring
from feedback.estimators import measure
from feedback.monitoring import reviewers as beside
from feedback.monitoring.days import refresh
from feedback.monitoring.population import load
from feedback.raters import Confusion, screens
from models_registry.models import RegisteredModel
from review.models import ReviewDecision
from tests.conftest import Cast, make_model
from tests.feedback.live_world import BEGIN, World, world
from tests.feedback.reviewed_rows import give, known
from tests.kept import kept

NOW = BEGIN + timedelta(days=31)
SHARE = 0.3


def _model(slug: str = "live") -> RegisteredModel:
    model, _ = make_model(slug)
    return model


def _quality(model: RegisteredModel, **more: Any) -> dict[str, Any]:
    return monitoring.quality(model=model, start=BEGIN, now=NOW, **more)


@pytest.fixture(scope="module")
def written(django_db_setup: None, django_db_blocker: Any) -> Iterator[World]:
    with kept(django_db_blocker):
        made = world(_model("reviewed"), n=1500, days=8)
        give(made, share=SHARE, copied=0.25)
        known(made.model, 60, hidden=False, copied=0.25)
        known(made.model, 60, hidden=True, copied=0.25)
        refresh(made.model, now=NOW)
        yield made


@pytest.fixture
def reviewed(written: World, db: None) -> World:
    return written


def test_labels_are_corrected_by_gold_of_their_own_screen_as_measuring_all_rows_at_once_does(reviewed: World) -> None:
    found = _quality(reviewed.model)["reviewers"]
    rows = load(reviewed.model, [(BEGIN.timestamp(), NOW.timestamp())])
    hidden = dict(ReviewDecision.objects.values_list("prediction", "model_shown_at"))
    own = np.array([hidden.get(row.pk) is None for row in reviewed.rows])
    from feedback.estimators.corrected import corrected
    from feedback.estimators.rows import Rows

    arrivals = monitoring.reading.read(reviewed.model, now=NOW, start=BEGIN, from_rows=True)
    part = arrivals.part(arrivals.low, arrivals.held)
    screen = screens(rows.predicted, own, 2)
    whole = Rows(rows.label, rows.propensity, rows.drawn, part.came, part.comes, screen)
    for metric in ("accuracy", "recall", "cost", "auto_accepted_error"):
        expected = corrected(metric, rows.outputs(reviewed.model), whole, gold.confusion_of(reviewed.model))
        got = found["metrics"][metric]["corrected"]
        assert got["state"] == expected.state
        assert got["estimate"] == pytest.approx(expected.point, abs=1e-9)
        assert (got["low"], got["high"]) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_stored_sums_and_rows_give_the_same(reviewed: World) -> None:
    stored, fresh = (_quality(reviewed.model, from_rows=rows)["reviewers"] for rows in (False, True))
    assert stored["gold"] == fresh["gold"]
    assert stored["labels"] == fresh["labels"]
    for metric, figures in stored["metrics"].items():
        for name, figure in figures.items():
            for key, value in figure.items():
                assert value == pytest.approx(fresh["metrics"][metric][name][key], abs=1e-8), (metric, name, key)


def test_gold_of_the_other_screen_alone_gives_no_figure_and_says_what_is_missing(db: None) -> None:
    made = world(_model(), n=800, days=4)
    give(made, share=SHARE, copied=0.25)
    known(made.model, 40, hidden=True, copied=0.25)
    found = _quality(made.model)["reviewers"]
    assert found["metrics"]["accuracy"]["labels"]["state"] == "ok"
    assert found["metrics"]["accuracy"]["corrected"]["state"] == "insufficient_data"
    missing = {(cell["screen"], cell["suggestion"], cell["truth"]): cell["missing"] for cell in found["gold"]}
    assert set(missing.values()) == {0, 30}
    assert all(count == (30 if screen == "shown" else 0) for (screen, _, _), count in missing.items())


def test_without_gold_there_is_nothing_to_correct_by(db: None) -> None:
    made = world(_model(), n=800, days=4)
    give(made, share=0.0, copied=0.0)
    found = _quality(made.model)["reviewers"]
    assert found["metrics"]["accuracy"]["corrected"]["state"] == "insufficient_data"
    assert {cell["missing"] for cell in found["gold"]} == {30}
    assert found["hidden_arm"] is None
    assert found["metrics"]["accuracy"]["hidden_arm"]["estimate"] is None


def test_the_hidden_arm_alone_is_weighed_by_its_share(reviewed: World) -> None:
    found = _quality(reviewed.model)["reviewers"]
    figure = found["metrics"]["accuracy"]["hidden_arm"]
    rows = load(reviewed.model, [(BEGIN.timestamp(), NOW.timestamp())])
    arm = set(
        ReviewDecision.objects.filter(model_shown_at=None, blind_share=SHARE).values_list("prediction", flat=True)
    )
    mine = np.array([row.pk in arm for row in reviewed.rows])
    only = np.where(mine, rows.label, -1)
    expected = measure("accuracy", rows.outputs(reviewed.model), only, rows.propensity * SHARE)
    assert found["hidden_arm"]["share"] == pytest.approx(SHARE)
    assert figure["labels"] == len(arm)
    assert figure["estimate"] == pytest.approx(expected.point, abs=0.01)
    # Who forgets the share takes the arm for all that was reviewed, and unreviewed rows for none.
    forgotten = measure("accuracy", rows.outputs(reviewed.model), only, rows.propensity)
    assert figure["effective_n"] < 2 * expected.effective_n
    assert abs(forgotten.high - forgotten.low) < abs(figure["high"] - figure["low"])


def test_a_window_with_more_labels_than_are_read_begins_later_and_says_so(
    reviewed: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = _quality(reviewed.model)["reviewers"]
    reading = monitoring.reading.read(reviewed.model, now=NOW, start=BEGIN)
    cut = beside.beside_reviewers(reading, ("accuracy",), beside.About(), now=NOW, most=100)
    assert whole["window"]["cut"] is None
    assert cut["window"]["cut"] == 100
    assert sum(cut["labels"][name] for name in ("shown", "hidden")) <= 100
    assert cut["metrics"]["accuracy"]["labels"]["labels"] == cut["labels"]["shown"] + cut["labels"]["hidden"]


def test_a_share_that_began_within_the_window_counts_from_then_on(db: None) -> None:
    made = world(_model(), n=800, days=4)
    give(made, share=SHARE, copied=0.0)
    first = ReviewDecision.objects.order_by("prediction__occurred_at").first()
    assert first is not None
    found = _quality(made.model)["reviewers"]["hidden_arm"]
    assert found["from"] == BEGIN.isoformat()


def test_missing_counts_are_those_of_the_fewest_needed() -> None:
    assert Confusion(np.full((1, 2, 2), 10.0)).missing.tolist() == [[10, 10]]


def test_answers_with_the_model_hidden_are_cells_of_their_own(cast: Cast) -> None:
    known(cast.model, 2, hidden=True, copied=0.0)
    counts = gold.confusion_of(cast.model).counts
    assert counts.shape == (4, 2, 2)
    assert counts[:2].sum() == 0
    assert counts[2:].sum() == 8
