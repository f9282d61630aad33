"""Rows that the tests of a module read in turn: made once, each test's own changes taken back, gone with the module."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import transaction


@contextmanager
def kept(blocker: Any) -> Iterator[None]:
    """For a module's fixture, with `django_db_blocker`: what is written in here, around its ``yield``, is rolled back.

    Not for a module with tests that commit.
    """
    with blocker.unblock(), transaction.atomic():
        yield
        transaction.set_rollback(True)
