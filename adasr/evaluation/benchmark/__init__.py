"""``adasr benchmark``: networks x test sets x degradations x metrics, and what comes of it."""

from .benchmark import run_benchmark
from .models import ModelFile
from .run import Settings
from .sets import Sources

__all__ = ["ModelFile", "Settings", "Sources", "run_benchmark"]
