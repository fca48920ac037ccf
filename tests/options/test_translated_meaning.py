"""What a translated file trains with is what BasicSR makes of the same file."""

from __future__ import annotations

import copy
import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from adasr.options import Options, load_options
from adasr.options.yaml_text import parse
from adasr.registry import DATASET_REGISTRY, OPTIMIZER_REGISTRY
from adasr.training.build import make_losses, make_schedule
from adasr.training.lr import learning_rate

FOLDER = Path(__file__).parent / "foreign"

pytestmark = pytest.mark.usefixtures("real_components", "basicsr")


def both(name: str, *overrides: str) -> tuple[Options, dict[str, Any]]:
    """Our options, and the mapping that BasicSR reads."""
    mapping, _ = parse((FOLDER / f"{name}.yml").read_text(encoding="utf-8"))
    return load_options(FOLDER / f"{name}.yml", overrides), mapping


def basicsr_rates(train: dict[str, Any], wanted: set[int], warmup: int = -1) -> dict[int, float]:
    """Learning rates at the wanted iterations, as BasicSR's own loop sets them."""
    from basicsr.models.base_model import BaseModel

    model = BaseModel({"num_gpu": 0, "is_train": True, "train": copy.deepcopy(train)})
    options = copy.deepcopy(train["optim_g"])
    weight = torch.nn.Parameter(torch.zeros(1))
    model.optimizers = [model.get_optimizer(options.pop("type"), [weight], **options)]
    model.setup_schedulers()
    rates = {}
    for iteration in range(1, max(wanted) + 1):
        model.update_learning_rate(iteration, warmup_iter=warmup)
        if iteration in wanted:
            rates[iteration] = model.get_current_learning_rate()[0]
    return rates


def our_rates(options: Options, wanted: set[int], warmup: int = -1) -> dict[int, float]:
    base = options.train.optim_g.arguments["lr"]
    schedule = make_schedule(options)
    return {t: learning_rate(t, base, schedule, warmup) for t in wanted}


