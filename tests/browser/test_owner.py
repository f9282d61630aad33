from __future__ import annotations

from django.contrib.auth import get_user_model
from django.test import Client

from feedback import alerts
from feedback.models import Alert
from models_registry import access
from models_registry.models import Invitation, Membership, ServiceKey
from review import routing
from review.models import PolicyVersion, ReviewDecision, RoutingDecision
from tests.browser.world import measurements


def test_an_invited_reviewer_signs_up_and_reviews(world, open_page):
    owner = open_page("erin", "/models/tumours/settings/members/")
    owner.get_by_label("For whom").fill("Frida")
    owner.get_by_role("button", name="Make a link").click()
    link = owner.get_by_label("Invitation link").input_value()

    guest = open_page(None, link)
    guest.get_by_label("Name").fill("frida")
    guest.get_by_label("Password", exact=True).fill("a-long-enough-secret")
    guest.get_by_label("Password again").fill("a-long-enough-secret")
    guest.get_by_role("button", name="Create account and join").click()
    guest.get_by_text("You are now a reviewer on Tumours").wait_for()
    guest.get_by_role("link", name="Review tumours").click()
    guest.get_by_role("heading", name="P-2201").wait_for()
    guest.locator("#stage[data-ready=true]").wait_for()
    guest.keyboard.press("2")
    guest.get_by_text("Saved: malignant").first.wait_for()

    assert Membership.objects.filter(user__username="frida", role="reviewer").exists()
    assert ReviewDecision.objects.get().user.username == "frida"
    again = open_page(None, link)
    again.get_by_role("heading", name="This link no longer opens anything").wait_for()


def test_a_signed_in_person_joins_with_the_account_they_have(world, open_page):
    owner = open_page("erin", "/models/tumours/settings/members/")
    owner.get_by_role("radio", name="Analyst").check()
    owner.get_by_role("button", name="Make a link").click()
    link = owner.get_by_label("Invitation link").input_value()
    page = open_page("mallory", link)
    page.get_by_role("button", name="Join as mallory").click()
    page.get_by_text("You are now an analyst on Tumours").wait_for()


def test_a_revoked_invitation_opens_nothing(world, open_page):
    owner = open_page("erin", "/models/tumours/settings/members/")
    owner.get_by_role("button", name="Make a link").click()
    link = owner.get_by_label("Invitation link").input_value()
    owner.get_by_role("button", name="Revoke the invitation for no note").click()
    owner.get_by_text("The link no longer works").wait_for()
    guest = open_page(None, link)
    guest.get_by_role("heading", name="This link no longer opens anything").wait_for()
    assert Invitation.objects.get().revoked_at is not None


def test_a_minted_key_works_until_it_is_revoked(world, open_page):
    page = open_page("erin", "/models/tumours/settings/keys/")
    page.get_by_label("Name").fill("scoring")
    page.get_by_role("checkbox", name="ingest").uncheck()
    page.get_by_role("checkbox", name="read: every GET").check()
    page.get_by_role("button", name="Mint key").click()
    secret = page.get_by_role("textbox", name="Service key").input_value()
    assert secret.startswith("rh_")
    headers = {"Authorization": f"Bearer {secret}"}
    assert Client().get("/api/v1/models/tumours/", headers=headers).status_code == 200

    page.goto("/models/tumours/settings/keys/")
    assert secret not in page.content()
    page.get_by_role("button", name="Revoke the key scoring").click()
    page.get_by_text("is refused from now on").wait_for()
    assert ServiceKey.objects.get().revoked_at is not None
    assert Client().get("/api/v1/models/tumours/", headers=headers).status_code == 401


def test_a_moved_threshold_routes_the_next_prediction(world, open_page):
    page = open_page("erin", "/models/tumours/settings/policy/")
    assert page.get_by_label("Hold when the score is below").input_value() == "0.75"
    page.get_by_label("Hold when the score is below").fill("0.95")
    page.get_by_label("Why").fill("the new scanner is unknown to it")
    page.get_by_role("button", name="Preview", exact=True).click()
    row = page.get_by_role("row", name="Held when the score is below")
    assert row.get_by_role("cell").all_inner_texts()[0] == "0.75"
    assert "0.95" in row.inner_text()
    page.get_by_text("Replayed on the last 6 predictions").wait_for()
    assert PolicyVersion.objects.count() == 1
    page.get_by_role("button", name="Activate in place of policy 1").click()
    page.get_by_text("Policy 2 is live. New").wait_for()

    live = PolicyVersion.objects.get(number=2)
    before = PolicyVersion.objects.get(number=1)
    assert live.document["rules"] == before.document["rules"]
    assert live.document["review"][1] == before.document["review"][1]
    assert post(page, "next").status_code == 202
    routing.route_batch(limit=10)
    routed = RoutingDecision.objects.get(prediction__external_id="next")
    assert (routed.policy.number, routed.disposition, routed.review) == (2, "hold", "gate")

    page.get_by_role("button", name="Roll back to 1").click()
    page.get_by_text("Policy 1 is live. New").wait_for()


