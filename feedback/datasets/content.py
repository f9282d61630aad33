"""The hash of a table's content: schema and cells, not the file that holds them."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from feedback.datasets.columns import Column

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_encoder = msgspec.msgpack.Encoder()


class ContentHash:
    """SHA-256 over names, types and cells by column, fed with any number of blocks of rows.

    Equal rows in equal order have an equal hash whatever the codec, the row groups and the parts.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = [(column.name, str(column.kind), hashlib.sha256()) for column in columns]
        self.rows = 0

    def add(self, block: Mapping[str, Sequence[Any]]) -> None:
        """The next rows, as one sequence of cells per column."""
        for name, _, digest in self._columns:
            # Each cell's encoding is self-delimiting, so the blocks' borders leave no trace.
            digest.update(b"".join(_encoder.encode(_canonical(cell)) for cell in block[name]))
        self.rows += len(block[self._columns[0][0]])

    def hexdigest(self) -> str:
        parts = [[name, kind, digest.hexdigest()] for name, kind, digest in self._columns]
        return hashlib.sha256(_encoder.encode([self.rows, parts])).hexdigest()


def _canonical(cell: Any) -> Any:
    return (cell - _EPOCH) // timedelta(microseconds=1) if isinstance(cell, datetime) else cell
