"""The pages of delays and of workload say what their documents say."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from feedback import labels, monitoring
from feedback.monitoring.workload import workload
from feedback.propensity_audit import measure
from models_registry.wording import share, span
from review.models import QueueItem, RoutingControl
from tests.feedback.cases import decide, make_case
from tests.feedback.test_quality_page import rows_of, words


@pytest.fixture
def reviewed(cast, client):
    """Three weeks of audits: each drawn case waits a few hours, one in five is never decided."""
    now = timezone.now().replace(microsecond=0)
    for number in range(20):
        at = now - timedelta(days=number, hours=2)
        case = make_case(cast.model, f"p-{number}", occurred_at=at, received_at=at)
        item = QueueItem.objects.get(prediction=case)
        QueueItem.objects.filter(pk=item.pk).update(enqueued_at=at, due_at=at + timedelta(days=2))
        if number % 5:
            end = at + timedelta(minutes=30 + number)
            decide(case, "ok", claimed_at=end - timedelta(seconds=40), decided_at=end)
            QueueItem.objects.filter(pk=item.pk).update(closed_at=end)
    labels.pull_all()
    client.force_login(cast.dana)
    return client


def test_the_weeks_of_the_page_are_those_of_the_document(reviewed, cast):
    html = words(reviewed.get("/models/payments/delays/").content.decode())
    found = monitoring.delays(model=cast.model)
    rows = rows_of(reviewed.get("/models/payments/delays/?format=csv&table=weeks"))
    weeks = found["reviews"]["audit"]["cohorts"]
    assert len(weeks) >= 3
    assert [row["week"] for row in rows if row["kind"] == "audit"] == [week["week"] for week in weeks[::-1]][:6]
    for week in weeks[-6:]:
        assert f"{week['ended']} of {week['n']}" in html
        assert span(week["p50"]) in html
        assert week["curve"][-1]["share"] <= 1


def test_what_never_came_is_told_by_cause_with_its_interval(reviewed, cast):
    html = words(reviewed.get("/models/payments/delays/").content.decode())
    causes = monitoring.delays(model=cast.model)["nonresponse"]["audit"]["causes"]
    assert causes["overdue"]["count"] == 3
    for name in ("pending", "overdue"):
        row = causes[name]
        assert f"{share(row['rate'], 1)} {share(row['low'], 1)} to {share(row['high'], 1)}" in html


def test_the_workload_page_tells_backlog_and_overdue_audits(reviewed, cast):
    response = reviewed.get("/models/payments/workload/")
    html = words(response.content.decode())
    found = workload(model=cast.model)
    assert found["open"] == {**response.context["found"]["open"], "oldest_age_seconds": pytest.approx(15 * 86_400, 0.1)}
    assert "Past the due time 3 3 of them audits" in html
    rows = rows_of(reviewed.get("/models/payments/workload/?format=csv&table=flow"))
    assert [float(row["arrived"]) for row in rows] == [s["arrived"] for s in found["slices"]]
    assert [float(row["backlog"]) for row in rows] == [s["backlog"] for s in found["slices"]]
    assert float(rows[-1]["backlog"]) == 4


def test_the_capacity_of_the_policy_is_a_line_of_the_chart(reviewed, cast):
    assert reviewed.get("/models/payments/workload/").context["flow"]["capacity"] is None
    control = RoutingControl.objects.select_related("active").get(model=cast.model)
    control.active = cast.model.policies.create(
        number=2, document={**control.active.document, "capacity": {"per_day": 8}}, created_by="erin"
    )
    control.save()
    response = reviewed.get("/models/payments/workload/")
    assert response.context["flow"]["capacity"] == "0.00%"
    assert "of 8 that the policy allows for" in words(response.content.decode())


def test_reviews_by_propensity_are_those_of_the_audit(reviewed, cast):
    [row] = rows_of(reviewed.get("/models/payments/workload/?format=csv&table=propensities"))
    [band] = measure(cast.model, newest=100).bands
    assert (float(row["rows"]), float(row["estimate"]), row["inside"]) == (20, band.observed, "false")
    assert "0.0 % to 54.0 % outside" in words(reviewed.get("/models/payments/workload/").content.decode())


def test_pages_without_any_prediction_say_so(cast, client):
    client.force_login(cast.dana)
    assert "No prediction has gone through yet." in client.get("/models/payments/delays/").content.decode()
    assert "Nothing came and nothing was done" in client.get("/models/payments/workload/").content.decode()
