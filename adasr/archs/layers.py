"""What the networks share: checked options, initial weights, what a network says of itself."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator, Sequence

from torch import nn

from ..errors import OptionError


def describe(
    net: nn.Module, upscale: int, default_sites: Sequence[str], size_multiple: int = 1
) -> nn.Module:
    """Give ``net`` the three attributes that every network of ours has, and return it."""
    # Past nn.Module.__setattr__, which is declared for tensors and modules only.
    vars(net).update(
        upscale=upscale, default_sites=tuple(default_sites), size_multiple=size_multiple
    )
    return net


def check_upscale(upscale: int, allowed: Sequence[int]) -> None:
    """Raise ``OptionError`` unless ``upscale`` is one of ``allowed``."""
    if upscale not in allowed:
        *first, last = map(str, allowed)
        choice = f"{', '.join(first)} or {last}" if first else last
        raise OptionError(f"must be {choice}, got {upscale}.", ("upscale",))


def check_positive(**numbers: float | Sequence[int]) -> None:
    """Raise ``OptionError`` for the first option that is not above zero (or an empty list)."""
    for name, value in numbers.items():
        values = value if isinstance(value, Sequence) else [value]
        if not values or min(values) <= 0:
            raise OptionError(f"must be above 0, got {value}.", (name,))


def check_divides(divisor: str, by: int, **numbers: int) -> None:
    """Raise ``OptionError`` for the first option that is not a multiple of ``by``."""
    for name, value in numbers.items():
        if value % by:
            raise OptionError(f"must be a multiple of {divisor} ({by}), got {value}.", (name,))


def check_same_length(**lists: Sequence[int]) -> None:
    """Raise ``OptionError`` unless all lists are as long as the first."""
    (first, reference), *others = lists.items()
    for name, value in others:
        if len(value) != len(reference):
            raise OptionError(
                f"must have as many entries as {first} ({len(reference)}), got {len(value)}.",
                (name,),
            )


def scaled_kaiming_(convolutions: Sequence[nn.Conv2d], scale: float) -> None:
    """He-normal weights times ``scale``, biases zero.

    Small initial weights keep the residual branches near zero, so that a deep stack of blocks
    without normalization starts as the identity (ESRGAN, arXiv 1809.00219, section 3.1).
    """
    for convolution in convolutions:
        nn.init.kaiming_normal_(convolution.weight)
        convolution.weight.data.mul_(scale)
        if convolution.bias is not None:
            nn.init.zeros_(convolution.bias)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without the warning that torch gives about how other packages call ``torch.meshgrid``."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="torch.meshgrid")
        yield


def blocks(count: int, block: Callable[[], nn.Module]) -> nn.Sequential:
    """``count`` new blocks, one after the other."""
    return nn.Sequential(*(block() for _ in range(count)))
