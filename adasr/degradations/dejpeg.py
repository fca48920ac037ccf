"""Compression alone, for training the removal of JPEG artefacts at scale 1."""

from __future__ import annotations

from ..registry import DEGRADATION_REGISTRY
from .checks import check_probability
from .composed import StepsDegradation
from .jpeg import JpegMethod
from .kernels import Pair
from .steps.jpeg import JPEG


@DEGRADATION_REGISTRY.register()
class DeJPEG(StepsDegradation):
    """JPEG once or twice, at any position of the grid of blocks (Jiang et al., ICCV 2021).

    As FBCNN: qualities from 10 to 95, and images compressed twice with shifted blocks, which a
    network trained on single compression does not repair.

    Args:
        jpeg_range: range of the quality.
        double_prob: probability of an earlier compression, its blocks shifted against the last.
        jpeg_method: "codec" (libjpeg), "simulated" (the same on the device), "auto" (codec on a
            CPU) or "released" (the simulation that Real-ESRGAN was trained with).
        frame: side in GT pixels of the image that is degraded, and a crop then cut out of.

    Raises:
        OptionError: a value out of range.
    """

    def __init__(
        self,
        scale: int,
        jpeg_range: Pair = (10.0, 95.0),
        double_prob: float = 0.3,
        jpeg_method: JpegMethod = "auto",
        frame: int = 256,
    ) -> None:
        check_probability("double_prob", double_prob)
        steps = [JPEG(jpeg_range, shift=True, prob=double_prob), JPEG(jpeg_range)]
        super().__init__(scale, steps, False, jpeg_method, frame)
