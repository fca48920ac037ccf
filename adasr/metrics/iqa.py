"""Any metric of the package pyiqa (Chen and Mo, "IQA-PyTorch"), with its trained weights or none.

pyiqa downloads the weights of a metric when it is first built. Where they cannot be had the metric
is unavailable: a network with random weights would give numbers that look like scores.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import logging
import math
import random
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..compat import import_torchvision
from ..errors import OptionError, UnavailableError, WeightsError, did_you_mean
from ..registry import METRIC_REGISTRY
from .metric import Metric, MetricError

# Of a download, in seconds: a firewall that drops packets would hold a run for minutes.
_TIMEOUT = 20.0
# They compare folders, or distributions of images.
_NOT_OF_IMAGES = ("fid", "inception_score")


@METRIC_REGISTRY.register("pyiqa")
class PyIQA(Metric):
    """A metric of the package pyiqa, by its name there: topiq_nr, maniqa, dists, vif, ...

    Metrics without reference look at the restored image alone. Of those that compare image patches
    drawn at random, each image gets the same draw every time.

    Args:
        name: of the metric, as ``pyiqa.list_models()`` has it.
        crop_border: pixels left out on every side.
        quantize: round images to 8 bits first.
        weights: file with the metric's own weights; without it pyiqa's cache is used, then a
            download is tried.
        options: further arguments of the metric.

    Raises:
        UnavailableError: pyiqa is missing, or weights are not here and not to be had.
        OptionError: no such metric, or it does not take the options.
        WeightsError: ``weights`` cannot be read, or are another metric's.
    """

    def __init__(
        self,
        name: str,
        crop_border: int = 0,
        quantize: bool = True,
        weights: str | None = None,
        options: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(crop_border, quantize)
        arguments = dict(options or {})
        for key, value in arguments.items():
            if "pretrain" in key and not value:
                raise OptionError(
                    "a network without trained weights gives no scores.",
                    ("options", key),
                    "Leave it out.",
                )
        self._model, self._version = _build(name, arguments, weights)
        self.name = name
        self._arguments = arguments if weights is None else arguments | {"weights": weights}
        self.higher_is_better = not self._model.lower_better
        self.needs_gt = self._model.metric_mode == "FR"

    @torch.no_grad()
    def score(self, sr: Tensor, gt: Tensor) -> float:
        """The metric of two (C, H, W) images in [0, 1], on their device.

        Raises:
            MetricError: it cannot be taken of these images.
        """
        if not (sr.isfinite().all() and gt.isfinite().all()):
            return math.nan
        images = [image.float().expand(3, -1, -1)[None] for image in (sr, gt)]
        model = self._model.to(sr.device)
        try:
            with _own_random_numbers(sr.device), torch.autocast(sr.device.type, enabled=False):
                found = model(*images) if self.needs_gt else model(images[0])
            return float(found.reshape(()))
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # asserts on sizes, and whatever else another package raises
            height, width = sr.shape[-2:]
            reason = str(error).strip().partition("\n")[0] or type(error).__name__
            raise MetricError(
                f"{self.name} of pyiqa cannot score an image of {width}x{height} ({reason})."
            ) from None

    def protocol(self) -> dict[str, str | int | bool]:
        """Colour, border, rounding, implementation and options."""
        given = ", ".join(f"{key}={value}" for key, value in sorted(self._arguments.items()))
        implementation = f"pyiqa {self._version} {self.name}"
        return super().protocol() | {
            "colour": "as the metric takes it from RGB",
            "implementation": f"{implementation} ({given})" if given else implementation,
        }


@METRIC_REGISTRY.register("clipiqa")
class CLIPIQA(PyIQA):
    """CLIP-IQA (Wang, Chan and Loy, AAAI 2023), without reference, by pyiqa.

    Args:
        crop_border: pixels left out on every side.
        quantize: round the image to 8 bits first.
    """

    def __init__(self, crop_border: int = 0, quantize: bool = True) -> None:
        super().__init__("clipiqa", crop_border, quantize)


@METRIC_REGISTRY.register("musiq")
class MUSIQ(PyIQA):
    """MUSIQ (Ke et al., ICCV 2021), trained on KonIQ-10k, without reference, by pyiqa.

    Args:
        crop_border: pixels left out on every side.
        quantize: round the image to 8 bits first.
        weights: file with pyiqa's weights of it; without it pyiqa's cache is used, then a download
            is tried.
    """

    def __init__(
        self, crop_border: int = 0, quantize: bool = True, weights: str | None = None
    ) -> None:
        super().__init__("musiq", crop_border, quantize, weights)


def _build(name: str, arguments: dict[str, Any], weights: str | None) -> tuple[Any, str]:
    """pyiqa's metric on the CPU, and pyiqa's version."""
    if weights is not None:
        arguments = arguments | {"pretrained_model_path": str(_without_code(weights))}
    pyiqa = _package()
    known = pyiqa.list_models()
    if name not in known:
        raise OptionError(f"pyiqa has no metric '{name}'.", ("name",), did_you_mean(name, known))
    if name.startswith(_NOT_OF_IMAGES):
        raise OptionError(
            f"'{name}' compares sets of images.", ("name",), "Choose a metric of single images."
        )
    before, printed = socket.getdefaulttimeout(), io.StringIO()
    logging.getLogger("pyiqa").setLevel(logging.WARNING)  # it tells of each metric that is built
    device = torch.device("cpu")
    try:
        socket.setdefaulttimeout(_TIMEOUT)
        with _own_random_numbers(device), contextlib.redirect_stdout(printed):
            model = pyiqa.create_metric(name, device=device, **arguments)
    except (TypeError, KeyError, AssertionError) as error:
        raise OptionError(f"pyiqa's '{name}' does not take this ({error}).", ("options",)) from None
    except Exception as error:  # each metric gets its weights from elsewhere, in its own way
        if weights is not None and not isinstance(error, OSError):
            problem = f"is not pyiqa's weights of {name} ({_short(error)})"
            raise WeightsError(weights, problem, "Download them again.") from None
        raise UnavailableError(
            f"{name} is unavailable: pyiqa cannot build it ({_short(error)}"
            f"{_wanted(printed.getvalue())}). Build it once on a machine with a network and copy "
            f"{Path(torch.hub.get_dir())} from there (for some metrics ~/.cache/clip or "
            "~/.cache/huggingface), or leave the metric out."
        ) from None
    finally:
        socket.setdefaulttimeout(before)
    return model.eval(), getattr(pyiqa, "__version__", "of an unknown version")


def _package() -> Any:
    import_torchvision()
    try:
        return importlib.import_module("pyiqa")
    except Exception as error:  # whatever another package, or one that it needs, raises
        raise UnavailableError(
            f"the metrics of pyiqa are unavailable: it cannot be imported ({_short(error)}). "
            "Install it with pip install adasr[iqa], or leave them out."
        ) from None


def _without_code(weights: str) -> Path:
    """The file, if it holds weights alone: pyiqa would run what else a pickle holds."""
    path = Path(weights).expanduser()
    if not path.is_file():
        raise WeightsError(path, "is not there", "Name a file with the metric's weights.")
    if path.suffix.lower() in (".pth", ".pt", ".ckpt"):
        try:
            torch.load(path, map_location="meta", weights_only=True)
        except Exception as error:  # decoders raise anything on a broken file
            problem = f"cannot be read as weights ({type(error).__name__})"
            raise WeightsError(path, problem, "Download it again.") from None
    return path


def _wanted(printed: str) -> str:
    """What pyiqa says that it downloads: from where and where to."""
    lines = [line for line in printed.splitlines() if line.startswith("Downloading: ")]
    return f"; it wanted {lines[-1].removeprefix('Downloading: ')}" if lines else ""


def _short(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__


@contextlib.contextmanager
def _own_random_numbers(device: torch.device) -> Iterator[None]:
    """The same random numbers each time, and the global generators as they were afterwards."""
    states = random.getstate(), np.random.get_state()  # noqa: NPY002
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(0)
        random.seed(0)
        np.random.seed(0)  # noqa: NPY002
        try:
            yield
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])  # noqa: NPY002
