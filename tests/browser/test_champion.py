from __future__ import annotations

from django.utils import timezone

from feedback.models import TrainingRun
from models_registry.models import RegisteredModel
from tests.browser import history


def champion():
    return RegisteredModel.objects.get().champion.version


def test_promotion_takes_two_clicks_and_a_reason_and_can_be_rolled_back(world, open_page):
    history.activated(world.model, world.version)
    history.candidate(world.model, world.version, "retrained-1", -0.031, better=True, at=timezone.now())
    page = open_page("erin", "/models/tumours/")
    page.get_by_text("Promote retrained-1").click()
    page.locator("#version-2, .version").first.get_by_label("Reason").fill("better on the new scanner")
    page.get_by_role("button", name="Promote now").click()
    page.get_by_text("retrained-1 is the champion now").wait_for()
    assert champion() == "retrained-1"
    page.get_by_text("Roll back", exact=True).click()
    page.get_by_label("Reason").last.fill("it was not")
    page.get_by_role("button", name="Roll back now").click()
    page.get_by_text("Rolled back: 1.0 is the champion again").wait_for()
    assert champion() == "1.0"


def test_a_refused_candidate_says_its_gate_and_offers_no_promotion(world, open_page):
    history.activated(world.model, world.version)
    history.candidate(world.model, world.version, "retrained-2", 0.012, better=False, at=timezone.now())
    page = open_page("erin", "/models/tumours/")
    page.get_by_text("Promotion is blocked by better log loss").wait_for()
    page.get_by_text("an improvement is not shown").wait_for()
    assert page.get_by_text("Promote retrained-2").count() == 0


def test_a_retraining_is_asked_for_with_a_reason_and_followed(world, open_page):
    page = open_page("erin", "/models/tumours/")
    page.get_by_role("button", name="Start retraining").click()
    assert TrainingRun.objects.count() == 0
    page.get_by_label("Reason").fill("new labels of the week")
    page.get_by_role("button", name="Start retraining").click()
    page.get_by_text("is queued. Its progress").wait_for()
    TrainingRun.objects.update(status="running", progress="fitting on 120 rows")
    page.get_by_text("fitting on 120 rows").wait_for()


def test_an_analyst_reads_versions_and_changes_none(world, open_page):
    history.candidate(world.model, world.version, "retrained-1", -0.031, better=True, at=timezone.now())
    page = open_page("dana", "/models/tumours/")
    page.get_by_role("heading", name="retrained-1").wait_for()
    assert page.get_by_role("button", name="Start retraining").count() == 0
    assert page.get_by_text("Promote retrained-1").count() == 0
