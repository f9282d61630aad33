"""Model files: `.skops` bytes into a fitted classifier, and back. Runs in the limited child process only.

Order matters: the archive's outside, then its schema, then every type it names, only then skops, and
before anything predicts the structure of every tree. scikit-learn and skops are imported inside functions.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np

from models_registry.archives import MAX_UNPACKED_BYTES, check_archive, read_schema
from models_registry.errors import Invalid, ReviewHubError
from models_registry.frames import as_class
from models_registry.trees import check_structure, parts
from models_registry.trusted import saved_with, trusted_types

__all__ = ["check_archive", "class_mapping", "dump", "environment", "load", "loaded", "predict_scores"]

KEPT_MODELS = 4
SUM_TOLERANCE = 1e-6

_kept: OrderedDict[str, Any] = OrderedDict()


def load(artifact: bytes) -> Any:
    """The estimator of a model file, with parallelism, caches and file access taken out of it.

    Raises Invalid with code ``unsupported_format``, ``untrusted_type`` or ``invalid_model``, TooLarge.
    """
    import skops.io

    check_archive(artifact, max_bytes=MAX_UNPACKED_BYTES)
    trusted = trusted_types(read_schema(artifact))
    try:
        estimator = skops.io.loads(artifact, trusted=trusted)
        check_structure(estimator)
    except (ReviewHubError, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001 - a crafted file can raise anything here
        raise Invalid(f"the model cannot be rebuilt from the file: {_sentence(error)}", code="invalid_model")
    return _tamed(estimator)


def loaded(artifact: bytes) -> Any:
    """`load`, remembering the last few models of this process by the hash of their bytes."""
    key = hashlib.sha256(artifact).hexdigest()
    if key not in _kept:
        _kept[key] = load(artifact)
        while len(_kept) > KEPT_MODELS:
            _kept.popitem(last=False)
    _kept.move_to_end(key)
    return _kept[key]


def dump(estimator: Any) -> bytes:
    """The estimator as `.skops` bytes; raises as `load` does if they could not be loaded again."""
    import skops.io

    content: bytes = skops.io.dumps(estimator)
    load(content)
    return content


def environment(artifact: bytes) -> dict[str, Any]:
    """What the file was written with and what it runs with here."""
    import sklearn
    import skops

    wrote = saved_with(read_schema(artifact))
    here = {"scikit-learn": sklearn.__version__, "skops": skops.__version__, "numpy": np.__version__}
    same = wrote.get("scikit-learn", "").split(".")[:2] == sklearn.__version__.split(".")[:2]
    return {"saved_with": wrote, "runs_with": here, "same_scikit_learn": same}


def class_mapping(estimator: Any, classes: Sequence[str]) -> list[int]:
    """For each registered class its column of ``predict_proba``.

    Numbers and flags match the class that is written like them. Raises Invalid (``invalid_model``) for
    a model without ``predict_proba`` or with other classes.
    """
    if not callable(getattr(estimator, "predict_proba", None)):
        raise Invalid(f"{type(estimator).__name__} has no predict_proba, so it gives no scores", code="invalid_model")
    own = getattr(estimator, "classes_", None)
    if own is None:
        raise Invalid(f"{type(estimator).__name__} is not fitted: it has no classes", code="invalid_model")
    meant = [as_class(value, classes) for value in np.asarray(own).tolist()]
    if None in meant or sorted(map(str, meant)) != sorted(classes):
        written = ", ".join(str(value)[:40] for value in np.asarray(own).tolist()[:20])
        message = f"the model's classes ({written}) are not those registered ({', '.join(classes)})"
        raise Invalid(message, code="invalid_model")
    return [meant.index(name) for name in classes]


def predict_scores(estimator: Any, prepared: Any, classes: Sequence[str]) -> Any:
    """Scores (rows, classes) in the registered order, from what `frames.fitted_inputs` prepared.

    Raises Invalid (``invalid_model``) where the model fails or gives no probabilities.
    """
    order = class_mapping(estimator, classes)
    try:
        scores = np.asarray(estimator.predict_proba(prepared), dtype=np.float64)
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - estimators raise what they like
        raise Invalid(f"the model cannot score rows of this contract: {_sentence(error)}", code="invalid_model")
    if scores.shape != (len(prepared), len(classes)):
        raise Invalid(f"the model gave scores of shape {scores.shape}", code="invalid_model")
    summing = np.abs(scores.sum(axis=1) - 1) <= SUM_TOLERANCE
    if not (np.isfinite(scores).all() and (scores >= 0).all() and summing.all()):
        raise Invalid("the model's scores are not probabilities that sum to 1", code="invalid_model")
    return scores[:, order]


def _tamed(estimator: Any) -> Any:
    """Take out what reaches beyond the data: threads, a cache folder (it would hold pickles), file names."""
    for part in parts(estimator):
        own = getattr(part, "__dict__", {})
        for name, value in (("n_jobs", None), ("memory", None), ("verbose", 0)):
            if name in own:
                setattr(part, name, value)
        if own.get("input", "content") != "content":
            message = f"{type(part).__name__} would read files; only input='content' is accepted"
            raise Invalid(message, code="invalid_model")
    return estimator


def _sentence(error: Exception) -> str:
    text = " ".join(str(error).split())[:300]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
