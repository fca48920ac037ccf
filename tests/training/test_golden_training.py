"""Parity with the authors' network in training mode, over many draws."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from adasr.archs.detect import canonical_keys
from adasr.archs.srresnet import SRResNet
from adasr.regularizers.adaptive_dropout import AdaptiveDropout
from adasr.regularizers.sites import attach


@pytest.mark.slow
def test_training_mode_has_the_authors_mean_and_deviation(shared: Path) -> None:
    golden = load_file(shared / "golden" / "xu2025_srresnet_train_stats.safetensors")
    net = SRResNet(num_feat=8, upscale=4)
    state = {k.removeprefix("state."): v for k, v in golden.items() if k.startswith("state.")}
    net.load_state_dict(canonical_keys(state))
    attach(net, AdaptiveDropout(p=0.5, weight=0.3), example=golden["input"])
    torch.manual_seed(0)
    draws, batch = 20_000, 250
    total = torch.zeros_like(golden["train_mean"], dtype=torch.float64)
    squares = torch.zeros_like(total)
    with torch.no_grad():
        for _ in range(draws // batch):
            out = net(golden["input"].expand(batch, -1, -1, -1)).double()
            total += out.sum(0, keepdim=True)
            squares += out.square().sum(0, keepdim=True)
    mean = total / draws
    deviation = (squares / draws - mean.square()).sqrt()
    # Two means of 20,000 draws differ by about sigma * sqrt(2 / n); the largest of 8,064 such
    # differences stays below 5.5 times that.
    bound = 5.5 * golden["train_std"] * (2 / draws) ** 0.5
    assert ((mean - golden["train_mean"]).abs() <= bound).all()
    ratio = deviation / golden["train_std"]
    # Products of 17 factors have long tails: over seeds this mean moves by 0.003, and the golden
    # deviations are a sample of the same size themselves.
    assert ratio.mean().item() == pytest.approx(1.0, abs=0.02)
    assert ratio.min() > 0.9
    assert ratio.max() < 1.1
