"""A batch is degraded as its samples one by one, and nothing waits for the device."""

from __future__ import annotations

import math
from dataclasses import fields, replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from adasr.degradations.batched import draws, pairs, process, real_esrgan
from adasr.degradations.blur import filter2d
from adasr.degradations.jpeg_simulated import simulated_jpeg
from adasr.degradations.real_esrgan import RealESRGAN
from adasr.degradations.recording import recorded

MODES = ("area", "bilinear", "bicubic")
FACTORS = (0.15, 1.5), (0.3, 1.2)
SIZE = 32, 32
DEVICES = [
    "cpu",
    pytest.param(
        "cuda",
        marks=[
            pytest.mark.gpu,
            pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
        ],
    ),
]
on_devices = pytest.mark.parametrize("device", DEVICES)


def _generator(device: str = "cpu", seed: int = 0) -> torch.Generator:
    return torch.Generator(device).manual_seed(seed)


@pytest.fixture(scope="module")
def many(batch: Tensor) -> Tensor:
    """(24, 3, 128, 128) in [0, 1]."""
    return batch.repeat(6, 1, 1, 1)


def _silent(steps: draws.Steps) -> draws.Steps:
    return replace(steps, strength=torch.zeros_like(steps.strength))


def _draw(n: int) -> tuple[draws.Steps, draws.Steps, draws.Ending]:
    """Parameters of every mode, order and direction, without noise."""
    degradation, numbers = RealESRGAN(4), draws.Numbers(n, torch.device("cpu"), _generator())
    first = draws.draw_steps(degradation.first, numbers)
    second = draws.draw_steps(degradation.second, numbers)
    ending = draws.draw_ending(21, 0.8, numbers)
    for mode in (first.mode, second.mode, ending.mode):
        assert set(mode.tolist()) == {0, 1, 2}
    assert set(ending.jpeg_last.tolist()) == {True, False}
    assert set((first.factor > 1).tolist()) == {True, False}
    return _silent(first), _silent(second), ending


def _moved(parameters, device: str):
    return replace(
        parameters, **{f.name: getattr(parameters, f.name).to(device) for f in fields(parameters)}
    )


def _one_by_one(frames: Tensor, first, second, ending, compress) -> list[Tensor]:
    """The published order of operations, a sample at a time, by other operators."""

    def blurred(image: Tensor, kernel: Tensor) -> Tensor:
        return filter2d(image, kernel[None].float())

    def resized(image: Tensor, size: tuple[int, int], mode: Tensor) -> Tensor:
        return F.interpolate(image, size=size, mode=MODES[mode])

    result = []
    for i in range(len(frames)):
        image = blurred(frames[i : i + 1], first.kernel[i])
        factor = first.factor[i].item()
        image = F.interpolate(image, scale_factor=factor, mode=MODES[first.mode[i]])
        image = compress(image.clamp(0, 1), first.quality[i : i + 1])
        image = blurred(image, second.kernel[i])
        factor = second.factor[i].item()
        image = resized(image, (int(SIZE[0] * factor), int(SIZE[1] * factor)), second.mode[i])
        image = image.clamp(0, 1)
        if not ending.jpeg_last[i]:
            image = compress(image, second.quality[i : i + 1])
        image = blurred(resized(image, SIZE, ending.mode[i]), ending.sinc[i])
        if ending.jpeg_last[i]:
            image = compress(image, second.quality[i : i + 1])
        result.append(image)
    return result


def _batched(frames: Tensor, first, second, ending, device: str = "cpu") -> Tensor:
    drawn = (_moved(p, device) for p in (first, second, ending))
    generator = _generator(device)
    return process.second_order(
        frames.to(device), *drawn, FACTORS, SIZE, "simulated", generator
    ).cpu()


@on_devices
def test_a_batch_equals_its_samples_one_by_one(many, monkeypatch, device):
    """In place of JPEG a smooth function, which no last bit can tip, but whose place shows."""

    def darkened(images: Tensor, quality: Tensor) -> Tensor:
        return images.square() * (quality.float() / 95).view(-1, 1, 1, 1)

    monkeypatch.setattr(process, "compress", lambda x, sizes, quality, _: darkened(x, quality))
    drawn = _draw(len(many))
    result = _batched(many, *drawn, device)
    expected = _one_by_one(many, *drawn, darkened)
    torch.testing.assert_close(result, torch.cat(expected), atol=5e-5, rtol=0)


