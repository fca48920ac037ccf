from __future__ import annotations

import functools
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from basicsr_project import ADAPTIVE, Project, annealed, free_port, losses

from adasr.regularizers.sites import RESERVED_PREFIX

EDSR = {
    "type": "EDSR",
    "num_in_ch": 3,
    "num_out_ch": 3,
    "num_feat": 8,
    "num_block": 2,
    "upscale": 2,
}
ON_THE_FLY = {
    "train": {
        "name": "train",
        "type": "AdaImageFolder",
        "gt_size": 16,
        "frame": 32,
        "num_worker_per_gpu": 0,
        "batch_size_per_gpu": 2,
        "dataset_enlarge_ratio": 20,
    }
}


def shares(sites: int, interval: int = 3) -> dict[int, float]:
    """The share of sites at weight 1 by iteration, from the paper's formula."""
    return {
        t: round(sum(t >= k * interval for k in range(1, sites + 1)) / sites, 4)
        for t in range(1, 9)
    }


def rounded(found: dict[int, float]) -> dict[int, float]:
    return {t: round(share, 4) for t, share in found.items()}


def test_ada_srresnet_trains_validates_and_saves(project: Project) -> None:
    options = project.write(
        model_type="AdaSRModel",
        network_g={"type": "AdaSRResNet", "num_feat": 8, "num_block": 2, "upscale": 2},
        regularizer=ADAPTIVE,
    )
    log = project.train(options)
    assert rounded(annealed(log)) == shares(3)
    assert "# psnr:" in log
    models = {path.name for path in (project.folder / "experiments/run/models").iterdir()}
    assert {"net_g_4.pth", "net_g_8.pth", "net_g_8.safetensors"} <= models


def test_a_resumed_run_has_the_annealing_of_an_uninterrupted_one(project: Project) -> None:
    options = project.write(
        model_type="AdaSRModel",
        network_g={"type": "Regularized", "arch": EDSR, "regularizer": ADAPTIVE},
    )
    whole = annealed(project.train(options))
    (project.folder / "experiments/run/training_states/8.state").unlink()
    resumed = annealed(project.train(options, "--auto_resume"))
    assert resumed == {t: share for t, share in whole.items() if t > 4}
    assert rounded(whole) == shares(3)


def watch_weights(monkeypatch: pytest.MonkeyPatch) -> dict[int, list[float]]:
    """The weights of the sites by iteration, filled in while a network is annealed."""
    from adasr.integrations.basicsr.regularized import Annealing

    seen: dict[int, list[float]] = {}
    original = Annealing.step

    def step(self: Annealing, iteration: int, total_iter: int) -> None:
        original(self, iteration, total_iter)
        seen[iteration] = [site.weight for site in self.sites]

    monkeypatch.setattr(Annealing, "step", step)
    return seen


@pytest.mark.parametrize("model_type", ["SRModel", "AdaSRModel"])
def test_paired_models_anneal_a_regularized_network(
    project: Project, monkeypatch: pytest.MonkeyPatch, model_type: str
) -> None:
    seen = watch_weights(monkeypatch)
    network = {"type": "Regularized", "arch": EDSR, "regularizer": ADAPTIVE}
    project.train(project.write(model_type=model_type, network_g=network))
    assert seen == {t: [1.0 if t >= 3 * k else 0.3 for k in (1, 2, 3)] for t in range(1, 9)}


def test_regularized_without_annealing_equals_the_plain_network(project: Project) -> None:
    """With the sites' weights at 1 nothing may change: BasicSR's own run is the reference."""
    plain = project.train(project.write("plain", network_g=EDSR))
    idle = {"type": "AdaptiveDropout", "weight": 1.0}
    network = {"type": "Regularized", "arch": EDSR, "regularizer": idle}
    regularized = project.train(project.write("idle", network_g=network))
    assert losses(regularized) == losses(plain)
    states = [
        torch.load(project.folder / f"experiments/{name}/models/net_g_8.pth", weights_only=True)
        for name in ("plain", "idle")
    ]
    for key, value in states[0]["params"].items():
        assert torch.equal(value, states[1]["params"][key])


