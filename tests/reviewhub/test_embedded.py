from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psycopg2
import pytest
import redis

from reviewhub import embedded

ROOT = Path(__file__).resolve().parent.parent.parent
HOLD = """
import os, sys
from reviewhub import embedded
embedded.ensure()
print(os.environ["REDIS_URL"], flush=True)
sys.stdin.read()
"""


def holder(home: Path) -> subprocess.Popen[str]:
    """A process that uses the embedded services of that home until its standard input ends."""
    env = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
    return subprocess.Popen(
        [sys.executable, "-c", HOLD],
        cwd=ROOT,
        env={**env, "REVIEWHUB_HOME": str(home)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_the_last_user_of_the_embedded_services_stops_them(tmp_path):
    first = holder(tmp_path)
    url = first.stdout.readline().strip()
    second = holder(tmp_path)
    assert second.stdout.readline().strip() == url
    first.communicate()
    assert redis.Redis.from_url(url).ping()
    second.communicate()
    with pytest.raises(redis.ConnectionError):
        redis.Redis.from_url(url).ping()
    assert not (tmp_path / "postgres" / "postmaster.pid").exists()


def test_an_unwritable_home_is_one_clear_line(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("REVIEWHUB_HOME", str(tmp_path / "file" / "home"))
    monkeypatch.delenv("DATABASE_URL")
    with pytest.raises(embedded.ServiceError, match="set REVIEWHUB_HOME to a writable folder") as caught:
        embedded.ensure()
    assert "\n" not in str(caught.value)


def test_a_home_with_a_very_long_path_works(tmp_path):
    deep = tmp_path / ("d" * 80) / ("e" * 80)
    process = holder(deep)
    url = process.stdout.readline().strip()
    assert redis.Redis.from_url(url).ping()
    process.communicate()


def test_services_named_in_the_environment_are_left_alone(monkeypatch):
    monkeypatch.setenv("REVIEWHUB_HOME", "/nonexistent/never-made")
    before = os.environ["DATABASE_URL"], os.environ["REDIS_URL"]
    embedded.ensure()
    assert (os.environ["DATABASE_URL"], os.environ["REDIS_URL"]) == before
    psycopg2.connect(before[0]).close()
