"""The network is never between a key and the next case, and whatever it does, nothing is lost or decided twice."""

from __future__ import annotations

from collections import Counter

import pytest

from models_registry import access
from review import decisions, queue, withdrawal
from review.models import QueueItem, ReviewDecision, ReviewQueue
from tests.browser import world as makers
from tests.browser.reviewing import ANSWERS, REVIEW, case, overdue, press, seen, settled, shown, told


@pytest.fixture
def page(world, open_page):
    page = open_page("alice", REVIEW)
    case(page, "P-2201")
    return page


def decided():
    return Counter(ReviewDecision.objects.filter(kind="decision").values_list("prediction__external_id", flat=True))


def test_errors_of_the_server_keep_the_answer_and_name_the_request(page):
    page.route(ANSWERS, lambda route: route.fulfill(status=503, body="down"))
    press(page, "n")
    page.keyboard.type("keep this")
    page.keyboard.press("Escape")
    press(page, "2")
    case(page, "P-2202")
    page.get_by_role("alert").get_by_text("Not saved yet, retrying").wait_for()
    assert len(page.locator("[data-request]").inner_text()) >= 16
    page.unroute(ANSWERS)
    page.get_by_role("button", name="Retry now").click()
    settled(page)
    made = ReviewDecision.objects.get()
    assert (made.prediction.external_id, made.label, made.rationale) == ("P-2201", "malignant", "keep this")


def test_an_answer_of_which_no_word_came_back_is_stored_once(page):
    def deliver_but_fall_silent(route):
        route.fetch()
        route.abort()

    page.route(ANSWERS, deliver_but_fall_silent)
    press(page, "1")
    case(page, "P-2202")
    page.locator(".review-link").get_by_text("offline").wait_for()
    page.unroute(ANSWERS)
    page.get_by_role("button", name="Retry now").click()
    settled(page)
    assert decided() == {"P-2201": 1}


def test_offline_the_prefetched_cases_go_on_and_what_waits_survives_a_reload(page):
    page.route("**/review/**", lambda route: route.abort() if route.request.method == "POST" else route.continue_())
    for name in ("P-2201", "P-2202", "P-2203"):
        case(page, name)
        press(page, "1")
    page.locator("[data-waits]").get_by_text("3 decisions wait.").wait_for()
    assert not ReviewDecision.objects.exists()
    page.unroute("**/review/**")
    page.on("dialog", lambda dialog: dialog.accept())
    page.reload()
    settled(page)
    case(page, "P-2204")
    assert decided() == {"P-2201": 1, "P-2202": 1, "P-2203": 1}


def test_only_the_answer_is_kept_on_the_device_and_not_the_case(page):
    page.route(ANSWERS, lambda route: route.abort())
    press(page, "1")
    page.locator("[data-waits]").get_by_text("1 decision waits.").wait_for()
    rows = page.evaluate("""new Promise((resolve) => {
        const opening = indexedDB.open("reviewhub-outbox", 1);
        opening.onsuccess = () => {
            const asked = opening.result.transaction("decisions").objectStore("decisions").getAll();
            asked.onsuccess = () => resolve(asked.result);
        };
    })""")
    assert len(rows) == 1
    kept = {"token", "answer", "said", "note", "codes", "opened", "seconds", "first_input", "input"}
    assert set(rows[0]) <= kept | {"slug", "me", "tab", "at"}


def test_an_unsent_answer_is_undone_on_the_spot_and_the_other_one_stored_instead(page):
    def deliver_but_fall_silent(route):
        route.fetch()
        route.abort()

    page.route(ANSWERS, deliver_but_fall_silent)
    press(page, "1")
    page.locator("[data-waits]").get_by_text("1 decision waits.").wait_for()
    press(page, "u")
    case(page, "P-2201")
    page.get_by_role("button", name="benign your answer before").wait_for()
    page.unroute(ANSWERS)
    press(page, "2")
    settled(page)
    standing = ReviewDecision.objects.filter(kind="decision", superseded_by__isnull=True)
    assert [(row.prediction.external_id, row.label) for row in standing] == [("P-2201", "malignant")]


def test_a_session_that_ended_is_renewed_in_place_and_the_answer_sent(page):
    press(page, "n")
    page.keyboard.type("mine")
    page.keyboard.press("Escape")
    page.context.clear_cookies()
    press(page, "2")
    dialog = page.get_by_role("dialog", name="Please sign in again")
    dialog.wait_for()
    dialog.get_by_label("Password").fill("wrong")
    dialog.get_by_role("button", name="Sign in", exact=True).click()
    dialog.get_by_role("alert").filter(has_text=" ").wait_for()
    dialog.get_by_label("Password").fill("alice-password-1")
    dialog.get_by_role("button", name="Sign in", exact=True).click()
    dialog.wait_for(state="hidden")
    settled(page)
    assert ReviewDecision.objects.get().rationale == "mine"
    assert shown(page) == "P-2202"


def test_somebody_elses_session_never_sends_ones_answers(page, live_server):
    page.context.clear_cookies()
    page.context.add_cookies([{"name": "sessionid", "value": makers.session_of("bob"), "url": live_server.url}])
    press(page, "2")
    page.get_by_role("dialog").get_by_text("Somebody else is signed in now").wait_for()
    assert not ReviewDecision.objects.exists()


def test_what_a_colleague_decided_meanwhile_is_told_with_the_time(page, world):
    overdue(page)
    item = QueueItem.objects.get(prediction=world.predictions[0])
    bob = access.principal_of_user(
        access.Person.objects.model._meta.apps.get_model("auth", "User").objects.get(username="bob")
    )
    line = ReviewQueue.objects.get()
    [held] = queue.claim(queue=line, models=[world.model], holder=bob.pseudonym, item=item.pk)
    made = decisions.decide(token=held.lease_token, principal=bob, label="benign")
    press(page, "2")
    page.locator("[data-notices]").get_by_text(f"decided by another reviewer at {made.decided_at:%H:%M}").wait_for()
    assert decided() == {"P-2201": 1}


def test_a_withdrawn_prediction_is_told_and_its_answer_not_applied(page, world):
    seen(page)
    withdrawal.withdraw(prediction=world.predictions[0], actor="erin", reason="sent twice")
    press(page, "2")
    notice = page.locator("[data-notices]")
    notice.get_by_text("Your answer on P-2201 was not used: the prediction was withdrawn.", exact=True).wait_for()
    assert notice.inner_text().count("withdrawn") == 1
    page.get_by_role("button", name="Decide on the new one").click()
    case(page, "P-2205")
    assert not ReviewDecision.objects.exists()


def test_a_note_that_is_too_long_brings_the_case_back_with_everything_kept(page):
    press(page, "n")
    page.evaluate("""() => {
        const note = document.getElementById("note");
        note.removeAttribute("maxlength");
        note.value = "x".repeat(10001);
    }""")
    page.keyboard.press("Escape")
    press(page, "2")
    page.locator("#note-error").get_by_text("10000").wait_for()
    case(page, "P-2201")
    assert page.evaluate("document.activeElement.id") == "note"
    assert len(page.locator("#note").input_value()) == 10001
    page.get_by_role("button", name="malignant your answer before").wait_for()
    page.locator("#note").fill("short")
    press(page, "Escape")
    press(page, "2")
    told(page, "Saved: malignant.")
