"""The structure of what a model file made: trees and index arrays whose numbers are used as addresses.

scikit-learn follows child, feature and row indices without bounds checks, so a wrong one reads foreign
memory or ends the process. Every index is checked here before anything predicts. Imports numpy only;
objects are told by their class names, so this module needs no scikit-learn.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from models_registry.errors import Invalid

_LEAF = -1


def check_structure(estimator: Any) -> None:
    """Raise Invalid (``invalid_model``) unless every tree and index below the estimator holds together."""
    for part in parts(estimator):
        check = _CHECKS.get(type(part).__name__)
        if check is not None:
            check(part)
        if hasattr(part, "tree_"):
            _same_width(part, part.tree_.n_features)
        if type(part).__name__ in ("RandomForestClassifier", "ExtraTreesClassifier", "GradientBoostingClassifier"):
            for tree in np.asarray(getattr(part, "estimators_", []), dtype=object).ravel():
                _same_width(tree, part.n_features_in_)
        if type(part).__name__ == "HistGradientBoostingClassifier":
            _check_boosting(part)


def parts(estimator: Any) -> Iterator[Any]:
    """The estimator and every object inside it, each once."""
    seen: set[int] = set()
    waiting = [estimator]
    while waiting:
        value = waiting.pop()
        if id(value) in seen or isinstance(value, (str, bytes, int, float, type, type(None))):
            continue
        seen.add(id(value))
        if isinstance(value, dict):
            waiting.extend(value.values())
        elif isinstance(value, (list, tuple, set)):
            waiting.extend(value)
        elif isinstance(value, np.ndarray):
            if value.dtype.hasobject:
                waiting.extend(value.ravel().tolist())
        else:
            yield value
            waiting.extend(getattr(value, "__dict__", {}).values())


def _require(holds: Any, what: str) -> None:
    if not bool(holds):
        raise Invalid(f"a tree of the model is damaged: {what}", code="invalid_model")


def _same_width(part: Any, width: int) -> None:
    _require(getattr(part, "n_features_in_", None) == width, "it uses another number of features than its model")


def _check_children(left: Any, right: Any, inner: Any, count: int) -> None:
    """Every node but the root is the child of exactly one node before it: in range, no cycle, all reachable."""
    places = np.flatnonzero(inner)
    children = np.concatenate([left[inner], right[inner]]).astype(np.int64)
    _require(np.all((children > 0) & (children < count)), "a child index is out of range")
    _require(np.all(children > np.concatenate([places, places])), "its nodes form a cycle")
    _require(np.array_equal(np.sort(children), np.arange(1, count)), "a node has no parent or several")


def _check_tree(tree: Any) -> None:
    """A `sklearn.tree._tree.Tree`: parallel arrays, -1 as both children of a leaf."""
    state = tree.__getstate__()
    left, right, count = state["nodes"]["left_child"], state["nodes"]["right_child"], int(tree.node_count)
    _require(count >= 1 and len(state["nodes"]) == len(state["values"]) == count, "the number of nodes differs")
    inner = left != _LEAF
    _require(np.all((right != _LEAF) == inner), "a node has one child")
    _check_children(left, right, inner, count)
    feature, threshold = state["nodes"]["feature"][inner], state["nodes"]["threshold"][inner]
    _require(np.all((feature >= 0) & (feature < tree.n_features)), "a feature index is out of range")
    _require(not np.isnan(threshold).any(), "a threshold is not a number")
    _require(np.isfinite(state["values"]).all(), "a value is not a number")


def _check_predictor(predictor: Any) -> None:
    """A histogram boosting `TreePredictor`: nodes in preorder, with bit sets for categorical splits."""
    nodes = getattr(predictor, "nodes", None)
    if not isinstance(nodes, np.ndarray) or nodes.dtype.names is None or "feature_idx" not in nodes.dtype.names:
        raise Invalid("a tree of the model is damaged: it has no nodes", code="invalid_model")
    _require(nodes.ndim == 1 and len(nodes) >= 1, "it has no nodes")
    inner = nodes["is_leaf"] == 0
    _check_children(nodes["left"], nodes["right"], inner, len(nodes))
    _require(np.isfinite(nodes["value"]).all(), "a value is not a number")
    categorical = inner & (nodes["is_categorical"] != 0)
    _require(not np.isnan(nodes["num_threshold"][inner & ~categorical]).any(), "a threshold is not a number")
    for name in ("raw_left_cat_bitsets", "binned_left_cat_bitsets"):
        bits: Any = getattr(predictor, name, None)
        fits = isinstance(bits, np.ndarray) and bits.ndim == 2 and bits.shape[1] == 8 and bits.dtype == np.uint32
        _require(fits, "its categories are not bit sets")
        _require(np.all(nodes["bitset_idx"][categorical] < len(bits)), "a category index is out of range")


def _check_boosting(model: Any) -> None:
    """Every predictor of a histogram boosting model against the model's own width and number of outputs."""
    rounds = getattr(model, "_predictors", [])
    outputs = getattr(model, "n_trees_per_iteration_", 0)
    width = getattr(model, "_n_features", 0)
    _require(width == getattr(model, "n_features_in_", 0), "it uses another number of features than its model")
    for trees in rounds:
        _require(len(trees) == outputs, "a round has another number of trees than the model has outputs")
        for tree in trees:
            inner = tree.nodes["is_leaf"] == 0
            _require(np.all(tree.nodes["feature_idx"][inner] >= 0), "a feature index is out of range")
            _require(np.all(tree.nodes["feature_idx"][inner] < width), "a feature index is out of range")


def _check_neighbours(tree: Any) -> None:
    """A KDTree or BallTree: row order is a permutation, node ranges lie within the rows."""
    data, order, nodes, _ = tree.get_arrays()
    rows = len(data)
    _require(np.array_equal(np.sort(order), np.arange(rows)), "its rows are not a permutation")
    start, end = nodes["idx_start"], nodes["idx_end"]
    _require(np.all((start >= 0) & (start <= end) & (end <= rows)), "a range of rows is out of bounds")


def _check_sparse(matrix: Any) -> None:
    try:
        matrix.check_format(full_check=True)
    except ValueError as error:
        raise Invalid(f"a sparse matrix of the model is damaged: {error}", code="invalid_model")


_CHECKS = {
    "Tree": _check_tree,
    "TreePredictor": _check_predictor,
    "KDTree": _check_neighbours,
    "BallTree": _check_neighbours,
    "csr_matrix": _check_sparse,
    "csr_array": _check_sparse,
    "csc_matrix": _check_sparse,
    "csc_array": _check_sparse,
}
