"""Rows that every request asks for by a unique value, without the cost of building a query each time."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, TypeVar

from django.db import connection
from django.db.models import Model

Row = TypeVar("Row", bound=Model)


def by_unique(model: type[Row], column: str, value: str) -> Row | None:
    """The row with that value in a unique text column, or None.

    Building Django's query costs several times what PostgreSQL needs to answer it. ``column`` is a
    name from the code, never from a request.
    """
    if "\0" in value:
        return None
    statement, names, converters = _plan(model, column)
    with connection.cursor() as cursor:
        cursor.execute(statement, [value])
        found = cursor.fetchone()
    if found is None:
        return None
    values = list(found)
    for place, convert in converters:
        values[place] = convert(values[place], None, connection)
    return model.from_db(connection.alias, names, values)


@lru_cache(maxsize=16)
def _plan(model: type[Model], column: str) -> tuple[str, list[str], list[tuple[int, Any]]]:
    fields = model._meta.concrete_fields
    columns = ", ".join(connection.ops.quote_name(field.column or field.attname) for field in fields)
    table, wanted = (connection.ops.quote_name(name) for name in (model._meta.db_table, column))
    statement = f"SELECT {columns} FROM {table} WHERE {wanted} = %s"  # noqa: S608
    converters = [(n, field.from_db_value) for n, field in enumerate(fields) if hasattr(field, "from_db_value")]
    return statement, [field.attname for field in fields], converters
