"""LPIPS with its real weights or not at all (Zhang et al., CVPR 2018).

The package ``lpips`` brings the calibration of its layers. The trunk is torchvision's ImageNet
network; its weights come from a file the user names, from torch hub's cache, or are downloaded
there. A trunk with random weights would give numbers that look like scores, so it is never used.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn

from ..compat import import_torchvision
from ..errors import OptionError, did_you_mean
from ..pretrained import ImageNetFile

if TYPE_CHECKING:
    import lpips

Trunk = Literal["alex", "vgg", "squeeze"]

# torchvision's ImageNet weights, version 1.
_FILES = {
    "alex": "alexnet-owt-7be5be79.pth",
    "vgg": "vgg16-397923af.pth",
    "squeeze": "squeezenet1_1-b8a52dc0.pth",
}


@dataclass(frozen=True)
class Lpips:
    """LPIPS's network, frozen and in evaluation mode, and what it is made of."""

    network: lpips.LPIPS
    implementation: str

    def distance(self, sr: Tensor, gt: Tensor) -> Tensor:
        """The distance of each pair of images, (N,); differentiable.

        Args:
            sr: (N, 3, H, W) or (N, 1, H, W), nominally in [0, 1].
            gt: the same shape.

        Raises:
            ValueError: the images are too small for the trunk.
        """
        channels = sr.shape[-3]
        if channels == 1:
            sr, gt = sr.expand(-1, 3, -1, -1), gt.expand(-1, 3, -1, -1)
        smallest = 32  # the trunks halve the side up to four times
        if min(sr.shape[-2:]) < smallest:
            height, width = sr.shape[-2:]
            raise ValueError(
                f"lpips needs at least {smallest}x{smallest} pixels, got {width}x{height}"
            )
        # The calibration was made in float32; bf16 features would move the score.
        with torch.autocast(sr.device.type, enabled=False):
            return self.network(sr.float(), gt.float(), normalize=True).flatten()


def load_lpips(net: Trunk = "alex", weights: str | Path | None = None) -> Lpips:
    """LPIPS 0.1 with a trained trunk.

    Draws no random numbers from the global generators.

    Args:
        net: the trunk: "alex" for scores, "vgg" as a loss, "squeeze".
        weights: file with torchvision's ImageNet weights of the trunk (.pth or .safetensors);
            None looks into torch hub's cache, then downloads.

    Raises:
        OptionError: no such trunk.
        WeightsError: ``weights`` cannot be read or is of another network.
        UnavailableError: no weights here and none to be had.
    """
    if net not in _FILES:
        raise OptionError(f"unknown trunk {net!r}.", ("net",), did_you_mean(str(net), _FILES))
    file = ImageNetFile(_FILES[net], "LPIPS", f"its trunk '{net}'")
    path = file.find(weights)
    network = _untrained(net)
    trunk = network.net
    trunk.load_state_dict(_trunk_state(trunk, file.read(path), path, file))
    network.eval().requires_grad_(False)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:8]
    version = importlib.metadata.version("lpips")
    return Lpips(network, f"lpips {version}, {net} v0.1, trunk sha256 {digest}")


def _untrained(net: str) -> lpips.LPIPS:
    """The network before its trunk is loaded; the package's own calibration is in it."""
    import_torchvision()
    import lpips

    # torchvision draws initial weights: a run must not depend on whether a metric was built.
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # lpips calls torchvision by names since deprecated
        return lpips.LPIPS(net=net, pnet_rand=True, verbose=False)


def _trunk_state(
    trunk: nn.Module, state: Mapping[str, Tensor], path: Path, file: ImageNetFile
) -> dict[str, Tensor]:
    """torchvision's ``features.3.weight`` under lpips' name ``slice2.3.weight``."""
    own = {}
    for key, parameter in trunk.state_dict().items():
        source = f"features.{key.partition('.')[2]}"
        tensor = state.get(source)
        if not isinstance(tensor, Tensor) or tensor.shape != parameter.shape:
            raise file.misfit(path, source, missing=tensor is None)
        own[key] = tensor
    return own