def shortened(train: dict[str, Any]) -> dict[str, Any]:
    """The same schedule, a thousandth of its length."""
    scheduler = copy.deepcopy(train["scheduler"])
    for key in {"periods", "milestones"} & set(scheduler):
        scheduler[key] = [length // 1000 for length in scheduler[key]]
    return {**train, "scheduler": scheduler, "total_iter": train["total_iter"] // 1000}


@pytest.mark.parametrize(
    "name", ["wang_srresnet", "basicsr_msrresnet_x4", "basicsr_swinir_x4", "realesrnet_x4plus"]
)
@pytest.mark.parametrize("warmup", [-1, 40])
def test_the_learning_rate_is_basicsrs_at_every_iteration(name: str, warmup: int) -> None:
    _, mapping = both(name)
    train = shortened(mapping["train"])
    kind = train["scheduler"]["type"]
    options, _ = both(
        name, f"train.scheduler={train['scheduler']}", f"train.total_iter={train['total_iter']}"
    )
    every = set(range(1, train["total_iter"] + 1))
    expected = basicsr_rates(train, every, warmup)
    if kind == "MultiStepLR" and warmup > 0:
        # What the report tells: BasicSR's multi-step schedule never gets past its warm-up.
        assert "stays at 39/40" in "\n".join(
            load_options(FOLDER / f"{name}.yml", [f"train.warmup_iter={warmup}"]).source.notes
        )
        expected |= {t: r * 40 / 39 for t, r in expected.items() if t >= warmup}
    assert our_rates(options, every, warmup) == pytest.approx(expected, rel=1e-6, abs=1e-12)


def test_the_learning_rate_is_basicsrs_over_half_a_million_iterations() -> None:
    options, mapping = both("wang_srresnet")
    wanted = {1, 2, 3, 1000, 125000, 249999, 250000, 250001, 250002, 375000, 499999, 500000}
    wanted |= set(range(1, 500000, 9973))
    expected = basicsr_rates(mapping["train"], wanted)
    assert our_rates(options, wanted) == pytest.approx(expected, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("betas", [True, False])
def test_the_optimizer_is_basicsrs(betas: bool) -> None:
    from basicsr.models.base_model import BaseModel

    options, mapping = both("basicsr_msrresnet_x4")
    wanted = mapping["train"]["optim_g"]
    if not betas:
        options, _ = both("basicsr_msrresnet_x4", "train.optim_g={type: Adam, lr: 2e-4}")
        wanted = {"type": "Adam", "lr": 2e-4}
    steps = []
    for make in ("theirs", "ours"):
        weight = torch.nn.Parameter(torch.tensor([1.0, -2.0, 3.0]))
        if make == "theirs":
            given = {k: v for k, v in wanted.items() if k != "type"}
            model = BaseModel({"num_gpu": 0, "is_train": True})
            optimizer = model.get_optimizer("Adam", [weight], **given)
        else:
            optimizer = OPTIMIZER_REGISTRY.build(options.train.optim_g.options, params=[weight])
        for step in range(30):
            optimizer.zero_grad()
            (weight.square().sum() * (-1) ** (step // 7)).backward()
            optimizer.step()
        steps.append(weight.detach())
    torch.testing.assert_close(*steps)


@pytest.mark.parametrize(
    "loss",
    [
        "{type: L1Loss, loss_weight: 0.5, reduction: mean}",
        "{type: MSELoss, loss_weight: 2, reduction: sum}",
        "{type: CharbonnierLoss, loss_weight: 1, reduction: mean}",
        "{type: CharbonnierLoss, eps: 1e-3}",
        "{type: WeightedTVLoss, loss_weight: 0.1, reduction: mean}",
    ],
)
def test_the_pixel_loss_is_basicsrs(loss: str) -> None:
    from basicsr.losses import build_loss

    options, _ = both("basicsr_msrresnet_x4", f"train.pixel_opt={loss}")
    sr, gt = torch.rand(2, 3, 9, 11), torch.rand(2, 3, 9, 11)
    (ours,) = make_losses(options).values()
    theirs = build_loss(parse(loss)[0])
    torch.testing.assert_close(ours(sr, gt), theirs(sr, gt))


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """GT images of which some are larger than LQ's, plain and with a suffix, and a list."""
    from adasr.data.images import write_image

    random = np.random.default_rng(0)
    sizes = {"a": (48, 64), "b": (51, 66), "c": (63, 40)}
    for name, (height, width) in sizes.items():
        gt = random.integers(0, 256, (height, width, 3), np.uint8)
        lq = random.integers(0, 256, (height // 4, width // 4, 3), np.uint8)
        write_image(tmp_path / "gt" / f"{name}.png", gt)
        write_image(tmp_path / "lq" / f"{name}.png", lq)
        write_image(tmp_path / "lqx4" / f"{name}x4.png", lq)
    write_image(tmp_path / "gt" / "deeper" / "d.png", gt)
    (tmp_path / "meta.txt").write_text("c.png (63,40,3)\na.png (48,64,3)\n")
    return tmp_path


@pytest.mark.parametrize(
    "change",
    [
        {"dataroot_lq": "lq"},
        {"dataroot_lq": "lq", "filename_tmpl": "{}"},
        {"dataroot_lq": "lqx4", "filename_tmpl": "{}x4"},
        {"dataroot_lq": "lq", "meta_info_file": "meta.txt"},
        {"dataroot_lq": "lqx4", "filename_tmpl": "{}x4", "meta_info_file": "meta.txt"},
    ],
    ids=lambda change: "-".join(change.values()),
)
def test_pairs_are_basicsrs(pairs: Path, change: dict[str, str]) -> None:
    """The same files in pairs, the same pixels: GT is cut to what its LQ image covers."""
    from basicsr.data import build_dataset

    dataset = {"name": "x", "type": "PairedImageDataset", "dataroot_gt": str(pairs / "gt")}
    dataset |= {k: v if k == "filename_tmpl" else str(pairs / v) for k, v in change.items()}
    io_backend = {"io_backend": {"type": "disk"}}
    theirs = build_dataset({**dataset, **io_backend, "phase": "val", "scale": 4})
    options, _ = both("basicsr_msrresnet_x4", f"datasets.val={dataset | io_backend}")
    ours = DATASET_REGISTRY.build(options.validation_datasets["val_x"].options, scale=4)
    expected = {
        Path(item["gt_path"]).stem: item for item in map(theirs.__getitem__, range(len(theirs)))
    }
    assert len(ours) == len(expected) == (2 if "meta_info_file" in change else 3)
    for item in map(ours.__getitem__, range(len(ours))):
        other = expected[item["name"]]
        assert torch.equal(item["lq"], other["lq"])
        assert torch.equal(item["gt"], other["gt"])


def test_every_option_that_basicsr_degrades_by_arrives() -> None:
    from basicsr.data.realesrgan_dataset import RealESRGANDataset
    from basicsr.models.realesrnet_model import RealESRNetModel

    options, mapping = both("realesrnet_x4plus")
    assert options.degradation is not None
    read = inspect.getsource(RealESRGANDataset) + inspect.getsource(RealESRNetModel)
    given = {key for key in (*mapping, *mapping["datasets"]["train"]) if f"opt['{key}']" in read}
    of_the_files = {"type", "io_backend", "dataroot_gt", "meta_info", "use_hflip", "use_rot"}
    of_the_crop = {"gt_size", "scale", "queue_size"}
    assert given - of_the_files - of_the_crop == set(options.degradation.arguments)
