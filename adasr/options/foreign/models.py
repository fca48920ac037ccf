"""Which of BasicSR's models can be trained here, and what belongs to the others alone."""

from __future__ import annotations

from .draft import Draft

BY_BASICSR = (
    "Run this file with BasicSR itself; `python -m adasr.integrations.basicsr train -opt FILE` "
    "makes it run on current torch."
)
_TAKEN = ("SRModel", "SwinIRModel", "RealESRNetModel", "AdaSRModel", "AdaRealESRNetModel")
_ADVERSARIAL = ("SRGANModel", "ESRGANModel", "RealESRGANModel")
_OTHER = {
    "VideoBaseModel": "videos",
    "EDVRModel": "videos",
    "VideoGANModel": "videos",
    "VideoRecurrentModel": "videos",
    "VideoRecurrentGANModel": "videos",
    "StyleGAN2Model": "generators of images",
    "HiFaceGANModel": "the restoration of faces by a GAN",
}
_DISCRIMINATOR = (
    ("network_d",),
    ("path", "pretrain_network_d"),
    ("path", "strict_load_d"),
    ("path", "param_key_d"),
    ("train", "optim_d"),
    ("train", "gan_opt"),
    ("train", "net_d_iters"),
    ("train", "net_d_init_iters"),
    ("l1_gt_usm",),
    ("percep_gt_usm",),
    ("gan_gt_usm",),
)


def take_model(draft: Draft) -> None:
    """``model_type``, and the parts of adversarial training."""
    key = ("model_type",)
    model = str(draft.get(*key)) if draft.has(*key) else None
    adversarial = model in _ADVERSARIAL
    if draft.trains and adversarial:
        message = f"{model}: adversarial training is not part of adasr."
        draft.refuse(key, message, BY_BASICSR)
    elif model in _OTHER:
        message = f"{model} is for {_OTHER[model]}; adasr restores single images."
        draft.refuse(key, message, BY_BASICSR)
    elif model is not None and model not in (*_TAKEN, *_ADVERSARIAL):
        message = f"how {model} trains is not known."
        hint = f"Known: {', '.join(_TAKEN)}. Leave it out to train by the losses under train:."
        draft.refuse(key, message, hint)
    draft.pop(*key)
    for part in _DISCRIMINATOR:
        if draft.trains and adversarial and draft.has(*part):
            draft.refuse(part, "is a part of adversarial training, see model_type.")
        else:
            draft.unneeded(part, "there is no discriminator")
