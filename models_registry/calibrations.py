"""How often a version's answers came true: kept here, counted by whoever knows what is true."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from models_registry.models import Calibration, DatabaseNow, ModelVersion


def set_calibration(*, version: ModelVersion, bins: Sequence[dict[str, Any]], rows: int) -> None:
    """Replace what is kept of a version as a whole.

    ``bins`` are ``{"label", "low", "high", "n", "k", …}`` as `Calibration` says, ``rows`` the known cases they were
    counted from.
    """
    values = {"bins": list(bins), "rows": rows, "computed_at": DatabaseNow()}
    Calibration.objects.update_or_create(version=version, defaults=values)
