"""What AdaSRModel starts from and what AdaRealESRNetModel makes of a batch."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from basicsr_project import ADAPTIVE, Project, losses, project_options
from torch import nn

import adasr
from adasr.archs.keys import respelled
from adasr.errors import OptionError, WeightsError

SRRESNET = {"type": "AdaSRResNet", "num_feat": 8, "num_block": 16, "upscale": 2}
NO_STRENGTH = {
    "type": "RealESRGAN",
    "gt_usm": False,
    "resize_prob": [0, 0, 1],
    "resize_prob2": [0, 0, 1],
    "noise_range": [0, 0],
    "noise_range2": [0, 0],
    "gaussian_noise_prob": 1.0,
    "gaussian_noise_prob2": 1.0,
    "jpeg_range": [100, 100],
    "jpeg_range2": [100, 100],
    "sinc_prob": 0.0,
    "sinc_prob2": 0.0,
    "final_sinc_prob": 0.0,
    "kernel_list": ["iso"],
    "kernel_prob": [1.0],
    "kernel_list2": ["iso"],
    "kernel_prob2": [1.0],
    "blur_sigma": [0.1, 0.1],
    "blur_sigma2": [0.1, 0.1],
}


def model(pairs: Path, folder: Path, **changes: Any) -> Any:
    """A model as BasicSR's pipeline builds it."""
    from basicsr.models import build_model

    options = project_options(pairs)
    paths = {"models": str(folder), "training_states": str(folder)}
    more = {"num_gpu": 0, "dist": False, "rank": 0, "is_train": True}
    for section, values in {"path": paths, **more, **changes}.items():
        held = options.get(section)
        merged = isinstance(held, dict) and isinstance(values, dict) and "type" not in values
        options[section] = {**held, **values} if merged else values
    return build_model(options)


def starts_from(path: Path, pairs: Path, **changes: Any) -> dict[str, torch.Tensor]:
    start = {"pretrain_network_g": str(path), "models": str(path.parent), **changes}
    found = model(pairs, path.parent, model_type="AdaSRModel", network_g=SRRESNET, path=start)
    return found.net_g.state_dict()


@pytest.fixture
def authors(tmp_path: Path, integration: ModuleType) -> tuple[Path, dict[str, torch.Tensor]]:
    """A file with two sets of weights under the authors' key names, and the first of them."""
    net = adasr.build_network({**SRRESNET, "type": "SRResNet"})
    state = net.state_dict()
    averaged = {key: value + 1 for key, value in state.items()}
    content = {
        "params": respelled(state, "SRResNet", "authors"),
        "params_ema": respelled(averaged, "SRResNet", "authors"),
    }
    torch.save(content, tmp_path / "authors.pth")
    return tmp_path / "authors.pth", state


@pytest.mark.parametrize("strict", [True, False])
def test_a_start_of_another_layout_is_loaded(
    authors: tuple[Path, dict[str, torch.Tensor]], pairs: Path, strict: bool
) -> None:
    path, state = authors
    plain = starts_from(path, pairs, strict_load_g=strict)
    averaged = starts_from(path, pairs, strict_load_g=strict, param_key_g="params_ema")
    for key, value in state.items():
        assert torch.equal(plain[key], value)
        assert torch.equal(averaged[key], value + 1)


def test_gates_of_another_regularizer_are_not_dropped(
    integration: ModuleType, pairs: Path, tmp_path: Path
) -> None:
    def gated(kind: str, **path: str) -> Any:
        regularizer = {"type": "AdaptiveDropout", "gate": kind}
        options = {"model_type": "AdaSRModel", "network_g": SRRESNET, "regularizer": regularizer}
        return model(pairs, tmp_path, path={"models": str(tmp_path), **path}, **options)

    gated("vector").save_network(gated("vector").net_g, "net_g", 1)
    with pytest.raises(WeightsError, match="parameters of another regularizer"):
        gated("scalar", pretrain_network_g=str(tmp_path / "net_g_1.pth"))


def test_weights_of_the_plain_network_start_a_gated_one(
    integration: ModuleType, pairs: Path, tmp_path: Path
) -> None:
    plain = adasr.build_network({**SRRESNET, "type": "SRResNet"})
    torch.save({"params": plain.state_dict()}, tmp_path / "plain.pth")
    found = model(
        pairs,
        tmp_path,
        model_type="AdaSRModel",
        network_g=SRRESNET,
        regularizer={"type": "AdaptiveDropout", "gate": "vector"},
        path={"pretrain_network_g": str(tmp_path / "plain.pth"), "models": str(tmp_path)},
    )
    for key, value in plain.state_dict().items():
        assert torch.equal(found.net_g.state_dict()[key], value)


def test_an_arch_of_others_whose_name_begins_as_ours(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    from basicsr.utils.registry import ARCH_REGISTRY

    class AdaFMNet(nn.Module):
        def __init__(self, upscale: int) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 3 * upscale**2, 3, padding=1)
            self.upscale = upscale

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return F.pixel_shuffle(self.conv(x), self.upscale)

    monkeypatch.setitem(ARCH_REGISTRY._obj_map, "AdaFMNet", AdaFMNet)
    network = {"type": "AdaFMNet", "upscale": 2}
    options = project.write(model_type="AdaSRModel", network_g=network, regularizer=ADAPTIVE)
    assert len(losses(project.train(options))) == 8


