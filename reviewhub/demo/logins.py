"""The demo's people. Their passwords are random, made on first run and kept in the home folder."""

from __future__ import annotations

import json
import os
import secrets

from django.conf import settings

NAMES = ("owner", "lead", "reviewer", "analyst")


def all() -> dict[str, str]:  # noqa: A001  reads as logins.all()
    """Name to password, made on the first call."""
    path = settings.HOME / "demo-logins.json"
    if not path.exists():
        made = {name: f"{name}-{secrets.token_urlsafe(6)}" for name in NAMES}
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(made, file)
    stored: dict[str, str] = json.loads(path.read_text())
    return stored
