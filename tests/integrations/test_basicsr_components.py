from __future__ import annotations

import os
import subprocess
import sys
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from basicsr_project import ADAPTIVE, Project
from torch import nn

from adasr.errors import OptionError, UnavailableError, WeightsError
from adasr.metrics import MetricError

EDSR = {"type": "EDSR", "num_in_ch": 3, "num_out_ch": 3, "num_feat": 8, "num_block": 2}
ARCHS: dict[str, tuple[dict[str, Any], int]] = {
    "EDSR": ({}, 17),
    "MSRResNet": ({}, 17),
    "RCAN": ({"num_group": 3, "num_block": 2, "squeeze_factor": 4}, 4),
    "RIDNet": ({"in_channels": 3, "mid_channels": 16, "out_channels": 3, "num_block": 2}, 3),
    "RRDBNet": ({"num_block": 2}, 3),
    "SRVGGNetCompact": ({}, 1),
    "SwinIR": (
        {
            "depths": [2, 2],
            "num_heads": [2, 2],
            "embed_dim": 8,
            "window_size": 8,
            "upscale": 4,
            "upsampler": "pixelshuffle",
        },
        3,
    ),
}


def build(options: dict[str, Any]) -> nn.Module:
    from basicsr.archs import build_network

    return build_network(options)


def sites(net: nn.Module) -> list[str]:
    from adasr.integrations.basicsr.regularized import annealing_of

    annealing = annealing_of(net)
    assert annealing is not None
    return [site.name for site in annealing.sites]


@pytest.mark.filterwarnings("ignore:.* is trained, but")
@pytest.mark.parametrize("name", ARCHS)
def test_any_arch_of_basicsr_can_be_regularized(integration: ModuleType, name: str) -> None:
    options, count = ARCHS[name]
    arch = {"type": name, **options}
    if "mid_channels" not in options and name != "SwinIR":
        arch |= {"num_in_ch": 3, "num_out_ch": 3, "num_feat": 8}
    net = build({"type": "Regularized", "arch": arch, "regularizer": ADAPTIVE})
    plain = build(arch)
    plain.load_state_dict(net.state_dict())
    assert len(sites(net)) == count
    image = torch.rand(2, 3, 16, 16)
    with torch.no_grad():
        assert torch.equal(net.eval()(image), plain.eval()(image))
        assert not torch.equal(net.train()(image), net(image))


def test_sites_can_be_named(integration: ModuleType) -> None:
    regularizer = {**ADAPTIVE, "sites": ["body.1.conv2", "conv_after_body"]}
    net = build({"type": "Regularized", "arch": EDSR, "regularizer": regularizer})
    assert sites(net) == ["body.1.conv2", "conv_after_body"]


def test_a_network_that_nobody_anneals_is_told(integration: ModuleType) -> None:
    from adasr.integrations.basicsr.regularized import annealing_of

    options = {"type": "Regularized", "arch": EDSR, "regularizer": ADAPTIVE}
    alone, driven = build(options), build(options)
    with pytest.warns(UserWarning, match="EDSR is trained, but its regularizer's schedule is not"):
        alone(torch.rand(1, 3, 8, 8))
    annealing = annealing_of(driven)
    assert annealing is not None
    annealing.step(1, 100)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        driven(torch.rand(1, 3, 8, 8))
        alone(torch.rand(1, 3, 8, 8))  # told once


def test_our_archs_stand_beside_theirs(integration: ModuleType) -> None:
    import adasr

    theirs = build({"type": "RRDBNet", "num_in_ch": 3, "num_out_ch": 3, "num_block": 1})
    ours = build({"type": "AdaRRDBNet", "num_block": 1, "upscale": 2})
    assert type(theirs).__module__.startswith("basicsr.")
    assert isinstance(ours, type(adasr.build_network({"type": "RRDBNet", "num_block": 1})))
    assert ours.arch_options["upscale"] == 2  # what their saved weights tell


@pytest.mark.parametrize(
    ("network", "said"),
    [
        (
            {"type": "Regularized", "arch": EDSR, "regularizer": {"type": "AdaptivDropout"}},
            ["regularizer.type", "Did you mean 'AdaptiveDropout'?"],
        ),
        (
            {"type": "Regularized", "arch": EDSR, "regularizer": {**ADAPTIVE, "wieght": 0.3}},
            ["regularizer.wieght", "Did you mean 'weight'?"],
        ),
        (
            {"type": "Regularized", "arch": EDSR, "regularizer": {**ADAPTIVE, "sites": "bodi.*"}},
            ["regularizer.sites", "matches no module of EDSR"],
        ),
        (
            {
                "type": "Regularized",
                "arch": EDSR,
                "regularizer": {"type": "ChannelDropout", "schedule": ADAPTIVE["schedule"]},
            },
            ["regularizer", "has no weight to anneal"],
        ),
        ({"type": "Regularized", "arch": "EDSR", "regularizer": ADAPTIVE}, ["arch", "type"]),
        ({"type": "AdaSRResNet", "num_feats": 8}, ["num_feats", "Did you mean 'num_feat'?"]),
    ],
)
def test_a_wrong_option_is_named(
    integration: ModuleType, network: dict[str, Any], said: list[str]
) -> None:
    with pytest.raises(OptionError) as error:
        build(network)
    for part in said:
        assert part in str(error.value)


