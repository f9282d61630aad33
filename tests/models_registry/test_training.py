from __future__ import annotations

import io
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from models_registry import frames, gates, model_files
from models_registry.errors import ReviewHubError
from models_registry.training import evaluate_version, fit_candidate
from models_registry.training.rows import split_snapshot
from models_registry.training.weighting import fit_weighted
from tests.models_registry.snapshots import CLASSES, CONTRACT, COSTS, part, traffic


def fit(*parts: bytes, **changes: Any) -> dict[str, Any]:
    arguments: dict[str, Any] = {"contract": CONTRACT, "classes": CLASSES, "costs": COSTS, "champion_version": "1"}
    return fit_candidate(**{**arguments, **changes}, **{f"part_{i}": content for i, content in enumerate(parts)})


def verdicts(result: dict[str, Any]) -> dict[str, str]:
    return {verdict.gate: verdict.verdict for verdict in gates.judge(result["evidence"])}


def champion_pipeline() -> Any:
    encode = ColumnTransformer([("one_hot", OneHotEncoder(), ["country", "new"])], remainder=StandardScaler())
    return make_pipeline(encode, LogisticRegression(C=0.5, class_weight={0: 1.0, 1: 1.5}))


def champion_artifact(*, noise: float = 0.0) -> bytes:
    """A champion with classes 0 and 1 rather than the registered texts, fitted on older rows."""
    records, truth = traffic(400, seed=9)
    records = [{**record, "age": record["age"] or 40} for record in records]
    flipped = np.where(np.random.default_rng(1).random(400) < noise, 1 - truth, truth)
    return model_files.dump(champion_pipeline().fit(frames.frame(records, CONTRACT), flipped))


def test_a_version_without_artifact_gets_a_default_pipeline_that_is_judged_by_posted_scores():
    records, truth = traffic(900)
    result = fit(part(records, truth))
    assert result["pipeline"] == "default"
    assert result["reference"] is None
    assert result["evidence"]["champion_scores"] == "posted"
    assert result["evidence"]["champion"]["log_loss"] == pytest.approx(np.log(2))
    assert verdicts(result) == dict.fromkeys(
        ("better_log_loss", "not_worse_cost", "better_than_constant", "effective_sample"), "passed"
    )


def test_posted_scores_of_another_version_are_not_taken_for_the_champions():
    records, truth = traffic(300)
    result = fit(part(records, truth), champion_version="2")
    assert result["evidence"]["champion"] is None
    assert verdicts(result)["better_log_loss"] == "insufficient_data"
    assert "nothing to compare with" in gates.judge(result["evidence"])[0].reason


def test_the_champions_own_pipeline_is_cloned_with_its_own_class_values():
    records, truth = traffic(400)
    records = [{**record, "age": record["age"] or 40} for record in records]
    classes = ["0", "1"]
    snapshot = part(
        records, truth, label=[classes[value] for value in truth], **{"score.0": [0.5] * 400, "score.1": [0.5] * 400}
    )
    result = fit(snapshot, artifact=champion_artifact(), classes=classes)
    candidate = model_files.load(result["artifact"])
    assert result["pipeline"] == "champion"
    assert candidate[-1].get_params()["class_weight"] == {0: 1.0, 1: 1.5}
    assert candidate.classes_.tolist() == [0, 1]
    assert result["evidence"]["champion_scores"] == "artifact"


def test_the_same_snapshot_trains_the_same_candidate():
    records, truth = traffic(600)
    weight = np.where(np.random.default_rng(0).random(600) < 0.2, 10.0, 1.0)
    first, second = (fit(part(records, truth, weight=weight), estimator="boosting") for _ in range(2))
    assert first["evidence"] == second["evidence"]
    assert first["weights"] == second["weights"]
    assert first["weights"]["log_loss_by_gamma"].keys() == {"0.0", "0.25", "0.5", "0.75", "1.0"}


def test_weights_undo_a_selection_that_looked_at_something_the_model_does_not_see():
    records, truth = traffic(6000, seed=3)
    # A hidden tier, far more often positive, is always reviewed; the rest seldom.
    draw = np.random.default_rng(4)
    tier = draw.random(6000) < np.where(truth == 1, 0.4, 0.05)
    propensity = np.where(tier, 1.0, 0.08)
    reviewed = draw.random(6000) < propensity
    seen = np.flatnonzero(reviewed)
    rows = [records[i] for i in seen]
    snapshot = {"splits": ["train"] * len(seen)}
    weighted = fit(part(rows, truth[seen], weight=1 / propensity[seen], split=snapshot["splits"]))
    naive = fit(part(rows, truth[seen], split=snapshot["splits"]))
    fresh, fresh_truth = traffic(4000, seed=5)
    test = part(fresh, fresh_truth, split=["holdout"] * 4000)
    loss = {
        name: evaluate_version(
            contract=CONTRACT, classes=CLASSES, costs=COSTS, artifact=result["artifact"], part_0=test
        )["log_loss"]
        for name, result in (("weighted", weighted), ("naive", naive))
    }
    assert loss["weighted"] < loss["naive"] - 0.02
    assert weighted["weights"]["gamma"] > 0


