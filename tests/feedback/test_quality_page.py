"""The page of live quality says what the document says, and what cannot be said it says too."""

from __future__ import annotations

import csv
import io
import re
from html import unescape

import pytest

from feedback import monitoring
from feedback.views import quality as view
from models_registry.wording import share
from tests.feedback import documents
from tests.feedback.documents import change, figure, series
from tests.feedback.test_live_quality import _stream

ADDRESS = "/models/payments/quality/"


@pytest.fixture
def erin(cast, client):
    client.force_login(cast.erin)
    return client


@pytest.fixture
def shown(erin, monkeypatch):
    """The text of the page for a document made by hand."""

    def text(document, points=(), marks=()):
        monkeypatch.setattr(view, "quality_for", lambda *_, **__: document)
        monkeypatch.setattr(view, "series_for", lambda *_, **__: list(points))
        monkeypatch.setattr(view, "changes", lambda **_: list(marks))
        response = erin.get(ADDRESS)
        assert response.status_code == 200
        return response.content.decode()

    return text


def words(html: str) -> str:
    """What a person reads, blanks joined."""
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", html)))


def headings(html: str) -> list[str]:
    return re.findall(r'<h2 id="m-(\w+)"', html)


def rows_of(response) -> list[dict[str, str]]:
    assert response["Content-Type"].startswith("text/csv")
    return list(csv.DictReader(io.StringIO(response.content.decode())))


def number(cell: str) -> float | None:
    return float(cell) if cell else None


def test_accuracy_leads_where_it_may_and_stands_last_where_one_class_is_rare(shown):
    assert headings(shown(documents.quality()))[0] == "accuracy"
    rare = documents.quality(
        baseline={**documents.quality()["baseline"], "accuracy_may_lead": False, "constant_class": "legit"}
    )
    html = shown(rare)
    assert headings(html) == ["precision", "recall", "cost", "brier", "log_loss", "accuracy"]
    assert "Accuracy is not the headline here." in words(html)


def test_a_useless_model_is_called_no_better_than_its_constant(shown):
    said = "No better than always answering “legit”."
    assert said not in words(shown(documents.quality()))
    useless = {**documents.quality()["baseline"], "no_better_than_constant": True}
    assert said in words(shown(documents.quality(baseline=useless)))


def test_scores_are_taken_at_their_word_unless_they_miss_by_more_than_chance_makes(shown):
    one = {"low": 0.0, "high": 1.0, "mean_score": 0.6, "n": 2000, "labels": 420}
    right = {
        "of": "fraud", "bins": [{**one, "share": 0.63, "share_low": 0.59, "share_high": 0.67}], "state": "ok",
        "ece": 0.03, "ece_noise": 0.02, "ece_limit": 0.05, "miscalibrated": False, "slope": None, "intercept": 0.1,
    }  # fmt: skip
    assert "can be taken at their word" in words(shown(documents.quality(calibration=right)))
    off = {**right, "ece": 0.09, "miscalibrated": True}
    assert "The scores miss by 9.0 % on average." in words(shown(documents.quality(calibration=off)))


def test_a_constant_that_costs_less_is_told_beside_the_cost(shown):
    document = documents.quality()
    assert "does better" not in words(shown(document))
    document["metrics"]["cost"] = figure(2.2, constant=0.6)
    assert "Always answering one class does better: 0.6." in words(shown(document))


def test_the_error_of_what_nobody_looked_at_is_told_in_cases_of_a_thousand(shown):
    assert "Of 1,000 answers nobody looked at, 12 to 31 are wrong." in words(shown(documents.quality()))


def test_an_unsupported_figure_shows_bounds_and_no_point(shown):
    document = documents.quality()
    bounds = {"low": 0.6, "high": 0.9}
    document["metrics"]["recall"] = figure(None, state="unsupported", bounds=bounds, unsupported_share=0.123)
    section = shown(document).partition('id="m-recall"')[2].partition("</section>")[0]
    assert "12.3 % of these predictions could never have been reviewed" in words(section)
    assert "60.0 % to 90.0 %" in words(section)
    assert "row-weighted" not in section
    assert "row-bounds" in section


def test_too_few_labels_show_no_figure_and_call_the_naive_one_biased(shown):
    document = documents.quality()
    document["metrics"]["accuracy"] = figure(None)
    section = shown(document).partition('id="m-accuracy"')[2].partition("</section>")[0]
    assert "Not enough reviewed yet." in words(section)
    assert "61.0 %, biased by routing" in words(section)
    assert "<table" not in section


def test_what_has_to_be_read_beside_a_figure_stands_beside_it(shown):
    document = documents.quality()
    document["metrics"]["accuracy"] = figure(departs=True, nonresponse={"low": 0.71, "high": 0.93})
    text = words(shown(document).partition('id="m-accuracy"')[2].partition("</section>")[0])
    for said in (
        "Safe to look at every day: 80.0 % to 90.0 %",
        "Had every review that never came gone one way or the other: 71.0 % to 93.0 %",
        "own guess lies outside the interval",
        "Reviewed only biased by routing 61.0 %",
        "Constant answer the best that never looks at the case 70.0 %",
    ):
        assert said in text


