"""The compiled reference of each version, by which routing judges how unlike its training data a record is."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from models_registry.models import ReferenceProfile
from models_registry.novelty import Novelty, compile_novelty


def novelty_for(version_ids: Iterable[int]) -> dict[int, Novelty | None]:
    """Per version its `Novelty`, None where it has no reference rows, so that a condition on it is unknown.

    One query; documents are read once for each worker process, a hash that is not known yet.
    """
    wanted = set(version_ids)
    hashes = ReferenceProfile.objects.filter(version_id__in=wanted).values_list("version_id", "sha256")
    found = {version_id: _compiled(version_id, sha256) for version_id, sha256 in hashes}
    return {version_id: found.get(version_id) for version_id in wanted}


@lru_cache(maxsize=128)
def _compiled(version_id: int, sha256: str) -> Novelty | None:
    profile = ReferenceProfile.objects.select_related("version__contract").get(version_id=version_id, sha256=sha256)
    return compile_novelty(profile.document, profile.version.contract.document)
