"""What ReviewHub would do on somebody's own table: policies compared on rows whose truth is known.

Uses the functions that routing and live quality use, on arrays, and writes no rows.
"""

from feedback.simulation.champion import train
from feedback.simulation.replication import METRICS, Replication, replicate
from feedback.simulation.report import document, setup
from feedback.simulation.routes import POLICIES, TIER_FLOOR, Options, Setup
from feedback.simulation.table import Table, Unreadable, read

__all__ = [
    "METRICS",
    "POLICIES",
    "TIER_FLOOR",
    "Options",
    "Replication",
    "Setup",
    "Table",
    "Unreadable",
    "document",
    "read",
    "replicate",
    "setup",
    "train",
]
