"""The discriminator's side of the loop against BasicSR's models, step by step."""

from __future__ import annotations

import copy
import io
from collections import OrderedDict
from types import ModuleType
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from adasr.registry import DISCRIMINATOR_REGISTRY, LOSS_REGISTRY, OPTIMIZER_REGISTRY
from adasr.training.adversarial import CHECKED, Adversary
from adasr.weights import build_network

WEIGHT = 0.1


@pytest.fixture
def accelerator() -> Accelerator:
    AcceleratorState._reset_state()
    return Accelerator(cpu=True, mixed_precision="no")


WIDTHS = {"UNetDiscriminatorSN": 4, "VGGStyleDiscriminator": 2}


def discriminator(name: str = "UNetDiscriminatorSN") -> nn.Module:
    return DISCRIMINATOR_REGISTRY.build({"type": name, "num_feat": WIDTHS[name]})


def adam(net: nn.Module, lr: float = 1e-3) -> torch.optim.Optimizer:
    return OPTIMIZER_REGISTRY.build({"type": "Adam", "lr": lr}, params=net.parameters())


def adversary(accelerator: Accelerator, net: nn.Module, **options: Any) -> Adversary:
    loss = LOSS_REGISTRY.build({"type": "GANLoss", "loss_weight": WEIGHT, **options})
    return Adversary(net, adam(net), loss, accelerator)


def pair(seed: int, side: int = 32) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(seed)
    shape = (2, 3, side, side)
    return torch.rand(shape, generator=random), torch.rand(shape, generator=random)


