"""The model's panel in a real browser: its words, its reserved room, and nothing that moves for what comes late."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from models_registry.calibrations import set_calibration
from models_registry.models import RegisteredModel
from review import similar
from review.models import Explanation, Prediction, QueueItem, ReviewDecision
from tests.browser.world import explanation, waiting

REVIEW = "/queues/tumours/review/"
SHOTS = os.environ.get("EXPLAINED_SHOTS")
EVERYTHING = {
    "label": "malignant", "low": 0.5, "high": 0.7, "n": 240, "k": 198, "share": 0.825, "share_low": 0.7724,
    "share_high": 0.868, "effective_n": 240.0, "basis": "drawn",
}  # fmt: skip


def decided(world, number, label):
    """A case that somebody has decided, as the steps would have left it."""
    prediction = waiting(world.model, world.version, number)
    item = prediction.items.get()
    lease = item.leases.create(token=f"00000000-0000-0000-0000-{number:012d}", holder="r-1", expires_at=timezone.now())
    ReviewDecision.objects.create(
        item=item, prediction=prediction, model=world.model, lease=lease, reviewer="r-1", label=label,
        definition=world.model.definitions.get(), decided_at=timezone.now() - timedelta(hours=3),
    )  # fmt: skip
    QueueItem.objects.filter(pk=item.pk).update(state="decided", closed_at=timezone.now())
    Prediction.objects.filter(pk=prediction.pk).update(status="decided")
    return prediction


def told(world):
    """The first case with everything that the worker finds for it."""
    prediction = Prediction.objects.select_related("model", "version__contract", "payload").get(external_id="P-2201")
    for number, label in ((11, "malignant"), (12, "benign"), (13, "benign"), (14, "malignant")):
        decided(world, number, label)
    near = similar.find([prediction])[prediction.pk]
    flips = [
        {"feature": "worst_area", "value": 1320.5, "label": "benign", "score": 0.56, "distance": 0.2},
        {"feature": "mean_texture", "value": 14.25, "label": "benign", "score": 0.51, "distance": 0.6},
    ]
    Explanation.objects.filter(pk=prediction.pk).update(flips=flips, similar=near)
    set_calibration(version=world.version, bins=[EVERYTHING], rows=240)
    return prediction


def shot(page, name):
    if SHOTS:
        page.screenshot(path=Path(SHOTS) / f"{name}.png", full_page=True)


@pytest.mark.parametrize("width", [1400, 320])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_panel_says_how_often_why_what_turns_it_and_what_was_alike(world, open_page, width, theme):
    told(world)

    page = open_page("alice", REVIEW, width=width, theme=theme)
    page.get_by_role("heading", name="P-2201", level=1).wait_for()

    panel = page.locator(".case-model")
    assert panel.locator(".frequency p").first.inner_text() == (
        "Of the last 240 cases like this, 198 turned out malignant (82 %, between 77 and 87)."
    )
    assert panel.locator(".factors").first.locator("tbody tr").count() == 6
    assert "25 other factors together" in panel.inner_text()
    assert panel.locator(".factor-sentence").inner_text().startswith("Mostly because")
    assert (
        panel.locator(".flips li")
        .first.inner_text()
        .startswith("Area (Largest nuclei) at 1,320.5 µm² rather than 1,956 µm²")
    )
    assert panel.locator(".alike li").count() == 3
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    shot(page, f"case-{width}-{theme}")
    room = panel.locator(".explanation-room")
    panel.locator(".specialists summary").click()
    assert room.evaluate("e => e.scrollWidth <= e.clientWidth + 1")
    assert panel.locator(".specialists .waterfall").first.locator("tbody tr").count() == 30
    room.evaluate("e => { e.style.blockSize = 'auto' }")
    shot(page, f"whole-{width}-{theme}")
    assert page.broken == []


@pytest.mark.parametrize("width", [1400, 320])
@pytest.mark.parametrize("ends", ["ready", "failed"])
def test_a_late_explanation_moves_nothing(world, open_page, width, ends):
    prediction = told(world)
    Explanation.objects.filter(pk=prediction.pk).delete()
    Explanation.objects.create(prediction=prediction)
    page = open_page("alice", REVIEW, width=width)
    page.get_by_text("Still being computed.").wait_for()
    measure = """() => [...document.querySelectorAll('.case-head, .panel, .case-features tr')].map(
        e => { const b = e.getBoundingClientRect(); return [b.x, b.y, b.width, b.height].map(Math.round) })"""
    before = page.evaluate(measure)
    shot(page, f"pending-{width}")

    Explanation.objects.filter(pk=prediction.pk).delete()
    explanation(prediction, ends, timezone.now())
    page.get_by_text("What would turn it" if ends == "ready" else "Not available for this case.").wait_for()

    assert page.evaluate(measure) == before
    assert page.broken == []


def test_too_few_known_outcomes_are_said_and_the_score_is_named_as_such(world, open_page):
    page = open_page("alice", REVIEW)
    page.get_by_text("Too few known outcomes yet.").wait_for()
    assert "Raw score 0.62" in page.locator(".frequency").inner_text()
    shot(page, "few")


def test_several_classes_show_three_and_the_rest_and_why_not_the_next(world, open_page):
    prediction = told(world)
    classes = ["benign", "malignant", "cyst", "scar", "fibroma"]
    RegisteredModel.objects.filter(pk=world.model.pk).update(classes=classes, task="multiclass", positive_class=None)
    # Those claimed ahead too.
    Prediction.objects.filter(model=world.model).update(scores=[0.2, 0.62, 0.1, 0.05, 0.03])
    row = Explanation.objects.get(pk=prediction.pk)
    less = [{**one, "contribution": one["contribution"] * (0.4 if i % 2 else -0.7)}
            for i, one in enumerate(row.contributions)]  # fmt: skip
    less.sort(key=lambda one: -abs(one["contribution"]))
    contrast = {"against": "benign", "base_value": 0.2, "output": 0.42, "contributions": less}
    Explanation.objects.filter(pk=prediction.pk).update(contrast=contrast, flips=[])

    page = open_page("alice", REVIEW)
    page.get_by_role("heading", name="P-2201", level=1).wait_for()
    panel = page.locator(".case-model")
    assert [row.strip() for row in panel.locator(".scores th").all_inner_texts()] == [
        "malignant", "benign", "cyst", "2 others together",
    ]  # fmt: skip
    assert "No single change within the training range turns it." in panel.inner_text()
    panel.get_by_text("Why malignant rather than benign").click()
    widths = [
        float(bar.get_attribute("width").rstrip("%"))
        for bar in panel.locator(".contrast .push rect, .explanation > .factors .push rect").all()
    ]
    assert max(widths) == 50.0
    panel.locator(".explanation-room").evaluate("e => { e.style.blockSize = 'auto' }")
    shot(page, "classes")
