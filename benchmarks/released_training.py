"""The released recipe's training iteration: BasicSR's data set, model and loop, in fp32."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from blend import blend_all_sites
from released import KERNELS, PROCESS, SeparableUSM
from torch.utils.data import DataLoader

from adasr.data.listing import find_images


class ReleasedTraining:
    """``RealESRGANDataset``, ``RealESRNetModel`` with the blend at all sites, one call a step.

    Args:
        folder: of GT images.
        device: what is trained on.
        batch: pairs a step.
        workers: of the loader.
        separable: USM with an exact separable window in place of a 51x51 one.
        num_block: of MSRResNet.
        gt_size: side of the GT of a pair.
    """

    def __init__(
        self,
        folder: Path,
        device: str,
        batch: int = 16,
        workers: int = 1,
        separable: bool = False,
        num_block: int = 16,
        gt_size: int = 128,
    ) -> None:
        from basicsr.models.realesrnet_model import RealESRNetModel

        logging.disable(logging.INFO)
        self.model = RealESRNetModel(_options(device, batch, num_block, gt_size))
        logging.disable(logging.NOTSET)
        if separable:
            self.model.usm_sharpener = SeparableUSM(self.model.usm_sharpener.radius).to(device)
        blend_all_sites(self.model.net_g, 0.5, 0.3)
        self.batches = _endless(_dataset(folder), batch, workers)
        self.iteration = 0

    def __call__(self) -> None:
        """One iteration as in BasicSR's loop."""
        self.iteration += 1
        self.model.update_learning_rate(self.iteration)
        self.model.feed_data(next(self.batches))
        self.model.optimize_parameters(self.iteration)


def _options(device: str, batch: int, num_block: int, gt_size: int) -> dict[str, Any]:
    return {
        **PROCESS,
        "scale": 4,
        "gt_size": gt_size,
        "queue_size": 4 * batch,
        "num_gpu": 0 if device == "cpu" else 1,
        "dist": False,
        "rank": 0,
        "is_train": True,
        "network_g": {"type": "MSRResNet", "num_feat": 64, "num_block": num_block, "upscale": 4},
        "path": {},
        "train": {
            "ema_decay": 0.999,
            "optim_g": {"type": "Adam", "lr": 2e-4, "weight_decay": 0, "betas": [0.9, 0.99]},
            "scheduler": {"type": "MultiStepLR", "milestones": [10**6], "gamma": 0.5},
            "pixel_opt": {"type": "L1Loss", "loss_weight": 1.0, "reduction": "mean"},
        },
    }


def _dataset(folder: Path) -> Any:
    from basicsr.data.realesrgan_dataset import RealESRGANDataset

    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.writelines(f"{path.relative_to(folder)}\n" for path in find_images(folder))
        file.flush()
        return RealESRGANDataset(
            {
                **KERNELS,
                "dataroot_gt": str(folder),
                "meta_info": file.name,
                "io_backend": {"type": "disk"},
                "use_hflip": True,
                "use_rot": True,
            }
        )


def _endless(dataset: Any, batch: int, workers: int) -> Iterator[dict[str, Any]]:
    while True:
        yield from DataLoader(
            dataset, batch, shuffle=True, num_workers=workers, drop_last=len(dataset) >= batch
        )
