from __future__ import annotations

import os
import subprocess
import sys

import pytest


def start(**changes: str) -> subprocess.CompletedProcess[str]:
    code = "import django; django.setup()"
    env = {**os.environ, "DJANGO_SETTINGS_MODULE": "reviewhub.settings", **changes}
    return subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"REVIEWHUB_MAX_BODY_BITES": "1"}, "unknown settings in the environment: REVIEWHUB_MAX_BODY_BITES"),
        ({"REVIEWHUB_PRODUCTION": "1"}, "SECRET_KEY must be set in production"),
        ({"SECRET_KEY": "short"}, "SECRET_KEY needs at least 32 characters"),
        ({"REVIEWHUB_WEB_THREADS": "many"}, "invalid literal"),
    ],
)
def test_a_bad_setting_stops_the_start_and_is_named(changes, message):
    ended = start(**changes)
    assert ended.returncode != 0
    assert message in ended.stderr


def test_a_secret_may_come_from_a_file(tmp_path):
    (tmp_path / "key").write_text("k" * 40)
    assert (
        start(SECRET_KEY_FILE=str(tmp_path / "key"), REVIEWHUB_PRODUCTION="1", ALLOWED_HOSTS="hub.test").returncode == 0
    )
