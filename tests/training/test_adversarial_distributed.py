"""A discriminator in several processes, as torchrun starts them, on CPUs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import Tensor

from adasr.registry import DISCRIMINATOR_REGISTRY, LOSS_REGISTRY, OPTIMIZER_REGISTRY
from adasr.training.adversarial import CHECKED, Adversary

NAN_AT = 3  # the step in which one process alone gets a NaN


def batch(step: int, part: int, rank: int) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(100 * step + 10 * part + rank)
    return torch.rand(2, 3, 16, 16, generator=random), torch.rand(2, 3, 16, 16, generator=random)


def trained(accelerator: Accelerator, relativistic: bool, ranks: list[int]) -> dict[str, Any]:
    """Four steps of two parts each; ``ranks`` tells whose images a process sees."""
    torch.manual_seed(0)
    net = DISCRIMINATOR_REGISTRY.build({"type": "UNetDiscriminatorSN", "num_feat": 2})
    optimizer = OPTIMIZER_REGISTRY.build({"type": "Adam", "lr": 1e-3}, params=net.parameters())
    loss = LOSS_REGISTRY.build({"type": "GANLoss", "relativistic": relativistic})
    adversary = Adversary(net, optimizer, loss, accelerator)
    skipped = []
    for step in range(5):
        pairs = []
        for part in range(2):
            found = [batch(step, part, rank) for rank in ranks]
            sr, gt = (torch.cat(images) for images in zip(*found, strict=True))
            if step == NAN_AT and ranks[-1] == 1:
                gt[0, 0, 0, 0] = float("nan")
            adversary.generator_loss(sr.requires_grad_(), gt)["l_g_gan"].backward()
            assert sr.grad is not None
            pairs.append((sr, gt))
        skipped.append(CHECKED in adversary.update(pairs))
    return {"skipped": skipped, "network": dict(net.state_dict())}


@pytest.mark.slow
def test_two_processes_are_one_with_both_batches(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2", "--standalone"]
    ran = subprocess.run(
        [*command, __file__, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert ran.returncode == 0, ran.stderr
    AcceleratorState._reset_state()
    alone = trained(Accelerator(cpu=True, mixed_precision="no"), False, [0, 1])
    assert alone["skipped"] == [step == NAN_AT for step in range(5)]
    for kind in ("plain", "relativistic"):
        first, second = (torch.load(tmp_path / f"{kind}{rank}.pt") for rank in (0, 1))
        assert first["skipped"] == second["skipped"] == alone["skipped"]
        for key, value in first["network"].items():
            assert torch.equal(value, second["network"][key]), key
            if kind == "plain":  # the means of a relativistic loss are those of a process
                torch.testing.assert_close(value, alone["network"][key], rtol=0, atol=1e-5, msg=key)


def main(folder: Path) -> None:
    accelerator = Accelerator(cpu=True, mixed_precision="no")
    rank = accelerator.process_index
    for kind in ("plain", "relativistic"):
        state = trained(accelerator, kind == "relativistic", [rank])
        torch.save(state, folder / f"{kind}{rank}.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
