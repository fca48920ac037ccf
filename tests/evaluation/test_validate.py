"""Evaluation: right numbers, one bad image stops nothing, and no trace is left."""

from __future__ import annotations

import copy
import math
import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from adasr.errors import AdasrError, ImageReadError
from adasr.evaluation import Bicubic, ImageResult, bicubic, evaluate, restore
from adasr.metrics import Metric
from adasr.registry import METRIC_REGISTRY

SCALE = 2


class Pairs:
    """Images under two recipes; ``broken`` ones raise as an unreadable file does."""

    def __init__(self, count: int = 3, broken: tuple[int, ...] = (), side: int = 15) -> None:
        generator = torch.Generator().manual_seed(0)
        self.images = [
            (name, recipe, torch.rand(3, side * SCALE, (side + 3) * SCALE, generator=generator))
            for recipe in ("clean", "noise20")
            for name in (f"set/img{i}" for i in range(count))
        ]
        self.broken = broken

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> dict[str, Any]:
        name, recipe, gt = self.images[index]
        if index in self.broken:
            raise ImageReadError(f"{name}.png", "is not a readable image", "Remove it.")
        lq = torch.nn.functional.avg_pool2d(gt, SCALE)
        return {"lq": lq, "gt": gt, "name": name, "recipe": recipe, "path": f"{name}.png"}


class Net(nn.Module):
    """Nearest upscaling with dropout, batch norm and a frozen part, as a training run may have."""

    size_multiple = 4
    upscale = SCALE

    def __init__(self) -> None:
        super().__init__()
        self.dropout = nn.Dropout(0.5)
        self.norm = nn.BatchNorm2d(3)
        self.frozen = nn.BatchNorm2d(3)
        self.sizes: list[tuple[int, ...]] = []

    def forward(self, lq: Tensor) -> Tensor:
        assert not torch.is_grad_enabled()
        self.sizes.append(tuple(lq.shape))
        up = torch.nn.functional.interpolate(lq, scale_factor=SCALE, mode="nearest")
        return self.frozen(self.norm(self.dropout(up)))


@pytest.fixture
def metrics() -> dict[str, Metric]:
    return {
        "psnr": METRIC_REGISTRY.build({"type": "psnr", "crop_border": SCALE}),
        "ssim": METRIC_REGISTRY.build({"type": "ssim"}),
    }


def test_scores_are_those_of_the_images_one_by_one(metrics: dict[str, Metric]) -> None:
    dataset, network = Pairs(), bicubic(SCALE)
    found = evaluate(network, dataset, metrics, model="net", dataset_name="set")
    assert found.recipes == ["clean", "noise20"]
    assert len(found.scores) == 6
    for i, score in enumerate(found.scores):
        item = dataset[i]
        sr = network(item["lq"][None])[0]
        assert (score.name, score.recipe) == (item["name"], item["recipe"])
        for label, metric in metrics.items():
            assert score.values[label] == pytest.approx(metric(sr, item["gt"]), abs=1e-6)
    by_recipe = [found.mean("psnr", recipe) for recipe in found.recipes]
    assert found.mean("psnr") == pytest.approx(sum(by_recipe) / 2)
    assert found.protocols["psnr"]["crop_border"] == SCALE
    assert not found.failures


def test_training_goes_on_as_if_nothing_had_happened(metrics: dict[str, Metric]) -> None:
    network = Net().train()
    network.frozen.eval()
    before = copy.deepcopy(network.state_dict())
    torch.manual_seed(1)
    random.seed(1)
    np.random.seed(1)
    states = torch.get_rng_state(), random.getstate(), str(np.random.get_state())
    evaluate(network, Pairs(), metrics, baseline=True)
    assert torch.equal(torch.get_rng_state(), states[0])
    assert random.getstate() == states[1]
    assert str(np.random.get_state()) == states[2]
    assert [m.training for m in (network, network.dropout, network.norm)] == [True] * 3
    assert not network.frozen.training
    for key, value in network.state_dict().items():
        assert torch.equal(value, before[key]), key