def test_two_regularizers_are_refused(project: Project) -> None:
    network = {"type": "AdaSRResNet", "num_feat": 8, "num_block": 2, "upscale": 2}
    twice = project.write(
        model_type="AdaSRModel",
        network_g={**network, "regularizer": ADAPTIVE},
        regularizer=ADAPTIVE,
    )
    with pytest.raises(OptionError, match="given twice"):
        project.train(twice)


def test_weights_of_another_scale_are_named(project: Project, tmp_path: Path) -> None:
    import adasr

    other = adasr.build_network({"type": "SRResNet", "num_feat": 8, "num_block": 2, "upscale": 4})
    adasr.save_network(tmp_path / "x4.safetensors", other)
    torch.save({"params": other.state_dict()}, tmp_path / "x4.pth")
    for name in ("x4.safetensors", "x4.pth"):
        options = project.write(
            model_type="AdaSRModel",
            network_g={"type": "AdaSRResNet", "num_feat": 8, "num_block": 2, "upscale": 2},
            path={"pretrain_network_g": str(tmp_path / name)},
        )
        with pytest.raises(WeightsError, match="SRResNet x4") as error:
            project.train(options)
        assert "SRResNet x2" in str(error.value)


def test_training_crops_that_are_too_small_are_named(project: Project, images: Path) -> None:
    train = {"name": "train", "type": "AdaImageFolder", "dataroot_gt": str(images), "gt_size": 32}
    train |= {"num_worker_per_gpu": 0, "batch_size_per_gpu": 2}
    options = project.write(
        model_type="AdaRealESRNetModel",
        datasets={"train": {**train, "gt_size": 32, "frame": 32}},
        gt_size=64,
        degradation={"type": "RealESRGAN"},
    )
    with pytest.raises(OptionError, match="gt_size 64"):
        project.train(options)


def test_a_dataset_has_the_items_that_basicsr_wants(
    integration: ModuleType, pairs: Path, images: Path
) -> None:
    from basicsr.data import build_dataset

    roots = {"dataroot_gt": str(pairs / "gt"), "dataroot_lq": str(pairs / "lq")}
    common = {"name": "set", "phase": "val", "scale": 2, "io_backend": {"type": "disk"}}
    theirs = build_dataset({"type": "PairedImageDataset", **common, **roots})
    ours = build_dataset({"type": "AdaPairedFolder", **common, **roots})
    assert len(theirs) == len(ours)
    references = {item["gt_path"]: item for item in theirs}  # BasicSR keeps the disk's order
    for mine in ours:
        reference = references[mine["gt_path"]]
        assert set(reference) <= set(mine)
        for key in ("lq", "gt"):
            assert torch.allclose(mine[key], reference[key], atol=1e-6)
    degraded = build_dataset(
        {"type": "AdaDegradedFolder", **common, "dataroot_gt": str(images), "recipe": ["clean"]}
    )
    assert Path(degraded[0]["lq_path"]).stem == "img0_clean"
    crops = {"phase": "train", "dataroot_gt": str(images), "gt_size": 16, "frame": 24}
    train = build_dataset({"type": "AdaImageFolder", **common, **crops})
    assert train[0]["gt"].shape == (3, 24, 24)
    assert not torch.equal(train[0]["gt"], train[0]["gt"])  # another crop every time


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"io_backend": {"type": "lmdb"}}, "io_backend"),
        ({"gt_sise": 16}, "Did you mean 'gt_size'?"),
    ],
)
def test_a_wrong_dataset_option_is_named(
    integration: ModuleType, images: Path, options: dict[str, Any], said: str
) -> None:
    from basicsr.data import build_dataset

    given = {"name": "set", "phase": "train", "scale": 2, "dataroot_gt": str(images)}
    with pytest.raises(OptionError, match=r"datasets\.set") as error:
        build_dataset({"type": "AdaImageFolder", "gt_size": 16, **given, **options})
    assert said.rstrip("?") in str(error.value)


