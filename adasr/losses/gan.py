"""What a generator and a discriminator descend on."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..registry import LOSS_REGISTRY
from .pixel import check_loss_weight

GanType = Literal["vanilla", "lsgan", "wgan", "wgan_softplus", "hinge"]


@LOSS_REGISTRY.register()
class GANLoss(nn.Module):
    """The adversarial loss of ``train.gan_opt``, on a discriminator's output.

    Args:
        gan_type: "vanilla" (cross-entropy, arXiv 1406.2661), "lsgan" (squares, 1611.04076), "wgan"
            (1701.07875, without a penalty), "wgan_softplus" (its smooth form in StyleGAN2) or
            "hinge" (1705.02894).
        real_label_val: what vanilla and lsgan want to see for real images, e.g. 0.9.
        fake_label_val: what they want to see for generated ones.
        loss_weight: factor of the generator's loss, 0 or more; the discriminator's is not weighted.
        relativistic: judge each image against the mean of the other kind, as ESRGAN does
            (arXiv 1807.00734).
    """

    adversarial: ClassVar[bool] = True
    """Not (SR, GT): tells the options where such a loss may stand."""

    def __init__(
        self,
        gan_type: GanType = "vanilla",
        real_label_val: float = 1.0,
        fake_label_val: float = 0.0,
        loss_weight: float = 1.0,
        relativistic: bool = False,
    ) -> None:
        super().__init__()
        check_loss_weight(loss_weight)
        self.gan_type, self.loss_weight, self.relativistic = gan_type, loss_weight, relativistic
        self.real_label_val, self.fake_label_val = real_label_val, fake_label_val

    def forward(self, pred: Tensor, target_is_real: bool, is_disc: bool = False) -> Tensor:
        """The loss, a scalar.

        Args:
            pred: the discriminator's output, of any shape, without a sigmoid.
            target_is_real: whether it should say "real".
            is_disc: whether the discriminator descends on it (then it is not weighted).
        """
        loss = self._loss(pred, target_is_real, is_disc)
        return loss if is_disc else self.loss_weight * loss

    def _loss(self, pred: Tensor, real: bool, is_disc: bool) -> Tensor:
        sign = -1.0 if real else 1.0
        if self.gan_type == "wgan":
            return sign * pred.mean()
        if self.gan_type == "wgan_softplus":
            return F.softplus(sign * pred).mean()
        if self.gan_type == "hinge":
            # The generator's hinge has no margin, whatever the target.
            return F.relu(1.0 + sign * pred).mean() if is_disc else -pred.mean()
        label = torch.full_like(pred, self.real_label_val if real else self.fake_label_val)
        if self.gan_type == "vanilla":
            return F.binary_cross_entropy_with_logits(pred, label)
        return F.mse_loss(pred, label)
