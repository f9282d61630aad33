"""A benchmark on services and tables of its own, so that nothing else is in them."""

from __future__ import annotations

import argparse
import atexit
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from typing import Any


def run(about: str | None, size: str, default: int, measure: Callable[[int], Iterator[dict[str, Any]]]) -> None:
    """Print the figures of ``measure``, one JSON line each; ``--<size>`` says how large its tables are."""
    arguments = argparse.ArgumentParser(description=about)
    arguments.add_argument(f"--{size}", type=int, default=default, dest="size")
    wanted = arguments.parse_args().size
    home = tempfile.mkdtemp(prefix="reviewhub-bench-")
    # Registered first, so it runs last: after the services have stopped.
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    os.environ["REVIEWHUB_HOME"] = home
    for name in ("DATABASE_URL", "REDIS_URL"):
        os.environ.pop(name, None)
    prepare()
    for figure in measure(wanted):
        print(json.dumps(figure), flush=True)


def prepare() -> None:
    """Services, settings and tables of this run's own."""
    from reviewhub import embedded

    embedded.ensure()
    os.environ["DJANGO_SETTINGS_MODULE"] = "reviewhub.settings"
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0, stdout=sys.stderr)
