"""Default sites of networks that other packages bring.

As for our own networks: one inside the residual branch of every repeated block, and the input of
the last convolution.
"""

from __future__ import annotations

from torch import nn

_BLOCK_SITES = {
    "EDSR": "body.*.conv1",
    "MSRResNet": "body.*.conv1",
    "RCAN": "body.*.conv",
    "RIDNet": "body.*.block1.conv1",
    "RRDBNet": "body.*.rdb3",
    "SwinIR": "layers.*.conv",
}
"""The sites in the blocks, by the name of the network's class."""


def default_sites(net: nn.Module) -> tuple[str, ...]:
    """Patterns for ``attach``: the network's own, else those known for its class, else the last.

    The last one is the input of the last convolution in the order of definition. Empty for an
    unknown network without convolutions.
    """
    own = getattr(net, "default_sites", None)
    if own:
        return tuple(own)
    blocks = [_BLOCK_SITES[name] for name in (type(net).__name__,) if name in _BLOCK_SITES]
    convolutions = [name for name, m in net.named_modules() if isinstance(m, nn.Conv2d)]
    return (*blocks, *(f"{name}:input" for name in convolutions[-1:]))
