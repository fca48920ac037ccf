"""How BasicSR trains, keeps and logs, where its keys or its defaults differ from ours."""

from __future__ import annotations

from typing import Any

from .draft import Draft

_MULTI_STEP = ("MultiStepLR", "MultiStepRestartLR")


def take_training(draft: Draft) -> None:
    """``train``, ``logger``, the seed and the number of GPUs."""
    draft.move(("train", "niter"), ("train", "total_iter"))
    draft.move(("train", "manual_seed"), ("manual_seed",))
    _take_processes(draft)
    if not draft.trains:
        return
    if draft.get("manual_seed") is None:
        draft.pop("manual_seed")
        draft.report.note("manual_seed is left out: drawn at random there, 0 here.")
    _take_optimizers(draft)
    _take_schedule(draft)
    _take_alignment(draft)
    if not draft.has("train", "precision"):
        draft.report.note("train.precision is auto, what is fast here; BasicSR computes in fp32.")
    draft.fill(("train", "ema_decay"), 0)
    _take_losses(draft)
    _take_logging(draft)


def _take_processes(draft: Draft) -> None:
    count, batch = draft.get("num_gpu"), draft.get("datasets", "train", "batch_size_per_gpu")
    if draft.trains and isinstance(count, int) and count > 1:
        total = f" ({count * batch} images a step in all)" if isinstance(batch, int) else ""
        draft.report.note(
            f"num_gpu: {count}{total}; here every process has a batch of its own, and "
            f"torchrun --nproc_per_node {count} starts as many."
        )
    if count == 0:
        draft.report.note("num_gpu: 0; here a GPU is used where there is one.")
    draft.unneeded(("num_gpu",), "torchrun decides")
    draft.unneeded(("dist_params",), "torchrun decides")
    draft.unneeded(("find_unused_parameters",), "networks use all their parameters")


def _take_optimizers(draft: Draft) -> None:
    for key in (("train", "optim_g"), ("train", "optim_d")):
        if draft.section(*key):
            draft.fill((*key, "betas"), [0.9, 0.999])
        for option in ("amsgrad", "maximize"):
            if draft.get(*key, option) is False:
                draft.unneeded((*key, option), "off")


def _take_losses(draft: Draft) -> None:
    draft.fill(("train", "pixel_opt"), None)
    perceptual = draft.section("train", "perceptual_opt")
    if perceptual.get("type") == "PerceptualLoss":
        draft.report.note(
            "train.perceptual_opt needs torchvision's ImageNet weights of "
            f"{perceptual.get('vgg_type', 'vgg19')}: from experiments/pretrained_models, torch "
            "hub's cache, or a download."
        )


def _take_schedule(draft: Draft) -> None:
    key = ("train", "scheduler")
    schedule = draft.section(*key)
    if schedule.get("type") not in _MULTI_STEP:
        return
    if schedule["type"] != "MultiStepLR":
        draft.change((*key, "type"), "MultiStepLR")
    for option, neutral in (("restarts", [0]), ("restart_weights", [1])):
        if schedule.get(option, neutral) == neutral:
            draft.unneeded((*key, option), "no restart")
        else:
            message = "a multi-step schedule does not restart here."
            draft.refuse((*key, option), message, "Use CosineAnnealingRestartLR.")
    warmup = draft.get("train", "warmup_iter")
    if isinstance(warmup, int) and warmup > 0:
        draft.report.note(
            f"after the warm-up BasicSR's {schedule['type']} stays at {warmup - 1}/{warmup} of the "
            "learning rate; here it is reached whole."
        )


def _take_alignment(draft: Draft) -> None:
    """Wang et al.: a weight, and a run whose name holds "reg", switch feature alignment on."""
    if not draft.has("weight"):
        return
    name, align = str(draft.get("name")), ("train", "align_opt")
    if "reg" not in name:
        draft.unneeded(("weight",), 'without "reg" in the name it has no effect there either')
    elif draft.has(*align):
        draft.unneeded(("weight",), "train.align_opt is given")
    else:
        weight = _number(draft.pop("weight"))
        draft.put(align, {"type": "FeatureAlignment", "loss_weight": weight})
        draft.origins[align] = ("name",)
        draft.origins[*align, "loss_weight"] = ("weight",)
        text = f': {weight}, and "reg" in the name -> train.align_opt FeatureAlignment'
        draft.report.changed(("weight",), text)


def _number(value: Any) -> Any:
    """``1e0`` is a text to PyYAML, and its readers make a number of it."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _take_logging(draft: Draft) -> None:
    draft.fill(("logger", "use_tb_logger"), False)
    total, every = draft.get("train", "total_iter"), draft.get("logger", "save_checkpoint_freq")
    if isinstance(total, int | float) and isinstance(every, int | float) and every > 0:
        draft.fill(("logger", "keep_checkpoints"), int(total // every) + 1)  # all of them
    if "debug" in str(draft.get("name")):
        draft.report.note('"debug" in the name shortens intervals there and does nothing here.')
