"""SRGANModel, ESRGANModel and RealESRGANModel: a discriminator beside the network."""

from __future__ import annotations

from .draft import Draft

ADVERSARIAL = ("SRGANModel", "ESRGANModel", "RealESRGANModel")
_RELATIVISTIC, _REAL = "ESRGANModel", "RealESRGANModel"
_DEGRADATION = "RealESRGAN"
_GAN = ("train", "gan_opt")
_PARTS = (
    ("network_d",),
    ("path", "pretrain_network_d"),
    ("path", "strict_load_d"),
    ("path", "param_key_d"),
    ("train", "optim_d"),
    _GAN,
    ("train", "net_d_iters"),
    ("train", "net_d_init_iters"),
    ("train", "ldl_opt"),
)
_TARGETS = ("l1_gt_usm", "percep_gt_usm", "gan_gt_usm")
_WHO = {
    "l1_gt_usm": "train.pixel_opt",
    "percep_gt_usm": "train.perceptual_opt",
    "gan_gt_usm": "the discriminator",
}


def take_adversary(draft: Draft) -> None:
    """What belongs to the discriminator, where the file trains one."""
    model = draft.get("model_type")
    if not (draft.trains and model in ADVERSARIAL):
        for part in (*_PARTS, *((target,) for target in _TARGETS)):
            draft.unneeded(part, "there is no discriminator")
        return
    if draft.get("network_d") is None and draft.get(*_GAN) is None:
        plain = "RealESRNetModel" if model == _REAL else "SRModel"
        message = f"{model} needs network_d and train.gan_opt, and neither is there."
        hint = f"Give them, or train without a discriminator: {plain}."
        draft.refuse(("model_type",), message, hint)
    draft.unneeded(("path", "param_key_d"), "a discriminator has one set of weights")
    if draft.get("train", "ldl_opt") is None:
        draft.unneeded(("train", "ldl_opt"), "off")
    else:
        message = "locally discriminative learning (LDL) is not part of adasr."
        draft.refuse(("train", "ldl_opt"), message, "Leave it out.")
    if model == _RELATIVISTIC and draft.section(*_GAN):
        _take_relativistic(draft)
    if model == _REAL:
        draft.unneeded(("gt_usm",), f"never read by {_REAL}")
    else:
        for target in _TARGETS:
            draft.unneeded((target,), f"{_REAL}'s alone")


def _take_relativistic(draft: Draft) -> None:
    key = (*_GAN, "relativistic")
    if not draft.has(*key):
        draft.put(key, True, ("model_type",))
        text = f": {_RELATIVISTIC} -> train.gan_opt.relativistic: true"
        draft.report.changed(("model_type",), text)


def take_targets(draft: Draft) -> None:
    """Which losses compare with sharpened GT; here all compare with the same, after ``gt_usm``."""
    given = [target for target in _TARGETS if draft.has(target)]
    # There only the word false switches it off.
    sharpened = {target: draft.get(target) is not False for target in _TARGETS}
    for target in given:
        draft.pop(target)
    if not given:
        return
    names = ", ".join(f"{target}: {_word(sharpened[target])}" for target in given)
    if draft.get("degradation") is None:
        draft.report.note(f"{names}: the GT of pairs is taken as it is here, never sharpened.")
    elif draft.get("degradation", "type") != _DEGRADATION or draft.has("degradation", "gt_usm"):
        for target in given:
            draft.report.unneeded((target,), "the file's own degradation is taken")
    else:
        chosen = sharpened["l1_gt_usm"]
        draft.put(("degradation", "gt_usm"), chosen, ("l1_gt_usm",))
        told = f"{names} -> degradation.gt_usm: {_word(chosen)}{_difference(sharpened)}"
        draft.report.note(told)


def _difference(sharpened: dict[str, bool]) -> str:
    """What is other here than there."""
    chosen = sharpened["l1_gt_usm"]
    others = [_WHO[target] for target, on in sharpened.items() if on != chosen]
    kinds = ("sharpened", "plain") if chosen else ("plain", "sharpened")
    told = ""
    if others:
        told = (
            f", as l1_gt_usm says: there is one GT here, so {' and '.join(others)} get"
            f"{'s' if len(others) == 1 else ''} the {kinds[0]} one too, not the {kinds[1]} one"
        )
    if not chosen:
        told += "; LQ is made of the plain GT as well, there of the sharpened one"
    return f"{told}."


def _word(value: bool) -> str:
    return "true" if value else "false"
