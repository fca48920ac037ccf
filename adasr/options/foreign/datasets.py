"""BasicSR's datasets as ours."""

from __future__ import annotations

from typing import Any

from ...errors import OptionError
from ..fields import check_folder_name
from .draft import Draft
from .models import BY_BASICSR
from .report import Key

PAIRED, REAL_PAIRED, REAL = "PairedImageDataset", "RealESRGANPairedDataset", "RealESRGANDataset"
SINGLE, OURS = "SingleImageDataset", "ImageFolder"
_TYPES = {PAIRED: "PairedFolder", REAL_PAIRED: "PairedFolder", REAL: OURS}
_VIDEO = ("REDS", "Vimeo", "Video")
_OTHER = {"FFHQDataset": "trains generators of faces"}
_LOADER = ("use_shuffle", "prefetch_mode", "num_prefetch_queue", "pin_memory", "persistent_workers")
_TRAINING_ONLY = (
    "gt_size",
    "use_hflip",
    "use_rot",
    "batch_size_per_gpu",
    "num_worker_per_gpu",
    "dataset_enlarge_ratio",
)
_DEGRADED = " + degradation RealESRGAN"


def is_foreign_dataset(name: Any) -> bool:
    """Whether BasicSR has a dataset of this name."""
    return isinstance(name, str) and (
        name in _TYPES or name == SINGLE or name in _OTHER or _is_video(name)
    )


def take_datasets(draft: Draft) -> None:
    """Every dataset with its own keys; those that are scored get the names they have there."""
    renamed = _new_names(draft)
    for name in draft.section("datasets").copy():
        if draft.section("datasets", name):
            _take_files(draft, ("datasets", name))
            _take_loading(draft, ("datasets", name))
            _take_type(draft, ("datasets", name))
            if name in renamed:
                draft.pop("datasets", name, "name")
            else:
                draft.unneeded(("datasets", name, "name"), "a label only")
    _rename(draft, renamed)


def _new_names(draft: Draft) -> dict[str, str]:
    """``val`` of the name Set5 becomes ``val_Set5``, where that is nobody else's name."""
    datasets = draft.section("datasets")
    wanted: dict[str, str] = {}
    for name in datasets:
        label, kind = draft.get("datasets", name, "name"), name.partition("_")[0]
        if label is not None and name != "train" and _is_folder_name(f"{kind}_{label}"):
            wanted[name] = f"{kind}_{label}"
    names = [*wanted.values(), *(name for name in datasets if draft.has("datasets", name, "type"))]
    return {old: new for old, new in wanted.items() if names.count(new) == 1}


def _take_type(draft: Draft, key: Key) -> None:
    name, type_key = draft.get(*key, "type"), (*key, "type")
    if not isinstance(name, str):
        return
    if name in _TYPES and (name != REAL or key[-1] == "train"):
        degraded = name == REAL and ("degradation",) in draft.origins
        draft.change(type_key, _TYPES[name], _DEGRADED if degraded else "")
        if name == PAIRED:
            _take_meta_info(draft, key)
        if name != REAL:
            draft.fill((*key, "recursive"), False)
    elif is_foreign_dataset(name):
        draft.refuse(type_key, *_refusal(draft, key, name))
        draft.pop(*key)
    draft.unneeded((*key, "dataset_enlarge_ratio"), "the loader never ends")


def _refusal(draft: Draft, key: Key, name: str) -> tuple[str, str]:
    """Why a dataset can neither train nor score a network here, and what to do."""
    if _is_video(name):
        return f"{name} holds videos; adasr restores single images.", BY_BASICSR
    if name in _OTHER:
        return f"{name} {_OTHER[name]}; adasr restores images.", BY_BASICSR
    message, hint = f"{name} has no pairs of LQ and GT images.", f"Use {PAIRED}."
    if name == SINGLE and key[-1] != "train":
        folder = draft.get(*key, "dataroot_lq") or "FOLDER"
        weights = draft.get("path", "pretrain_network_g") or "WEIGHTS"
        hint = f"To upscale a folder: adasr infer -i {folder} -o results -m {weights}"
    return message, hint