@on_devices
def test_a_batch_with_jpeg_equals_its_samples_one_by_one(many, device):
    drawn = _draw(len(many))
    result = _batched(many, *drawn, device)
    expected = torch.cat(_one_by_one(many, *drawn, simulated_jpeg))
    gap = (result - expected).abs()
    # A last bit may tip a rounding, and with it a block.
    assert gap.flatten(1).median(1).values.median() < 1e-6
    assert (gap < 1e-4).float().mean() > 0.9
    assert gap.mean() < 0.1 / 255


@on_devices
def test_one_process_equals_its_samples_one_by_one(many, monkeypatch, device):
    monkeypatch.setattr(process, "compress", lambda x, sizes, q, method: x.square())
    steps, _, ending = _draw(len(many))
    moved = _moved(steps, device), ending.mode.to(device)
    result = process.first_order(
        many.to(device), *moved, FACTORS[0], SIZE, "simulated", _generator(device)
    )
    for i in range(len(many)):
        image = filter2d(many[i : i + 1], steps.kernel[i : i + 1].float())
        factor = steps.factor[i].item()
        image = F.interpolate(image, scale_factor=factor, mode=MODES[steps.mode[i]])
        image = F.interpolate(image.clamp(0, 1).square(), size=SIZE, mode=MODES[ending.mode[i]])
        torch.testing.assert_close(result[i : i + 1].cpu(), image, atol=5e-5, rtol=0)


@pytest.mark.parametrize("jpeg_method", ["auto", "simulated", "released", "codec"])
def test_the_device_of_the_frames_chooses_the_path(batch, monkeypatch, jpeg_method):
    degradation, chosen = RealESRGAN(4, jpeg_method=jpeg_method), []
    monkeypatch.setattr(
        degradation, "degrade_together", lambda *_: chosen.append("device") or (batch, batch)
    )
    degradation(batch, _generator(), 64)
    assert not chosen
    if jpeg_method != "codec":
        degradation(batch.to("meta"), _generator(), 64)
        assert chosen == ["device"]
        # Only the host knows which parameters made a sample.
        with recorded(), pytest.raises(NotImplementedError):
            degradation(batch.to("meta"), _generator(), 64)


def test_a_wrong_batch_is_refused(batch):
    degradation = RealESRGAN(4)
    with pytest.raises(ValueError, match="multiple"):
        degradation.degrade_together(batch[..., :126], _generator())
    with pytest.raises(ValueError, match="gt_size"):
        degradation.degrade_together(batch, _generator(), 132)


def test_whole_frames_bytes_and_bad_values(batch):
    degradation = RealESRGAN(4)
    lq, gt = degradation.degrade_together(batch, _generator())
    assert lq.shape == (4, 3, 32, 32)
    assert gt.shape == batch.shape
    of_bytes = degradation.degrade_together((batch * 255).round().byte(), _generator())
    torch.testing.assert_close(of_bytes, (lq, gt), atol=1e-6, rtol=0)
    broken = batch.clone()
    broken[0, 0, :9], broken[1, :, 5:], broken[2] = torch.nan, torch.inf, -7.0
    for images in degradation.degrade_together(broken, _generator()):
        assert images.isfinite().all()
        assert 0 <= images.min() < images.max() <= 1


def test_frames_need_not_be_square(batch):
    frames = batch[:, :, :96]
    lq = real_esrgan.degrade_once(frames, RealESRGAN(4).first, 4, "simulated", _generator())
    assert lq.shape == (4, 3, 24, 32)
    bicubic = F.interpolate(frames, size=(24, 32), mode="bicubic", antialias=True)
    assert (lq - bicubic).abs().mean() < 0.15


