"""Which of BasicSR's models can be trained here."""

from __future__ import annotations

from .adversarial import ADVERSARIAL
from .draft import Draft

BY_BASICSR = (
    "Run this file with BasicSR itself; `python -m adasr.integrations.basicsr train -opt FILE` "
    "makes it run on current torch."
)
_TAKEN = (
    "SRModel",
    "SwinIRModel",
    "RealESRNetModel",
    *ADVERSARIAL,
    "AdaSRModel",
    "AdaRealESRNetModel",
)
_OTHER = {
    "VideoBaseModel": "videos",
    "EDVRModel": "videos",
    "VideoGANModel": "videos",
    "VideoRecurrentModel": "videos",
    "VideoRecurrentGANModel": "videos",
    "StyleGAN2Model": "generators of images",
    "HiFaceGANModel": "the restoration of faces by a GAN",
}


def take_model(draft: Draft) -> None:
    """``model_type``: what is trained."""
    key = ("model_type",)
    model = str(draft.get(*key)) if draft.has(*key) else None
    if model in _OTHER:
        message = f"{model} is for {_OTHER[model]}; adasr restores single images."
        draft.refuse(key, message, BY_BASICSR)
    elif model is not None and model not in _TAKEN:
        message = f"how {model} trains is not known."
        hint = f"Known: {', '.join(_TAKEN)}. Leave it out to train by the losses under train:."
        draft.refuse(key, message, hint)
    draft.pop(*key)
