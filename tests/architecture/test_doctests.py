"""The examples in docstrings are run: an example that is wrong is worse than none."""

from __future__ import annotations

import doctest
import importlib

import pytest

from tests.architecture.test_sizes import APPS, ROOT, python_files

WITH_EXAMPLES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in python_files(*APPS)
    if ">>> " in path.read_text()
)


def test_the_estimators_and_the_sampler_have_examples():
    assert {"feedback.estimators.intervals", "feedback.weights", "feedback.delays.arrival", "review.sampling"} <= set(
        WITH_EXAMPLES
    )


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_every_example_gives_what_it_says(name: str):
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.attempted > 0
    assert result.failed == 0
