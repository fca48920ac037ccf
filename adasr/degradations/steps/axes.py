"""Ways to resize an axis beside those of Real-ESRGAN."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..regions import Span
from ..resize import Axis


@dataclass(frozen=True)
class NearestAxis(Axis):
    """The pixel under the middle of each new one."""

    def taps(self, span: Span) -> tuple[np.ndarray, np.ndarray]:
        """(n, 1) pixels and weights."""
        index = np.arange(*span)
        source = (2 * index + 1) * self.length // (2 * self.target)
        return source[:, None], np.ones((len(index), 1), np.float32)


@dataclass(frozen=True)
class AntialiasedAxis(Axis):
    """Pillow's bicubic: a = -0.5, the kernel as wide as the new pixels where it shrinks."""

    def taps(self, span: Span) -> tuple[np.ndarray, np.ndarray]:
        """(n, t) pixels, rising, and their weights; pixels beyond the border do not count."""
        stretch = max(1.0, self.length / self.target)
        centre = (np.arange(*span) + 0.5) * self.length / self.target - 0.5
        first = np.ceil(centre - 2 * stretch).astype(np.int64)
        place = first[:, None] + np.arange(int(4 * stretch) + 2)
        away = np.abs(place - centre[:, None]) / stretch
        near = (1.5 * away - 2.5) * away**2 + 1
        far = ((-0.5 * away + 2.5) * away - 4) * away + 2
        weights = np.where(away < 1, near, np.where(away < 2, far, 0.0))
        weights *= (place >= 0) & (place < self.length)
        weights /= weights.sum(1, keepdims=True)
        return place.clip(0, self.length - 1), weights.astype(np.float32)
