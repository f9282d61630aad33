"""Pages measure a stated part of the history, however long it is."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from feedback import monitoring
from feedback.views import quality
from review.models import Prediction
from tests.feedback.cases import make_case


@pytest.fixture
def history(cast, client):
    now = timezone.now()
    for number, days in enumerate((1, 2, 3, 60, 200)):
        make_case(cast.model, f"p-{number}", occurred_at=now - timedelta(days=days))
    client.force_login(cast.erin)
    return client


def test_the_first_page_measures_a_month_of_whole_days(history):
    assert "3 predictions in the last 30 days" in history.get("/").content.decode()


def test_the_newest_predictions_are_found_without_sorting_all(history, cast):
    times = list(Prediction.objects.order_by("-occurred_at").values_list("occurred_at", flat=True))
    for newest in (1, 3, 4):
        kept = monitoring.since(cast.model, newest=newest)
        assert [at for at in times if at >= kept] == times[:newest]
    assert monitoring.since(cast.model, newest=5) is None
    start = times[0] - timedelta(days=30)
    assert monitoring.since(cast.model, newest=3, start=start) == start
    assert monitoring.since(cast.model, newest=2, start=start) > times[2]
    assert monitoring.since(cast.model, newest=1, end=times[2]) > times[4]


def test_the_quality_page_has_a_window(history):
    address = "/models/payments/quality/"
    assert history.get(address).context["found"]["population"]["predictions"] == 4
    assert history.get(f"{address}?window=all").context["found"]["population"]["predictions"] == 5


def test_groups_are_read_from_rows_up_to_a_stated_number(history, cast, monkeypatch):
    for number in range(3):
        make_case(cast.model, f"g-{number}", occurred_at=timezone.now(), groups={"site": "north"})
    monkeypatch.setattr(quality, "NEWEST", 2)
    page = history.get("/models/payments/quality/?window=all")
    assert page.context["groups"]["cut"] == 2
    assert "of the newest 2 predictions" in page.content.decode()
