"""A tiny ablation: two configurations, two seeds, seconds each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml


@pytest.fixture
def base(tmp_path: Path, images: Path) -> dict[str, Any]:
    """Options of a training of a second or two."""
    return {
        "name": "base",
        "scale": 2,
        "network_g": {"type": "SRResNet", "num_feat": 4, "num_block": 2},
        "degradation": {"type": "RealESRGAN", "frame": 32},
        "datasets": {
            "train": {
                "type": "ImageFolder",
                "dataroot_gt": str(images),
                "gt_size": 16,
                "batch_size_per_gpu": 2,
                "num_worker_per_gpu": 0,
            }
        },
        "path": {"experiments_root": str(tmp_path / "experiments")},
        "train": {"total_iter": 4, "precision": "fp32", "optim_g": {"type": "Adam", "lr": 1e-3}},
        "logger": {"print_freq": 1, "save_checkpoint_freq": 1, "use_tb_logger": False},
    }


@pytest.fixture
def ablation(tmp_path: Path, base: dict[str, Any]) -> Callable[..., Path]:
    """Writes an ablation's YAML; ``ablation(seeds=[0])`` changes its sections."""

    def write(**changes: Any) -> Path:
        mapping: dict[str, Any] = {
            "name": "study",
            "base": base,
            "variants": {
                "plain": None,
                "dropout": {"regularizer": {"type": "AdaptiveDropout", "p": 0.5}},
            },
            "seeds": [0, 1],
            **changes,
        }
        path = tmp_path / "study.yml"
        kept = {key: value for key, value in mapping.items() if value is not None}
        path.write_text(yaml.safe_dump(kept, sort_keys=False), encoding="utf-8")
        return path

    return write
