"""BasicSR's degradation as released, the peer of the degradation benchmarks, and GT frames."""

from __future__ import annotations

import logging
import random
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import adasr.integrations.basicsr  # noqa: F401  mends BasicSR
from adasr.data.images import read_rgb, to_tensor
from adasr.data.listing import find_images
from adasr.data.samples import write_samples

FRAME = 400  # the side of the crops that RealESRGANDataset gives, fixed in its code

_SHAPES = ("iso", "aniso")
_FAMILIES = (*_SHAPES, *(f"{family}_{s}" for family in ("generalized", "plateau") for s in _SHAPES))
KERNELS = {
    "blur_kernel_size": 21,
    "kernel_list": _FAMILIES,
    "kernel_prob": (0.45, 0.25, 0.12, 0.03, 0.12, 0.03),
    "sinc_prob": 0.1,
    "blur_sigma": (0.2, 3.0),
    "betag_range": (0.5, 4.0),
    "betap_range": (1.0, 2.0),
    "blur_kernel_size2": 21,
    "kernel_list2": _FAMILIES,
    "kernel_prob2": (0.45, 0.25, 0.12, 0.03, 0.12, 0.03),
    "sinc_prob2": 0.1,
    "blur_sigma2": (0.2, 1.5),
    "betag_range2": (0.5, 4.0),
    "betap_range2": (1.0, 2.0),
    "final_sinc_prob": 0.8,
}
PROCESS = {
    "gt_usm": True,
    "resize_prob": (0.2, 0.7, 0.1),
    "resize_range": (0.15, 1.5),
    "gaussian_noise_prob": 0.5,
    "noise_range": (1.0, 30.0),
    "poisson_scale_range": (0.05, 3.0),
    "gray_noise_prob": 0.4,
    "jpeg_range": (30.0, 95.0),
    "second_blur_prob": 0.8,
    "resize_prob2": (0.3, 0.4, 0.3),
    "resize_range2": (0.3, 1.2),
    "gaussian_noise_prob2": 0.5,
    "noise_range2": (1.0, 25.0),
    "poisson_scale_range2": (0.05, 2.5),
    "gray_noise_prob2": 0.4,
    "jpeg_range2": (30.0, 95.0),
}
"""The options of Real-ESRGAN's own files and those of the three papers, for ``RealESRGAN`` too."""


