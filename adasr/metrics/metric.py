"""What every metric shares: the door where images are checked, and the protocol."""

from __future__ import annotations

import abc
from typing import ClassVar

import torch
from torch import Tensor

from ..errors import AdasrError, OptionError


class MetricError(AdasrError, ValueError):
    """Images that cannot be scored."""


class Metric(abc.ABC):
    """A score of a restored image, against its ground truth or alone.

    Calling it takes two RGB (or gray) images of the same size, (C, H, W) or (1, C, H, W), float,
    nominally in [0, 1], or uint8, and returns a Python float; ``batch`` takes several of one size.
    Both are clamped to [0, 1] and, with ``quantize``, rounded to 8 bits first: a score belongs to
    the image a viewer sees in a file. An image with NaN scores NaN.

    A metric of your own defines ``score``; one that is faster on several images, ``scores``.

    Args:
        crop_border: pixels left out on every side.
        quantize: whether both images are rounded to 8 bits first.

    Attributes:
        name: the metric's name in the registry and in tables.
        unit: what the number is counted in; empty for a pure number.
        higher_is_better: the direction of improvement.
        needs_gt: whether there is no score without a ground truth.
    """

    name: str
    unit: ClassVar[str] = ""
    higher_is_better: bool = True
    needs_gt: bool = True

    def __init__(self, crop_border: int = 0, quantize: bool = True) -> None:
        if crop_border < 0:
            raise OptionError(
                f"must be 0 or more, got {crop_border}.",
                ("crop_border",),
                "It counts the pixels left out on every side, usually the scale.",
            )
        self.crop_border, self.quantize = crop_border, quantize

    def __call__(self, sr: Tensor, gt: Tensor | None = None) -> float:
        """The score of ``sr`` against ``gt``, or alone where the metric needs no ``gt``.

        Raises:
            MetricError: the images differ in size, or nothing is left inside the border.
        """
        return self.batch(_single(sr)[None], None if gt is None else _single(gt)[None])[0]

    def batch(self, sr: Tensor, gt: Tensor | None = None) -> list[float]:
        """The score of each image of (N, C, H, W), as if each were given alone.

        Raises:
            MetricError: as a call.
        """
        sr = _checked(sr)
        if not self.needs_gt:
            gt = sr
        elif gt is None:
            raise MetricError(f"{self.name} compares with a ground truth, and there is none.")
        gt = _checked(gt)
        if sr.shape != gt.shape:
            raise MetricError(
                f"{self.name} compares images of one size, got SR {tuple(sr.shape[1:])} and "
                f"GT {tuple(gt.shape[1:])} (channels, height, width)."
            )
        if not len(sr):
            return []
        sr, gt = crop(sr, self.crop_border), crop(gt, self.crop_border)
        if sr.device.type == "mps":
            sr, gt = sr.cpu(), gt.cpu()  # no float64 there
        return self.scores(sr, gt.to(sr.device))

    def scores(self, sr: Tensor, gt: Tensor) -> list[float]:
        """The score of each pair of two checked and cropped batches (N, C, H, W), as given.

        Args:
            sr: float nominally in [0, 1], or uint8.
            gt: the same shape, on the same device; ``sr`` where no ground truth is needed.
        """
        pairs = zip(sr, gt, strict=True)
        return [self.score(self.displayed(a), self.displayed(b)) for a, b in pairs]

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

    def displayed(self, image: Tensor) -> Tensor:
        """What a viewer sees of ``image``: clamped, rounded if wanted; float64 in [0, 1]."""
        if image.dtype == torch.uint8:
            return image.double() / 255
        image = image.float().clamp(0, 1)
        if not self.quantize:
            return image.double()
        # As a file holds it, rounded half to even; kept as float so that NaN stays NaN.
        return (image * 255).round().double() / 255


class PixelMetric(Metric):
    """A metric of pixels, on RGB or on the luma, taken on many images at once.

    Args:
        crop_border: pixels left out on every side, usually the scale.
        test_y_channel: score the luma (Y of BT.601 YCbCr) instead of RGB.
        quantize: round both images to 8 bits first.
    """

    def __init__(
        self, crop_border: int = 0, test_y_channel: bool = False, quantize: bool = True
    ) -> None:
        super().__init__(crop_border, quantize)
        self.test_y_channel = test_y_channel

    def score(self, sr: Tensor, gt: Tensor) -> float:
        """The score of two (C, H, W) images."""
        return self.scores(sr[None], gt[None])[0]

    @abc.abstractmethod
    def scores(self, sr: Tensor, gt: Tensor) -> list[float]:
        """The score of each pair of two checked and cropped batches (N, C, H, W)."""

    def values_of(self, images: Tensor) -> int:
        """How many numbers of an image of (N, C, H, W) are compared."""
        channels, height, width = images.shape[-3:]
        return (1 if self.test_y_channel else channels) * height * width

    def protocol(self) -> dict[str, str | int | bool]:
        """Colour, border and rounding."""
        colour = "Y of BT.601 YCbCr" if self.test_y_channel else "RGB"
        return super().protocol() | {"colour": colour}


def crop(image: Tensor, border: int) -> Tensor:
    """``image`` (..., H, W) without ``border`` pixels on every side.

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


def _checked(images: Tensor) -> Tensor:
    if images.ndim != 4 or images.shape[1] not in (1, 3):
        raise MetricError(
            "a batch of images has the shape (N, 3, H, W) or (N, 1, H, W), got "
            f"{tuple(images.shape)}."
        )
    if not (images.dtype == torch.uint8 or images.is_floating_point()):
        raise MetricError(f"a metric takes uint8 or float images, got {images.dtype}.")
    return images.detach()
