"""A model that fails ends no nightly task for the models after it."""

from __future__ import annotations

from typing import Any

import pytest
from celery.exceptions import SoftTimeLimitExceeded

from feedback import behaviour, propensity_audit, rubber_stamps, surges, tasks, watching
from models_registry.models import RegisteredModel
from tests.conftest import Cast

# Every task over models, and where it looks up what it does to each of them.
LOOPS = [
    (tasks.audit_propensities, propensity_audit, "audit"),
    (tasks.watch_models, watching, "watch"),
    (tasks.watch_models, behaviour, "watch"),
    (tasks.watch_reviewers, rubber_stamps, "watch"),
    (tasks.watch_capacity, watching, "watch_capacity"),
    (tasks.watch_capacity, surges, "watch_workload"),
    (tasks.refresh_sums, tasks, "refresh"),
]


def failing(seen: list[str], error: Exception) -> Any:
    def act(model: RegisteredModel, **_: Any) -> None:
        seen.append(model.slug)
        if len(seen) == 1:
            raise error

    return act


@pytest.mark.parametrize(("task", "place", "name"), LOOPS, ids=[name for _, _, name in LOOPS])
def test_one_failing_model_is_logged_and_the_others_have_their_turn(
    cast: Cast, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, task: Any, place: Any, name: str
):
    seen: list[str] = []
    monkeypatch.setattr(place, name, failing(seen, RuntimeError("no such column")))
    task()
    slugs = list(RegisteredModel.objects.order_by("id").values_list("slug", flat=True))
    assert len(slugs) == 2
    assert seen == slugs
    assert f"for model {slugs[0]}" in caplog.text


@pytest.mark.parametrize(("task", "place", "name"), LOOPS, ids=[name for _, _, name in LOOPS])
def test_the_end_of_the_tasks_time_is_not_swallowed(
    cast: Cast, monkeypatch: pytest.MonkeyPatch, task: Any, place: Any, name: str
):
    monkeypatch.setattr(place, name, failing([], SoftTimeLimitExceeded()))
    with pytest.raises(SoftTimeLimitExceeded):
        task()
