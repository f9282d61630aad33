"""SHAP attributions of a scikit-learn classifier over its contract features. Runs in the child process.

The only module that imports shap. Explainers are tried from the most exact to the most general: trees,
linear models, then permutations of the contract features through ``predict_proba``. A row's result
counts only when base value and contributions sum to the model's own output, which is checked here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from models_registry import frames, model_files, reference
from models_registry.errors import Unprocessable
from review.flips import flips
from review.origins import OriginError, origins

TOLERANCE = 1e-6
BACKGROUND_ROWS = 100
PERMUTATION_BACKGROUND_ROWS = 50
# Rows scored for one permutation explanation, which bounds its time.
PERMUTATION_SCORED_ROWS = 20_000
MOST_PERMUTATIONS = 10
LEAST_BACKGROUND_ROWS = 2
SEED = 20_260
_NO_BACKGROUND = "there are no rows to compare with; register the version with reference rows"

# Their leaves hold probabilities, so the raw output is one.
_PROBABILITY_TREES = {
    "RandomForestClassifier", "ExtraTreesClassifier", "DecisionTreeClassifier", "ExtraTreeClassifier",
}  # fmt: skip
# Boosted trees add up margins. shap's exact probability form keeps thresholds as float32, as do
# scikit-learn's classic trees; histogram boosting compares in float64, so there only the margin is exact.
_MARGIN_TREES = {"HistGradientBoostingClassifier", "GradientBoostingClassifier"}

_kept: dict[str, Explainer] = {}


@dataclass(frozen=True)
class Attribution:
    """For some rows, every class: ``base`` (rows, classes), ``values`` (rows, contract features, classes)."""

    base: Any
    values: Any
    space: str
    explainer: str


# A way to explain: from a frame of rows to their Attribution; raises what it cannot do.
Method = Callable[[Any], Attribution]
# From a frame of rows to the matrix that the final estimator is given.
Prepare = Callable[[Any], Any]


def explain(
    *,
    artifact: bytes,
    contract: dict[str, Any],
    classes: list[str],
    rows: list[dict[str, Any]],
    labels: list[str],
    reference_rows: bytes | None = None,
    background: list[dict[str, Any]] | None = None,
    ranges: dict[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """One explanation per row, of the class in ``labels``.

    Each has ``base_value``, ``contributions`` (``[{"feature", "value", "contribution"}]``, largest first),
    ``output`` (what they sum to), ``space``, ``explainer`` and ``probability`` (the artifact's score of that
    class), or only ``reason`` where no explainer could do it. In space ``probability`` the output is that
    score; in ``margin`` it is the log-odds of the class (binary) or its softmax logit. ``contrast`` says the same of
    the class less the runner-up, ``flips`` what would turn the answer (`review.flips`) within ``ranges``; both None
    where they cannot be had. ``background`` stands in for ``reference_rows`` where a version was registered without.
    """
    key = hashlib.sha256(artifact).hexdigest() + hashlib.sha256(reference_rows or b"").hexdigest()
    if key not in _kept:
        compared = background or []
        if reference_rows is not None:
            compared = reference.read(reference_rows, contract, classes).rows
        _kept.clear()
        _kept[key] = Explainer(model_files.loaded(artifact), contract, classes, compared)
    return _kept[key].explain(rows, labels, ranges)


class Explainer:
    """The explainers of one model, each built when first needed and then kept."""

    def __init__(
        self, estimator: Any, contract: dict[str, Any], classes: Sequence[str], background: Sequence[dict[str, Any]]
    ) -> None:
        self.estimator = estimator
        self.contract = contract
        self.classes = list(classes)
        self.names = [feature["name"] for feature in contract["features"]]
        self.order = model_files.class_mapping(estimator, classes)
        self.background = frames.frame(_sample(background, BACKGROUND_ROWS), contract)
        self._built: list[Method | None] = []
        self._reasons: list[str] = []

    def explain(
        self, rows: list[dict[str, Any]], labels: list[str], ranges: dict[str, Any] | None = None
    ) -> list[dict[str, Any]]:
        """See the module's `explain`."""
        table = frames.frame(rows, self.contract)
        scores = self._scores(table)
        wanted = [self.classes.index(label) for label in labels]
        found = self._attributed(table, scores, wanted)
        turning = self._flips(rows, scores, wanted, found, ranges)
        return [
            self._finished(found.get(i), row) | ({"flips": turning.get(i)} if i in found else {})
            for i, row in enumerate(rows)
        ]

    def _attributed(self, table: Any, scores: Any, wanted: list[int]) -> dict[int, dict[str, Any]]:
        """The explanation of each row by number, by the most exact method that fits it; none where none does."""
        margins = self._margins(table, scores)
        found: dict[int, dict[str, Any]] = {}
        for method in self._usable():
            left = [i for i in range(len(wanted)) if i not in found]
            if not left:
                break
            try:
                result = method(table.iloc[left].reset_index(drop=True))
            except MemoryError:
                raise
            except Exception as error:  # noqa: BLE001 - shap raises what it likes; the next explainer may do
                self._note(error)
                continue
            outputs = scores if result.space == "probability" else margins
            for place, i in enumerate(left):
                one = self._checked(result, place, wanted[i], None if outputs is None else outputs[i])
                if one is not None:
                    contrast = self._contrast(result, place, wanted[i], scores[i], outputs[i])
                    found[i] = {**one, "probability": float(scores[i, wanted[i]]), "contrast": contrast}
        return found

    def _flips(
        self, rows: list[dict[str, Any]], scores: Any, wanted: list[int], found: dict[int, Any], ranges: Any
    ) -> dict[int, Any]:
        """What would turn each answer, of rows that were explained and that the model answers as they say."""
        able = [i for i in found if ranges and int(np.argmax(scores[i])) == wanted[i]]
        order = [[self.names[j] for j in _largest_first(found[i]["values"])] for i in able]
        try:
            sought = flips(
                rows=[rows[i] for i in able], answers=[wanted[i] for i in able], order=order, contract=self.contract,
                classes=self.classes, ranges=ranges or {}, score=self._scores,
            )  # fmt: skip
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 - a model may fail on rows it never saw; the attributions stand
            self._note(error)
            return {}
        return dict(zip(able, sought, strict=True))

    def _usable(self) -> Iterator[Method]:
        """The methods that can be built, most exact first; each is built when first reached, then kept."""
        for number, build in enumerate((self._classic_trees, self._trees, self._linear, self._permutation)):
            if number == len(self._built):
                try:
                    self._built.append(build())
                except MemoryError:
                    raise
                except Exception as error:  # noqa: BLE001 - as above
                    self._note(error)
                    self._built.append(None)
            method = self._built[number]
            if method is not None:
                yield method

    def _classic_trees(self) -> Method | None:
        """Gradient boosting of two classes in probability space, against the background rows."""
        prepare, final, owners = self._split()
        if type(final).__name__ != "GradientBoostingClassifier" or len(self.classes) != 2 or not self._comparable():
            return None
        return self._tree_method(prepare, final, owners, "probability", data=prepare(self.background))

    def _trees(self) -> Method | None:
        """Tree ensembles by the samples that went down each branch in training; needs no background."""
        prepare, final, owners = self._split()
        kind = type(final).__name__
        if kind not in _PROBABILITY_TREES | _MARGIN_TREES:
            return None
        return self._tree_method(prepare, final, owners, "probability" if kind in _PROBABILITY_TREES else "margin")

    def _tree_method(self, prepare: Prepare, final: Any, owners: list[int], space: str, data: Any = None) -> Method:
        import shap

        how = {"feature_perturbation": "tree_path_dependent"}
        if data is not None:
            how = {"feature_perturbation": "interventional", "model_output": "probability", "data": data}
        explainer = shap.TreeExplainer(final, **how)

        def method(table: Any) -> Attribution:
            values = explainer.shap_values(prepare(table), check_additivity=False)
            return self._folded(explainer.expected_value, values, owners, space, "tree")

        return method

    def _linear(self) -> Method | None:
        """Linear margins, each feature against its mean over the background rows."""
        prepare, final, owners = self._split()
        if not hasattr(final, "coef_") or not hasattr(final, "decision_function"):
            return None
        if not self._comparable():
            raise Unprocessable(_NO_BACKGROUND)
        import shap

        coefficients, intercept = np.asarray(final.coef_, dtype=np.float64), np.atleast_1d(final.intercept_)
        one = coefficients.shape[0] == 1
        compared = prepare(self.background)
        masker = shap.maskers.Independent(compared, max_samples=len(compared))
        model = (coefficients[0], float(intercept[0])) if one else (coefficients, intercept)
        explainer = shap.LinearExplainer(model, masker)

        def method(table: Any) -> Attribution:
            values = explainer.shap_values(prepare(table))
            return self._folded(explainer.expected_value, values, owners, "margin", "linear")

        return method

    def _permutation(self) -> Method | None:
        """Any model: permutations of the contract features themselves, through ``predict_proba``."""
        if not self._comparable():
            raise Unprocessable(_NO_BACKGROUND)
        import shap

        compared = self.background.iloc[:PERMUTATION_BACKGROUND_ROWS]
        count, width = len(compared), len(self.names)
        rounds = PERMUTATION_SCORED_ROWS // ((2 * width + 1) * count)
        evaluations = min(max(rounds, 1), MOST_PERMUTATIONS) * (2 * width + 1)
        # shap moves numbers about; here a number is the row whose value a feature takes, so any type will do.
        masker = shap.maskers.Independent(np.repeat(np.arange(count)[:, None], width, axis=1), max_samples=count)

        def method(table: Any) -> Attribution:
            bases, contributions = [], []
            for i in range(len(table)):
                pool = _stacked(compared, table.iloc[[i]])
                score = partial(self._score_mixture, pool)
                explainer = shap.PermutationExplainer(score, masker, seed=SEED)
                result = explainer(np.full((1, width), count), max_evals=evaluations, silent=True)
                bases.append(np.asarray(result.base_values).reshape(-1))
                contributions.append(np.asarray(result.values)[0])
            return Attribution(np.stack(bases), np.stack(contributions), "probability", "permutation")

        return method

    def _score_mixture(self, pool: Any, sources: Any) -> Any:
        """Scores of rows whose feature j is that of the pool's row ``sources[:, j]``."""
        import pandas

        chosen = np.asarray(sources).astype(np.int64)
        mixed = {name: pool[name].take(chosen[:, j]).reset_index(drop=True) for j, name in enumerate(self.names)}
        table = pandas.DataFrame(mixed)
        return self._scores(table)[:, np.argsort(self.order)]

    def _split(self) -> tuple[Prepare, Any, list[int]]:
        """What comes before the final estimator, the estimator, and whose feature each of its columns is."""
        steps, final = [], self.estimator
        while type(final).__name__ == "Pipeline":
            steps += [step for _, step in final.steps[:-1] if step is not None and step != "passthrough"]
            final = final.steps[-1][1]
        names = getattr(self.estimator, "feature_names_in_", self.names)
        owners = [self.names.index(str(name)) for name in names]
        for step in steps:
            owners = origins(step, owners)
        classic = type(final).__name__ in _PROBABILITY_TREES | {"GradientBoostingClassifier"}

        def prepare(table: Any) -> Any:
            prepared = self._inputs(table)
            for step in steps:
                prepared = step.transform(prepared)
            dense = prepared.toarray() if hasattr(prepared, "toarray") else np.asarray(prepared)
            # Classic trees compare in float32: shap must see what they see.
            return dense.astype(np.float32).astype(np.float64) if classic else dense.astype(np.float64)

        return prepare, final, owners

    def _folded(self, base: Any, values: Any, owners: list[int], space: str, explainer: str) -> Attribution:
        """shap's arrays as (rows, contract features, classes): one column per class, encoded columns added up."""
        values, base = np.asarray(values, dtype=np.float64), np.asarray(base, dtype=np.float64).reshape(-1)
        if values.ndim == 3 and values.shape[2] == 1:
            values = values[:, :, 0]
        if values.ndim == 2:
            # Two classes: shap speaks of the second; the first is its mirror image.
            values = np.stack([-values, values], axis=2)
            base = np.array([1 - base[-1] if space == "probability" else -base[-1], base[-1]])
        if values.shape[1] != len(owners):
            raise OriginError(f"{values.shape[1]} columns, {len(owners)} of known origin")
        folded = np.zeros((len(values), len(self.names), values.shape[2]))
        for place, owner in enumerate(owners):
            folded[:, owner] += values[:, place]
        return Attribution(np.tile(base, (len(values), 1)), folded, space, explainer)

    def _checked(self, result: Attribution, place: int, label: int, outputs: Any) -> dict[str, Any] | None:
        """The explanation of one row and class, or None where it does not sum to the model's own output."""
        column = self.order[label]
        base, values = float(result.base[place, column]), result.values[place, :, column]
        if outputs is None or not abs(base + float(values.sum()) - outputs[label]) <= TOLERANCE:
            return None
        return {
            "base_value": base,
            "values": values.tolist(),
            "output": float(outputs[label]),
            "space": result.space,
            "explainer": result.explainer,
        }

    def _contrast(
        self, result: Attribution, place: int, label: int, scores: Any, outputs: Any
    ) -> dict[str, Any] | None:
        """Why the class rather than the runner-up, as the difference of both; None where that does not sum up."""
        against = max((k for k in range(len(self.classes)) if k != label), key=lambda k: scores[k])
        one, other = self.order[label], self.order[against]
        base = float(result.base[place, one] - result.base[place, other])
        values = result.values[place, :, one] - result.values[place, :, other]
        output = float(outputs[label] - outputs[against])
        if not abs(base + float(values.sum()) - output) <= TOLERANCE:
            return None
        return {"against": self.classes[against], "base_value": base, "output": output, "values": values.tolist()}

    def _finished(self, found: dict[str, Any] | None, row: dict[str, Any]) -> dict[str, Any]:
        if found is None:
            tried = "; ".join(self._reasons) or "the attributions did not sum to the model's output"
            return {"reason": f"no explainer fits this model: {tried}"}
        contrast = found["contrast"]
        return self._named(found, row) | {"contrast": None if contrast is None else self._named(contrast, row)}

    def _named(self, found: dict[str, Any], row: dict[str, Any]) -> dict[str, Any]:
        values = found["values"]
        named = [
            {"feature": self.names[j], "value": row.get(self.names[j]), "contribution": values[j]}
            for j in _largest_first(values)
        ]
        return {name: value for name, value in found.items() if name != "values"} | {"contributions": named}

    def _margins(self, table: Any, scores: Any) -> Any:
        """Margins (rows, classes) whose sigmoid or softmax is the score; None where the model has no such."""
        if not callable(getattr(self.estimator, "decision_function", None)):
            return None
        margins = np.asarray(self.estimator.decision_function(self._inputs(table)), dtype=np.float64)
        if margins.ndim == 1 and len(self.classes) == 2:
            margins = np.stack([-margins, margins], axis=1)
            implied = 1 / (1 + np.exp(-margins))
        else:
            powers = np.exp(margins - margins.max(axis=1, keepdims=True))
            implied = powers / powers.sum(axis=1, keepdims=True)
        if margins.shape != scores.shape or not np.allclose(implied[:, self.order], scores, rtol=0, atol=TOLERANCE):
            return None
        return margins[:, self.order]

    def _scores(self, table: Any) -> Any:
        return model_files.predict_scores(self.estimator, self._inputs(table), self.classes)

    def _inputs(self, table: Any) -> Any:
        return frames.fitted_inputs(self.estimator, table)

    def _comparable(self) -> bool:
        return len(self.background) >= LEAST_BACKGROUND_ROWS

    def _note(self, error: Exception) -> None:
        text = f"{type(error).__name__}: {' '.join(str(error).split())[:150]}"
        if text not in self._reasons:
            self._reasons.append(text)


def _largest_first(values: Sequence[float]) -> list[int]:
    return sorted(range(len(values)), key=lambda j: (-abs(values[j]), j))


def _sample(rows: Sequence[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """Up to ``count`` rows, always the same ones of the same rows."""
    if len(rows) <= count:
        return list(rows)
    chosen = np.random.default_rng(SEED).choice(len(rows), size=count, replace=False)
    return [rows[i] for i in sorted(chosen)]


def _stacked(background: Any, row: Any) -> Any:
    import pandas

    return pandas.concat([background, row], ignore_index=True)