def test_a_challenger_of_shuffled_labels_is_refused():
    records, truth = traffic(900)
    shuffled = np.random.default_rng(0).permutation(truth)
    learnt = [CLASSES[shuffled[i] if i % 3 else truth[i]] for i in range(900)]
    fair = part(records, truth)
    champion = fit(fair)["artifact"]
    result = fit(part(records, truth, label=learnt), artifact=champion)
    found = verdicts(result)
    assert found["better_log_loss"] == "failed"
    assert "worse beyond chance" in gates.judge(result["evidence"])[0].reason


@pytest.mark.parametrize(
    ("columns", "code", "said"),
    [
        ({"label": ["ok"] * 60}, "one_class", "'ok'"),
        ({"weight": [None] * 60}, "no_rows", "60 have no weight"),
        ({"label": ["maybe"] * 60}, "no_rows", "unknown to the model"),
        ({"split": ["holdout"] * 60}, "no_rows", "60 are held out"),
    ],
)
def test_nothing_to_fit_says_what_is_missing(columns: dict[str, list[Any]], code: str, said: str):
    records, truth = traffic(60)
    with pytest.raises(ReviewHubError) as refused:
        fit(part(records, truth, **columns))
    assert refused.value.code == code
    assert said in str(refused.value)


def test_a_snapshot_without_rows_says_so():
    with pytest.raises(ReviewHubError) as refused:
        fit()
    assert refused.value.code == "no_rows"


def test_reference_rows_without_weight_stay_the_candidates_reference_and_change_no_fit():
    records, truth = traffic(400)
    older, known = traffic(50, seed=4)
    reference = pd.DataFrame(older).assign(label=[CLASSES[value] for value in known]).to_csv(index=False).encode()
    alone, beside = fit(part(records, truth)), fit(part(records, truth), reference_rows=reference, discount=0.0)
    assert beside["weights"]["reference_rows"] == 0
    assert beside["evidence"] == alone["evidence"]
    kept = pd.read_parquet(io.BytesIO(beside["reference"]))
    assert kept["label"].tolist() == [CLASSES[value] for value in known]


def test_reference_rows_join_at_a_discount_and_become_the_candidates_reference():
    records, truth = traffic(90)
    older, known = traffic(300, seed=7)
    reference = pd.DataFrame(older).assign(label=[CLASSES[value] for value in known]).to_csv(index=False).encode()
    result = fit(part(records, truth), reference_rows=reference)
    assert result["weights"]["reference_rows"] == 300
    assert result["weights"]["rows"] == 60
    again = fit(part(records, truth), reference_rows=result["reference"])
    assert again["evidence"]["candidate"] == pytest.approx(result["evidence"]["candidate"])


def test_an_outcome_stands_over_a_review_and_a_row_without_weight_stays_out():
    records, _ = traffic(3)
    rows = [records[0], records[0], records[1], records[2]]
    split = split_snapshot(
        [
            part(
                rows,
                [0, 1, 0, 1],
                prediction_id=["a", "a", "b", "c"],
                label_source=["review", "outcome", "review", "outcome"],
                weight=[4.0, 1.0, 2.0, None],
                split=["train"] * 4,
            )
        ],
        contract=CONTRACT,
        classes=CLASSES,
    )
    assert split.train.labels.tolist() == [1, 0]
    assert split.train.weight.tolist() == [1.0, 2.0]
    assert split.counts["without_weight"] == 1
    assert split.counts["second_source"] == 1


@pytest.mark.parametrize(
    "estimator",
    [
        LogisticRegression(),
        make_pipeline(StandardScaler(), LogisticRegression()),
        make_pipeline(StandardScaler(), CalibratedClassifierCV(LogisticRegression(), cv=3)),
        CalibratedClassifierCV(make_pipeline(StandardScaler(), LogisticRegression()), cv=3),
        make_pipeline(StandardScaler(), RandomForestClassifier(20, max_depth=3, random_state=0)),
    ],
    ids=["bare", "pipeline", "calibrated last step", "calibrated pipeline", "forest"],
)
def test_weights_reach_the_classifier_wherever_it_sits(estimator: Any):
    draw = np.random.default_rng(0)
    x = draw.normal(size=(400, 2))
    y = (draw.random(400) < 0.5).astype(int)
    weight = np.where(y == 1, 9.0, 1.0)
    fitted, skipped = fit_weighted(estimator, x, y, weight)
    assert skipped == ""
    assert fitted.predict_proba(x)[:, 1].mean() == pytest.approx(0.9, abs=0.05)
    assert not hasattr(estimator, "classes_")
    model_files.dump(fitted)


def test_an_estimator_that_takes_no_weights_is_fitted_and_says_so():
    x = np.random.default_rng(0).normal(size=(40, 2))
    fitted, skipped = fit_weighted(
        make_pipeline(StandardScaler(), KNeighborsClassifier()), x, (x[:, 0] > 0).astype(int), np.ones(40)
    )
    assert skipped == "KNeighborsClassifier takes no sample weights: it was fitted without"
    assert fitted.predict_proba(x).shape == (40, 2)