def test_an_unreadable_file_is_skipped_and_named(
    integration: ModuleType,
    images: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import logging
    import shutil

    from basicsr.data import build_dataset

    shutil.copytree(images, tmp_path / "images")
    (tmp_path / "images" / "img0.png").write_bytes(b"no image")
    given = {"name": "set", "phase": "train", "scale": 2, "gt_size": 16}
    dataset = build_dataset(
        {"type": "AdaImageFolder", **given, "dataroot_gt": str(tmp_path / "images")}
    )
    monkeypatch.setattr(logging.getLogger("basicsr"), "propagate", True)
    assert dataset[0]["gt_path"].endswith("img1.png")
    assert "img0.png" in caplog.text


def test_metrics_score_as_basicsr_scores(integration: ModuleType) -> None:
    from basicsr.metrics import calculate_metric

    random = np.random.default_rng(0)
    data = {name: random.integers(0, 256, (40, 50, 3), dtype=np.uint8) for name in ("img", "img2")}
    for name in ("psnr", "ssim"):
        for options in ({"crop_border": 4}, {"crop_border": 2, "test_y_channel": True}):
            theirs = calculate_metric(data, {"type": f"calculate_{name}", **options})
            ours = calculate_metric(data, {"type": f"ada_{name}", "better": "higher", **options})
            assert ours == pytest.approx(theirs, abs=1e-6)


def test_metrics_without_a_reference_need_none(integration: ModuleType) -> None:
    from basicsr.metrics import calculate_metric

    image = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    theirs = calculate_metric({"img": image}, {"type": "calculate_niqe", "crop_border": 4})
    ours = calculate_metric({"img": image}, {"type": "ada_niqe", "crop_border": 4})
    assert ours == pytest.approx(theirs, abs=1e-6)
    with pytest.raises(MetricError, match="there is none"):
        calculate_metric({"img": image}, {"type": "ada_psnr"})


def test_the_best_of_our_metrics_is_known(project: Project) -> None:
    metrics = {"psnr": {"type": "ada_psnr"}, "niqe": {"type": "ada_niqe", "better": "lower"}}
    metrics |= {"own": {"type": "calculate_psnr"}}
    opt: dict[str, Any] = {"val": {"metrics": metrics}}
    from adasr.integrations.basicsr.models import _fill_in_better

    del metrics["niqe"]["better"]
    _fill_in_better(opt)
    assert [m.get("better") for m in metrics.values()] == ["higher", "lower", None]


def test_losses_are_those_of_basicsr(integration: ModuleType) -> None:
    from basicsr.losses import build_loss

    sr, gt = torch.rand(2, 2, 3, 8, 8)
    for name in ("L1Loss", "MSELoss", "CharbonnierLoss"):
        theirs = build_loss({"type": name, "loss_weight": 0.5})(sr, gt)
        assert build_loss({"type": f"Ada{name}", "loss_weight": 0.5})(sr, gt) == pytest.approx(
            theirs.item(), rel=1e-6
        )


def test_registering_again_changes_nothing(integration: ModuleType) -> None:
    from basicsr.models.base_model import BaseModel

    before = BaseModel.update_learning_rate
    integration.register()
    assert BaseModel.update_learning_rate is before


def test_a_name_that_is_taken_is_told(
    integration: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    from basicsr.utils.registry import ARCH_REGISTRY

    taken = type("AdaSRResNet", (nn.Module,), {"__module__": "their_project.archs"})
    monkeypatch.setitem(ARCH_REGISTRY._obj_map, "AdaSRResNet", taken)
    with pytest.raises(UnavailableError, match="'AdaSRResNet' is registered twice") as error:
        integration.register()
    assert "their_project.archs" in str(error.value)


def test_without_basicsr_the_command_is_one_message(tmp_path: Path) -> None:
    hidden = """
import importlib.util
find_spec = importlib.util.find_spec
importlib.util.find_spec = lambda name, *more: None if name == "basicsr" else find_spec(name, *more)
"""
    (tmp_path / "sitecustomize.py").write_text(hidden)
    done = subprocess.run(
        [sys.executable, "-m", "adasr.integrations.basicsr", "train", "-opt", "x.yml"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error: BasicSR is not installed.")


def test_without_basicsr_the_way_to_install_it_is_told(
    integration: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match="pip install") as error:
        integration.require_basicsr()
    assert isinstance(error.value, UnavailableError)
    monkeypatch.setattr(sys, "version_info", (3, 13, 0))
    with pytest.raises(UnavailableError, match=r"Python 3\.11 or 3\.12"):
        integration.require_basicsr()


def test_another_version_is_warned_of(
    integration: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    from adasr.integrations.basicsr import installed

    monkeypatch.setattr(installed.import_basicsr(), "__version__", "1.3.5")
    with pytest.warns(UserWarning, match=r"BasicSR 1\.3\.5 is in use .* tested with 1\.4\.2"):
        integration.require_basicsr()


def test_a_mistake_is_one_message_on_the_command_line(project: Project, pairs: Path) -> None:
    options = project.write(network_g={"type": "AdaSRResNet", "num_feats": 8})
    command = [sys.executable, "-m", "adasr.integrations.basicsr"]
    done = subprocess.run(
        [*command, "train", "-opt", str(options)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "error: num_feats: arch 'SRResNet' has no option 'num_feats'." in done.stderr
    assert subprocess.run(command, capture_output=True, check=False).returncode == 2
