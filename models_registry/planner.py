"""What the database's planner knows of tables.

A table that was last counted while it was empty, or a tenth of what it is, is taken for as good as empty: then joins
run over all pairs of its rows. The database counts tables again by itself, but only some minutes after rows came.
"""

from __future__ import annotations

from django.db import connection
from django.db.models import Model

from models_registry import sql

# Tables below so many pages of 8 kB are quick to read in whatever way.
FEWEST_PAGES = 3
# Rows changed since it was last counted, over those counted: beyond that it is another table.
CHANGED = 10

# Relations that were never counted have -1 rows; the rows that this transaction wrote are counted by ANALYZE alone,
# so pages tell of those.
_UNKNOWN = """
    SELECT c.oid::regclass::text FROM pg_class c
    WHERE c.oid = ANY(%(tables)s::text[]::regclass[]) AND pg_relation_size(c.oid) >= %(pages)s::bigint * 8192
      AND (c.reltuples <= 0 OR pg_stat_get_mod_since_analyze(c.oid) > %(changed)s * c.reltuples)
    ORDER BY c.oid
"""


def count_unknown(*models: type[Model]) -> list[str]:
    """Have the database count those of the tables that it knows nothing of; returns which. To call before a query
    that joins many rows of them: one look into the catalogue where all are known.

    A table that somebody else counts at the same moment is left to them.
    """
    tables = [connection.ops.quote_name(model._meta.db_table) for model in models]
    found = sql.rows(_UNKNOWN, {"tables": tables, "pages": FEWEST_PAGES, "changed": CHANGED})
    unknown = [str(name) for (name,) in found]
    for name in unknown:
        sql.change(f"ANALYZE (SKIP_LOCKED) {name}")
    return unknown
