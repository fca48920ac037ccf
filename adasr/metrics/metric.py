"""What every full-reference metric shares: the door where images are checked, and the protocol."""

from __future__ import annotations

import abc
from typing import ClassVar

from torch import Tensor

from ..errors import AdasrError, OptionError


class MetricError(AdasrError, ValueError):
    """Two images that cannot be compared."""


class Metric(abc.ABC):
    """A score of a restored image against its ground truth.

    Calling it takes two RGB (or gray) images of the same size, (C, H, W) or (1, C, H, W), float,
    nominally in [0, 1], and returns a Python float. Both are clamped to [0, 1] and, with
    ``quantize``, rounded to 8 bits first: a score belongs to the image a viewer sees in a file.
    An image with NaN scores NaN.

    Args:
        crop_border: pixels left out on every side.
        quantize: whether both images are rounded to 8 bits first.

    Attributes:
        name: the metric's name in the registry and in tables.
        unit: what the number is counted in; empty for a pure number.
        higher_is_better: the direction of improvement.
    """

    name: ClassVar[str]
    unit: ClassVar[str] = ""
    higher_is_better: ClassVar[bool] = True

    def __init__(self, crop_border: int = 0, quantize: bool = True) -> None:
        if crop_border < 0:
            raise OptionError(
                f"must be 0 or more, got {crop_border}.",
                ("crop_border",),
                "It counts the pixels left out on every side, usually the scale.",
            )
        self.crop_border, self.quantize = crop_border, quantize

    def __call__(self, sr: Tensor, gt: Tensor) -> float:
        """The score of ``sr`` against ``gt``.

        Raises:
            MetricError: the images differ in size, or nothing is left inside the border.
        """
        sr, gt = _single(sr), _single(gt)
        if sr.shape != gt.shape:
            raise MetricError(
                f"{self.name} compares images of one size, got SR {tuple(sr.shape)} and "
                f"GT {tuple(gt.shape)} (channels, height, width)."
            )
        sr, gt = crop(self._displayed(sr), self.crop_border), self._displayed(gt)
        return self.score(sr, crop(gt, self.crop_border))

    @abc.abstractmethod
    def score(self, sr: Tensor, gt: Tensor) -> float:
        """The score of two checked and cropped (C, H, W) images, float64 in [0, 1]."""

    def protocol(self) -> dict[str, str | int | bool]:
        """How the score is taken; scores of different protocols do not compare."""
        return {
            "metric": self.name,
            "colour": "RGB",
            "crop_border": self.crop_border,
            "quantisation": "8 bit" if self.quantize else "none",
        }

    def _displayed(self, image: Tensor) -> Tensor:
        image = image.detach().float().clamp(0, 1)
        if image.device.type == "mps":
            image = image.cpu()  # no float64 there
        if not self.quantize:
            return image.double()
        # As a file holds it, rounded half to even; kept as float so that NaN stays NaN.
        return (image * 255).round().double() / 255


def crop(image: Tensor, border: int) -> Tensor:
    """``image`` (C, H, W) without ``border`` pixels on every side.

    Raises:
        MetricError: nothing would be left.
    """
    height, width = image.shape[-2:]
    if min(height, width) <= 2 * border:
        raise MetricError(
            f"an image of {width}x{height} has nothing left inside a border of {border} pixels."
        )
    return image[..., border : height - border, border : width - border]


def _single(image: Tensor) -> Tensor:
    if image.ndim == 4 and image.shape[0] == 1:
        image = image[0]
    if image.ndim != 3 or image.shape[0] not in (1, 3):
        raise MetricError(
            "a metric takes one image of shape (3, H, W), (1, H, W) or (1, 3, H, W), got "
            f"{tuple(image.shape)}."
        )
    return image
