"""Labelled rows as tables: what the labels endpoint streams and what a snapshot keeps.

Column names and meanings are in docs/feedback.md. Features keep the names and values they were sent
with; one whose name is taken by another column gets the prefix ``feature.``.
"""

from feedback.datasets.columns import LABEL_KIND, Column, columns_of, feature_column, snapshot_columns
from feedback.datasets.content import ContentHash
from feedback.datasets.rows import HOLDOUT, implicit_rows, last_label_id, last_of, rows_of, split_of
from feedback.datasets.snapshots import build, request_snapshot, unfinished

__all__ = [
    "HOLDOUT",
    "LABEL_KIND",
    "Column",
    "ContentHash",
    "build",
    "columns_of",
    "feature_column",
    "implicit_rows",
    "last_label_id",
    "last_of",
    "request_snapshot",
    "rows_of",
    "snapshot_columns",
    "split_of",
    "unfinished",
]
