"""Alerts: one cause is one row while it lasts, people acknowledge it, checks resolve it."""

from __future__ import annotations

from threading import Barrier
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client

from feedback import alerts
from feedback.models import Alert
from models_registry.errors import Conflict
from models_registry.models import AuditEvent, DatabaseNow
from tests.conftest import Cast
from tests.threads import in_threads

URL = "/api/v1/models/payments/alerts/"


def open_alert(cast: Cast, **changes: Any) -> Alert:
    return alerts.raise_alert(**{"model": cast.model, "kind": "latency", "title": "Slower than before", **changes})


def test_the_same_cause_counts_up_and_keeps_the_newest_evidence(cast: Cast):
    first = open_alert(cast, detail={"p99": 2.0})
    again = open_alert(cast, title="Slower still", detail={"p99": 3.5}, severity="critical")
    assert again.pk == first.pk
    assert (again.times_seen, again.title, again.detail, again.severity) == (
        2,
        "Slower still",
        {"p99": 3.5},
        "critical",
    )
    assert again.last_seen_at > first.last_seen_at
    assert again.opened_at == first.opened_at


def test_another_subject_kind_or_model_is_another_alert(cast: Cast):
    open_alert(cast)
    open_alert(cast, subject="queue payments")
    open_alert(cast, kind="capacity")
    open_alert(cast, model=cast.other_model)
    assert Alert.objects.count() == 4


def test_after_resolving_the_cause_opens_a_new_alert(cast: Cast):
    first = open_alert(cast)
    assert alerts.resolve(model=cast.model, kind="latency")
    assert not alerts.resolve(model=cast.model, kind="latency")
    first.refresh_from_db()
    assert (first.state, first.resolved_at is not None) == ("resolved", True)
    assert open_alert(cast).pk != first.pk


def test_resolving_leaves_other_causes_open(cast: Cast):
    kept = open_alert(cast, subject="a")
    open_alert(cast, subject="b")
    alerts.resolve(model=cast.model, kind="latency", subject="b")
    assert list(Alert.objects.filter(resolved_at=None)) == [kept]


def test_an_acknowledged_alert_stays_so_while_its_cause_lasts(cast: Cast):
    alerts.acknowledge(alert=open_alert(cast), actor="erin")
    again = open_alert(cast)
    assert (again.state, again.acknowledged_by, again.times_seen) == ("acknowledged", "erin", 2)
    assert alerts.resolve(model=cast.model, kind="latency")


def test_the_first_to_acknowledge_stays_named_and_the_ledger_tells_once(cast: Cast):
    alert = open_alert(cast)
    for actor in ("erin", "dana"):
        assert alerts.acknowledge(alert=alert, actor=actor).acknowledged_by == "erin"
    [event] = AuditEvent.objects.filter(action="alert.acknowledged")
    assert (event.actor, event.model, event.detail["kind"]) == ("erin", cast.model, "latency")


def test_a_resolved_alert_cannot_be_acknowledged(cast: Cast):
    alert = open_alert(cast)
    alerts.resolve(model=cast.model, kind="latency")
    with pytest.raises(Conflict):
        alerts.acknowledge(alert=alert, actor="erin")
    assert not AuditEvent.objects.filter(action="alert.acknowledged").exists()


def test_a_second_unresolved_alert_of_one_cause_is_refused_by_the_database(cast: Cast):
    open_alert(cast)
    with pytest.raises(IntegrityError, match="alert_one_unresolved"), transaction.atomic():
        Alert.objects.create(model=cast.model, kind="latency", title="twice")


@pytest.mark.parametrize(
    "changes",
    [
        {"state": "resolved"},
        {"resolved_at": DatabaseNow()},
        {"state": "acknowledged"},
        {"acknowledged_by": "erin", "acknowledged_at": DatabaseNow()},
        {"severity": "grave"},
    ],
)
def test_half_a_state_is_refused_by_the_database(cast: Cast, changes: dict[str, Any]):
    alert = open_alert(cast)
    with pytest.raises(IntegrityError), transaction.atomic():
        Alert.objects.filter(pk=alert.pk).update(**changes)


