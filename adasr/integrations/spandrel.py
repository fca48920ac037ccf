"""Teaches spandrel our SRResNet, so that its loader and programs on top of it read our weights.

``import adasr.integrations.spandrel`` is enough; spandrel knows all other networks of ours. For
programs that never import adasr, such as chaiNNer, see ``adasr.integrations.spandrel_startup``.
"""

from __future__ import annotations

from torch import Tensor

from ..archs.detect import recognize
from ..archs.keys import canonical_keys
from ..archs.srresnet import SRResNet
from ..compat import import_torchvision
from ..regularizers.sites import RESERVED_PREFIX

import_torchvision()

from spandrel import (  # noqa: E402  it imports torchvision
    MAIN_REGISTRY,
    Architecture,
    ArchRegistry,
    ArchSupport,
    ImageModelDescriptor,
    StateDict,
)


class SRResNetArch(Architecture[SRResNet]):
    """SRResNet without batch normalization: adasr's, BasicSR's, MMSR's and the authors' weights."""

    def __init__(self) -> None:
        super().__init__(id="adasr.SRResNet", name="SRResNet", detect=_is_srresnet)

    def load(self, state_dict: StateDict) -> ImageModelDescriptor[SRResNet]:
        """The network of a state dict that is detected."""
        state = _plain(state_dict)
        found = recognize(state)
        if found is None or found.options["type"] != "SRResNet":
            raise ValueError("This is no state dict of SRResNet.")
        options = {key: value for key, value in found.options.items() if key != "type"}
        net = SRResNet(**options)
        return ImageModelDescriptor(
            net,
            canonical_keys(state),
            architecture=self,
            purpose="Restoration" if net.upscale == 1 else "SR",
            tags=[f"{options['num_feat']}nf", f"{options['num_block']}nb"],
            supports_half=True,
            supports_bfloat16=True,
            scale=net.upscale,
            input_channels=options["num_in_ch"],
            output_channels=options["num_out_ch"],
        )


def install(*registries: ArchRegistry) -> list[ArchSupport]:
    """Add our SRResNet to spandrel's registries, the main one by default; once is enough.

    It comes last, so no weights that spandrel knows without it are taken for it.

    Returns:
        What was added: nothing where it is there already.
    """
    support = ArchSupport.from_architecture(SRResNetArch())
    return [
        added
        for registry in registries or (MAIN_REGISTRY,)
        for added in registry.add(support, ignore_duplicates=True)
    ]


def _is_srresnet(state_dict: StateDict) -> bool:
    found = recognize(_plain(state_dict))
    return found is not None and found.exact and found.options["type"] == "SRResNet"


def _plain(state_dict: StateDict) -> dict[str, Tensor]:
    """The tensors without those of attached regularizers, which act in training only."""
    return {
        key: value
        for key, value in state_dict.items()
        if isinstance(value, Tensor) and not key.startswith(f"{RESERVED_PREFIX}.")
    }


install()
