"""NIQE (Mittal, Soundararajan and Bovik, IEEE SPL 2013), through BasicSR."""

from __future__ import annotations

import importlib
import math
import warnings
from typing import Any, Literal

import numpy as np
from torch import Tensor

from ..compat import import_basicsr
from ..errors import OptionError, UnavailableError
from ..registry import METRIC_REGISTRY
from .metric import Metric, MetricError

_BLOCK = 96  # the side of the blocks that the pristine model was fitted on


@METRIC_REGISTRY.register("niqe")
class NIQE(Metric):
    """Distance to the statistics of natural images, lower is better; computed by BasicSR.

    It looks at the restored image alone.

    Args:
        crop_border: pixels left out on every side.
        convert_to: what is scored: "y" (luma of BT.601) or "gray".
        quantize: round the image to 8 bits first.

    Raises:
        UnavailableError: BasicSR is missing or does not import.
    """

    name = "niqe"
    higher_is_better = False
    needs_gt = False

    def __init__(
        self, crop_border: int = 0, convert_to: Literal["y", "gray"] = "y", quantize: bool = True
    ) -> None:
        super().__init__(crop_border, quantize)
        if convert_to not in ("y", "gray"):
            raise OptionError(f"expected 'y' or 'gray', got {convert_to!r}.", ("convert_to",))
        self.convert_to, (self._niqe, self._version) = convert_to, _load_niqe()

    def score(self, sr: Tensor, gt: Tensor) -> float:
        """NIQE of a (C, H, W) image in [0, 1].

        Raises:
            MetricError: the image is too small, or flat.
        """
        if not sr.isfinite().all():
            return math.nan
        height, width = sr.shape[-2:]
        if (height // _BLOCK) * (width // _BLOCK) < 2:
            raise MetricError(
                f"niqe compares blocks of {_BLOCK}x{_BLOCK} pixels and needs two of them, got an "
                f"image of {width}x{height}."
            )
        image = np.ascontiguousarray((sr * 255).flip(0).permute(1, 2, 0).cpu().numpy())
        if self.quantize:
            image = image.round().astype(np.uint8)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of means over no pixels; the error below tells
                value = self._niqe(image, crop_border=0, convert_to=self.convert_to)
        except np.linalg.LinAlgError:
            raise MetricError("niqe cannot score an image without structure.") from None
        return value

    def protocol(self) -> dict[str, str | int | bool]:
        """Colour, border, rounding and implementation."""
        colour = "Y of BT.601 YCbCr" if self.convert_to == "y" else "gray"
        implementation = f"BasicSR {self._version}"
        return super().protocol() | {"colour": colour, "implementation": implementation}


def _load_niqe() -> tuple[Any, str]:
    """BasicSR's ``calculate_niqe`` of a (H, W, C) BGR image in [0, 255], and its version."""
    try:
        version = getattr(import_basicsr(), "__version__", "of an unknown version")
        return importlib.import_module("basicsr.metrics.niqe").calculate_niqe, version
    except Exception as error:  # whatever another package raises
        raise UnavailableError(
            f"NIQE is unavailable: BasicSR computes it and cannot be imported ({error}). Install "
            "it with pip install basicsr==1.4.2 (Python below 3.13), take pyiqa's implementation "
            "({type: pyiqa, name: niqe}), or leave the metric out."
        ) from None