def states_equal(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(states_equal(one[k], other[k]) for k in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(states_equal, one, other))
    return one == other


def basicsr_model(
    kind: str, net_g: nn.Module, net_d: nn.Module, sharpened: tuple[bool, ...] = (False,) * 3
) -> Any:
    """One of BasicSR's models around our weights; its option files and loaders are left out."""
    from basicsr.losses.gan_loss import GANLoss
    from basicsr.models.esrgan_model import ESRGANModel
    from basicsr.models.realesrgan_model import RealESRGANModel
    from basicsr.models.srgan_model import SRGANModel

    models = {m.__name__: m for m in (SRGANModel, ESRGANModel, RealESRGANModel)}
    model = object.__new__(models[kind])
    names = ("l1_gt_usm", "percep_gt_usm", "gan_gt_usm")
    flags = dict(zip(names, sharpened, strict=True))
    vars(model).update(
        opt={"dist": False, **flags},
        net_g=net_g,
        net_d=net_d,
        cri_pix=nn.L1Loss(),
        cri_perceptual=None,
        cri_ldl=None,
        cri_gan=GANLoss("vanilla", loss_weight=WEIGHT),
        net_d_iters=1,
        net_d_init_iters=0,
        optimizer_g=torch.optim.Adam(net_g.parameters(), lr=1e-3, betas=(0.9, 0.99)),
        optimizer_d=torch.optim.Adam(net_d.parameters(), lr=1e-3, betas=(0.9, 0.99)),
        ema_decay=0,
        log_dict=OrderedDict(),
    )
    return model


@pytest.mark.parametrize(
    ("kind", "name", "side"),
    [
        ("SRGANModel", "UNetDiscriminatorSN", 32),
        ("SRGANModel", "VGGStyleDiscriminator", 128),
        ("RealESRGANModel", "UNetDiscriminatorSN", 32),
        ("ESRGANModel", "UNetDiscriminatorSN", 32),
        ("ESRGANModel", "VGGStyleDiscriminator", 128),
    ],
)
def test_whole_steps_equal_basicsr(
    kind: str, name: str, side: int, accelerator: Accelerator, basicsr: ModuleType
) -> None:
    net_g = build_network({"type": "SRResNet", "num_feat": 4, "num_block": 1, "upscale": 2})
    net_d = discriminator(name)
    theirs = basicsr_model(kind, copy.deepcopy(net_g), copied(net_d, name))
    ours = adversary(accelerator, net_d, relativistic=kind == "ESRGANModel")
    optimizer = adam(net_g)
    for iteration in (1, 2, 3):
        lq, gt = torch.rand(2, 3, side // 2, side // 2), torch.rand(2, 3, side, side)
        theirs.lq, theirs.gt, theirs.gt_usm = lq, gt, None
        theirs.optimize_parameters(iteration)

        sr = net_g(lq)
        losses = {"l_pix": (sr - gt).abs().mean(), **ours.generator_loss(sr, gt)}
        torch.stack(list(losses.values())).sum().backward()
        optimizer.step()
        optimizer.zero_grad()
        values = {**losses, **ours.update([(sr, gt)])}

        told = {"l_pix": theirs.log_dict.pop("l_g_pix"), **theirs.log_dict}
        assert values.keys() == told.keys()
        for key, value in told.items():
            assert float(values[key].detach()) == pytest.approx(value, rel=1e-4, abs=1e-6), key
    for own, their in ((net_g, theirs.net_g), (net_d, theirs.net_d)):
        for key, value in their.state_dict().items():
            torch.testing.assert_close(own.state_dict()[key], value, rtol=0, atol=1e-5, msg=key)


def copied(net: nn.Module, name: str) -> nn.Module:
    """BasicSR's own discriminator with the same state."""
    from basicsr.archs import discriminator_arch

    theirs = getattr(discriminator_arch, name)(num_in_ch=3, num_feat=WIDTHS[name])
    theirs.load_state_dict(net.state_dict())
    return theirs.train()


def test_the_generator_is_taught_and_the_discriminator_is_not(accelerator: Accelerator) -> None:
    ours = adversary(accelerator, discriminator())
    sr = pair(0)[0].requires_grad_()
    ours.generator_loss(sr)["l_g_gan"].backward()
    assert sr.grad is not None and sr.grad.abs().sum() > 0
    assert all(p.grad is None and p.requires_grad for p in ours.net.parameters())


def test_the_discriminator_is_taught_and_the_generator_is_not(accelerator: Accelerator) -> None:
    ours = adversary(accelerator, discriminator())
    before = copy.deepcopy(ours.state_dict()["network"])
    sr, gt = pair(0)
    sr.requires_grad_()
    values = ours.update([(sr, gt)])
    assert set(values) == {"l_d_real", "l_d_fake", "out_d_real", "out_d_fake"}
    assert not any(value.requires_grad for value in values.values())
    assert sr.grad is None
    assert not torch.equal(before["conv0.weight"], ours.net.state_dict()["conv0.weight"])


def test_it_learns_to_tell_the_two_apart(accelerator: Accelerator) -> None:
    ours = adversary(accelerator, discriminator())
    sr, gt = torch.full((2, 3, 32, 32), 0.3), torch.full((2, 3, 32, 32), 0.7)
    values = [ours.update([(sr, gt)]) for _ in range(30)]
    assert values[-1]["out_d_real"] > values[-1]["out_d_fake"] + 0.5
    assert values[-1]["l_d_real"] < values[0]["l_d_real"]


def test_accumulated_parts_are_one_large_batch(accelerator: Accelerator) -> None:
    """Up to the power iteration, which goes on in every pass; here it has converged."""
    net = discriminator()
    with torch.no_grad():
        for _ in range(200):
            net(torch.rand(1, 3, 8, 8))
    states = []
    (sr, gt), (sr2, gt2) = pair(0), pair(1)
    for pairs in ([(sr, gt), (sr2, gt2)], [(torch.cat([sr, sr2]), torch.cat([gt, gt2]))]):
        twin = discriminator()
        twin.load_state_dict(net.state_dict())
        ours = adversary(accelerator, twin)
        values = ours.update(pairs)
        states.append((ours.state_dict()["optimizer"]["state"], values))
    (one, values), (other, expected) = states
    for key, state in one.items():
        torch.testing.assert_close(state["exp_avg"], other[key]["exp_avg"], rtol=1e-3, atol=1e-6)
    for key, value in expected.items():
        torch.testing.assert_close(values[key], value, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["UNetDiscriminatorSN", "VGGStyleDiscriminator"])
@pytest.mark.parametrize("bad", ["sr", "gt"])
def test_a_step_that_is_not_finite_changes_nothing(
    name: str, bad: str, accelerator: Accelerator
) -> None:
    ours = adversary(accelerator, discriminator(name))
    side = 32 if name.startswith("UNet") else 128
    ours.update([pair(0, side)])
    before = copy.deepcopy(ours.state_dict())
    sr, gt = pair(1, side)
    (sr if bad == "sr" else gt)[0, 0, 0, 0] = float("nan")
    ours.generator_loss(sr)
    values = ours.update([pair(2, side), (sr, gt)])
    assert not torch.isfinite(values[CHECKED])
    assert not torch.isfinite(values["l_d_fake" if bad == "sr" else "l_d_real"])
    assert states_equal(ours.state_dict(), before)
    assert CHECKED not in ours.update([pair(2, side)])


@pytest.mark.parametrize("name", ["UNetDiscriminatorSN", "VGGStyleDiscriminator"])
@pytest.mark.parametrize("reason", ["sr", "gt", "generator"])
def test_a_gpu_is_not_waited_for(
    name: str, reason: str, accelerator: Accelerator, never_waits: TorchDispatchMode
) -> None:
    """Deferred steps change the same bits as those that are looked at, and nothing if left out."""
    at_once, later = (adversary(accelerator, discriminator(name)) for _ in range(2))
    later.load_state_dict(at_once.state_dict())
    assert not later.deferred  # on a CPU
    later.deferred = True
    side = 32 if name.startswith("UNet") else 128
    good, bad = pair(0, side), pair(1, side)
    if reason != "generator":
        (bad[0] if reason == "sr" else bad[1])[0, 0, 0, 0] = float("nan")
    expected = at_once.update([good])
    with never_waits:
        values = later.update([good], torch.tensor(False))
    assert torch.isfinite(values.pop(CHECKED))
    assert states_equal(values, expected)
    assert states_equal(later.state_dict(), at_once.state_dict())
    with never_waits:
        later.generator_loss(bad[0])
        values = later.update([good, bad], torch.tensor(reason == "generator"))
    # The network's own step is told about elsewhere, and this one is not to blame.
    assert bool(torch.isfinite(values[CHECKED])) == (reason == "generator")
    assert states_equal(later.state_dict(), at_once.state_dict())
    for ours in (at_once, later):
        ours.generator_loss(good[0])
        ours.update([good])
    assert states_equal(later.state_dict(), at_once.state_dict())


def test_a_generator_s_step_that_is_left_out_may_be_known_at_once(
    accelerator: Accelerator,
) -> None:
    ours = adversary(accelerator, discriminator())
    before = copy.deepcopy(ours.state_dict())
    assert CHECKED not in ours.update([pair(0)], torch.tensor(True))
    assert states_equal(ours.state_dict(), before)


def test_an_iteration_that_is_left_out_leaves_no_trace(accelerator: Accelerator) -> None:
    ours = adversary(accelerator, discriminator("VGGStyleDiscriminator"))
    before = copy.deepcopy(ours.state_dict())
    ours.generator_loss(torch.full((2, 3, 128, 128), float("nan")))
    assert not states_equal(ours.state_dict(), before)
    ours.discard()
    assert states_equal(ours.state_dict(), before)


def test_a_resumed_discriminator_goes_on_to_the_same_bits(accelerator: Accelerator) -> None:
    def goes_on(ours: Adversary, first: int) -> None:
        for seed in range(first, 4):
            ours.set_learning_rate(0.5 if seed > 2 else 1.0)
            ours.generator_loss(pair(seed)[0])
            ours.update([pair(seed)])

    whole, half = (adversary(accelerator, discriminator()) for _ in range(2))
    half.load_state_dict(whole.state_dict())
    for seed in range(2):
        whole.generator_loss(pair(seed)[0])
        whole.update([pair(seed)])
    file = io.BytesIO()
    torch.save(whole.state_dict(), file)
    file.seek(0)
    state = torch.load(file, weights_only=True)  # nothing but plain data is in it
    assert any(key.endswith("weight_u") for key in state["network"])
    resumed = adversary(accelerator, discriminator())
    resumed.load_state_dict(state)
    for ours in (whole, resumed):
        goes_on(ours, 2)
    assert states_equal(whole.state_dict(), resumed.state_dict())
    assert not states_equal(whole.state_dict(), half.state_dict())


def test_the_learning_rate_is_a_factor_of_its_own(accelerator: Accelerator) -> None:
    ours = adversary(accelerator, discriminator())
    ours.set_learning_rate(0.5)
    state = ours.state_dict()
    ours.set_learning_rate(0.25)
    assert ours.optimizer.param_groups[0]["lr"] == pytest.approx(2.5e-4)
    ours.load_state_dict(state)
    ours.set_learning_rate(1.0)  # of the rate it was made with, not of the saved one
    assert ours.optimizer.param_groups[0]["lr"] == pytest.approx(1e-3)


@pytest.mark.parametrize(("iters", "init"), [(1, 0), (2, 0), (3, 4)])
def test_the_generator_s_turns_are_basicsr_s(
    iters: int, init: int, accelerator: Accelerator
) -> None:
    net = discriminator()
    ours = Adversary(
        net, adam(net), nn.Identity(), accelerator, net_d_iters=iters, net_d_init_iters=init
    )
    for iteration in range(1, 20):
        expected = iteration % iters == 0 and iteration > init
        assert ours.trains_generator(iteration) == expected


def test_a_relativistic_loss_needs_both(accelerator: Accelerator) -> None:
    ours = adversary(accelerator, discriminator(), relativistic=True)
    with pytest.raises(ValueError, match="give both"):
        ours.generator_loss(pair(0)[0])


def test_half_precision_is_that_of_the_accelerator() -> None:
    AcceleratorState._reset_state()
    ours = adversary(Accelerator(cpu=True, mixed_precision="bf16"), discriminator())
    seen = []
    ours.net.conv5.register_forward_hook(lambda _m, _i, output: seen.append(output.dtype))
    sr, gt = pair(0)
    loss = ours.generator_loss(sr.requires_grad_())["l_g_gan"]
    values = ours.update([(sr, gt)])
    assert set(seen) == {torch.bfloat16}
    assert loss.dtype == torch.float32
    assert {value.dtype for value in values.values()} == {torch.float32}
    assert all(v.dtype != torch.bfloat16 for v in ours.state_dict()["network"].values())
    AcceleratorState._reset_state()
