"""Which tests run beside each other: one browser with its servers at a time, as two of them starve on two cores."""

from __future__ import annotations

from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

ALONE = ("tests/browser/", "tests/faults/")


class OneBrowser(LoadScopeScheduling):
    """Every test by itself to whichever process is free, but those of ``ALONE`` one after the other in one."""

    def _split_scope(self, nodeid: str) -> str:
        return "alone" if nodeid.startswith(ALONE) else nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> OneBrowser:
    return OneBrowser(config, log)
