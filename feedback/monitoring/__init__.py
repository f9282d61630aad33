"""How well a model does on live traffic and how long everything takes, read from the rows when asked."""

from feedback.monitoring.ledger import delays
from feedback.monitoring.population import Population, load, since
from feedback.monitoring.quality import quality, quality_series

__all__ = ["Population", "delays", "load", "quality", "quality_series", "since"]
