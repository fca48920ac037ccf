"""Which GT each loss compares with, against BasicSR's RealESRGANModel."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import Tensor, nn

from adasr.errors import OptionError
from adasr.options import Options, OptionsFileError
from adasr.registry import DEGRADATION_REGISTRY
from adasr.training.batches import Pairs, PairSource
from adasr.training.build import choose_targets
from adasr.training.log import TrainingLog, read_metrics
from adasr.training.run import make_trainer, run_training
from adasr.training.trainer import Trainer

MakeOptions = Callable[..., Options]
FLAGS = ("l1_gt_usm", "percep_gt_usm", "gan_gt_usm")
RELEASED = (True, True, False)  # of x4plus's adversarial stage


def gan(options: MakeOptions, flags: tuple[bool, ...], **changes: Any) -> Options:
    adam = {"type": "Adam", "lr": 1e-3, "betas": [0.9, 0.99]}
    train = {
        "optim_g": adam,
        "optim_d": adam,
        "scheduler": None,
        "warmup_iter": -1,
        "perceptual_opt": {"type": "MSELoss"},
        "gan_opt": {"type": "GANLoss", "loss_weight": 0.1},
        **dict(zip(FLAGS, flags, strict=True)),
        **changes.pop("train", {}),
    }
    net_d = {"type": "UNetDiscriminatorSN", "num_feat": 4}
    return options(**{"regularizer": None, "network_d": net_d, "train": train, **changes})


def trainer_of(options: Options, folder: Path) -> Trainer:
    AcceleratorState._reset_state()
    log = TrainingLog(folder, 8, tensorboard=False, quiet=True)
    return make_trainer(options, Accelerator(cpu=True, mixed_precision="no"), folder, log)


def basicsr_model(trainer: Trainer, flags: tuple[bool, ...]) -> Any:
    """BasicSR's model around copies of the trainer's weights, its option file left out."""
    from basicsr.archs.discriminator_arch import UNetDiscriminatorSN
    from basicsr.losses.gan_loss import GANLoss
    from basicsr.models.realesrgan_model import RealESRGANModel

    assert trainer.adversary is not None
    net_g, net_d = copy.deepcopy(trainer.net), UNetDiscriminatorSN(3, num_feat=4)
    net_d.load_state_dict(trainer.adversary.net.state_dict())
    model = object.__new__(RealESRGANModel)
    vars(model).update(
        opt={"dist": False, **dict(zip(FLAGS, flags, strict=True))},
        net_g=net_g,
        net_d=net_d.train(),
        cri_pix=nn.L1Loss(),
        cri_perceptual=lambda sr, gt: (F.mse_loss(sr, gt), None),
        cri_ldl=None,
        cri_gan=GANLoss("vanilla", loss_weight=0.1),
        net_d_iters=1,
        net_d_init_iters=0,
        optimizer_g=torch.optim.Adam(net_g.parameters(), lr=1e-3, betas=(0.9, 0.99)),
        optimizer_d=torch.optim.Adam(net_d.parameters(), lr=1e-3, betas=(0.9, 0.99)),
        ema_decay=0,
        log_dict=OrderedDict(),
    )
    return model


def images() -> tuple[Tensor, Tensor, Tensor]:
    """LQ, sharpened GT, plain GT."""
    random = torch.Generator().manual_seed(4)
    small, large = (2, 3, 16, 16), (2, 3, 32, 32)
    lq, sharp, plain = (torch.rand(s, generator=random) for s in (small, large, large))
    return lq, sharp, plain


@pytest.mark.parametrize("flags", [RELEASED, (False, True, True), (False,) * 3, (True,) * 3])
def test_a_step_is_real_esrgan_s(
    flags: tuple[bool, ...], options: MakeOptions, tmp_path: Path, basicsr: ModuleType
) -> None:
    ours = trainer_of(gan(options, flags), tmp_path)
    theirs = basicsr_model(ours, flags)
    lq, sharp, plain = images()
    theirs.lq, theirs.gt_usm, theirs.gt = lq, sharp, plain
    theirs.optimize_parameters(1)
    pairs = Pairs(lq, sharp, [], {}, {"data": 0.0, "degradation": 0.0}, gt_plain=plain)
    source: Any = iter([pairs])
    values = ours.iterate(source, 1)
    assert values is not None and ours.adversary is not None
    told = dict(theirs.log_dict)
    told |= {"l_pix": told.pop("l_g_pix"), "l_percep": told.pop("l_g_percep")}
    assert {k: float(v) for k, v in values.items()} == pytest.approx(told, rel=1e-4, abs=1e-6)
    for own, their in ((ours.net, theirs.net_g), (ours.adversary.net, theirs.net_d)):
        for key, value in their.state_dict().items():
            torch.testing.assert_close(own.state_dict()[key], value, rtol=0, atol=1e-5, msg=key)


def test_pairs_carry_both_where_they_are_wanted(options: MakeOptions, tmp_path: Path) -> None:
    trainer = trainer_of(gan(options, RELEASED), tmp_path)
    with trainer.pairs() as source:
        pairs = next(source)
    assert pairs.gt_plain is not None and pairs.gt_plain.shape == pairs.gt.shape
    assert not torch.equal(pairs.gt_plain, pairs.gt)
    plain = gan(options, (True,) * 3, path={"experiments_root": str(tmp_path / "b")})
    with trainer_of(plain, tmp_path / "b").pairs() as source:
        assert next(source).gt_plain is None


@pytest.mark.parametrize("ahead", [0, 2])
def test_a_thread_hands_both_over(ahead: int) -> None:
    lq, sharp, plain = images()
    batches = iter([{"gt": plain, "path": ["x.png"], "skipped": []}] * 4)
    source = PairSource(
        batches, lambda gt, _: (lq, sharp, gt), torch.device("cpu"), (0, 0), ahead=ahead
    )
    with source:
        pairs = next(source)
    assert all(torch.equal(a, b) for a, b in zip(pairs.images, (lq, sharp, plain), strict=True))


@pytest.mark.parametrize("align", [None, {"type": "FeatureAlignment"}])
def test_a_training_with_both_runs(options: MakeOptions, align: dict[str, str] | None) -> None:
    """On cached images too, and with two views of each."""
    made = gan(options, RELEASED, train={"total_iter": 2, "align_opt": align})
    assert made.datasets.train is not None
    made.datasets.train.arguments["cache"] = "ram"
    run_training(made)
    records = read_metrics(Path(made.path.experiments_root) / made.name)
    assert {"l_pix", "l_percep", "l_g_gan", "l_d_real"} <= records[0].keys()


def test_sharpened_gt_that_is_not_there_is_refused(options: MakeOptions) -> None:
    degradation = {"type": "RealESRGAN", "gt_usm": False}
    made = gan(options, RELEASED, degradation=degradation)
    built = DEGRADATION_REGISTRY.build(degradation, scale=2)
    with pytest.raises((OptionError, OptionsFileError)) as caught:
        choose_targets(made, built, built)
    assert "train.l1_gt_usm: there is no sharpened GT. Write gt_usm: true" in str(caught.value)
    # To ask for plain ones only is to ask for what is there.
    assert choose_targets(gan(options, (False,) * 3), built, built)[1] == frozenset()


def test_a_degradation_of_another_package_that_gives_one_is_refused(options: MakeOptions) -> None:
    class Theirs:
        gt_usm = True

        def __call__(self, gt: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
            return gt, gt

    with pytest.raises((OptionError, OptionsFileError)) as caught:
        choose_targets(gan(options, RELEASED), Theirs(), Theirs())
    assert "train.gan_gt_usm: RealESRGAN gives no GT but the sharpened one." in str(caught.value)
