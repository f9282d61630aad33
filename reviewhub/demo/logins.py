"""The demo's people. Their passwords are random, made on first run and kept in the home folder."""

from __future__ import annotations

import json
import secrets

from django.conf import settings

from reviewhub import embedded

NAMES = ("owner", "lead", "reviewer", "analyst")


def all() -> dict[str, str]:  # noqa: A001  reads as logins.all()
    """Name to password, made on the first call."""
    path = settings.HOME / "demo-logins.json"
    if not path.exists():
        made = {name: f"{name}-{secrets.token_urlsafe(6)}" for name in NAMES}
        embedded.write_once(path, json.dumps(made))
    stored: dict[str, str] = json.loads(path.read_text())
    return stored