def test_changes_are_numbered_in_the_chart_and_told_in_the_same_order_below(shown):
    marks = [change(1, "policy", "policy 2 made live"), change(3, "champion", "promotion of version 2")]
    html = shown(documents.quality(), series([0.8, 0.9, None, 0.7], immature=1), marks)
    assert re.findall(r'class="mark-number"[^>]*>(\S+?)<', html) == ["1", "2"]
    told = words(html.partition('<ol class="changes">')[2].partition("</ol>")[0])
    assert re.findall(r"policy 2 made live|promotion of version 2", told) == [
        "policy 2 made live",
        "promotion of version 2",
    ]
    assert 'class="immature"' in html
    assert "not mature yet" in words(html)


def test_a_history_without_any_estimate_says_so_instead_of_showing_the_naive_line_alone(shown):
    said = "of this window has enough labels for an estimate"
    assert said not in words(shown(documents.quality(), series([0.8, None])))
    assert said in words(shown(documents.quality(), series([None, None])))


@pytest.fixture
def live(cast, erin):
    """Rows instead of a document: 600 predictions with review labels."""
    _stream(cast.model, n=600)
    return erin


def test_the_page_says_what_the_document_says(live, cast):
    html = words(live.get(f"{ADDRESS}?window=all").content.decode())
    found = monitoring.quality(model=cast.model)["metrics"]
    for name in ("accuracy", "recall", "auto_accepted_error"):
        figure = found[name]
        assert figure["state"] == "ok"
        of = "that nobody looked at" if name == "auto_accepted_error" else "predictions"
        assert f"Weighted for all {of} {share(figure['estimate'], 1)}" in html
        assert f"{share(figure['low'], 1)} to {share(figure['high'], 1)}" in html


def test_the_copied_figures_are_those_of_the_document(live, cast):
    rows = rows_of(live.get(f"{ADDRESS}?window=all&format=csv&table=figures"))
    found = monitoring.quality(model=cast.model)["metrics"]
    weighted = {row["metric"]: row for row in rows if row["key"] == "weighted"}
    assert set(weighted) == set(found)
    for name, row in weighted.items():
        assert number(row["estimate"]) == pytest.approx(found[name]["estimate"])
        assert number(row["high"]) == pytest.approx(found[name]["high"])


def test_the_copied_history_is_the_table_of_the_page(live):
    response = live.get(f"{ADDRESS}?window=all&by=day&metric=recall")
    rows = rows_of(live.get(f"{ADDRESS}?window=all&by=day&metric=recall&format=csv&table=history"))
    shown = response.context["points"][::-1]
    assert [row["from"] for row in rows] == [point["from"].isoformat() for point in shown]
    assert [number(row["estimate"]) for row in rows] == [point["estimate"] for point in shown]
    assert [number(row["naive"]) for row in rows] == pytest.approx([point["naive"] for point in shown])
    html = response.content.decode().partition('aria-label="Table of Recall over time"')[2].partition("</table>")[0]
    assert html.count("<tr><th") == len(rows) + 1


def test_groups_are_told_with_their_n_and_hidden_below_thirty_labels(live, cast):
    rows = rows_of(live.get(f"{ADDRESS}?window=all&group=segment&format=csv&table=groups"))
    found = monitoring.quality(model=cast.model, group="segment")["groups"]
    of_accuracy = {row["part"]: row for row in rows if row["metric"] == "accuracy"}
    assert set(of_accuracy) == {"vip", "rest"}
    for value, row in of_accuracy.items():
        assert number(row["estimate"]) == pytest.approx(found[value]["metrics"]["accuracy"]["estimate"])
    few = {"vip": {"accuracy": figure(0.9, labels=29)}, "rest": {"accuracy": figure(0.9, labels=30)}}
    assert [row["estimate"] for row in view.part_rows(few)] == [None, 0.9]


def test_the_confusion_is_counted_by_answer_and_truth(live, cast):
    rows = rows_of(live.get(f"{ADDRESS}?window=all&format=csv&table=confusion"))
    found = monitoring.quality(model=cast.model)["confusion"]
    assert [[float(row["labelled"]) for row in rows[i : i + 2]] for i in (0, 2)] == found["counts"]
    assert [(row["answer"], row["truth"]) for row in rows[:2]] == [("ok", "ok"), ("ok", "fraud")]


@pytest.mark.parametrize("page", ["quality", "delays", "workload"])
def test_someone_without_a_role_is_told_nothing(cast, client, page):
    client.force_login(cast.mallory)
    assert client.get(f"/models/payments/{page}/").status_code == 404
    assert client.get(f"/models/payments/{page}/?format=csv&table=figures").status_code == 404


@pytest.mark.parametrize("page", ["quality", "delays", "workload"])
def test_a_table_that_is_not_there_is_no_page(erin, page):
    assert erin.get(f"/models/payments/{page}/?format=csv&table=%00nonsense").status_code == 404
    assert erin.get(f"/models/payments/{page}/?metric=x&by=y&group=%00&window=z").status_code == 200