@pytest.mark.django_db(transaction=True)
def test_checks_that_see_one_cause_at_once_make_one_alert(cast: Cast):
    assert len({alert.pk for alert in in_threads(4, lambda _: open_alert(cast))}) == 1
    assert [(alert.times_seen, alert.state) for alert in Alert.objects.all()] == [(4, "open")]


@pytest.mark.django_db(transaction=True)
def test_looking_first_and_inserting_then_would_fail_or_double(cast: Cast):
    """The broken variant: without the constraint, insert-if-absent by two statements makes several."""
    with connection.cursor() as cursor:
        cursor.execute("DROP INDEX alert_one_unresolved")
    looked = Barrier(3, timeout=10)

    def naive(_: int) -> None:
        absent = not Alert.objects.filter(model=cast.model, kind="latency", resolved_at=None).exists()
        looked.wait()
        if absent:
            Alert.objects.create(model=cast.model, kind="latency", title="x")

    try:
        in_threads(3, naive)
        assert Alert.objects.count() == 3
    finally:
        Alert.objects.all().delete()
        with connection.cursor() as cursor:
            cursor.execute(
                "CREATE UNIQUE INDEX alert_one_unresolved ON feedback_alert (model_id, kind, subject) "
                "WHERE resolved_at IS NULL"
            )


def test_the_list_is_newest_first_and_narrowed_by_state(cast: Cast, client_with: Any):
    reader = client_with("read")
    old = open_alert(cast, detail={"p99": 2})
    alerts.resolve(model=cast.model, kind="latency")
    new = open_alert(cast)
    open_alert(cast, model=cast.other_model)
    body = reader.get(URL).json()
    assert [row["id"] for row in body["results"]] == [str(new.pk), str(old.pk)]
    assert body["results"][1]["detail"] == {"p99": 2}
    assert [row["id"] for row in reader.get(f"{URL}?state=resolved").json()["results"]] == [str(old.pk)]
    refused = reader.get(f"{URL}?state=loud")
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (400, "/state")
    assert reader.get(f"{URL}?stat=open").json()["code"] == "unknown_parameter"


def test_an_alert_is_acknowledged_over_the_api(cast: Cast, client_with: Any):
    alert, admin = open_alert(cast), client_with("admin")
    path = f"{URL}{alert.pk}/acknowledge/"
    assert client_with("read").post(path).status_code == 403
    body = admin.post(path).json()
    assert (body["state"], body["acknowledged_by"].startswith("key:")) == ("acknowledged", True)
    alerts.resolve(model=cast.model, kind="latency")
    assert (admin.post(path).status_code, admin.post(path).json()["code"]) == (409, "conflict")
    assert admin.post(f"{URL}{'9' * 30}/acknowledge/").status_code == 404
    assert admin.post(f"/api/v1/models/secrets/alerts/{alert.pk}/acknowledge/").status_code == 404
    assert admin.post(path, {"why": "x"}, format="json").status_code == 400


def test_the_models_page_shows_what_lasts_and_its_owner_acknowledges(cast: Cast):
    alert = open_alert(cast, title="Slower <than> before")
    open_alert(cast, kind="gone")
    alerts.resolve(model=cast.model, kind="gone")
    erin = Client()
    erin.force_login(cast.erin)
    page = erin.get("/models/payments/").content.decode()
    assert "Slower &lt;than&gt; before" in page
    assert ">1 alert</a>" in page
    answer = erin.post(f"/models/payments/alerts/{alert.pk}/acknowledge/", follow=True).content.decode()
    assert "by erin" in answer
    assert "/acknowledge/" not in answer


def test_an_analyst_sees_alerts_and_acknowledges_none(cast: Cast):
    alert = open_alert(cast)
    dana = Client()
    dana.force_login(cast.dana)
    page = dana.get("/models/payments/").content.decode()
    assert alert.title in page
    assert "/acknowledge/" not in page
    assert dana.post(f"/models/payments/alerts/{alert.pk}/acknowledge/").status_code == 403
    alert.refresh_from_db()
    assert alert.state == "open"
