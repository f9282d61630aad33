"""One's own figures: only one's own, with what they were counted from, and what is too little left out."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from feedback import gold
from feedback.own_figures import own_figures
from models_registry import access
from models_registry.models import Membership
from tests.conftest import Cast
from tests.feedback.cases import decide, make_case, make_item, undo
from tests.feedback.test_quality_page import words


@pytest.fixture
def worked(cast: Cast) -> dict[str, str]:
    """Alice has answered ten cases and twelve known ones; Bob one."""
    names = {name: access.principal_of_user(getattr(cast, name)).pseudonym for name in ("alice", "bob")}
    at = timezone.now() - timedelta(days=3)
    when: dict[str, Any] = {"decided_at": at, "claimed_at": at - timedelta(seconds=30)}
    for n in range(10):
        made = decide(make_case(cast.model, f"p-{n}"), None if n == 0 else "ok", reviewer=names["alice"], **when)
        if n == 9:
            undo(made)
    for n in range(12):
        known = make_case(cast.model, f"g-{n}", review="none")
        gold.set_gold(prediction=known, value="fraud" if n in (0, 1, 2) else "ok", actor="erin")
        make_item(known, kind="gold")
        decide(known, "ok", reviewer=names["alice"], **when)
    decide(make_case(cast.model, "b"), "fraud", reviewer=names["bob"], **when)
    decide(make_case(cast.model, "old"), "fraud", reviewer=names["alice"], decided_at=at - timedelta(days=120))
    return names


def of(person: Any) -> list[dict[str, Any]]:
    return own_figures(principal=access.principal_of_user(person))["models"]


def test_counts_are_those_of_the_last_90_days_with_intervals(cast: Cast, worked: dict[str, str]) -> None:
    [found] = of(cast.alice)
    assert (found["model"], found["decisions"], found["seconds"]) == (cast.model, 22, 30)
    assert (found["undone"]["k"], found["abstained"]["k"]) == (1, 1)
    assert (found["gold"]["k"], found["gold"]["n"], found["gold"]["rate"]) == (7, 10, 0.7)
    assert found["gold"]["low"] < 0.7 < found["gold"]["high"]
    [others] = of(cast.bob)
    assert (others["decisions"], others["gold"]["n"]) == (1, None)


def test_few_known_cases_are_not_told_for_they_would_give_one_away(cast: Cast, worked: dict[str, str]) -> None:
    # Whoever set the truth has proved nothing by it: three of the twelve are left out, and nine are too few.
    for item in cast.model.predictions.filter(external_id__in=["g-9", "g-10", "g-11"]):
        gold.set_gold(prediction=item, value="fraud", actor="alice")
    [found] = of(cast.alice)
    assert found["gold"] == {"n": None, "k": None, "rate": None, "low": None, "high": None}


def test_what_was_answered_just_now_moves_no_figure_of_known_cases(
    cast: Cast, worked: dict[str, str], settings: Any
) -> None:
    """Eight further known cases fill the second step, but only once none of their answers can be undone."""
    [before] = of(cast.alice)
    now = timezone.now()
    for n in range(8):
        known = make_case(cast.model, f"new-{n}", review="none")
        gold.set_gold(prediction=known, value="fraud", actor="erin")
        make_item(known, kind="gold")
        decide(known, "ok", reviewer=worked["alice"], decided_at=now, claimed_at=now)
        assert of(cast.alice)[0]["gold"] == before["gold"]
    settings.REVIEWHUB = {**settings.REVIEWHUB, "UNDO_SECONDS": 0}
    assert (of(cast.alice)[0]["gold"]["k"], of(cast.alice)[0]["gold"]["n"]) == (9, 20)


def test_a_person_sees_only_the_own_page(cast: Cast, worked: dict[str, str], client: Client) -> None:
    client.force_login(cast.alice)
    html = client.get("/me/").content.decode()
    assert worked["alice"] in html
    assert worked["bob"] not in html
    assert "70.0 %" in words(html)
    assert 'href="/me/"' in client.get("/").content.decode()
    client.force_login(cast.mallory)
    assert "You have not answered anything in this time." in words(client.get("/me/").content.decode())
    client.logout()
    assert client.get("/me/").status_code == 302


def test_models_that_one_may_no_longer_read_are_left_out(cast: Cast, worked: dict[str, str]) -> None:
    Membership.objects.filter(user=cast.alice).delete()
    assert of(cast.alice) == []
