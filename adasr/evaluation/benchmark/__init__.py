"""``adasr benchmark``: networks x test sets x degradations x metrics, and what comes of it."""

from .benchmark import run_benchmark
from .models import ModelFile
from .plan import Settings
from .scorer import Progress
from .sets import Sources

__all__ = ["ModelFile", "Progress", "Settings", "Sources", "run_benchmark"]