def _is_video(name: str) -> bool:
    return name.startswith(_VIDEO) and name.endswith("Dataset")


def _take_meta_info(draft: Draft, key: Key) -> None:
    if draft.get(*key, "meta_info_file") is None:
        draft.unneeded((*key, "meta_info_file"), "empty")
    else:
        draft.move((*key, "meta_info_file"), (*key, "meta_info"))


def _take_files(draft: Draft, key: Key) -> None:
    """Where the images are and what they are."""
    backend = draft.get(*key, "io_backend", "type")
    if backend not in (None, "disk"):
        draft.refuse(
            (*key, "io_backend", "type"),
            f"images are read from folders here, not from {backend}.",
            "Write {type: disk} and give the folder of images (for lmdb, the one it was made of).",
        )
        draft.pop(*key, "io_backend")
    draft.unneeded((*key, "io_backend"), "folders")
    draft.unneeded((*key, "scale"), "the file's scale counts")
    draft.unneeded((*key, "phase"), "the dataset's key tells")
    if draft.get(*key, "color") == "y":
        hint = "For scores on it write test_y_channel: true in the metrics."
        draft.refuse((*key, "color"), "networks work on RGB here, not on luma alone.", hint)
    draft.unneeded((*key, "color"), "RGB")
    for option, neutral in (("mean", 0), ("std", 1)):
        value = draft.get(*key, option)
        if value is None or value == [neutral] * 3:
            draft.unneeded((*key, option), "neutral")
        else:
            message = "images are not normalized here; networks see RGB in [0, 1]."
            draft.refuse((*key, option), message, "Leave it out.")
    if draft.get(*key, "type") == REAL_PAIRED and draft.get(*key, "meta_info") is not None:
        draft.refuse(
            (*key, "meta_info"),
            "lists of GT and LQ names are not read; pairs are found by name.",
            "Leave it out and keep both under the same names (filename_tmpl: '{}x4' for a suffix).",
        )


def _take_loading(draft: Draft, key: Key) -> None:
    for option in _LOADER:
        draft.unneeded((*key, option), "the loader sees to it")
    draft.move((*key, "use_flip"), (*key, "use_hflip"))
    draft.move((*key, "num_worker"), (*key, "num_worker_per_gpu"))
    if draft.get("num_gpu") in (None, 0, 1) or key[-1] != "train":
        draft.move((*key, "batch_size"), (*key, "batch_size_per_gpu"))
    elif draft.has(*key, "batch_size"):
        message = "counts the images of all GPUs together."
        draft.refuse((*key, "batch_size"), message, "Write batch_size_per_gpu, that of each.")
    if key[-1] != "train":
        for option in _TRAINING_ONLY:
            draft.unneeded((*key, option), "whole images are scored")


def _is_folder_name(name: str) -> bool:
    try:
        check_folder_name(name)
    except OptionError:
        return False
    return True


def _rename(draft: Draft, renamed: dict[str, str]) -> None:
    datasets = draft.section("datasets")
    renamed = {old: new for old, new in renamed.items() if old in datasets}
    for old, new in renamed.items():
        inner = {k: v for k, v in draft.origins.items() if k[:2] == ("datasets", old)}
        draft.origins.update({("datasets", new, *k[2:]): v for k, v in inner.items()})
        draft.origins["datasets", new] = ("datasets", old)
        for key in draft.section("datasets", new):  # of --set, by the name in the report
            draft.origins["datasets", new, key] = ("datasets", new, key)
        datasets[old] |= draft.section("datasets", new)
        datasets.pop(new, None)
    if renamed:
        draft.options["datasets"] = {renamed.get(name, name): d for name, d in datasets.items()}
        draft.report.renamed(renamed.items())
