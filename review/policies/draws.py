"""The one uniform number of a prediction under a policy."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

DRAW_BITS = 53


def draw(secret: bytes, model_slug: str, external_id: str, policy_number: int) -> float:
    """The one uniform number in [0, 1) of a prediction under a policy: 53 bits of a keyed hash.

    Nobody without the key can tell it beforehand, and sending again changes nothing. Number 0 stands for
    no policy.

    >>> draw(b"k", "loans", "a-1", 1) == draw(b"k", "loans", "a-1", 1)
    True
    """
    # No text that reaches ReviewHub holds a NUL, so the parts cannot run into each other.
    message = f"{model_slug}\0{external_id}\0{policy_number}".encode()
    digest = hashlib.blake2b(message, key=secret, digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> (64 - DRAW_BITS)) * 2.0**-DRAW_BITS


def draws(secret: bytes, model_slug: str, external_ids: Iterable[str], policy_number: int) -> NDArray[np.float64]:
    """``draw`` of many predictions of a model, in their order."""
    found = (draw(secret, model_slug, external_id, policy_number) for external_id in external_ids)
    return np.fromiter(found, dtype=np.float64)


def arm_draw(secret: bytes, model_slug: str, external_id: str, policy_number: int, arm: str) -> float:
    """A further uniform number of a prediction, independent of the first: whether it falls into a random arm.

    >>> arms = [arm_draw(b"k", "loans", "a-1", 1, arm) for arm in ("overlap", "gold", "blind 1", "blind 2")]
    >>> len({*arms, draw(b"k", "loans", "a-1", 1)})
    5
    """
    return draw(secret, model_slug, f"{external_id}\0{arm}", policy_number)