@pytest.mark.parametrize("side", [8, 16])
def test_tiny_frames_work(batch, side):
    degradation = RealESRGAN(4)
    frames = batch[..., 60 : 60 + side, 60 : 60 + side].repeat(16, 1, 1, 1)
    for seed in range(4):
        lq = real_esrgan.degrade_twice(
            frames, degradation.first, degradation.second, (21, 0.8), 4, "simulated",
            _generator(seed=seed),
        )  # fmt: skip
        assert lq.shape == (64, 3, side // 4, side // 4)
        assert lq.isfinite().all()


def _pairs(frames: Tensor, generator: torch.Generator, **options) -> tuple[Tensor, Tensor]:
    degradation = RealESRGAN(4)

    def degrade(frames: Tensor, generator: torch.Generator) -> Tensor:
        return real_esrgan.degrade_twice(
            frames, degradation.first, degradation.second, (21, 0.8), 4, "simulated", generator
        )

    settings = {"scale": 4, "gt_usm": True, "lq_size": (16, 16)} | options
    return pairs.make_pairs(frames, degrade, generator, **settings)


@on_devices
def test_pairs_have_the_promised_shapes_and_levels(batch, device):
    lq, gt = _pairs(batch.to(device), _generator(device), views=2)
    assert lq.shape == (8, 3, 16, 16)
    assert gt.shape == (8, 3, 64, 64)
    assert lq.device.type == gt.device.type == device
    assert torch.equal(lq, (lq * 255).round() / 255)
    assert 0 <= lq.min() < lq.max() <= 1
    assert torch.equal(gt[:4], gt[4:])
    assert not torch.equal(lq[:4], lq[4:])


@on_devices
def test_the_generator_decides_everything(batch, device):
    frames = batch.to(device)
    first, again, other = (_pairs(frames, _generator(seed=seed)) for seed in (7, 7, 8))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], other[0])
    lq, gt = _pairs(frames, _generator(seed=7), views=2)
    assert torch.equal(lq[:4], first[0])
    assert torch.equal(gt[:4], first[1])


@on_devices
def test_crops_lie_anywhere_and_gt_with_them(device):
    """Positions are coded as pixel values, so that each crop tells where it was cut."""
    y, x = torch.meshgrid(torch.arange(96.0), torch.arange(96.0), indexing="ij")
    coded = (torch.stack([y, x, y]) / 255).expand(256, -1, -1, -1).to(device)

    def thinned(frames: Tensor, generator: torch.Generator) -> Tensor:
        return frames[..., ::4, ::4]

    lq, gt = pairs.make_pairs(
        coded, thinned, _generator(device), scale=4, gt_usm=False, lq_size=(16, 16)
    )
    assert torch.equal(lq, gt[..., ::4, ::4])
    for axis in range(2):
        corner = (lq[:, axis, 0, 0] * 255).round().long() // 4
        assert sorted(set(corner.tolist())) == list(range(9))


@pytest.mark.parametrize("precision", ["highest", "high", "medium"])
def test_precision_is_full_inside_and_as_before_outside(precision):
    torch.set_float32_matmul_precision(precision)
    before = torch.backends.cuda.matmul.allow_tf32
    try:
        with torch.autocast("cpu", torch.bfloat16), pairs.full_precision(torch.device("cpu")):
            assert getattr(torch.backends.cuda.matmul, "fp32_precision", "ieee") == "ieee"
            assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32
        assert torch.get_float32_matmul_precision() == precision
        assert torch.backends.cuda.matmul.allow_tf32 == before
    finally:
        torch.set_float32_matmul_precision("highest")


class _NoWaiting(TorchDispatchMode):
    """Refuses what makes the host wait for a device, or a shape that depends on values."""

    WAITING = ("_local_scalar_dense", "nonzero", "is_nonzero", "equal", "masked_select", "unique")

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func._schema.name.removeprefix("aten::")
        assert not name.startswith(self.WAITING), f"{name} waits for the device"
        if name in ("index", "index_put", "index_put_"):
            assert all(i is None or i.dtype != torch.bool for i in args[1]), "a mask as index"
        result = func(*args, **(kwargs or {}))
        if name in ("_to_copy", "copy_"):
            source = args[1] if name == "copy_" else args[0]
            assert source.device == result.device, "a copy between devices waits"
        self.calls += 1
        return result


def _calls(frames: Tensor) -> int:
    generator = _generator()
    _pairs(frames, generator)  # constants are made in the first call
    with _NoWaiting() as mode:
        _pairs(frames, generator, views=2)
    return mode.calls


