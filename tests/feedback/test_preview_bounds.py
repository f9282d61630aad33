"""A preview answers for whatever registration accepted, within bounds, by the sampler that it shows."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from feedback import whatif
from feedback.estimators import planning
from feedback.whatif import past as pasts
from review import sampling
from review.models import PolicyVersion, Prediction, SamplerFit
from tests.conftest import Cast
from tests.feedback.replayed import label_all, send

PAGE = "/models/payments/settings/policy/"
ACTIVE: dict[str, Any] = {"sampling": {"kind": "active", "budget": 0.3}, "audit_floor": 0.05}
FORM = {"audit_floor": "0.1", "sampling": "uniform", "budget": "0.6", "on_timeout": "hold", "live": "1"}
# Registration accepts these; no error costs anything, or being right costs more than being wrong.
STRANGE = [
    {"ok": {"fraud": 0}, "fraud": {"ok": 0}},
    {"fraud": {"fraud": 5, "ok": 1}, "ok": {"fraud": 3}},
]


def ask(cast: Cast, document: dict[str, Any], query: str = "") -> dict[str, Any]:
    client = APIClient()
    client.force_login(cast.erin)
    answer = client.post(f"/api/v1/models/payments/policies/preview/{query}", document, format="json")
    assert answer.status_code == 200, answer.content
    return answer.json()


@pytest.mark.parametrize("costs", STRANGE, ids=["free", "reversed"])
def test_prices_that_are_not_those_of_errors_propose_nothing_and_break_nothing(cast: Cast, costs: dict[str, Any]):
    cast.model.costs, cast.model.review_cost = costs, 0.5
    cast.model.save()
    send(cast.model, 60)
    label_all(cast.model)
    found = ask(cast, ACTIVE)
    assert found["proposal"] is None
    assert found["figures"]["new"]["cost"]["guess"] is not None
    client = Client()
    client.force_login(cast.erin)
    page = client.get(PAGE)
    assert page.status_code == 200
    assert b"Kill switch" in page.content
    assert b"What the prices ask for" not in page.content
    assert client.post(PAGE, {**FORM, "step": "preview"}).status_code == 200


def test_rows_times_classes_are_bounded_and_the_rows_used_are_told(cast: Cast, monkeypatch: pytest.MonkeyPatch):
    send(cast.model, 60)
    monkeypatch.setattr(pasts, "MOST_CELLS", 2 * 25 + 1)
    found = ask(cast, ACTIVE, "?last=50")
    assert (found["basis"]["rows"], found["predictions"]) == (25, 25)
    newest = Prediction.objects.order_by("-id").values_list("pk", flat=True)[:25]
    assert whatif.load(cast.model, [], last=50).ids.tolist() == list(newest)
    assert pasts.MOST_CELLS // 2 < whatif.MOST


def told(cast: Cast, *, tau: float, temperature: float, budget: float) -> None:
    """What labels said of the champion: how far the sampler may leave uniform review and how far to trust scores."""
    fit = sampling.Fit("active", level=0.1, tau=tau, temperature=temperature)
    evidence = {"version": cast.model.champion_id, "tau": tau, "budget": budget}
    policy = PolicyVersion.objects.filter(model=cast.model).first()
    SamplerFit.objects.create(
        model=cast.model, policy=policy, kind="active", parameters=fit.document(), rows=600, evidence=evidence
    )


def test_the_budget_for_the_width_of_a_preview_is_the_budget_of_that_preview(cast: Cast):
    send(cast.model, 600)
    told(cast, tau=0.5, temperature=1.6, budget=0.3)
    shown = ask(cast, ACTIVE)["figures"]["new"]["half_width"]["week"]
    found = ask(cast, ACTIVE, f"?half_width={shown}")["budget"]["budget"]
    assert found == pytest.approx(0.3, rel=0.01)


def test_a_plan_without_labels_reads_the_guess_at_the_temperature_of_its_sampler(cast: Cast):
    send(cast.model, 300)
    told(cast, tau=0.5, temperature=2.0, budget=0.3)
    found = whatif.what_if(model=cast.model, document=ACTIVE)
    batch, choices = found.past.batch, found.new.replay.choices
    guess = sampling.guess_of(batch.scores, batch.predicted, 2.0)
    assert found.new.replay.guess == pytest.approx(guess)
    planned = planning.half_width(guess * (1 - guess), choices.propensity, found.rows)
    assert found.new.width == pytest.approx(planned)
    naive = planning.half_width(batch.guess * (1 - batch.guess), choices.propensity, found.rows)
    assert found.new.width > 1.1 * naive