def test_a_lead_previews_by_keyboard_and_an_owner_publishes(world, open_page):
    access.grant_role(user=get_user_model().objects.get(username="bob"), model=world.model, role="lead", actor="test")
    page = open_page("bob", "/models/tumours/settings/policy/")
    page.get_by_label("Hold when the score is below").focus()
    page.keyboard.press("Control+A")
    page.keyboard.type("0.95")
    page.keyboard.press("Enter")
    heading = page.get_by_role("heading", name="What would change")
    heading.wait_for()
    assert heading.evaluate("heading => heading === document.activeElement")
    assert page.get_by_role("button", name="Activate").count() == 0
    fold = page.get_by_text("Shares, and which predictions would go another way")
    assert not page.get_by_role("region", name="Shares").is_visible()
    for _ in range(12):
        page.keyboard.press("Tab")
        if fold.evaluate("fold => fold === document.activeElement"):
            break
    page.keyboard.press("Enter")
    page.get_by_role("region", name="Shares").wait_for()
    assert PolicyVersion.objects.count() == 1

    page = open_page("erin", "/models/tumours/settings/policy/")
    page.get_by_label("Hold when the score is below").fill("0.95")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Activate in place of policy 1").press("Enter")
    page.get_by_text("Policy 2 is live. New").wait_for()
    post(page, "next")
    routing.route_batch(limit=10)
    routed = RoutingDecision.objects.get(prediction__external_id="next")
    assert (routed.policy.number, routed.review) == (2, "gate")


def test_a_policy_that_cannot_be_obeyed_is_refused_beside_its_field(world, open_page):
    page = open_page("erin", "/models/tumours/settings/policy/")
    page.get_by_label("Draw for review").select_option("uniform")
    page.get_by_label("Review budget").fill("0.1")
    page.get_by_role("button", name="Preview", exact=True).click()
    page.get_by_text("is not below the budget").wait_for()
    assert page.get_by_label("Check at random").get_attribute("aria-invalid") == "true"
    assert PolicyVersion.objects.count() == 1


def test_the_kill_switch_holds_everything_and_says_why(world, open_page):
    page = open_page("erin", "/models/tumours/settings/policy/")
    page.get_by_label("Reason").fill("scores drift")
    page.get_by_role("button", name="Hold everything").click()
    page.get_by_role("heading", name="The kill switch is on").wait_for()
    post(page, "stopped")
    routing.route_batch(limit=10)
    assert RoutingDecision.objects.get(prediction__external_id="stopped").reasons == ["kill_switch"]
    page.get_by_label("Reason").fill("fixed")
    page.get_by_role("button", name="Switch off").click()
    page.get_by_text("The kill switch is off").wait_for()


def post(page, external_id):
    """One confident prediction, posted with the owner's own session."""
    features = {name: round(float(values[0]), 3) for name, values in measurements(1, seed=3).items()}
    client = Client()
    client.cookies["sessionid"] = next(c["value"] for c in page.context.cookies() if c["name"] == "sessionid")
    body = {
        "model": "tumours",
        "external_id": external_id,
        "features": features,
        "scores": {"benign": 0.9, "malignant": 0.1},
    }
    return client.post("/api/v1/predictions/", body, content_type="application/json")


def test_an_alert_is_acknowledged_by_keyboard(world, open_page):
    alerts.raise_alert(model=world.model, kind="latency", title="Slower than last week")
    page = open_page("erin", "/models/tumours/")
    page.get_by_role("link", name="1 alert").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.locator("#alerts").get_by_text("by erin").wait_for()
    assert page.get_by_role("button", name="Acknowledge").count() == 0
    assert Alert.objects.get().acknowledged_by == "erin"
