"""The commands as a person types them, in this process where that is the same."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from adasr.cli import main
from adasr.data.images import read_image, write_image
from adasr.training.checkpoint import load_state


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    for name in ("a", "b"):
        write_image(tmp_path / "hr" / f"{name}.png", random.integers(0, 255, (33, 24, 3), np.uint8))
    return tmp_path / "hr"


def test_degrade_writes_sets_with_manifests(pictures: Path, tmp_path: Path) -> None:
    assert main(["degrade", "-i", str(pictures), "-o", str(tmp_path / "lr"), "-r", "standard"]) == 0
    recipes = {p.name for p in (tmp_path / "lr").iterdir()} - {"HR"}
    assert len(recipes) == 8
    assert read_image(tmp_path / "lr" / "blur2_noise20" / "a.png").shape == (8, 6, 3)
    assert read_image(tmp_path / "lr" / "HR" / "a.png").shape == (32, 24, 3)
    manifest = json.loads((tmp_path / "lr" / "noise20" / ".manifest.json").read_text())
    assert set(manifest["images"]) == {"a.png", "b.png"}


def test_degraded_files_are_the_pairs_of_degraded_folder(pictures: Path, tmp_path: Path) -> None:
    from adasr.data.degraded_folder import DegradedFolder
    from adasr.degradations.testset import degrade

    main(["degrade", "-i", str(pictures), "-o", str(tmp_path / "lr"), "-r", "noise20_jpeg50"])
    dataset = DegradedFolder(str(pictures), "noise20_jpeg50", 4, degrade)
    for item in (dataset[0], dataset[1]):
        file = read_image(tmp_path / "lr" / "noise20_jpeg50" / f"{item['name']}.png")
        expected = (item["lq"].permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
        assert np.array_equal(file, expected)


def test_prepare_cuts_and_lists(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "sub"
    arguments = ["-i", str(pictures), "-o", str(target), "--size", "16", "--step", "8"]
    assert main(["prepare", "sub-images", *arguments]) == 0
    crops = list(target.glob("*.png"))
    assert crops
    assert all(read_image(p).shape == (16, 16, 3) for p in crops)
    assert main(["prepare", "meta-info", "-i", str(target), "-o", str(tmp_path / "meta.txt")]) == 0
    lines = (tmp_path / "meta.txt").read_text().splitlines()
    assert len(lines) == len(crops)
    assert re.fullmatch(r"a_s001\.png \(16,16,3\)", lines[0])


def test_list_names_components_with_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "regularizers"]) == 0
    told = capsys.readouterr().out
    assert "AdaptiveDropout: " in told
    assert "p: float = 0.5" in told
    assert main(["list"]) == 0
    told = capsys.readouterr().out
    for name in (
        "SRResNet",
        "SwinIR",
        "RealESRGAN",
        "LayerwiseAnnealing",
        "psnr",
        "L1Loss",
        "Adam",
    ):
        assert name in told


def test_the_schema_in_the_repository_is_the_code_s(tmp_path: Path) -> None:
    assert main(["schema", "-o", str(tmp_path / "schema.json")]) == 0
    held = Path(__file__).parents[2] / "options" / "adasr.schema.json"
    assert (tmp_path / "schema.json").read_text() == held.read_text(), (
        "run: adasr schema -o options/adasr.schema.json"
    )


@pytest.mark.parametrize(
    "arguments",
    [["train"], ["nonsense"], ["train", "--wrong"], ["list", "cats"], ["infer", "-i", "x"]],
)
def test_wrong_usage_is_exit_code_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_train_test_and_check(
    recipe: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(recipe())
    results = ["--set", f"path.results_root={tmp_path / 'results'}"]
    assert main(["check", "-opt", path]) == 0
    assert "ready to train" in capsys.readouterr().out
    assert not (tmp_path / "experiments").exists()
    assert main(["train", "-opt", path, "--set", "train.total_iter=3"]) == 0
    weights = tmp_path / "experiments" / "run" / "models" / "net_g_3.safetensors"
    capsys.readouterr()
    chosen = ["--set", f"path.pretrain_network_g={weights}"]
    assert main(["test", "-opt", path, *chosen, *results]) == 0
    told = capsys.readouterr().out
    assert "bicubic" in told
    assert "crop_border" in told
    scores = json.loads((tmp_path / "results" / "run" / "scores.json").read_text())
    assert scores[0]["protocols"]["psnr"]["crop_border"] == 0
    assert len(scores[0]["scores"]) == 5


def test_test_refuses_weights_of_another_network(
    recipe: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["train", "-opt", str(recipe()), "--set", "train.total_iter=1"])
    weights = tmp_path / "experiments" / "run" / "models" / "net_g_1.safetensors"
    for change in ("network_g.num_feat=16", "scale=4"):
        arguments = ["--set", f"path.pretrain_network_g={weights}", "--set", change]
        assert main(["test", "-opt", str(recipe()), *arguments]) == 2
        told = capsys.readouterr().err
        assert str(weights) in told
        assert "Traceback" not in told


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ("path.experiments_root=FILE/exp", 1, "cannot be written"),
        ("datasets.train.dataroot_gt=nowhere", 2, "datasets.train.dataroot_gt"),
        ("val.metrics.psnr.crop_border=5000", 1, "has nothing"),
        ("train.precision=fp16", 2, "train.precision"),
        ("train.optim_g.eps=-1", 2, "train.optim_g.eps"),
        ("regularizer.channel_axis=7", 2, "no axis 7"),
    ],
)
def test_check_finds_what_would_end_the_training(
    recipe: Callable[..., Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    change: str,
    code: int,
    words: str,
) -> None:
    file = tmp_path / "file"
    file.write_text("")
    assert (
        main(["check", "-opt", str(recipe()), "--set", change.replace("FILE", str(file))]) == code
    )
    told = capsys.readouterr()
    assert words in told.out + told.err
    assert "ready to train" not in told.out


def test_check_finds_the_unreadable_file(
    recipe: Callable[..., Path], images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import shutil

    mixed = tmp_path / "mixed"
    shutil.copytree(images, mixed)
    (mixed / "broken.png").write_bytes(b"\x89PNG")
    path = str(recipe())
    changed = ["--set", f"datasets.train.dataroot_gt={mixed}"]
    assert main(["check", "-opt", path, *changed]) == 1
    told = capsys.readouterr().out
    assert "broken.png" in told
    assert "train: 6 images, 1 cannot be read" in told


def start_training(path: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "adasr", "train", "-opt", str(path)]
    # As many threads as here: sums over more threads round differently.
    threads = str(torch.get_num_threads())
    environment = {**os.environ, "OMP_NUM_THREADS": threads, "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
        start_new_session=True,
    )


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_and_the_resumed_run_ends_with_the_same_bits(
    recipe: Callable[..., Path], images: Path, tmp_path: Path, number: int, code: int
) -> None:
    train = {"total_iter": 150, "precision": "fp32"}
    workers = {
        "train": {
            "type": "ImageFolder",
            "dataroot_gt": str(images),
            "gt_size": 32,
            "batch_size_per_gpu": 2,
            "num_worker_per_gpu": 1,
        },
        "val": None,
    }
    logger = {"print_freq": 1, "save_checkpoint_freq": 1000}
    path = recipe(train=train, datasets=workers, val=None, logger=logger)
    process = start_training(path)
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("iteration 5:"):
            # To the whole group, as Ctrl-C in a terminal does: the loader's workers get it too.
            os.killpg(process.pid, number)
            break
    told = process.stdout.read()
    assert process.wait(60) == code, told
    assert "Traceback" not in told
    assert "stopped and saved" in told
    (state,) = (tmp_path / "experiments" / "run" / "training_states").iterdir()
    assert 5 <= int(state.stem) < 150

    assert main(["train", "-opt", str(path), "--auto-resume"]) == 0
    resumed = load_state(state.with_name("150.state"))
    assert main(["train", "-opt", str(path), "--set", "name=whole"]) == 0
    whole = load_state(tmp_path / "experiments" / "whole" / "training_states" / "150.state")
    for key, value in whole["network"].items():
        assert torch.equal(resumed["network"][key], value)
    for key, value in whole["ema"].items():
        assert torch.equal(resumed["ema"][key], value)


def test_a_killed_run_goes_on(recipe: Callable[..., Path], tmp_path: Path) -> None:
    logger = {"print_freq": 1, "save_checkpoint_freq": 2}
    without = {"datasets": {"val": None}, "val": None}
    process = start_training(recipe(train={"total_iter": 40}, logger=logger, **without))
    states = tmp_path / "experiments" / "run" / "training_states"
    limit = time.monotonic() + 60
    while time.monotonic() < limit and not (states / "4.state").exists():
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert main(["train", "-opt", str(tmp_path / "options.yml"), "--auto-resume"]) == 0
    assert (states / "40.state").exists()
