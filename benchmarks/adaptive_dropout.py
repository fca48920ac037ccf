"""What Adaptive Dropout at all sites costs a training step, against the blend as released."""

from __future__ import annotations

import copy

import torch
from blend import blend_all_sites, check_blend
from common import alternate, parser, report
from torch import nn
from torch.nn import functional as F

import adasr
from adasr.training.backends import set_backends


def main() -> None:
    args = parser(__doc__).parse_args()
    torch.set_num_threads(args.threads)
    device, p, weight = args.device, 0.5, 0.3
    set_backends(torch.device(device), deterministic=False)  # as a training does
    torch.manual_seed(0)
    plain = adasr.build_network({"type": "SRResNet", "upscale": 4}).to(device)
    plain = plain.to(memory_format=torch.channels_last)
    ours, idle, peer = copy.deepcopy(plain), copy.deepcopy(plain), copy.deepcopy(plain)
    adasr.attach(ours, adasr.AdaptiveDropout(p, weight))
    adasr.attach(idle, adasr.AdaptiveDropout(p, 1.0))
    blend_all_sites(peer, p, weight)

    lq = torch.rand(16, 3, 32, 32, device=device)
    gt = torch.rand(16, 3, 128, 128, device=device)
    check_blend(p, weight, device)

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


if __name__ == "__main__":
    main()
