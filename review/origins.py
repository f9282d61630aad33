"""Which contract feature each column came from after a scikit-learn transformer. Pure; used in the child.

One-hot columns, indicators, bins, selected and scaled columns lead back to one feature. Where a column
mixes several features (PCA, products) there is no answer and `OriginError` is raised.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


class OriginError(Exception):
    """A transformed column has no single feature it came from."""


def origins(transformer: Any, inputs: Sequence[int]) -> list[int]:
    """For each output column of a fitted transformer the feature it came from.

    ``inputs`` holds, per input column, the position of its feature in the contract; the result does the
    same for the output columns.
    """
    kind = type(transformer).__name__
    if transformer is None or transformer == "passthrough":
        return list(inputs)
    if kind == "Pipeline":
        for _, step in transformer.steps:
            inputs = origins(step, inputs)
        return list(inputs)
    if kind == "ColumnTransformer":
        return _of_columns(transformer, inputs)
    if kind == "FeatureUnion":
        return [one for _, part in transformer.transformer_list if part != "drop" for one in origins(part, inputs)]
    if kind == "OneHotEncoder":
        return _of_categories(transformer, inputs)
    if kind == "FunctionTransformer":
        # A ufunc works on each value alone; anything else may mix columns.
        if transformer.func is None or isinstance(transformer.func, np.ufunc):
            return list(inputs)
        raise OriginError(kind)
    if callable(getattr(transformer, "get_support", None)):
        return [one for one, kept in zip(inputs, transformer.get_support(), strict=True) if kept]
    return _of_names(transformer, inputs)


def _of_columns(transformer: Any, inputs: Sequence[int]) -> list[int]:
    places = [(transformer.output_indices_[name], name) for name, _, _ in transformer.transformers_]
    width = max((place.stop for place, _ in places), default=0)
    found = [-1] * width
    for name, part, columns in transformer.transformers_:
        place = transformer.output_indices_[name]
        size = place.stop - place.start
        if size == 0:
            continue
        chosen = [inputs[position] for position in _positions(transformer, columns)]
        # A transformer of one column cannot mix features, whatever it makes of it.
        found[place] = [chosen[0]] * size if len(set(chosen)) == 1 else origins(part, chosen)
        if len(found) != width:
            raise OriginError(name)
    if -1 in found:
        raise OriginError("a column of nobody")
    return found


def _positions(transformer: Any, columns: Any) -> list[int]:
    total = transformer.n_features_in_
    if isinstance(columns, slice) and not isinstance(columns.start or columns.stop, str):
        return list(range(total))[columns]
    names = [columns] if isinstance(columns, str | int | np.integer) else list(columns)
    if names and all(isinstance(name, str) for name in names):
        known = list(transformer.feature_names_in_)
        return [known.index(name) for name in names]
    if names and all(isinstance(name, bool | np.bool_) for name in names):
        return [position for position, kept in enumerate(names) if kept]
    return [int(name) for name in names]


def _of_categories(encoder: Any, inputs: Sequence[int]) -> list[int]:
    found: list[int] = []
    infrequent = getattr(encoder, "infrequent_categories_", None) or [None] * len(inputs)
    dropped = encoder.drop_idx_ if encoder.drop_idx_ is not None else [None] * len(inputs)
    for one, categories, rare, drop in zip(inputs, encoder.categories_, infrequent, dropped, strict=True):
        # Rare categories share one column; a dropped category has none.
        count = len(categories) - (len(rare) - 1 if rare is not None else 0) - (drop is not None)
        found += [one] * count
    if len(found) != len(encoder.get_feature_names_out()):
        raise OriginError("OneHotEncoder")
    return found


def _of_names(transformer: Any, inputs: Sequence[int]) -> list[int]:
    """By the transformer's own names for its columns: the same names, or names that begin with an input's."""
    known = getattr(transformer, "feature_names_in_", None)
    names = [f"column{i};" for i in range(len(inputs))] if known is None else [str(name) for name in known]
    if not callable(getattr(transformer, "get_feature_names_out", None)) or len(names) != len(inputs):
        raise OriginError(type(transformer).__name__)
    try:
        made = [str(name) for name in transformer.get_feature_names_out(np.asarray(names, dtype=object))]
    except TypeError:
        # Vectorisers of text name their words, and take one column.
        made = [str(name) for name in transformer.get_feature_names_out()]
    if len(set(inputs)) == 1:
        return [inputs[0]] * len(made)
    return [inputs[_source(name, names)] for name in made]


def _source(name: str, inputs: Sequence[str]) -> int:
    bare = name.removeprefix("missingindicator_")
    exact = [i for i, known in enumerate(inputs) if known == bare]
    begun = exact or [i for i, known in enumerate(inputs) if bare.startswith(f"{known}_")]
    # "a_b_c" may be of "a" or of "a_b"; a product such as "a b" is of both.
    if len(begun) != 1 or (not exact and " " in bare and any(f" {known}" in bare for known in inputs)):
        raise OriginError(name)
    return begun[0]
