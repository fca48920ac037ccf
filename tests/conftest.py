"""What several test folders need."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
import yaml

if TYPE_CHECKING:
    from adasr.options import Options

torch.set_num_threads(min(2, torch.get_num_threads()))


def pytest_configure() -> None:
    # One place for every child process too: a test must not depend on the machine's thread count.
    os.environ.setdefault("OMP_NUM_THREADS", "2")


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """The same random numbers in every run, whatever ran before."""
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with reference tensors and images; tests that need it skip without it."""
    default = Path(__file__).resolve().parents[2] / "shared"
    folder = Path(os.environ.get("ADASR_SHARED", default))
    if not (folder / "golden").is_dir():
        pytest.skip("no folder with reference data (set ADASR_SHARED)")
    return folder


@pytest.fixture(scope="session")
def basicsr() -> ModuleType:
    """The real BasicSR, mended so that it imports; tests that compare with it skip without it."""
    if importlib.util.find_spec("basicsr") is None:
        pytest.skip("BasicSR is not installed")
    from adasr.compat import import_basicsr

    return import_basicsr()


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a few small textured pictures."""
    from adasr.data.images import write_image

    folder = tmp_path_factory.mktemp("images")
    random = np.random.default_rng(0)
    for index in range(5):
        coarse = torch.from_numpy(random.random((1, 3, 8, 8), dtype=np.float32))
        smooth = torch.nn.functional.interpolate(coarse, size=(64, 64), mode="bicubic")
        picture = (smooth[0].permute(1, 2, 0).clamp(0, 1).numpy() * 255).astype(np.uint8)
        write_image(folder / f"img{index}.png", picture)
    return folder


@pytest.fixture
def recipe(tmp_path: Path, images: Path) -> Callable[..., Path]:
    """Writes a small option YAML; ``recipe(train={...})`` changes sections."""

    def write(**changes: object) -> Path:
        options: dict = {
            "name": "run",
            "scale": 2,
            "manual_seed": 3,
            "network_g": {"type": "SRResNet", "num_feat": 8, "num_block": 2},
            "regularizer": {
                "type": "AdaptiveDropout",
                "schedule": {"type": "LayerwiseAnnealing", "interval": 3},
            },
            "degradation": {"type": "RealESRGAN", "frame": 32},
            "datasets": {
                "train": {
                    "type": "ImageFolder",
                    "dataroot_gt": str(images),
                    "gt_size": 32,
                    "batch_size_per_gpu": 2,
                    "num_worker_per_gpu": 0,
                },
                "val": {"type": "DegradedFolder", "dataroot_gt": str(images), "recipe": "blur2"},
            },
            "path": {"experiments_root": str(tmp_path / "experiments")},
            "train": {
                "total_iter": 8,
                "precision": "fp32",
                "ema_decay": 0.9,
                "warmup_iter": 2,
                "optim_g": {"type": "Adam", "lr": 1e-3},
                "scheduler": {"type": "MultiStepLR", "milestones": [5], "gamma": 0.5},
            },
            "val": {"val_freq": 4, "metrics": {"psnr": {}, "ssim": {}}},
            "logger": {"print_freq": 2, "save_checkpoint_freq": 4, "use_tb_logger": False},
        }
        for section, values in changes.items():
            held = options.get(section)
            both = isinstance(values, dict) and isinstance(held, dict)
            options[section] = {**held, **values} if both else values
        path = tmp_path / "options.yml"
        path.write_text(yaml.safe_dump(options))
        return path

    return write


@pytest.fixture
def options(recipe: Callable[..., Path]) -> Callable[..., Options]:
    """The same as checked options."""
    from adasr.options import load_options

    return lambda **changes: load_options(recipe(**changes))
