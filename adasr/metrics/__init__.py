"""(SR, GT) -> score, with the protocol it was taken under."""

from .metric import Metric, MetricError

__all__ = ["Metric", "MetricError"]