def test_nothing_waits_and_no_work_is_done_sample_by_sample(batch):
    assert _calls(batch[:2, :, :64, :64]) == _calls(batch.repeat(4, 1, 1, 1)[..., :64, :64])


@torch.no_grad()
def test_no_value_is_read_and_nothing_is_copied_to_the_device():
    """Tensors without values: reading one, or mixing in a tensor of the CPU, raises."""
    frames, degradation = torch.empty(4, 3, 64, 64, device="meta"), RealESRGAN(4)

    def degrade() -> Tensor:
        return real_esrgan.degrade_twice(
            frames, degradation.first, degradation.second, (21, 0.8), 4, "simulated", None
        )

    assert degrade().shape == (4, 3, 16, 16)
    with _NoWaiting():
        assert degrade().is_meta


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_sees_no_synchronization(batch):
    frames, generator = batch.cuda(), _generator("cuda")
    _pairs(frames, generator)
    torch.cuda.set_sync_debug_mode("error")
    try:
        lq, _ = _pairs(frames, generator)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert lq.isfinite().all()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_the_work_can_be_captured_in_a_cuda_graph(batch):
    frames, generator = batch.cuda(), _generator("cuda")
    _pairs(frames, generator)
    graph = torch.cuda.CUDAGraph()
    graph.register_generator_state(generator)
    with torch.cuda.graph(graph):
        lq, _ = _pairs(frames, generator)
    graph.replay()
    first = lq.clone()
    graph.replay()
    assert first.isfinite().all()
    assert not torch.equal(first, lq)


def _moments(values: Tensor) -> tuple[float, float]:
    values = values.double()
    return values.mean().item(), (values.var() / len(values)).item()


def test_draws_are_distributed_as_those_of_the_options():
    n, degradation = 20_000, RealESRGAN(4)
    numbers = draws.Numbers(n, torch.device("cpu"), _generator())
    steps = draws.draw_steps(degradation.first, numbers)
    assert (steps.factor >= 0.15).all()
    assert (steps.factor < 1.5).all()
    for found, share in (
        ((steps.factor > 1), 0.2),
        ((steps.factor < 1), 0.7),
        (steps.poisson, 0.5),
        (steps.gray, 0.4),
        (steps.mode == 1, 1 / 3),
        (steps.factor < 0.575, 0.35),
        (steps.quality < 46.25, 0.25),
        (steps.strength[steps.poisson] < 1.525, 0.5),
        (steps.strength[~steps.poisson] < 15.5, 0.5),
    ):
        deviation = math.sqrt(share * (1 - share) / len(found))
        assert found.float().mean().item() == pytest.approx(share, abs=4.5 * deviation)
    kernels = steps.kernel
    torch.testing.assert_close(kernels.sum((1, 2)), torch.ones(n, dtype=kernels.dtype))


def test_kernels_are_distributed_as_those_of_the_mix():
    n, mix = 6_000, RealESRGAN(4).second.kernels
    ours = draws.draw_kernels(mix, draws.Numbers(n, torch.device("cpu"), _generator()))
    other = mix.draw(n, _generator(seed=1))
    side = torch.arange(21, dtype=torch.float64) - 10
    for statistic in (
        lambda k: k[:, 10, 10],
        lambda k: (k * side.square()).sum((1, 2)),
        lambda k: (k * side.square()[:, None]).sum((1, 2)),
        lambda k: (k * side * side[:, None]).sum((1, 2)).square(),
        lambda k: k.square().sum((1, 2)),
        lambda k: (k < 0).any(-1).any(-1),
        lambda k: (k != 0).any(1).sum(1),
    ):
        (a, va), (b, vb) = _moments(statistic(ours)), _moments(statistic(other))
        assert abs(a - b) < 4.5 * math.sqrt(va + vb) + 1e-12


def test_a_zero_probability_is_never_drawn():
    numbers = draws.Numbers(50_000, torch.device("cpu"), _generator())
    assert set(numbers.choice((0.0, 1.0, 0.0)).tolist()) == {1}
    assert set(numbers.choice((0.3, 0.0, 0.7)).tolist()) == {0, 2}
    assert not numbers.chance(0.0).any()
    assert numbers.chance(1.0).all()
