"""``val`` and ``path`` of BasicSR's files."""

from __future__ import annotations

from ...registry import METRIC_REGISTRY
from .draft import Draft


def drop_unscored(draft: Draft) -> None:
    """Datasets that BasicSR loads and does not use, as nothing says how to score them."""
    if draft.trains and draft.get("val") is None:
        for name in _scored(draft):
            draft.unneeded(("datasets", name), "without val: nothing is validated")


def take_validation(draft: Draft) -> None:
    """How a network is scored."""
    if not _scored(draft) and (draft.trains or draft.faults):
        draft.unneeded(("val",), "there is no dataset to validate on")
        return
    if not draft.section("val"):
        return
    draft.unneeded(("val", "pbar"), "no bar here")
    if draft.get("val", "suffix") is None:
        draft.unneeded(("val", "suffix"), "empty")
    else:
        hint = "Leave it out; results/NAME/visualization/DATASET holds the images of a test."
        draft.refuse(("val", "suffix"), "saved images keep the names of the dataset's.", hint)
    if draft.get("val", "metrics") is None:
        draft.put(("val", "metrics"), {"psnr": {}})
        draft.report.note("val names no metric; PSNR is taken.")
    for label in draft.section("val", "metrics"):
        _take_metric(draft, label)


def _scored(draft: Draft) -> list[str]:
    return [name for name in draft.section("datasets") if name.startswith(("val", "test"))]


def _take_metric(draft: Draft, label: str) -> None:
    key = ("val", "metrics", label)
    name, better = draft.get(*key, "type"), draft.get(*key, "better")
    if isinstance(name, str) and name.removeprefix("calculate_") in METRIC_REGISTRY:
        ours = name.removeprefix("calculate_")
        right = "higher" if METRIC_REGISTRY.get(ours).higher_is_better else "lower"
        if better not in (None, right):
            draft.refuse((*key, "better"), f"{ours} is better when {right}.", "Leave it out.")
    draft.unneeded((*key, "better"), "known")
    if draft.get(*key, "input_order") == "HWC":
        draft.unneeded((*key, "input_order"), "known")


def take_paths(draft: Draft) -> None:
    """Old names, and which weights a file is asked for."""
    draft.move(("path", "pretrain_model_g"), ("path", "pretrain_network_g"))
    draft.move(("path", "strict_load"), ("path", "strict_load_g"))
    key, weights = ("path", "param_key_g"), draft.get("path", "pretrain_network_g")
    if weights is None:
        draft.unneeded(key, "nothing to load")
    elif str(weights).endswith(".safetensors"):
        draft.unneeded(key, "the file holds one set of weights")
    else:
        draft.fill(key, "params")
        if draft.trains and draft.get(*key) != "params_ema":
            draft.report.note(
                "the moving average starts from the same weights; BasicSR starts it from the "
                "file's params_ema where it has them."
            )
    if draft.get(*key) in ("params_ema", None):
        draft.unneeded(key, "EMA weights come first")
