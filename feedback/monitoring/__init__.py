"""How well a model does on live traffic and how long everything takes, from running sums that equal their rows."""

from feedback.monitoring.days import refresh
from feedback.monitoring.ledger import delays
from feedback.monitoring.population import Population, load, midnight, since
from feedback.monitoring.quality import quality
from feedback.monitoring.series import changes, quality_series

__all__ = ["Population", "changes", "delays", "load", "midnight", "quality", "quality_series", "refresh", "since"]
