"""Networks x datasets x degradations -> scores and tables."""

from .baseline import Bicubic, bicubic
from .restoring import restore
from .scores import Evaluation, ImageScore
from .validate import ImageResult, evaluate

__all__ = [
    "Bicubic",
    "Evaluation",
    "ImageResult",
    "ImageScore",
    "bicubic",
    "evaluate",
    "restore",
]
