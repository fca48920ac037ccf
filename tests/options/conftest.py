"""Small stand-ins for the components, so that these tests are about options alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest

from adasr.errors import OptionError
from adasr.options import Options, load_options
from adasr.registry import REGISTRIES


def srresnet(num_feat: int = 64, num_block: int = 16, upscale: int = 4) -> None:
    """A network.

    Args:
        num_feat: channels of the features.
        num_block: number of residual blocks.
        upscale: factor.
    """


def fixed_net(num_feat: int = 8) -> None:
    """A network without a scale."""


def discriminator(num_feat: int = 64) -> None:
    """A discriminator."""


def adaptive_dropout(p: float = 0.5, weight: float = 0.3) -> None:
    """Adaptive Dropout."""
    if not 0 <= p < 1:
        raise OptionError(f"must lie in [0, 1), got {p}.", ("p",))


def none() -> None:
    """Nothing."""


def layerwise_annealing(
    sites: list, interval: int | float | None = None, total_iter: int | None = None
) -> None:
    """Annealing."""


def realesrgan(scale: int, jpeg_range: tuple[float, float] = (30, 95), gt_usm: bool = True) -> None:
    """Real-ESRGAN."""


def jpeg(jpeg_range: tuple[float, float] = (30, 95)) -> None:
    """JPEG."""


def image_folder(
    dataroot_gt: str | list[str],
    gt_size: int,
    scale: int,
    meta_info: str | None = None,
    use_rot: bool = True,
) -> None:
    """Crops."""


def paired_folder(
    dataroot_gt: str, dataroot_lq: str, scale: int, gt_size: int | None = None
) -> None:
    """Pairs."""


def degraded_folder(dataroot_gt: str, recipe: str | list[str], scale: int) -> None:
    """Test sets."""


def adam(
    params: list, lr: float = 2e-4, betas: tuple[float, float] = (0.9, 0.99), eps: float = 1e-8
) -> None:
    """Adam."""


def multi_step(milestones: list[int], gamma: float = 0.1) -> None:
    """Steps."""


def l1_loss(loss_weight: float = 1.0, reduction: Literal["mean", "sum"] = "mean") -> None:
    """L1."""


def lpips_loss(loss_weight: float = 1.0, weights: str | None = None) -> None:
    """LPIPS."""


class GanLoss:
    """The adversarial loss."""

    adversarial = True

    def __init__(self, gan_type: str = "vanilla", loss_weight: float = 1.0) -> None: ...


def psnr(crop_border: int = 0, test_y_channel: bool = False) -> None:
    """PSNR."""


def lpips(net: str = "alex", weights: str | None = None) -> None:
    """LPIPS."""


FAKES: dict[str, dict[str, Callable[..., Any]]] = {
    "archs": {"SRResNet": srresnet, "FixedNet": fixed_net},
    "discriminators": {"UNetDiscriminatorSN": discriminator},
    "datasets": {
        "ImageFolder": image_folder,
        "PairedFolder": paired_folder,
        "DegradedFolder": degraded_folder,
    },
    "degradations": {"RealESRGAN": realesrgan},
    "steps": {"JPEG": jpeg},
    "regularizers": {"AdaptiveDropout": adaptive_dropout, "none": none},
    "schedules": {"LayerwiseAnnealing": layerwise_annealing},
    "losses": {"L1Loss": l1_loss, "LPIPSLoss": lpips_loss, "GANLoss": GanLoss},
    "metrics": {"psnr": psnr, "ssim": psnr, "lpips": lpips},
    "optimizers": {"Adam": adam, "AdamW": adam},
    "lr_schedules": {"MultiStepLR": multi_step},
}


@pytest.fixture(autouse=True)
def fakes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stand-ins in the registries, but for tests marked by the name ``real_components``."""
    if "real_components" in request.fixturenames:
        return
    for kind, registry in REGISTRIES.items():
        monkeypatch.setattr(registry, "_components", FAKES[kind])
        monkeypatch.setattr(registry, "_filled", True)
        monkeypatch.setattr(registry, "basicsr", None)


@pytest.fixture
def real_components() -> None:
    """Keep the real components."""


TRAIN = """\
name: a run
scale: 4
network_g: {type: SRResNet}
degradation: {type: RealESRGAN}
datasets:
  train: {type: ImageFolder, dataroot_gt: hr, gt_size: 128}
train: {total_iter: 10}
"""


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Options]:
    """``load(text, *overrides)``: options from a file ``o.yml`` in the working directory."""
    monkeypatch.chdir(tmp_path)

    def load_text(text: str | bytes = TRAIN, *overrides: str) -> Options:
        data = text if isinstance(text, bytes) else text.encode()
        Path("o.yml").write_bytes(data)
        return load_options("o.yml", overrides)

    return load_text


@pytest.fixture
def train_yaml() -> str:
    """A training with only what it needs: 7 lines."""
    return TRAIN