def test_mode_is_restored_when_evaluation_fails(metrics: dict[str, Metric]) -> None:
    network = Net().train()

    def fail(_: ImageResult) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate(network, Pairs(), metrics, on_image=fail)
    assert network.training
    assert network.dropout.training


def test_unreadable_image_is_named_and_skipped(metrics: dict[str, Metric]) -> None:
    seen: list[ImageResult] = []
    found = evaluate(bicubic(SCALE), Pairs(broken=(1, 5)), metrics, on_image=seen.append)
    assert len(found.scores) == 4
    assert found.failures == {
        "set/img1.png": "is not a readable image",
        "set/img2.png": "is not a readable image",
    }
    assert [r.index for r in seen] == list(range(6))
    assert {r.total for r in seen} == {6}
    assert seen[1].problem == "is not a readable image"
    assert seen[1].sr is None
    assert seen[0].sr is not None
    assert seen[0].sr.shape == seen[0].gt.shape  # pyright: ignore[reportOptionalMemberAccess]


def test_without_a_readable_image_there_is_no_mean(metrics: dict[str, Metric]) -> None:
    found = evaluate(bicubic(SCALE), Pairs(1, broken=(0, 1)), metrics)
    assert found.scores == []
    assert math.isnan(found.mean("psnr"))


def test_an_image_too_small_for_one_metric_keeps_the_others(metrics: dict[str, Metric]) -> None:
    found = evaluate(bicubic(SCALE), Pairs(1, side=4), metrics)
    assert [set(score.values) for score in found.scores] == [{"psnr"}, {"psnr"}]
    assert "at least 11x11" in found.failures["set/img0 (clean)"]
    assert math.isfinite(found.mean("psnr"))


def test_a_broken_network_has_no_good_mean(metrics: dict[str, Metric]) -> None:
    class Infinite(Bicubic):
        def forward(self, lq: Tensor) -> Tensor:
            return super().forward(lq) * math.inf

    found = evaluate(Infinite(SCALE), Pairs(1), metrics)
    assert math.isnan(found.mean("psnr"))
    assert found.failures["set/img0 (clean)"] == "the network's output is not finite"


def test_low_precision_that_overflows_is_computed_again(metrics: dict[str, Metric]) -> None:
    class Overflows(Bicubic):
        def forward(self, lq: Tensor) -> Tensor:
            sr = super().forward(lq)
            return sr * math.nan if torch.is_autocast_enabled("cpu") else sr

    low = evaluate(Overflows(SCALE), Pairs(1), metrics, precision="bf16")
    full = evaluate(Bicubic(SCALE), Pairs(1), metrics)
    assert low.mean("psnr") == full.mean("psnr")


def test_callers_autocast_does_not_reach_the_scores(metrics: dict[str, Metric]) -> None:
    network = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), Bicubic(SCALE))
    plain = evaluate(network, Pairs(1), metrics)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert evaluate(network, Pairs(1), metrics).scores == plain.scores
    assert evaluate(network, Pairs(1), metrics, precision="bf16").scores != plain.scores


def test_out_of_memory_skips_the_image(metrics: dict[str, Metric]) -> None:
    class Greedy(Bicubic):
        calls = 0

        def forward(self, lq: Tensor) -> Tensor:
            self.calls += 1
            if self.calls == 1:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return super().forward(lq)

    found = evaluate(Greedy(SCALE), Pairs(1), metrics)
    assert found.failures == {"set/img0 (clean)": "out of memory for an LQ of 18x15"}
    assert len(found.scores) == 1


def test_wrong_scale_is_said_at_once(metrics: dict[str, Metric]) -> None:
    with pytest.raises(AdasrError, match=r"18x15 into 72x60.*36x30.*scale"):
        evaluate(bicubic(4), Pairs(), metrics)


