"""Geometry of the charts of quality, delays and workload: percentages of a figure, ready for SVG attributes.

Every chart stands beside a real table of the same figures and is hidden from screen readers.
"""

from feedback.charts.coverage import coverage_risk
from feedback.charts.dots import delays, intervals
from feedback.charts.flow import flow, level
from feedback.charts.history import history
from feedback.charts.reliability import reliability
from feedback.charts.waiting import waiting

__all__ = ["coverage_risk", "delays", "flow", "history", "intervals", "level", "reliability", "waiting"]