def test_on_the_fly_degradations_train_and_repeat(project: Project, images: Path) -> None:
    changes: dict[str, Any] = {
        "model_type": "AdaRealESRNetModel",
        "network_g": {"type": "AdaSRResNet", "num_feat": 8, "num_block": 2, "upscale": 2},
        "degradation": {"type": "RealESRGAN"},
        "datasets": {"train": {**ON_THE_FLY["train"], "dataroot_gt": str(images)}},
        "regularizer": ADAPTIVE,
    }
    first = losses(project.train(project.write("first", **changes)))
    second = losses(project.train(project.write("second", **changes)))
    assert first == second and len(first) == 8


REAL_ESRGAN_KERNELS = {
    "blur_kernel_size": 21,
    "kernel_list": ["iso", "aniso"],
    "kernel_prob": [0.5, 0.5],
    "sinc_prob": 0.1,
    "blur_sigma": [0.2, 3],
    "betag_range": [0.5, 4],
    "betap_range": [1, 2],
}
REAL_ESRGAN_PROCESS = {
    "resize_prob": [0.2, 0.7, 0.1],
    "resize_range": [0.15, 1.5],
    "gaussian_noise_prob": 0.5,
    "noise_range": [1, 30],
    "poisson_scale_range": [0.05, 3],
    "gray_noise_prob": 0.4,
    "jpeg_range": [30, 95],
}


@pytest.fixture
def real_esrgan(project: Project, images: Path) -> dict[str, Any]:
    """What an option file of Real-ESRGAN has beside the rest, at its places there."""
    meta = project.folder / "meta.txt"
    meta.write_text("".join(f"{path.name}\n" for path in sorted(images.iterdir())))
    train = {
        "name": "train",
        "type": "RealESRGANDataset",
        "dataroot_gt": str(images),
        "meta_info": str(meta),
        "io_backend": {"type": "disk"},
        **REAL_ESRGAN_KERNELS,
        **{f"{key}2": value for key, value in REAL_ESRGAN_KERNELS.items()},
        "final_sinc_prob": 0.8,
        "gt_size": 32,
        "use_hflip": True,
        "use_rot": False,
        "num_worker_per_gpu": 0,
        "batch_size_per_gpu": 2,
        "dataset_enlarge_ratio": 20,
    }
    return {
        "datasets": {"train": train},
        "gt_usm": True,
        "gt_size": 32,
        "queue_size": 4,
        "second_blur_prob": 0.8,
        **REAL_ESRGAN_PROCESS,
        **{f"{key}2": value for key, value in REAL_ESRGAN_PROCESS.items()},
        "resize_range2": [0.3, 1.2],
    }