def test_windows_are_filled_in_validation(
    integration: ModuleType, pairs: Path, tmp_path: Path
) -> None:
    """BasicSR's own SwinIRModel is the reference, which looks for the window under network_g."""
    swin = {"type": "SwinIR", "upscale": 2, "embed_dim": 12, "depths": [2], "num_heads": [2]}
    swin |= {"window_size": 8, "img_size": 32, "mlp_ratio": 2, "upsampler": "pixelshuffle"}
    lq = torch.rand(1, 3, 19, 21)
    outputs = []
    for model_type in ("AdaSRModel", "SwinIRModel"):
        torch.manual_seed(0)
        found = model(pairs, tmp_path, model_type=model_type, network_g=swin, regularizer=ADAPTIVE)
        found.feed_data({"lq": lq})
        found.test()
        outputs.append(found.output)
    assert outputs[0].shape == outputs[1].shape == (1, 3, 38, 42)
    inside = (slice(None), slice(None), slice(0, 16), slice(0, 16))
    assert torch.allclose(outputs[0][inside], outputs[1][inside], atol=1e-5)


def test_a_training_set_without_lq_is_told(
    integration: ModuleType, pairs: Path, tmp_path: Path
) -> None:
    found = model(pairs, tmp_path, model_type="AdaSRModel", network_g=SRRESNET)
    with pytest.raises(OptionError, match="Use AdaRealESRNetModel"):
        found.feed_data({"gt": torch.rand(1, 3, 8, 8)})


def test_options_without_effect_in_basicsr_are_told(
    integration: ModuleType, pairs: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    import logging

    train = {"align_opt": {"type": "FeatureAlignment"}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logging.getLogger("basicsr"), "propagate", True)
        model(pairs, tmp_path, network_g=SRRESNET, degradation={"type": "RealESRGAN"}, train=train)
    assert "train.align_opt is an option of adasr" in caplog.text
    assert "degradation is an option of adasr" in caplog.text


def degrading(pairs: Path, folder: Path, **changes: Any) -> Any:
    scale = changes.get("scale", 2)
    network = {"type": "AdaSRResNet", "num_feat": 8, "num_block": 1, "upscale": scale}
    return model(pairs, folder, model_type="AdaRealESRNetModel", network_g=network, **changes)


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_our_dataset_fits_our_model_at_every_scale(
    integration: ModuleType, pairs: Path, tmp_path: Path, images: Path, scale: int
) -> None:
    from basicsr.data import build_dataset

    size = 12 * scale
    train = {"type": "AdaImageFolder", "name": "t", "phase": "train", "scale": scale}
    train |= {"dataroot_gt": str(images), "gt_size": size}
    found = degrading(
        pairs, tmp_path, scale=scale, datasets={"train": train}, degradation={"type": "RealESRGAN"}
    )
    dataset = build_dataset(train)
    found.feed_data({"gt": torch.stack([dataset[0]["gt"], dataset[1]["gt"]])})
    assert found.gt.shape == (2, 3, size, size)
    assert found.lq.shape == (2, 3, 12, 12)


def test_pairs_without_strength_are_the_downscaled_image(
    integration: ModuleType, pairs: Path, tmp_path: Path
) -> None:
    train = {**project_options(pairs)["datasets"]["train"], "gt_size": 64}
    degradation = {**NO_STRENGTH, "frame": 160}
    found = degrading(pairs, tmp_path, datasets={"train": train}, degradation=degradation)
    coarse = torch.rand(2, 1, 16, 16).expand(-1, 3, -1, -1)  # gray: JPEG halves the chroma
    gt = F.interpolate(coarse, size=(160, 160), mode="bicubic").clamp(0, 1)
    found.update_learning_rate(1)
    found.feed_data({"gt": gt})
    expected = F.interpolate(found.gt, size=(32, 32), mode="area")
    assert (found.lq - expected)[..., 2:-2, 2:-2].abs().mean() < 0.01
    # GT crops are cut out of the batch as they are.
    windows = gt[0].unfold(1, 64, 1).unfold(2, 64, 1)
    assert (windows - found.gt[0][:, None, None]).abs().amax((0, 3, 4)).min() == 0


def test_draws_differ_by_iteration_and_process_and_repeat(
    integration: ModuleType, pairs: Path, tmp_path: Path
) -> None:
    train = {**project_options(pairs)["datasets"]["train"], "gt_size": 32}
    gt = torch.rand(2, 3, 400, 400)
    seen: dict[tuple[int, int], torch.Tensor] = {}
    for rank in (0, 1):
        found = degrading(pairs, tmp_path, datasets={"train": train})
        found.opt["rank"] = rank
        for iteration in (1, 2, 1):
            found.current_iter = iteration
            found.feed_data({"gt": gt})
            held = seen.setdefault((rank, iteration), found.lq)
            assert torch.equal(held, found.lq)
    lqs = list(seen.values())
    assert not any(torch.equal(a, b) for i, a in enumerate(lqs) for b in lqs[:i])


def test_the_file_s_gt_size_counts(integration: ModuleType, pairs: Path, tmp_path: Path) -> None:
    train = {**project_options(pairs)["datasets"]["train"], "gt_size": 64}
    found = degrading(pairs, tmp_path, datasets={"train": train}, gt_size=32)
    found.feed_data({"gt": torch.rand(2, 3, 400, 400)})
    assert found.gt.shape[-2:] == (32, 32)
    with pytest.raises(OptionError, match="33 is no multiple of the scale 2"):
        degrading(pairs, tmp_path, datasets={"train": train}, gt_size=33)


def test_without_high_order_degradation_it_trains_on_pairs(
    integration: ModuleType, pairs: Path, tmp_path: Path
) -> None:
    found = degrading(pairs, tmp_path, high_order_degradation=False)
    lq, gt = torch.rand(2, 3, 16, 16), torch.rand(2, 3, 32, 32)
    found.feed_data({"lq": lq, "gt": gt})
    assert torch.equal(found.lq, lq) and torch.equal(found.gt, gt)
