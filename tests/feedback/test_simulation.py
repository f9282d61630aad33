"""What `simulate` says of tables whose truth is known, and how it refuses those it cannot use."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from django.core.management import CommandError, call_command

from feedback import simulation
from feedback.estimators import Outputs
from feedback.estimators.metrics import ratios
from feedback.simulation import lateness, reviewing, routes
from feedback.simulation.plain import plain_width
from feedback.simulation.replication import Cell, Run
from feedback.simulation.summary import summarise
from review.policies import Facts, faults
from review.vocabulary import Vocabulary
from tests.acceptance import made

RNG = np.random.default_rng(4)


@pytest.fixture(autouse=True)
def _same_draws_whatever_ran_before():
    RNG.bit_generator.state = np.random.default_rng(4).bit_generator.state


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    setup = made.setup("made", rows=12_000, window=4_000, replications=30)
    return simulation.document(setup, [simulation.replicate(setup, number) for number in range(30)])


def test_every_policy_keeps_to_the_budget_and_every_figure_is_there(found: dict[str, Any]) -> None:
    assert list(found["policies"]) == list(simulation.POLICIES)
    for policy in found["policies"].values():
        assert policy["review_share"] == pytest.approx(0.15, abs=0.01)
        assert list(policy["metrics"]) == list(simulation.METRICS)
        for figures in policy["metrics"].values():
            assert set(figures) == {
                "truth", "bias", "coverage", "width", "width_vs_uniform", "naive_bias", "naive_coverage",
                "effective_n", "computed", "published",
            }  # fmt: skip


def test_intervals_cover_and_the_naive_figure_does_not(found: dict[str, Any]) -> None:
    for name in ("active", "default", "threshold"):
        accuracy = found["policies"][name]["metrics"]["accuracy"]
        assert accuracy["coverage"] >= 0.86
        assert abs(accuracy["bias"]) < 0.012
        assert accuracy["naive_bias"] < -0.035
    assert found["policies"]["active"]["metrics"]["accuracy"]["width_vs_uniform"] < 1.0
    assert found["policies"]["threshold"]["metrics"]["accuracy"]["width_vs_uniform"] > 1.4
    assert found["policies"]["default"]["errors_caught_vs_uniform"] > 1.15


def test_the_same_seed_gives_the_same_figures_and_another_other_ones() -> None:
    one, other = (made.setup("made", rows=12_000, window=1_000, replications=1, seed=seed) for seed in (1, 2))
    assert simulation.replicate(one, 0) == simulation.replicate(one, 0)
    assert simulation.replicate(one, 0) != simulation.replicate(other, 0)
    assert simulation.replicate(one, 0) != simulation.replicate(one, 1)


def test_where_scores_say_nothing_sampling_stays_uniform() -> None:
    labels = RNG.integers(0, 2, 8_000)
    positive = RNG.uniform(0.05, 0.95, labels.size)
    scores = np.column_stack([1 - positive, positive])
    options = simulation.Options(window=4_000, policies=("active",))
    tier = np.zeros(labels.size, dtype=bool)
    setup = simulation.Setup(scores, labels, tier, ("no", "yes"), 1, 1 - np.eye(2), options, rows=10_000)
    runs = [simulation.replicate(setup, number) for number in range(20)]
    found = simulation.document(setup, runs)["policies"]["active"]["metrics"]["accuracy"]
    assert found["width_vs_uniform"] <= 1.05


def test_three_classes_are_measured_without_a_positive_one() -> None:
    scores = RNG.dirichlet([1.0, 1.0, 1.0], 6_000)
    labels = (scores.cumsum(axis=1) < RNG.random((6_000, 1))).sum(axis=1)
    options = simulation.Options(window=2_000, policies=("active",))
    tier = np.zeros(labels.size, dtype=bool)
    setup = simulation.Setup(scores, labels, tier, ("a", "b", "c"), None, 1 - np.eye(3), options, rows=7_500)
    found = simulation.document(setup, [simulation.replicate(setup, number) for number in range(10)])
    figures = found["policies"]["active"]["metrics"]
    assert all(metric["coverage"] >= 0.8 for metric in figures.values())
    assert figures["precision"]["width_vs_uniform"] > 0


def test_late_overrides_make_the_naive_figure_too_good_and_the_estimate_not() -> None:
    setup = made.setup("made", rows=12_000, window=4_000, latency="verdict", policies=("uniform",))
    runs = [simulation.replicate(setup, number) for number in range(25)]
    accuracy = simulation.document(setup, runs)["policies"]["uniform"]["metrics"]["accuracy"]
    assert accuracy["naive_bias"] > 0.02
    assert abs(accuracy["bias"]) < 0.012
    assert accuracy["coverage"] >= 0.84


def test_reviewers_who_err_bias_what_is_against_their_labels() -> None:
    biases = {}
    for kind in reviewing.REVIEWERS:
        setup = made.setup("made", rows=12_000, window=4_000, reviewers=kind, policies=("uniform",))
        runs = [simulation.replicate(setup, number) for number in range(15)]
        biases[kind] = simulation.document(setup, runs)["policies"]["uniform"]["metrics"]["accuracy"]["bias"]
    assert abs(biases["perfect"]) < 0.01
    assert biases["noisy"] < -0.015
    assert biases["anchored"] > biases["noisy"] + 0.02


def test_a_label_that_is_still_out_is_none_of_the_rows_that_are_here() -> None:
    confidence = RNG.uniform(0.5, 1.0, 4_000)
    agrees = RNG.random(4_000) < confidence
    wait = reviewing.latencies(confidence, ~agrees, RNG)
    rows = lateness.Late(confidence, agrees, np.ones(4_000, dtype=bool), wait)
    seen = lateness.look(rows, rows)
    assert not (seen.here & ~seen.kept).all()
    assert np.mean(agrees[seen.here & seen.kept]) > np.mean(agrees[seen.kept]) + 0.01


def test_the_plain_interval_is_that_of_a_proportion_with_finite_population_correction() -> None:
    labels = np.array([0] * 90 + [1] * 10)
    outputs = Outputs(np.tile([0.9, 0.1], (100, 1)), np.zeros(100, dtype=np.int64), 1)
    half = 1.96 * (0.9 * 0.1 / 100 * (1 - 100 / 500)) ** 0.5
    assert plain_width(ratios("accuracy", outputs), labels, of=500, proportion=True) == pytest.approx(
        2 * half, rel=0.03
    )


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    path = tmp_path / "rows.csv"
    rng = np.random.default_rng(1)
    x = rng.normal(size=(900, 2))
    y = np.where(x[:, 0] + rng.normal(size=900) > 0.5, "yes", "no")
    pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "colour": rng.choice(["red", "blue"], 900), "y": y}).to_csv(
        path, index=False
    )
    return path


def test_the_command_writes_one_document_and_shows_a_table(csv: Path, tmp_path: Path) -> None:
    out, shown = tmp_path / "found.json", StringIO()
    call_command(
        "simulate", csv=csv, target="y", replications=4, json=str(out), stdout=shown, stderr=StringIO(),
        tier=[["b:gt:1.5"]], costs=(5.0, 1.0),
    )  # fmt: skip
    found = json.loads(out.read_text())
    assert (found["rows"], found["window"], found["replications"]) == (900, 360, 4)
    assert "default: " in shown.getvalue()
    assert "auto_accepted_error" in shown.getvalue()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"target": "z"}, "no column 'z'"),
        ({"hidden": "a,zz"}, "no column 'zz'"),
        ({"target": "a"}, "different values"),
        ({"positive": "maybe"}, "no value 'maybe'"),
        ({"tier": [["a~3"]]}, "COLUMN:OP:VALUE"),
        ({"tier": [["c:gt:3"]]}, "no column 'c'"),
        ({"hidden": "a,b,colour"}, "no column is left"),
    ],
)
def test_a_table_that_cannot_be_used_is_one_line_and_exit_2(csv: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(CommandError, match=words) as refused:
        call_command("simulate", **{"csv": csv, "target": "y", "stderr": StringIO(), **changes})
    assert refused.value.returncode == 2
    assert "\n" not in str(refused.value)


def test_too_few_rows_one_class_and_no_file_are_refused(csv: Path, tmp_path: Path) -> None:
    rows = pd.read_csv(csv)
    for frame, words in ((rows[:400], "at least 500"), (rows.assign(y="no"), "two classes are needed")):
        path = tmp_path / "other.csv"
        frame.to_csv(path, index=False)
        with pytest.raises(CommandError, match=words):
            call_command("simulate", csv=path, target="y", stderr=StringIO())
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("simulate", csv=tmp_path / "none.csv", target="y", stderr=StringIO())
    ordered = rows.sort_values("y")
    ordered.to_csv(path, index=False)
    with pytest.raises(CommandError, match="one class only"):
        call_command("simulate", csv=path, target="y", stderr=StringIO())


def test_a_policy_document_of_the_simulation_has_no_fault() -> None:
    facts = Facts(Vocabulary(["no", "yes"]), frozenset({routes.SLUG}))
    for name in simulation.POLICIES:
        for budget in (0.02, 0.15, 0.6):
            for tier in (0.0, 0.13, 0.9):
                assert faults(routes.document(name, budget=budget, tier_share=tier), facts) == []


def test_an_interval_that_could_not_be_computed_covers_nothing_and_is_told() -> None:
    nothing = Cell(0.5, *[float("nan")] * 6, effective_n=0.0, published=False)
    wrong = Cell(0.5, 0.1, 0.0, 0.2, 0.1, 0.0, 0.2, effective_n=40.0, published=True)
    cells = dict.fromkeys(simulation.METRICS, wrong)
    none = dict.fromkeys(simulation.METRICS, nothing)
    plain = dict.fromkeys(simulation.METRICS, 0.1)
    runs = [simulation.Replication({"active": Run(found, 0.15, 0.2, {})}, plain, 0.2) for found in [cells, *[none] * 9]]
    accuracy = summarise(runs)["active"]["metrics"]["accuracy"]
    assert (accuracy["coverage"], accuracy["computed"], accuracy["published"]) == (0.0, 0.1, 0.1)


def test_empty_columns_and_classes_that_look_like_nulls_are_read_as_they_are(csv: Path) -> None:
    rows = pd.read_csv(csv)
    late = np.where(np.arange(900) < 300, "", "7")
    rows.assign(y=np.where(rows.y == "yes", "None", "low"), empty="", late=late).to_csv(csv, index=False)
    shown = StringIO()
    call_command("simulate", csv=csv, target="y", replications=2, budget=0.999, stdout=shown, stderr=StringIO())
    assert "of 900 rows" in shown.getvalue()
    table = simulation.read(csv, target="y")
    assert table.classes == ("None", "low")


def test_a_champion_that_is_mostly_wrong_costs_no_width_against_a_plain_sample() -> None:
    labels = RNG.integers(0, 2, 8_000)
    sure = RNG.uniform(0.8, 0.99, labels.size)
    wrong = 1 - labels
    scores = np.empty((labels.size, 2))
    scores[np.arange(labels.size), wrong], scores[np.arange(labels.size), labels] = sure, 1 - sure
    flipped = RNG.random(labels.size) < 0.1
    labels = np.where(flipped, 1 - labels, labels)
    tier = np.zeros(labels.size, dtype=bool)
    options = simulation.Options(window=4_000, policies=("active",))
    setup = simulation.Setup(scores, labels, tier, ("no", "yes"), 1, 1 - np.eye(2), options, rows=10_000)
    runs = [simulation.replicate(setup, number) for number in range(20)]
    accuracy = simulation.document(setup, runs)["policies"]["active"]["metrics"]["accuracy"]
    assert accuracy["truth"] < 0.15
    assert accuracy["width_vs_uniform"] <= 1.05
    assert accuracy["coverage"] >= 0.85
