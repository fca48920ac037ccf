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
    """Which losses compare with sharpened GT. LQ is made of it in any case."""
    given = [target for target in _TARGETS if draft.has(target)]
    if not given:
        return
    if draft.get("degradation") is None:
        told = ", ".join(f"{target}: {_word(draft.pop(target))}" for target in given)
        draft.report.note(f"{told}: the GT of pairs is taken as it is here, never sharpened.")
    elif draft.get("degradation", "type") != _DEGRADATION or draft.has("degradation", "gt_usm"):
        for target in given:
            draft.unneeded((target,), "the file's own degradation is taken")
    else:
        for target in given:
            if draft.get(target) is not False:  # there only the word false switches it off
                draft.put((target,), True)
            draft.move((target,), ("train", target))


def _word(value: object) -> str:
    return "false" if value is False else "true"
