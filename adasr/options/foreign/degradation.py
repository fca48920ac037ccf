"""RealESRNetModel's degradation, whose options stand at the top level and in the dataset."""

from __future__ import annotations

from ...errors import OptionError
from .datasets import OURS, PAIRED, REAL, REAL_PAIRED
from .draft import Draft

_PROCESS = (
    "resize_prob",
    "resize_range",
    "gaussian_noise_prob",
    "noise_range",
    "poisson_scale_range",
    "gray_noise_prob",
    "jpeg_range",
)
_KERNEL = (
    "blur_kernel_size",
    "kernel_list",
    "kernel_prob",
    "sinc_prob",
    "blur_sigma",
    "betag_range",
    "betap_range",
)
_TOP = ("gt_usm", *_PROCESS, "second_blur_prob", *(f"{key}2" for key in _PROCESS))
_IN_DATASET = (*_KERNEL, *(f"{key}2" for key in _KERNEL), "final_sinc_prob")
_SIZES = ("blur_kernel_size", "blur_kernel_size2")
_REAL_SIZE = 21  # of BasicSR's kernels, whatever the file says

_TRAIN = ("datasets", "train")
_MODELS = ("RealESRNetModel", "RealESRGANModel", "AdaRealESRNetModel")


def take_degradation(draft: Draft) -> None:
    """What makes LQ from GT, before the training set itself is taken over."""
    _check_source(draft)
    dataset, own = draft.get(*_TRAIN, "type"), draft.get("degradation")
    degraded = dataset == REAL or (dataset == OURS and draft.get("model_type") in _MODELS)
    wanted = degraded or any(draft.has(key) for key in _TOP)
    if dataset in (REAL, OURS) and wanted and _is_ours_to_fill(draft):
        if own is None:
            draft.origins["degradation",] = (*_TRAIN, "type")
        _fill(draft)
    why = "LQ comes from files" if own is None else "the file's own degradation is taken"
    for key in _TOP:
        draft.unneeded((key,), why)
    for key in _IN_DATASET:
        draft.unneeded((*_TRAIN, key), why)
    _take_gt_size(draft, degraded)
    if dataset == OURS:
        draft.unneeded((*_TRAIN, "frame"), "the degradation's counts")
    draft.unneeded(("queue_size",), "every sample draws its own degradation")
    draft.unneeded(("high_order_degradation",), "the dataset's type tells")


def _is_ours_to_fill(draft: Draft) -> bool:
    own = draft.get("degradation")
    if not draft.has("degradation"):
        return True
    return isinstance(own, dict) and own.get("type", "RealESRGAN") == "RealESRGAN"


def _fill(draft: Draft) -> None:
    for key in _SIZES:
        size = draft.get(*_TRAIN, key)
        if size not in (None, _REAL_SIZE):
            why = f"never read there, kernels have up to {_REAL_SIZE} pixels"
            draft.unneeded((*_TRAIN, key), why)
    if not draft.has("degradation", "type"):
        given = draft.section("degradation")
        draft.options["degradation"] = {"type": "RealESRGAN", **given}
    for key in _TOP:
        draft.move((key,), ("degradation", key))
    for key in _IN_DATASET:
        draft.move((*_TRAIN, key), ("degradation", key))


def _take_gt_size(draft: Draft, real: bool) -> None:
    """The top-level size is the network's; the dataset's is never read there."""
    inner = (*_TRAIN, "gt_size")
    if not draft.has("gt_size"):
        return
    if not real:
        draft.unneeded(("gt_size",), "that of the training set counts")
    elif draft.overrides(inner) and not draft.overrides(("gt_size",)):
        draft.unneeded(("gt_size",), "--set gives that of the training set")
    else:
        if draft.has(*inner):
            size = draft.pop(*inner)
            if size != draft.get("gt_size"):
                draft.report.unneeded(inner, "the file's gt_size counts")
        draft.move(("gt_size",), inner)


def _check_source(draft: Draft) -> None:
    """A model that degrades needs GT alone; one that doesn't needs pairs."""
    model, dataset = draft.get("model_type"), draft.get(*_TRAIN, "type")
    high_order = draft.get("high_order_degradation") is not False
    if dataset == REAL and model not in (None, *_MODELS):
        message = f"{model} needs LQ images, and {REAL} has none."
        draft.faults.append(OptionError(message, ("model_type",), "Use RealESRNetModel."))
    if dataset == REAL and not high_order:
        message = f"without degradation LQ images are needed, and {REAL} has none."
        hint = f"Leave it out, or use {REAL_PAIRED}."
        draft.faults.append(OptionError(message, ("high_order_degradation",), hint))
    if dataset in (PAIRED, REAL_PAIRED) and model in _MODELS and high_order:
        message = f"{model} makes its LQ images, and {dataset} brings others."
        hint = "Write high_order_degradation: false to train on the pairs as they are."
        draft.faults.append(OptionError(message, ("model_type",), hint))
