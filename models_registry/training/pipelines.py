"""What to fit: the champion's own pipeline cloned, or a default one for the contract."""

from __future__ import annotations

from typing import Any

# The closed list a caller may choose from; "" means the champion's own where it has one, else "default".
ESTIMATORS = ("champion", "default", "logistic", "boosting")
# From this many rows the default is boosting: below it, a linear model with few parameters is the safer bet.
BOOSTING_ROWS = 2_000
MAX_CATEGORIES = 100
SEED = 0
_CATEGORICAL = ("category", "text", "bool")
_NUMERIC = ("int", "float")


def cloned(champion: Any) -> Any:
    """An unfitted copy of the champion's pipeline, made repeatable and kept to one core."""
    from sklearn.base import clone

    pipeline = clone(champion)
    changes: dict[str, Any] = {}
    for name, value in pipeline.get_params(deep=True).items():
        last = name.rsplit("__", 1)[-1]
        if last == "n_jobs":
            # To scikit-learn None is one core.
            changes[name] = None
        elif last == "random_state" and value is None:
            changes[name] = SEED
        elif last == "warm_start" and value:
            changes[name] = False
        elif last == "verbose":
            # False is what every estimator takes here; some refuse a plain 0.
            changes[name] = False
    return pipeline.set_params(**changes)


def default_pipeline(contract: dict[str, Any], *, rows: int, estimator: str = "default") -> Any:
    """One-hot for categories, text and booleans; median and scale for numbers; then a classifier.

    Rare and unseen values share one column. Timestamps are left out: a model that knows only the past
    cannot use them. ``rows`` decides between the two classifiers where ``estimator`` leaves it open.
    """
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    names = {kind: [f["name"] for f in contract["features"] if f["dtype"] in kind] for kind in (_CATEGORICAL, _NUMERIC)}
    one_hot = OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=MAX_CATEGORIES, sparse_output=False)
    fill = SimpleImputer(strategy="median", keep_empty_features=True)
    columns = [
        ("categories", one_hot, names[_CATEGORICAL]),
        ("numbers", Pipeline([("fill", fill), ("scale", StandardScaler())]), names[_NUMERIC]),
    ]
    prepare = ColumnTransformer([column for column in columns if column[2]])
    return Pipeline([("prepare", prepare), ("classify", _classifier(estimator, rows))])


def _classifier(estimator: str, rows: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression

    if estimator == "boosting" or (estimator == "default" and rows >= BOOSTING_ROWS):
        return HistGradientBoostingClassifier(max_iter=100, learning_rate=0.08, max_leaf_nodes=15, random_state=SEED)
    return LogisticRegression(max_iter=2000, random_state=SEED)