@pytest.mark.parametrize("model_type", ["RealESRNetModel", "AdaRealESRNetModel"])
def test_real_esrgan_options_need_only_another_model_type(
    project: Project,
    real_esrgan: dict[str, Any],
    model_type: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from adasr.degradations.real_esrgan import RealESRGAN

    given: dict[str, Any] = {}
    original = RealESRGAN.__init__

    def record(self: RealESRGAN, scale: int, **options: Any) -> None:
        given.update(options)
        original(self, scale, **options)

    monkeypatch.setattr(RealESRGAN, "__init__", functools.wraps(original)(record))
    real_esrgan |= {"noise_range": [2, 3]}
    real_esrgan["datasets"]["train"]["blur_sigma2"] = [0.4, 0.5]
    log = project.train(project.write(model_type=model_type, **real_esrgan))
    assert len(losses(log)) == 8
    assert "# psnr:" in log
    if model_type.startswith("Ada"):
        assert list(given["noise_range"]) == [2, 3]
        assert list(given["blur_sigma2"]) == [0.4, 0.5]
        assert given["gt_usm"] is True


@pytest.mark.parametrize("model_type", ["SRGANModel", "RealESRGANModel"])
def test_gan_models_anneal_their_generator(
    project: Project,
    real_esrgan: dict[str, Any],
    model_type: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = watch_weights(monkeypatch)
    changes = real_esrgan if model_type == "RealESRGANModel" else {}
    project.train(
        project.write(
            model_type=model_type,
            network_g={"type": "Regularized", "arch": EDSR, "regularizer": ADAPTIVE},
            network_d={"type": "UNetDiscriminatorSN", "num_in_ch": 3, "num_feat": 4},
            train={
                "optim_d": {"type": "Adam", "lr": 1e-4},
                "gan_opt": {"type": "GANLoss", "gan_type": "vanilla", "loss_weight": 0.1},
            },
            l1_gt_usm=True,
            percep_gt_usm=True,
            gan_gt_usm=False,
            **changes,
        )
    )
    assert seen == {t: [1.0 if t >= 3 * k else 0.3 for k in (1, 2, 3)] for t in range(1, 9)}


def test_weights_of_a_regularized_network_are_those_of_the_plain_one(project: Project) -> None:
    from basicsr.archs import build_network

    network = {"type": "Regularized", "arch": EDSR, "regularizer": ADAPTIVE}
    project.train(project.write(network_g=network))
    path = project.folder / "experiments/run/models/net_g_8.pth"
    state = torch.load(path, weights_only=True)
    build_network(EDSR).load_state_dict(state["params"])
    assert not any(key.startswith(RESERVED_PREFIX) for key in state["params_ema"])


@pytest.mark.parametrize(
    "network", [{"type": "AdaSRResNet", "num_feat": 8, "num_block": 2, "upscale": 2}, EDSR]
)
def test_the_weights_upscale_alike_in_adasr_and_in_basicsr(
    project: Project, network: dict[str, Any]
) -> None:
    from basicsr.archs import build_network

    from adasr import load_network

    options = project.write(model_type="AdaSRModel", network_g=network, regularizer=ADAPTIVE)
    project.train(options)
    models = project.folder / "experiments/run/models"
    theirs = build_network(network).eval()
    theirs.load_state_dict(torch.load(models / "net_g_8.pth", weights_only=True)["params_ema"])
    image = torch.rand(1, 3, 20, 24)
    with torch.no_grad():
        expected = theirs(image)
        for name in ["net_g_8.safetensors"] + ["net_g_8.pth"] * (network is not EDSR):
            assert (load_network(models / name)(image) - expected).abs().max() < 1e-6


NETWORKS: dict[str, dict[str, Any]] = {
    "EDSR": EDSR,
    "MSRResNet": {"type": "MSRResNet", "num_feat": 8, "num_block": 2, "upscale": 2},
    "RRDBNet": {
        "type": "RRDBNet",
        "num_in_ch": 3,
        "num_out_ch": 3,
        "scale": 2,
        "num_feat": 8,
        "num_block": 1,
    },
    "SRVGGNetCompact": {"type": "SRVGGNetCompact", "num_feat": 8, "num_conv": 2, "upscale": 2},
}


def test_the_weights_of_any_arch_load_in_adasr_infer(project: Project) -> None:
    """In a process that never heard of the integration, however the regularizer was given."""
    files = []
    for name, network in NETWORKS.items():
        inside = {"type": "Regularized", "arch": network, "regularizer": ADAPTIVE}
        beside = {"network_g": network, "regularizer": ADAPTIVE}
        for label, given in {"inside": {"network_g": inside}, "beside": beside}.items():
            run = f"{name}_{label}"
            project.train(project.write(run, model_type="AdaSRModel", **given))
            files.append(f"experiments/{run}/models/net_g_8.safetensors")
    lines = [
        f"assert main(['infer', '-i', {str(project.pairs / 'lq')!r}, '-m', {file!r}, '-o', "
        f"'out/{number}']) == 0"
        for number, file in enumerate(files)
    ]
    code = "\n".join(["from adasr.cli import main", *lines])
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=project.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(list(project.folder.glob("out/*/*.png"))) == 5 * len(files)


def test_a_test_run_scores_the_saved_weights(project: Project) -> None:
    network = {"type": "AdaSRResNet", "num_feat": 8, "num_block": 2, "upscale": 2}
    project.train(project.write(model_type="AdaSRModel", network_g=network))
    for suffix in ("pth", "safetensors"):
        weights = str(project.folder / f"experiments/run/models/net_g_8.{suffix}")
        test = project.write(
            f"test_{suffix}",
            model_type="AdaSRModel",
            network_g=network,
            path={"pretrain_network_g": weights, "param_key_g": "params_ema"},
            datasets={"train": None},
        )
        text = test.read_text().replace("  train: null\n", "").replace("  val:", "  test_1:")
        test.write_text(text)
        assert "# psnr:" in project.test(test)


@pytest.mark.parametrize("model_type", ["SRModel", "AdaSRModel"])
def test_a_regularizer_at_the_top_works_in_any_model(
    project: Project, monkeypatch: pytest.MonkeyPatch, model_type: str
) -> None:
    seen = watch_weights(monkeypatch)
    log = project.train(project.write(model_type=model_type, network_g=EDSR, regularizer=ADAPTIVE))
    assert seen == {t: [1.0 if t >= 3 * k else 0.3 for k in (1, 2, 3)] for t in range(1, 9)}
    assert rounded(annealed(log)) == shares(3)


def test_gates_learn_and_resume(project: Project) -> None:
    network = {"type": "AdaSRResNet", "num_feat": 16, "num_block": 2, "upscale": 2}
    gate = {"type": "AdaptiveDropout", "gate": "vector"}
    options = project.write(model_type="AdaSRModel", network_g=network, regularizer=gate)
    project.train(options)
    models = project.folder / "experiments/run/models"
    states = [torch.load(models / f"net_g_{t}.pth", weights_only=True)["params"] for t in (4, 8)]
    gates = [key for key in states[0] if key.startswith(RESERVED_PREFIX)]
    assert gates and any(not torch.equal(states[0][k], states[1][k]) for k in gates)
    (project.folder / "experiments/run/training_states/8.state").unlink()
    assert "iter:       8" in project.train(options, "--auto_resume")
    from safetensors.torch import load_file

    assert not any(k.startswith(RESERVED_PREFIX) for k in load_file(models / "net_g_8.safetensors"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("launcher", "workers"), [("torch.distributed.run", 1), ("torch.distributed.launch", 0)]
)
def test_two_processes_train_save_and_resume(
    project: Project, images: Path, launcher: str, workers: int
) -> None:
    train = {**ON_THE_FLY["train"], "dataroot_gt": str(images), "num_worker_per_gpu": workers}
    options = project.write(
        model_type="AdaRealESRNetModel",
        network_g={"type": "Regularized", "arch": EDSR, "regularizer": ADAPTIVE},
        degradation={"type": "RealESRGAN"},
        datasets={"train": train},
        # Without averaged weights the first process validates through DistributedDataParallel.
        train={"ema_decay": 0.9 if workers else 0},
        dist_params={"backend": "nccl", "port": 29500},
    )

    def run(*arguments: str) -> str:
        command = [sys.executable, "-m", launcher, "--nproc_per_node=2"]
        command += [f"--master_port={free_port()}"]
        command += ["-m", "adasr.integrations.basicsr", "train", "-opt", str(options)]
        done = subprocess.run(
            [*command, "--launcher", "pytorch", *arguments],
            cwd=project.folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stderr + done.stdout

    whole = run()
    assert rounded(annealed(whole)) == shares(3)
    if workers:
        return  # each worker is a new interpreter, which takes its time
    (project.folder / "experiments/run/training_states/8.state").unlink()
    resumed = annealed(run("--auto_resume"))
    assert resumed == {t: share for t, share in annealed(whole).items() if t > 4}
