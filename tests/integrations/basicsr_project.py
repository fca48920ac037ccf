"""A small project of BasicSR's: an option file, and its own pipelines run on it."""

from __future__ import annotations

import logging
import re
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml


def project_options(pairs: Path) -> dict[str, Any]:
    """A tiny option file with BasicSR's keys."""
    paired = {
        "type": "PairedImageDataset",
        "dataroot_gt": str(pairs / "gt"),
        "dataroot_lq": str(pairs / "lq"),
        "io_backend": {"type": "disk"},
    }
    return {
        "name": "run",
        "model_type": "SRModel",
        "scale": 2,
        "num_gpu": 1,
        "manual_seed": 0,
        "datasets": {
            "train": {
                "name": "train",
                **paired,
                "gt_size": 32,
                "use_hflip": True,
                "use_rot": True,
                "num_worker_per_gpu": 0,
                "batch_size_per_gpu": 2,
                "dataset_enlarge_ratio": 20,
                "prefetch_mode": None,
            },
            "val": {"name": "val", **paired},
        },
        "network_g": {"type": "MSRResNet", "num_feat": 8, "num_block": 2, "upscale": 2},
        "path": {"pretrain_network_g": None, "strict_load_g": True, "resume_state": None},
        "train": {
            "ema_decay": 0.9,
            "optim_g": {"type": "Adam", "lr": 2e-4, "betas": [0.9, 0.99]},
            "scheduler": {"type": "MultiStepLR", "milestones": [6], "gamma": 0.5},
            "total_iter": 8,
            "warmup_iter": -1,
            "pixel_opt": {"type": "L1Loss", "loss_weight": 1.0, "reduction": "mean"},
        },
        "val": {
            "val_freq": 4,
            "save_img": False,
            "suffix": None,
            "metrics": {"psnr": {"type": "calculate_psnr", "crop_border": 2}},
        },
        "logger": {
            "print_freq": 1,
            "save_checkpoint_freq": 4,
            "use_tb_logger": False,
            "wandb": {"project": None, "resume_id": None},
        },
    }


ADAPTIVE = {
    "type": "AdaptiveDropout",
    "schedule": {"type": "LayerwiseAnnealing", "interval": 3},
}


class Project:
    """A folder in which BasicSR's own pipelines run, in this process."""

    def __init__(self, folder: Path, pairs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.pairs, self.monkeypatch = folder, pairs, monkeypatch
        monkeypatch.chdir(folder)

    def write(self, name: str = "run", **changes: Any) -> Path:
        """An option file; a mapping is merged into its section, anything else takes its place."""
        options = project_options(self.pairs)
        options["name"] = name
        for section, values in changes.items():
            held = options.get(section)
            both = isinstance(values, dict) and isinstance(held, dict) and "type" not in values
            options[section] = {**held, **values} if both else values
        path = self.folder / f"{name}.yml"
        path.write_text(yaml.safe_dump(options, sort_keys=False))
        return path

    def train(self, options: Path, *arguments: str) -> str:
        """BasicSR's ``train_pipeline``; its log."""
        from basicsr.train import train_pipeline

        return self._run(train_pipeline, options, *arguments)

    def test(self, options: Path, *arguments: str) -> str:
        """BasicSR's ``test_pipeline``; its log."""
        from basicsr.test import test_pipeline

        return self._run(test_pipeline, options, *arguments)

    def _run(self, pipeline: Callable[[str], None], options: Path, *arguments: str) -> str:
        from basicsr.utils.logger import initialized_logger

        initialized_logger.clear()  # BasicSR opens a log file for the first run of a process only
        for handler in list(logging.getLogger("basicsr").handlers):
            logging.getLogger("basicsr").removeHandler(handler)
            handler.close()
        for earlier in self.folder.rglob("*.log"):
            earlier.unlink()  # named by the second, so a second run may take the same name
        self.monkeypatch.setattr(sys, "argv", ["train.py", "-opt", str(options), *arguments])
        pipeline(str(self.folder))
        (log,) = self.folder.rglob("*.log")
        return log.read_text()


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def annealed(log: str) -> dict[int, float]:
    """The share of annealed sites by iteration, from a training's log."""
    found = re.findall(r"iter:\s*([\d,]+),.*annealed: (\S+)", log)
    return {int(iteration.replace(",", "")): float(share) for iteration, share in found}


def losses(log: str) -> dict[int, float]:
    """The pixel loss by iteration, from a training's log."""
    found = re.findall(r"iter:\s*([\d,]+),.*l_pix: (\S+)", log)
    return {int(iteration.replace(",", "")): float(loss) for iteration, loss in found}