def test_lq_is_padded_to_what_the_network_needs() -> None:
    network = Net().eval()
    sr = restore(network, torch.rand(3, 15, 18))
    assert network.sizes == [(1, 3, 16, 20)]
    assert sr.shape == (3, 30, 36)
    one = restore(network, torch.full((3, 1, 1), 0.5))
    assert network.sizes[-1] == (1, 3, 4, 4)
    assert one.shape == (3, 2, 2)


def test_padding_does_not_move_the_image() -> None:
    class Even(Bicubic):
        size_multiple = 8

    lq = torch.rand(3, 13, 9)
    inside = (slice(None), slice(0, -8), slice(0, -8))
    torch.testing.assert_close(
        restore(Even(SCALE), lq)[inside], restore(Bicubic(SCALE), lq)[inside]
    )


def test_baseline_is_bicubic_on_the_same_images(metrics: dict[str, Metric]) -> None:
    found = evaluate(Net(), Pairs(broken=(2,)), metrics, baseline=True)
    alone = evaluate(bicubic(SCALE), Pairs(broken=(2,)), metrics)
    assert found.baseline is not None
    assert found.baseline.scores == alone.scores
    assert found.baseline.model == "bicubic"


def test_restored_images_are_saved_as_scored(tmp_path: Path, metrics: dict[str, Metric]) -> None:
    dataset = Pairs(2)
    found = evaluate(bicubic(SCALE), dataset, metrics, save_dir=tmp_path)
    files = sorted(str(f.relative_to(tmp_path)) for f in tmp_path.rglob("*.png"))
    assert files == [f"{r}/set/img{i}.png" for r in ("clean", "noise20") for i in range(2)]
    saved = np.asarray(Image.open(tmp_path / "noise20" / "set" / "img1.png"))
    sr = torch.from_numpy(saved.copy()).permute(2, 0, 1) / 255
    assert metrics["psnr"](sr, dataset[3]["gt"]) == pytest.approx(found.scores[3].values["psnr"])


def test_unwritable_folder_keeps_the_scores(tmp_path: Path, metrics: dict[str, Metric]) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    found = evaluate(bicubic(SCALE), Pairs(1), metrics, save_dir=blocked)
    assert len(found.scores) == 2
    assert len(found.failures) == 2


@pytest.mark.parametrize("upscale", [2, 3, 4])
def test_bicubic_is_pillows(upscale: int) -> None:
    image = np.random.default_rng(0).uniform(0, 1, (17, 23)).astype(np.float32)
    size = (23 * upscale, 17 * upscale)
    # Pillow's float mode: its 8-bit one also rounds and clips between its two passes.
    theirs = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC))
    ours = bicubic(upscale)(torch.from_numpy(image)[None, None])[0, 0].numpy()
    np.testing.assert_allclose(ours, theirs.clip(0, 1), rtol=0, atol=1e-5)


def test_every_kind_of_mapping_item_is_enough(metrics: dict[str, Metric]) -> None:
    class Once:
        def __len__(self) -> int:
            return 1

        def __getitem__(self, index: int) -> Mapping[str, Any]:
            return Pairs(1)[index] | {"recipe": ""}

        def __iter__(self) -> Iterator[Any]:
            raise AssertionError("a dataset is read by index")

    found = evaluate(bicubic(SCALE), Once(), metrics)
    assert found.recipes == [""]
    assert found.mean("psnr", "") == found.mean("psnr")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_gpu_scores_are_those_of_the_cpu(metrics: dict[str, Metric]) -> None:
    network = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), Bicubic(SCALE))
    on_cpu = evaluate(network, Pairs(), metrics)
    on_gpu = evaluate(network, Pairs(), metrics, device="cuda", baseline=True)
    for label in metrics:
        assert on_gpu.mean(label) == pytest.approx(on_cpu.mean(label), abs=1e-2)
