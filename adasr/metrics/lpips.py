"""LPIPS (Zhang et al., CVPR 2018), through the package ``lpips``."""

from __future__ import annotations

import torch
from torch import Tensor

from ..registry import METRIC_REGISTRY
from .lpips_network import Trunk, load_lpips
from .metric import Metric, MetricError

_PIXELS = 2**21  # of a batch


@METRIC_REGISTRY.register("lpips")
class LPIPS(Metric):
    """Learned perceptual distance, lower is better; unavailable without its trunk's weights.

    Args:
        net: the trunk: "alex" (what papers report), "vgg" or "squeeze".
        crop_border: pixels left out on every side.
        weights: file with torchvision's ImageNet weights of the trunk; without it torch hub's
            cache is used, then a download is tried.
        quantize: round both images to 8 bits first.
    """

    name = "lpips"
    higher_is_better = False

    def __init__(
        self,
        net: Trunk = "alex",
        crop_border: int = 0,
        weights: str | None = None,
        quantize: bool = True,
    ) -> None:
        super().__init__(crop_border, quantize)
        self._lpips = load_lpips(net, weights)

    def score(self, sr: Tensor, gt: Tensor) -> float:
        """LPIPS of two (C, H, W) images in [0, 1], on their device."""
        return self.scores(sr[None], gt[None])[0]

    @torch.no_grad()
    def scores(self, sr: Tensor, gt: Tensor) -> list[float]:
        """LPIPS of each pair of two batches (N, C, H, W), as many at a time as a device likes."""
        at_once = max(1, _PIXELS // (sr.shape[-2] * sr.shape[-1]))
        found = []
        try:
            for one, two in zip(sr.split(at_once), gt.split(at_once), strict=True):
                found += self.distance(self.displayed(one), self.displayed(two)).tolist()
        except ValueError as error:
            raise MetricError(f"{error}.") from None
        return found

    def distance(self, sr: Tensor, gt: Tensor) -> Tensor:
        """The distance of each pair of a batch (N, 3, H, W) in [0, 1], (N,); differentiable.

        Neither clamped nor rounded nor cropped: this is what a loss descends on.

        Raises:
            ValueError: the images are too small for the trunk.
        """
        self._lpips.network.to(sr.device)
        return self._lpips.distance(sr, gt)

    def protocol(self) -> dict[str, str | int | bool]:
        """Colour, border, rounding, implementation and the trunk's weights."""
        return super().protocol() | {"implementation": self._lpips.implementation}
