from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from feedback import labels, sampler_evidence
from feedback.tasks import fit_samplers
from models_registry.models import RegisteredModel
from review.models import SamplerFit
from tests.conftest import Cast, make_model
from tests.feedback.cases import decide, decide_all, make_case, make_cases

AUTO: dict[str, Any] = {"sampling": {"kind": "active", "budget": 0.2}, "audit_floor": 0.01}


def labelled(slug: str, right: Any, *, rows: int = 600, policy: dict[str, Any] | None = None) -> RegisteredModel:
    """A model with decided audits at propensity 1; ``right(rng, confidence)`` says how often it is."""
    rng = np.random.default_rng(7)
    model, _ = make_model(slug, policy=policy or AUTO)
    confidences = rng.uniform(0.5, 0.999, rows).tolist()
    cases = make_cases(
        model,
        {
            f"{slug}-{number}": {"review": "audit", "propensity": 1.0, "scores": [confidence, 1 - confidence]}
            for number, confidence in enumerate(confidences)
        },
    )
    decide_all([(case, "ok" if right(rng, case.confidence) else "fraud", {}) for case in cases])
    labels.pull_all()
    return model


@pytest.mark.django_db
def test_where_the_scores_tell_the_errors_sampling_leaves_uniform_review() -> None:
    model = labelled("good", lambda rng, confidence: rng.random() < confidence)
    assert sampler_evidence.fit_due() == 1
    fit = SamplerFit.objects.get(model=model)
    assert fit.parameters["tau"] < 1
    taus = fit.evidence["taus"]
    assert (fit.evidence["labelled"], fit.evidence["budget"], fit.rows) == (600, 0.2, 600)
    assert taus["1.0"]["variance"] == 1.0
    assert taus[str(fit.parameters["tau"])]["variance"] < 1
    assert {round(told["budget"], 6) for told in taus.values()} == {0.2}
    assert sampler_evidence.fit_due() == 0


@pytest.mark.django_db
def test_where_the_scores_say_nothing_sampling_stays_uniform() -> None:
    model = labelled("poor", lambda rng, confidence: rng.random() < 0.7)
    fit = sampler_evidence.fit(model)
    assert fit is not None
    assert fit.parameters["tau"] == 1.0


@pytest.mark.django_db
def test_a_tau_that_the_policy_names_is_not_asked_for() -> None:
    policy = {**AUTO, "sampling": {**AUTO["sampling"], "tau": 0.75}}
    model = labelled("named", lambda rng, confidence: rng.random() < confidence, rows=120, policy=policy)
    fit = sampler_evidence.fit(model)
    assert fit is not None
    assert (fit.parameters["tau"], fit.evidence["tau"]) == (0.75, None)


def test_only_labels_of_drawn_rows_count_with_one_over_their_probability(cast: Cast) -> None:
    audited = [make_case(cast.model, f"a-{n}", review="audit", propensity=0.25) for n in range(4)]
    passed = make_case(cast.model, "none", review="none", propensity=0.25)
    decide(audited[0], "ok")
    decide(audited[1], "fraud")
    labels.pull_all()
    found = sampler_evidence.labels_of(cast.model, tuple(row.pk for row in [*audited, passed]))
    # Half of the audits are decided by now.
    assert found.seen.tolist() == [0.125, 0.125, 0, 0, 0]
    assert found.right[:2].tolist() == [1, 0]
    assert found.weight.tolist() == [8, 8, 0, 0, 0]
    assert found.place.tolist() == [0, 1, -1, -1, -1]


def test_residuals_are_what_the_regression_on_the_guess_leaves() -> None:
    guess = np.array([0.5, 0.6, 0.7, 0.8])
    line = 0.2 + 0.5 * guess
    seen = np.array([0.5, 0.2, 0.9, 0.4])
    assert sampler_evidence.residuals(line, guess, seen) == pytest.approx(np.zeros(4), abs=1e-12)


def test_a_model_whose_sampler_fails_holds_up_no_other(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    fit = sampler_evidence.fit

    def failing(model: RegisteredModel) -> SamplerFit | None:
        if model == cast.model:
            raise RuntimeError("no such model")
        return fit(model)

    monkeypatch.setattr(sampler_evidence, "fit", failing)
    fit_samplers()
    assert list(SamplerFit.objects.values_list("model__slug", flat=True)) == ["secrets"]
