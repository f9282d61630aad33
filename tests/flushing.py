"""A quicker flush after tests that commit: rows are deleted, and tables are made anew only where one has grown.

TRUNCATE gives every table and index a new file, and the signal after it makes the same content types and permissions
again: a second for each test, where most tests leave a few dozen rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from django.core.management.commands import flush
from django.db import connection
from django.db.backends.postgresql.operations import DatabaseOperations

LARGE_BYTES = 1 << 20
# What the signal after the migrations made stays.
KEPT = {"django_content_type", "auth_permission"}
_TRUNCATE = DatabaseOperations.sql_flush
_SIZES = "SELECT max(pg_relation_size(t::regclass)) FROM unnest(%s::text[]) t"


def _quick(operations: DatabaseOperations, style: Any, tables: list[str], **options: Any) -> list[str]:
    emptied = [operations.quote_name(table) for table in tables if table not in KEPT]
    with connection.cursor() as cursor:
        cursor.execute(_SIZES, [emptied])
        large = cursor.fetchone()[0] > LARGE_BYTES
    if large or options.get("reset_sequences"):
        return _TRUNCATE(operations, style, [table for table in tables if table not in KEPT], **options)
    # No trigger and no foreign key looks at what goes away whole.
    deletions = " ".join(f"DELETE FROM {table};" for table in emptied)
    return [f"SET LOCAL session_replication_role = replica; {deletions}"]


@contextmanager
def quick_flush() -> Iterator[None]:
    """Tests that commit are flushed so in here."""
    with (
        patch.object(DatabaseOperations, "sql_flush", _quick),
        patch.object(flush, "emit_post_migrate_signal"),
    ):
        yield
