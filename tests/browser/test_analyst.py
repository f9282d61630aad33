from __future__ import annotations

from feedback import datasets, labels
from feedback.models import DatasetSnapshot
from models_registry import access
from review import decisions, queue
from review.models import QueueItem, ReviewQueue


def decided(world):
    """Alice decides the first case; its label is pulled."""
    alice = access.Person.objects.get(user__username="alice").user
    principal = access.principal_of_user(alice)
    item = queue.claim(queue=ReviewQueue.objects.get(), models=[world.model], holder=principal.pseudonym)[0]
    decisions.decide(token=item.lease_token, principal=principal, label="malignant", rationale="irregular all around")
    labels.pull_all()


def test_a_case_is_found_by_external_id_with_its_whole_timeline(world, open_page):
    decided(world)
    page = open_page("dana", "/predictions/")
    page.get_by_label("External or entity id").fill("P-2201")
    page.get_by_role("button", name="Find").click()
    page.get_by_role("heading", name="P-2201").wait_for()
    kinds = page.locator(".event").evaluate_all("all => all.map(e => e.dataset.kind)")
    happened = ["occurred", "received", "routed", "explained", "claimed", "decided", "resolved", "label"]
    assert kinds == [*happened, "seen"]
    text = page.locator(".timeline").inner_text()
    for part in (
        "2.4 s later",
        "210 ms later",
        "policy\nnumber 1",
        "low confidence",
        "irregular all around",
        "Label: malignant",
    ):
        assert part in text
    page.get_by_text("25 other factors together").wait_for()


def test_an_entity_with_several_predictions_is_a_list(world, open_page):
    page = open_page("dana", "/predictions/?q=patient-71")
    assert page.get_by_role("row").count() == 4
    page.get_by_role("link", name="P-2203").click()
    page.get_by_role("heading", name="P-2203").wait_for()


def test_an_unknown_id_is_said(world, open_page):
    page = open_page("dana", "/predictions/?q=P-22")
    page.get_by_text("Nothing carries the id").wait_for()


def test_an_export_is_taken_and_downloaded(world, open_page):
    decided(world)
    page = open_page("dana", "/models/tumours/labels/")
    page.get_by_role("button", name="Take a snapshot").click()
    page.get_by_text("is queued").first.wait_for()
    datasets.build(snapshot_id=DatasetSnapshot.objects.get().pk)
    link = page.get_by_role("link", name="part 0")
    link.wait_for()
    with page.expect_download() as waiting:
        link.click()
    assert waiting.value.path().read_bytes()[:4] == b"PAR1"
    with page.expect_download() as waiting:
        page.get_by_role("link", name="labels as CSV").click()
    text = waiting.value.path().read_text()
    assert "P-2201" in text
    assert "malignant" in text


def test_an_analyst_neither_reviews_nor_sets(world, open_page):
    page = open_page("dana", "/models/tumours/")
    assert page.get_by_role("link", name="Policy").count() == 0
    assert page.goto("/models/tumours/settings/policy/").status == 403
    assert page.goto("/queues/tumours/review/").status == 404


def test_a_stranger_sees_nothing_of_it(world, open_page):
    page = open_page("mallory", "/")
    page.get_by_role("heading", name="You have no role yet").wait_for()
    paths = [
        "/models/tumours/",
        "/models/tumours/quality/",
        "/models/tumours/delays/",
        "/models/tumours/workload/",
        "/models/tumours/labels/",
        "/models/tumours/settings/policy/",
        "/models/tumours/settings/members/",
        "/models/tumours/settings/keys/",
        "/queues/tumours/review/",
        f"/predictions/{world.predictions[0].pk}/",
    ]
    assert {path: page.goto(path).status for path in paths} == dict.fromkeys(paths, 404)
    page.goto("/predictions/?q=P-2201")
    page.get_by_text("Nothing carries the id").wait_for()
    assert QueueItem.objects.leased().count() == 0
