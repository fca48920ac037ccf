"""Looking at the feature of one site while a network trains."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from ..errors import OptionError
from .sites import INPUT, find_sites, probe


class FeatureTap:
    """Keeps the feature at one site of ``net`` from a forward pass until it is taken.

    A regularizer that acts there acts after it. The network's ``state_dict`` stays as it is; a
    deep copy of the network made from then on carries a tap of its own.

    Args:
        net: any network; a plain one (not compiled, not wrapped for several processes).
        site: as in ``find_site``.
    """

    def __init__(self, net: nn.Module, site: str) -> None:
        name = find_site(net, site)
        module = net.get_submodule(name.removesuffix(INPUT))
        self._feature: Tensor | None = None
        if name.endswith(INPUT):
            self._handle = module.register_forward_pre_hook(self._keep_input, prepend=True)
        else:
            self._handle = module.register_forward_hook(self._keep_output, prepend=True)

    def take(self) -> Tensor:
        """The feature of the last forward pass, which is then kept no longer.

        Raises:
            RuntimeError: there was no forward pass since it was last taken.
        """
        feature, self._feature = self._feature, None
        if feature is None:
            raise RuntimeError("no forward pass since the feature was last taken")
        return feature

    def clear(self) -> None:
        """Keep no feature."""
        self._feature = None

    def remove(self) -> None:
        """Take the tap off the network."""
        self._handle.remove()
        self._feature = None

    def _keep_input(self, module: nn.Module, args: tuple[Any, ...]) -> None:
        self._feature = args[0]

    def _keep_output(self, module: nn.Module, args: tuple[Any, ...], output: Tensor) -> None:
        self._feature = output


def find_site(net: nn.Module, site: str, example: Tensor | None = None) -> str:
    """The one module's output or input that ``site`` stands for: "last", or a pattern.

    Args:
        net: any network; a plain one.
        site: "last", the last that the network names itself, or a pattern on module names.
        example: an input (N, C, H, W). With it the site is checked to be reached, and to hold
            features (N, C, H, W).

    Raises:
        OptionError: it matches nothing or several, is not reached, or holds something else.
    """
    try:
        names = find_sites(net, site)
        if len(names) != 1:
            told = ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")
            raise OptionError(f"'{site}' stands for {len(names)} sites.", hint=f"One of: {told}")
        seen = probe(net, names, example) if example is not None else {}
    except OptionError as error:
        raise OptionError(error.message, ("site",), error.hint) from None
    for name, feature in seen.items():
        if feature.dim() != 4:
            shape = tuple(feature.shape)
            raise OptionError(f"'{name}' is of shape {shape}, not (N, C, H, W).", ("site",))
    return names[0]
