"""LPIPS with its real weights or not at all (Zhang et al., CVPR 2018).

The package ``lpips`` brings the calibration of its layers. The trunk is torchvision's ImageNet
network; its weights come from a file the user names, from torch hub's cache, or are downloaded
there. A trunk with random weights would give numbers that look like scores, so it is never used.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import socket
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn

from ..compat import import_torchvision
from ..errors import OptionError, UnavailableError, WeightsError, did_you_mean

if TYPE_CHECKING:
    import lpips

Trunk = Literal["alex", "vgg", "squeeze"]

# torchvision's ImageNet weights, version 1; the hash in a name is the start of its SHA-256.
_URL = "https://download.pytorch.org/models/"
_FILES = {
    "alex": "alexnet-owt-7be5be79.pth",
    "vgg": "vgg16-397923af.pth",
    "squeeze": "squeezenet1_1-b8a52dc0.pth",
}
# Without a limit a firewall that drops packets would hold a run for minutes.
_TIMEOUT = 20.0


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
    path = Path(weights).expanduser() if weights is not None else _cached_or_downloaded(net)
    network = _untrained(net)
    trunk = network.net
    trunk.load_state_dict(_trunk_state(trunk, _read(path, net), path, net))
    network.eval().requires_grad_(False)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:8]
    version = importlib.metadata.version("lpips")
    return Lpips(network, f"lpips {version}, {net} v0.1, trunk sha256 {digest}")


def _cached_or_downloaded(net: str) -> Path:
    cached = Path(torch.hub.get_dir()) / "checkpoints" / _FILES[net]
    if cached.is_file():
        return cached
    before = socket.getdefaulttimeout()
    try:
        socket.setdefaulttimeout(_TIMEOUT)
        cached.parent.mkdir(parents=True, exist_ok=True)
        # torch hub checks the hash and renames when whole.
        torch.hub.download_url_to_file(
            _URL + _FILES[net], str(cached), hash_prefix=_sha_prefix(net), progress=False
        )
    except (OSError, RuntimeError) as error:
        raise UnavailableError(
            f"LPIPS is unavailable: the ImageNet weights of its trunk '{net}' are not at {cached} "
            f"and cannot be downloaded ({error}). Download {_URL}{_FILES[net]} on another machine "
            "and put it there, or name the file with the option 'weights'."
        ) from None
    finally:
        socket.setdefaulttimeout(before)
    return cached


def _sha_prefix(net: str) -> str:
    return Path(_FILES[net]).stem.rpartition("-")[2]


def _untrained(net: str) -> lpips.LPIPS:
    """The network before its trunk is loaded; the package's own calibration is in it."""
    import_torchvision()
    import lpips

    # torchvision draws initial weights: a run must not depend on whether a metric was built.
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # lpips calls torchvision by names since deprecated
        return lpips.LPIPS(net=net, pnet_rand=True, verbose=False)


def _read(path: Path, net: str) -> Mapping[str, Tensor]:
    hint = f"Download {_URL}{_FILES[net]}."
    if not path.is_file():
        raise WeightsError(path, "is not there", hint)
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # decoders raise anything on a broken file
        problem = f"cannot be read as weights ({type(error).__name__})"
        raise WeightsError(path, problem, hint) from None
    if not isinstance(state, Mapping):
        raise WeightsError(path, "holds no weights", hint)
    return state


def _trunk_state(
    trunk: nn.Module, state: Mapping[str, Tensor], path: Path, net: str
) -> dict[str, Tensor]:
    """torchvision's ``features.3.weight`` under lpips' name ``slice2.3.weight``."""
    own = {}
    for key, parameter in trunk.state_dict().items():
        source = f"features.{key.partition('.')[2]}"
        tensor = state.get(source)
        if not isinstance(tensor, Tensor) or tensor.shape != parameter.shape:
            raise WeightsError(
                path,
                f"is not torchvision's ImageNet network of the trunk '{net}' ('{source}' is "
                f"{'missing' if tensor is None else 'of another shape'})",
                f"Download {_URL}{_FILES[net]}.",
            )
        own[key] = tensor
    return own
