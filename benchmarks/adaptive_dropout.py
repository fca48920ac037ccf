"""What Adaptive Dropout at all sites costs a training step, against the blend as released."""

from __future__ import annotations

import copy

import torch
from common import alternate, parser, report
from torch import Tensor, nn
from torch.nn import functional as F

import adasr


class ThreeOperations(nn.Module):
    """The blend written out: dropout of the whole feature, two scalings, a sum."""

    def __init__(self, p: float, weight: float) -> None:
        super().__init__()
        self.p, self.weight = p, weight

    def forward(self, x: Tensor) -> Tensor:
        return self.weight * x + (1 - self.weight) * F.dropout2d(x, self.p)


class Peer(nn.Module):
    """SRResNet with the written-out blend where ``attach`` places ours."""

    def __init__(self, net: nn.Module, p: float, weight: float) -> None:
        super().__init__()
        self.net = net
        blend = ThreeOperations(p, weight)
        for block in net.body:
            block.conv1.register_forward_hook(lambda m, a, y: blend(y))
        net.conv_last.register_forward_pre_hook(lambda m, a: (blend(a[0]),))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


def main() -> None:
    args = parser(__doc__).parse_args()
    torch.set_num_threads(args.threads)
    device, p, weight = args.device, 0.5, 0.3
    torch.manual_seed(0)
    plain = adasr.build_network({"type": "SRResNet", "upscale": 4}).to(device)
    plain = plain.to(memory_format=torch.channels_last)
    ours, idle, peer = copy.deepcopy(plain), copy.deepcopy(plain), copy.deepcopy(plain)
    adasr.attach(ours, adasr.AdaptiveDropout(p, weight))
    adasr.attach(idle, adasr.AdaptiveDropout(p, 1.0))
    peer = Peer(peer, p, weight)

    lq = torch.rand(16, 3, 32, 32, device=device)
    gt = torch.rand(16, 3, 128, 128, device=device)
    check_equal(p, weight, device)

    def step(net: nn.Module) -> None:
        net.zero_grad(set_to_none=True)
        with torch.autocast(torch.device(device).type, torch.bfloat16):
            sr = net(lq)
        F.l1_loss(sr.float(), gt).backward()

    medians = alternate(
        {
            "plain network": lambda: step(plain),
            "sites at weight 1": lambda: step(idle),
            "one multiply (ours)": lambda: step(ours),
            "three operations": lambda: step(peer),
        },
        args.rounds,
        device,
    )
    base = medians["plain network"]
    for name in ("sites at weight 1", "one multiply (ours)", "three operations"):
        print(f"{name:32s} {100 * (medians[name] / base - 1):+9.2f} % over the plain network")
    ratio = medians["three operations"] / medians["one multiply (ours)"]
    report(medians, ratio, 1.0, args)


def check_equal(p: float, weight: float, device: str) -> None:
    """The same mask gives the same feature on both sides."""
    x = torch.randn(4, 32, 8, 8, device=device)
    torch.manual_seed(0)
    ours = adasr.AdaptiveDropout(p, weight)(x)
    torch.manual_seed(0)
    keep = F.dropout2d(torch.ones(4, 32, 1, 1, device=device), p)
    torch.testing.assert_close(ours, weight * x + (1 - weight) * x * keep)


if __name__ == "__main__":
    main()
