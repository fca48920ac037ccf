"""A loss that compares what a trained network sees."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from ..registry import LOSS_REGISTRY, METRIC_REGISTRY
from .pixel import check_loss_weight


@LOSS_REGISTRY.register()
class LPIPSLoss(nn.Module):
    """``loss_weight`` times the mean LPIPS distance of a batch (Zhang et al., CVPR 2018).

    Its network is frozen, stays in evaluation mode and is not part of the loss's state. It is
    computed in float32 under any autocast.

    Args:
        loss_weight: factor of the loss, 0 or more.
        net: the trunk: "vgg" (smoother gradients, recommended as a loss), "alex" or "squeeze".
        weights: file with torchvision's ImageNet weights of the trunk; without it torch hub's
            cache is used, then a download is tried.
    """

    def __init__(
        self,
        loss_weight: float = 1.0,
        net: Literal["alex", "vgg", "squeeze"] = "vgg",
        weights: str | None = None,
    ) -> None:
        super().__init__()
        check_loss_weight(loss_weight)
        self.loss_weight = loss_weight
        # The metric is no module, so .train(), .parameters() and .state_dict() pass its network by.
        self._metric = METRIC_REGISTRY.build({"type": "lpips", "net": net, "weights": weights})

    def forward(self, sr: Tensor, gt: Tensor) -> Tensor:
        """The loss of two batches (N, 3, H, W) in [0, 1], at least 32x32 pixels.

        Raises:
            ValueError: the shapes differ, or the images are too small for the trunk.
        """
        if sr.shape != gt.shape:
            raise ValueError(f"SR {tuple(sr.shape)} and GT {tuple(gt.shape)} differ in shape")
        return self.loss_weight * self._metric.distance(sr, gt).mean()
