"""ImageNet weights of torchvision's networks: real ones, or an error that says where to put them.

They come from a file that the user names, from torch hub's cache, or are downloaded there. A
network with random weights would give numbers that look right, so none is ever used instead.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from .errors import UnavailableError, WeightsError

_URL = "https://download.pytorch.org/models/"
# Without a limit a firewall that drops packets would hold a run for minutes.
_TIMEOUT = 20.0


@dataclass(frozen=True)
class ImageNetFile:
    """A file of torchvision's weights, version 1.

    Args:
        name: e.g. ``vgg19-dcbb9e9d.pth``; what follows the dash is the start of its SHA-256.
        needed_by: who cannot do without it, for messages, e.g. ``LPIPS``.
        network: which network it holds, for messages, e.g. ``its trunk 'vgg'``.
    """

    name: str
    needed_by: str
    network: str

    @property
    def hint(self) -> str:
        """Where the file comes from."""
        return f"Download {_URL}{self.name}."

    def find(self, weights: str | Path | None = None) -> Path:
        """The file that the user names, else the one in torch hub's cache, downloaded if need be.

        Raises:
            UnavailableError: not here and not to be had.
        """
        if weights is not None:
            return Path(weights).expanduser()
        cached = Path(torch.hub.get_dir()) / "checkpoints" / self.name
        if cached.is_file():
            return cached
        before = socket.getdefaulttimeout()
        try:
            socket.setdefaulttimeout(_TIMEOUT)
            cached.parent.mkdir(parents=True, exist_ok=True)
            # torch hub checks the hash and renames when whole.
            torch.hub.download_url_to_file(
                _URL + self.name, str(cached), hash_prefix=self._sha_prefix, progress=False
            )
        except (OSError, RuntimeError) as error:
            raise UnavailableError(
                f"{self.needed_by} is unavailable: the ImageNet weights of {self.network} are not "
                f"at {cached} and cannot be downloaded ({error}). Download {_URL}{self.name} on "
                "another machine and put it there, or name the file with the option 'weights'."
            ) from None
        finally:
            socket.setdefaulttimeout(before)
        return cached

    def read(self, path: Path) -> Mapping[str, Tensor]:
        """The state dict in ``path`` (.pth or .safetensors), on the CPU; code in it is not run.

        Raises:
            WeightsError: missing, damaged, or no state dict.
        """
        if not path.is_file():
            raise WeightsError(path, "is not there", self.hint)
        try:
            if path.suffix == ".safetensors":
                from safetensors.torch import load_file

                return load_file(path)
            state = torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # decoders raise anything on a broken file
            problem = f"cannot be read as weights ({type(error).__name__})"
            raise WeightsError(path, problem, self.hint) from None
        if not isinstance(state, Mapping):
            raise WeightsError(path, "holds no weights", self.hint)
        return state

    def misfit(self, path: Path, key: str, missing: bool) -> WeightsError:
        """The error for a file of another network.

        Args:
            path: the file.
            key: the first parameter that does not fit.
            missing: whether it is not there, or of another shape.
        """
        what = "missing" if missing else "of another shape"
        return WeightsError(
            path,
            f"is not torchvision's ImageNet network of {self.network} ('{key}' is {what})",
            self.hint,
        )

    @property
    def _sha_prefix(self) -> str:
        return Path(self.name).stem.rpartition("-")[2]
