"""Starts a PostgreSQL and a Redis of the suite's own before Django reads its settings."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile

if "PYTEST_XDIST_WORKER" not in os.environ:
    for _name in [name for name in os.environ if name.startswith("REVIEWHUB_") and name != "REVIEWHUB_ADULT_CSV"]:
        del os.environ[_name]
    _home = tempfile.mkdtemp(prefix="reviewhub-test-")
    os.environ["REVIEWHUB_HOME"] = _home
    # Registered first, so it runs last: after both services have stopped.
    atexit.register(shutil.rmtree, _home, ignore_errors=True)
    os.environ.pop("DATABASE_URL", None)
    os.environ.pop("REDIS_URL", None)

    from reviewhub import embedded

    embedded.ensure()
else:
    # One Redis database for each process of the suite, as Django makes one PostgreSQL database each.
    _number = 1 + int(os.environ["PYTEST_XDIST_WORKER"].removeprefix("gw"))
    os.environ["REDIS_URL"] = f"{os.environ['REDIS_URL']}?db={_number}"
