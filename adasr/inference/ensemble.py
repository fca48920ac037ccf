"""Self-ensemble: the mean over the eight flips and turns of an image."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .backend import Backend


class SelfEnsemble:
    """A backend around a backend, eight times as slow and a little better.

    The mean of what the network makes of the image, mirrored and transposed (EDSR, Lim et al.,
    CVPR workshops 2017, arXiv 1707.02921, "geometric self-ensemble").

    Args:
        backend: what runs the network; closed with this one.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self.name = backend.name
        self.upscale, self.channels = backend.upscale, backend.channels
        self.multiple, self.minimum = backend.multiple, backend.minimum
        self.device: torch.device = backend.device
        self.precision = backend.precision

    def __call__(self, images: Tensor) -> Tensor:
        """As ``backend.Backend``."""
        return self._mean(images, self._backend.__call__)

    def probe(self, images: Tensor) -> Tensor:
        """As ``backend.Backend``."""
        return self._mean(images, self._backend.probe)

    def bytes_per_pixel(self) -> float:
        """As ``backend.Backend``."""
        outputs = 3 * self.channels * 4 * self.upscale**2  # the sum, the last one, and it turned
        return self._backend.bytes_per_pixel() + outputs

    def available_bytes(self) -> int:
        """As ``backend.Backend``."""
        return self._backend.available_bytes()

    def release(self) -> None:
        """As ``backend.Backend``."""
        self._backend.release()

    def close(self) -> None:
        """As ``backend.Backend``."""
        self._backend.close()

    @staticmethod
    def _mean(images: Tensor, run: Callable[[Tensor], Tensor]) -> Tensor:
        total: Tensor | None = None
        for transpose in (False, True):
            for axes in ((), (-2,), (-1,), (-2, -1)):
                seen = images.flip(axes) if axes else images
                output = run(seen.mT.contiguous() if transpose else seen)
                output = output.mT if transpose else output
                output = output.flip(axes) if axes else output
                total = output.clone() if total is None else total.add_(output)
        assert total is not None
        return total.div_(8)
