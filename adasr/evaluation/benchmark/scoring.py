"""Metrics by the names that a person types."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...errors import OptionError, UnavailableError, did_you_mean
from ...metrics import Metric
from ...options.yaml_text import parse
from ...registry import METRIC_REGISTRY

DEFAULT = ("psnr", "ssim", "lpips")
DEFAULT_REAL = ("niqe", "musiq", "clipiqa")
_SHORT: dict[str, dict[str, Any]] = {
    "psnr_y": {"type": "psnr", "test_y_channel": True},
    "ssim_y": {"type": "ssim", "test_y_channel": True},
}


@dataclass(frozen=True)
class Scoring:
    """The metrics of a benchmark.

    Attributes:
        paired: label to metric, for images with a ground truth.
        real: those that need none, for images without.
        missing: label to the reason why it cannot be had here.
    """

    paired: dict[str, Metric] = field(default_factory=dict)
    real: dict[str, Metric] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)


def make_scoring(
    names: Sequence[str] | None,
    crop_border: int,
    has_pairs: bool,
    has_real: bool,
    tell: Callable[[str], None],
) -> Scoring:
    """The metrics called ``names``; each that cannot be had is told once and left out.

    Args:
        names: names in the registry, with options as ``lpips:net=vgg``; ``psnr_y`` and ``ssim_y``
            are scores of the luma. None for the usual ones.
        crop_border: for metrics that compare with a ground truth and name no border.
        has_pairs: whether there are images with a ground truth.
        has_real: whether there are images without.
        tell: takes lines for a person.

    Raises:
        OptionError: an unknown name or option, or no metric is left.
    """
    scoring = Scoring()
    if names is None:
        wanted = [*(DEFAULT if has_pairs else ()), *(DEFAULT_REAL if has_real else ())]
        wanted = [n for n in wanted if n in METRIC_REGISTRY]
    else:
        wanted = list(dict.fromkeys(names))
    default_real = DEFAULT_REAL if names is None else ()
    for label in wanted:
        try:
            metric = make_metric(label, crop_border)
        except UnavailableError as error:
            scoring.missing[label] = str(error)
            tell(f"metric '{label}' is left out: {error}")
            continue
        if has_pairs and label not in default_real:
            scoring.paired[label] = metric
        if has_real and not metric.needs_gt:
            scoring.real[label] = metric
    if has_pairs and not scoring.paired:
        raise OptionError("none of the metrics can be had here.", ("--metrics",), "E.g. psnr ssim.")
    if has_real and not scoring.real:
        hint = (
            "Name one that is: niqe (pip install 'adasr[basicsr]'), or musiq and clipiqa "
            "(pip install 'adasr[iqa]')."
        )
        problem = "none of the metrics can be had here that score images without ground truth."
        raise OptionError(problem, ("--metrics",), hint)
    return scoring


def make_metric(label: str, crop_border: int) -> Metric:
    """The metric of a label such as ``psnr``, ``psnr_y`` or ``lpips:net=vgg``.

    Raises:
        OptionError: an unknown name or option.
        UnavailableError: it cannot be had on this machine.
    """
    name, _, rest = label.partition(":")
    if name not in _SHORT and name not in METRIC_REGISTRY:
        known = [*METRIC_REGISTRY.names(), *_SHORT]
        raise OptionError(f"unknown metric '{name}'.", ("--metrics",), did_you_mean(name, known))
    options = {**_SHORT.get(name, {"type": name}), **_options(label, rest)}
    try:
        metric: Metric = METRIC_REGISTRY.build(options)
    except OptionError as error:
        raise error.under("--metrics", name) from None
    if metric.needs_gt and "crop_border" not in options:
        metric.crop_border = crop_border
    return metric


def _options(label: str, text: str) -> dict[str, Any]:
    """``a=1,b=x`` with values as YAML has them; of ``pyiqa:x`` x is the name."""
    if label.startswith("pyiqa:") and "=" not in text.partition(",")[0]:
        text = f"name={text}"
    found = {}
    for part in filter(None, text.split(",")):
        key, equals, value = part.partition("=")
        if not equals:
            raise OptionError(
                f"expected NAME:option=value, got '{label}'.", ("--metrics",), "E.g. lpips:net=vgg."
            )
        try:
            found[key.strip()] = parse(value)[0]
        except OptionError:
            found[key.strip()] = value
    return found