class Released:
    """Kernels by ``RealESRGANDataset``, pairs by ``RealESRNetModel.feed_data`` with its queue.

    Args:
        device: where the pairs are made.
        separable: USM with an exact separable window in place of a 51x51 one.
        gt_size: side of the GT of a pair.
        queue_size: pairs in the pool; a multiple of the batch.
    """

    def __init__(
        self, device: str, separable: bool = False, gt_size: int = 128, queue_size: int = 16
    ) -> None:
        from basicsr.models.realesrnet_model import RealESRNetModel

        logging.disable(logging.INFO)
        self.model = RealESRNetModel(
            {
                **PROCESS,
                "scale": 4,
                "gt_size": gt_size,
                "queue_size": queue_size,
                "num_gpu": 0 if device == "cpu" else 1,
                "dist": False,
                "is_train": False,  # a network to train would be built, which is not measured here
                "network_g": {"type": "MSRResNet", "num_feat": 4, "num_block": 1},
                "path": {},
            }
        )
        logging.disable(logging.NOTSET)
        self.model.is_train = True
        if separable:
            self.model.usm_sharpener = SeparableUSM(self.model.usm_sharpener.radius).to(device)
        self.dataset = _dataset()

    def __call__(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3, 400, 400) frames to (N, 3, h, w) LQ and GT."""
        kernels = [self._kernels() for _ in frames]
        stacked = {key: torch.stack([k[key] for k in kernels]) for key in kernels[0]}
        self.model.feed_data({"gt": frames, **stacked})
        return self.model.lq, self.model.gt

    def _kernels(self) -> dict[str, Tensor]:
        """What the dataset draws for one image; neither reading nor augmenting is in it."""
        with (
            mock.patch("basicsr.data.realesrgan_dataset.imfrombytes", lambda *_, **__: _NO_IMAGE),
            mock.patch("basicsr.data.realesrgan_dataset.img2tensor", lambda x, **__: x),
        ):
            item = self.dataset[0]
        return {key: item[key] for key in ("kernel1", "kernel2", "sinc_kernel")}


_NO_IMAGE = np.zeros((FRAME, FRAME, 3), np.float32)


def _dataset() -> Any:
    from basicsr.data.realesrgan_dataset import RealESRGANDataset

    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("image.png\n")
        file.flush()
        options = {"dataroot_gt": "", "meta_info": file.name, "io_backend": {"type": "disk"}}
        dataset = RealESRGANDataset({**KERNELS, **options, "use_hflip": False, "use_rot": False})
    dataset.file_client = SimpleNamespace(get=lambda *_: b"")
    return dataset


class SeparableUSM(nn.Module):
    """The values of BasicSR's ``USMSharp`` by two one-dimensional filters."""

    window: Tensor

    def __init__(self, radius: int) -> None:
        super().__init__()
        self.radius = radius
        window = torch.from_numpy(cv2.getGaussianKernel(radius, 0)).float().flatten()
        self.register_buffer("window", window)

    def forward(self, images: Tensor, weight: float = 0.5, threshold: float = 10) -> Tensor:
        residual = images - self._blurred(images)
        soft_mask = self._blurred((residual.abs() * 255 > threshold).float())
        sharp = (images + weight * residual).clip(0, 1)
        return soft_mask * sharp + (1 - soft_mask) * images

    def _blurred(self, images: Tensor) -> Tensor:
        if images.device.type == "cpu":  # several times faster than a convolution
            window = self.window.numpy()
            planes = images.flatten(0, 1).numpy()
            border = cv2.BORDER_REFLECT_101
            done = [cv2.sepFilter2D(p, -1, window, window, borderType=border) for p in planes]
            return torch.from_numpy(np.stack(done)).view_as(images)
        n, c, h, w = images.shape
        pad = self.radius // 2
        flat = F.pad(images, (pad,) * 4, mode="reflect").view(n * c, 1, h + 2 * pad, w + 2 * pad)
        across = F.conv2d(flat, self.window.view(1, 1, 1, -1))
        return F.conv2d(across, self.window.view(1, 1, -1, 1)).view_as(images)


def seed(number: int) -> None:
    """Seed the three generators that BasicSR draws from."""
    random.seed(number)
    np.random.seed(number)  # noqa: NPY002  it is what BasicSR draws from
    torch.manual_seed(number)


def read_frames(folder: str | None, count: int, side: int = FRAME, first: int = 0) -> Tensor:
    """(count, 3, side, side) frames of a folder's images, or of scikit-image's without one.

    Larger images are cropped, smaller ones reflected at the bottom and right, as BasicSR does.
    After the last image come other crops of the first ones; ``first`` leaves out so many frames.
    """
    if folder is None:
        with tempfile.TemporaryDirectory() as place:
            return _frames(write_samples(place)[0], count, side, first)
    return _frames(find_images(Path(folder)), count, side, first)


def _frames(files: list[Path], count: int, side: int, first: int) -> Tensor:
    frames = torch.empty(count, 3, side, side)
    for i in range(count):
        number = first + i
        image = read_rgb(files[number % len(files)])
        h, w = image.shape[:2]
        below, right = max(0, side - h), max(0, side - w)
        image = cv2.copyMakeBorder(image, 0, below, 0, right, cv2.BORDER_REFLECT_101)
        place = np.random.RandomState(number)
        top, left = (place.randint(0, length - side + 1) for length in image.shape[:2])
        frames[i] = to_tensor(image[top : top + side, left : left + side])
    return frames
