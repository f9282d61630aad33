"""The compiled reference per version: read once, renewed with its hash, None where there is none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from models_registry.models import ReferenceProfile
from models_registry.profiles import build_profile, sha256_of
from review.novelties import novelty_for
from tests.conftest import CONTRACT, Cast

RECORD = {"amount": 12.5, "age": 41, "country": "DE"}


def profile_of(version: Any, *, seed: int = 0) -> ReferenceProfile:
    rng = np.random.default_rng(seed)
    columns = {"amount": rng.uniform(0, 30, 500), "age": rng.uniform(20, 60, 500), "country": ["DE", "FR"] * 250}
    document = build_profile(CONTRACT, columns)
    return ReferenceProfile.objects.create(version=version, document=document, rows=500, sha256=sha256_of(document))


def test_a_version_with_a_profile_judges_and_one_without_does_not(cast: Cast):
    profile_of(cast.version)
    other = cast.other_model.champion
    found = novelty_for([cast.version.pk, other.pk, cast.version.pk])
    assert found.keys() == {cast.version.pk, other.pk}
    assert found[other.pk] is None
    judge = found[cast.version.pk]
    assert judge is not None
    scores, names = judge.novelty_of([RECORD, {**RECORD, "country": "NL", "amount": 9000.0}])
    assert scores[0] < 0.6
    assert scores[1] > 0.99
    assert set(names[1]) == {"country", "amount"}


def test_a_document_is_read_once(cast: Cast, django_assert_num_queries: Any):
    profile_of(cast.version)
    first = novelty_for([cast.version.pk])
    with django_assert_num_queries(1):
        assert novelty_for([cast.version.pk])[cast.version.pk] is first[cast.version.pk]


def test_another_document_under_the_same_version_is_seen(cast: Cast):
    stored = profile_of(cast.version)
    before = novelty_for([cast.version.pk])[cast.version.pk]
    stored.delete()
    profile_of(cast.version, seed=1)
    assert novelty_for([cast.version.pk])[cast.version.pk] is not before


@pytest.mark.django_db
def test_nobody_asked_about_is_nobody_answered_for():
    assert novelty_for([]) == {}
