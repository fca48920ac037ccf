"""``adasr benchmark`` as a person types it."""

from __future__ import annotations

import csv
import hashlib
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image

from adasr.cli import main
from adasr.data.images import read_image, write_image
from adasr.evaluation.benchmark.journal import NAME
from adasr.evaluation.results import Results
from adasr.weights import build_network, save_network

SCALE = 2
FEW = ["-r", "clean", "noise20", "motion7", "--metrics", "psnr", "ssim"]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def weights(tmp_path: Path) -> Callable[..., str]:
    def write(name: str, scale: int = SCALE, seed: int = 0, value: float | None = None) -> str:
        torch.manual_seed(seed)
        net = build_network({"type": "SRResNet", "upscale": scale, "num_feat": 4, "num_block": 1})
        with torch.no_grad():
            for parameter in net.parameters():
                parameter.mul_(2.0) if value is None else parameter.fill_(value)
        path = tmp_path / f"{name}.safetensors"
        save_network(path, net)
        return str(path)

    return write


@pytest.fixture
def run(tmp_path: Path, images: Path) -> Callable[..., int]:
    """Runs the command on the bundled images, or on those named, into ``out``."""

    def benchmark(*arguments: str, data: Path | None = None, few: bool = True) -> int:
        where = ["--data", str(data or images)] if "--real" not in arguments else []
        return main(
            ["benchmark", *where, "-o", str(tmp_path / "out"), *(FEW if few else []), *arguments]
        )

    return benchmark


def scores(folder: Path) -> dict[tuple[str, str, str, str], float]:
    with (folder / "scores.csv").open(newline="", encoding="utf-8") as file:
        return {
            (row["model"], row["recipe"], row["name"], row["metric"]): float(row["value"])
            for row in csv.DictReader(file)
        }


def test_models_by_recipes_by_metrics_and_bicubic(
    run: Callable[..., int],
    weights: Callable[..., str],
    tmp_path: Path,
    images: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("-m", weights("one"), f"two={weights('b', seed=1)}") == 0
    out = tmp_path / "out"
    assert {path.name for path in out.iterdir() if path.name[0] != "."} == {
        "results.json", "scores.csv", "results.md", "report.html",
    }  # fmt: skip
    results = Results.read(out / "results.json")
    assert [model.name for model in results.models] == ["bicubic", "one", "two"]
    assert {r.name: r.kind for r in results.recipes} == {
        "clean": "seen", "noise20": "seen", "motion7": "unseen",
    }  # fmt: skip
    assert len(scores(out)) == 3 * 3 * 5 * 2
    assert results.about["complete"]
    assert results.about["precision"] == "fp32"
    assert results.about["versions"]["torch"].split("+")[0] == torch.__version__.split("+")[0]
    protocol = results.evaluations[0].protocols["psnr"]
    assert (protocol["crop_border"], protocol["colour"]) == (SCALE, "RGB")
    held = hashlib.sha256((tmp_path / "one.safetensors").read_bytes()).hexdigest()
    assert results.models[1].sha256 == held
    gt = results.datasets[0].images["img0"]
    assert gt["sha256"] == hashlib.sha256(read_image(images / "img0.png").tobytes()).hexdigest()
    assert set(gt["lq_sha256"]) == {"clean", "noise20", "motion7"}
    told = capsys.readouterr().out
    for word in ("bicubic", "one", "two", "seen", "unseen", "gap"):
        assert word in told


def test_scores_are_basicsr_s_of_the_images_that_infer_writes(
    run: Callable[..., int],
    weights: Callable[..., str],
    tmp_path: Path,
    images: Path,
    basicsr: ModuleType,
) -> None:
    from basicsr.metrics import calculate_psnr, calculate_ssim

    model = weights("net")
    assert run("-m", model, "--save-images") == 0
    lq, sr = tmp_path / "lq", tmp_path / "sr"
    assert main(["degrade", "-i", str(images), "-o", str(lq), "-r", "noise20", "-s", "2"]) == 0
    arguments = ["-i", str(lq / "noise20"), "-o", str(sr), "-m", model, "--precision", "fp32"]
    assert main(["infer", *arguments]) == 0
    found = scores(tmp_path / "out")
    for i in range(5):
        name = f"img{i}"
        ours = read_image(tmp_path / "out/images/net" / images.name / "noise20" / f"{name}.png")
        inferred = read_image(sr / f"{name}.png")
        assert np.abs(ours.astype(int) - inferred).max() <= 1  # other order of float32 sums
        gt = read_image(images / f"{name}.png")
        psnr = calculate_psnr(ours, gt, crop_border=SCALE)
        ssim = calculate_ssim(ours, gt, crop_border=SCALE)
        assert found["net", "noise20", name, "psnr"] == pytest.approx(psnr, abs=1e-6)
        assert found["net", "noise20", name, "ssim"] == pytest.approx(ssim, abs=1e-6)


def test_what_was_scored_is_not_scored_again(
    run: Callable[..., int],
    weights: Callable[..., str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from adasr.evaluation.benchmark import scorer as module

    seen: list[tuple[str, int]] = []
    evaluate = module.evaluate

    def counted(network: object, dataset: object, metrics: object, **options: object) -> object:
        seen.append((str(options["model"]), len(dataset)))  # type: ignore[arg-type]
        return evaluate(network, dataset, metrics, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "evaluate", counted)
    one, two = weights("one"), weights("two", seed=1)
    assert run("-m", one) == 0
    first = scores(tmp_path / "out")
    assert seen == [("bicubic", 15), ("one", 15)]
    seen.clear()
    assert run("-m", one, two) == 0
    assert seen == [("two", 15)]
    second = scores(tmp_path / "out")
    assert {key: second[key] for key in first} == first
    assert "30 of 45" in capsys.readouterr().out
    seen.clear()
    assert run("-m", two, "-r", "jpeg50") == 0  # a further recipe, and a model less
    assert seen == [("bicubic", 5), ("two", 5)]
    assert {key[0] for key in scores(tmp_path / "out")} == {"bicubic", "two"}
    seen.clear()
    assert run("-m", two, "--crop-border", "7") == 0  # another protocol
    assert seen == [("bicubic", 15), ("two", 15)]
    seen.clear()
    assert run("-m", weights("two", seed=3)) == 0  # other weights under the same name
    assert seen == [("two", 15)]
    seen.clear()
    assert run("-m", two, "--fresh") == 0
    assert len(seen) == 2


def test_a_changed_image_is_scored_again(
    run: Callable[..., int], weights: Callable[..., str], tmp_path: Path, images: Path
) -> None:
    data = tmp_path / "set"
    shutil.copytree(images, data)
    model = weights("net")
    assert run("-m", model, data=data) == 0
    before = scores(tmp_path / "out")
    changed = read_image(data / "img1.png")[::-1]
    write_image(data / "img1.png", np.ascontiguousarray(changed))
    assert run("-m", model, data=data) == 0
    after = scores(tmp_path / "out")
    different = {key[2] for key in before if before[key] != after[key]}
    assert different == {"img1"}


def test_a_bad_image_is_named_and_the_others_are_scored(
    run: Callable[..., int],
    weights: Callable[..., str],
    tmp_path: Path,
    images: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = tmp_path / "set"
    shutil.copytree(images, data)
    (data / "broken.png").write_bytes((data / "img0.png").read_bytes()[:100])
    write_image(data / "dot.png", np.full((1, 1, 3), 9, np.uint8))
    write_image(data / "small.png", np.full((14, 14, 3), 9, np.uint8))
    assert run("-m", weights("net"), data=data) == 1
    told = capsys.readouterr().out
    assert "broken.png" in told
    assert "dot.png" in told
    found = scores(tmp_path / "out")
    assert {key[2] for key in found} == {"img0", "img1", "img2", "img3", "img4", "small"}
    # Inside the border 10x10 are left, less than SSIM's window.
    assert {key[3] for key in found if key[2] == "small"} == {"psnr"}
    assert "ssim needs at least 11x11" in told
    failures = Results.read(tmp_path / "out" / "results.json").evaluations[1].failures
    assert any("small" in place for place in failures)
    assert "Traceback" not in told


def test_broken_networks_and_exact_ones_are_not_averaged_away(
    run: Callable[..., int],
    weights: Callable[..., str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    flat = tmp_path / "flat"
    write_image(flat / "black.png", np.zeros((32, 32, 3), np.uint8))
    rng = np.random.default_rng(0)
    write_image(flat / "noise.png", rng.integers(0, 255, (32, 32, 3)).astype(np.uint8))
    huge = weights("huge", value=1e30)
    assert run("-m", huge, "-r", "clean", data=flat) == 1
    found = scores(tmp_path / "out")
    assert found["bicubic", "clean", "black", "psnr"] == math.inf
    assert math.isnan(found["huge", "clean", "noise", "psnr"])
    data = json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf-8"))
    by_model = {e["model"]: e["means"]["psnr"]["mean"] for e in data["evaluations"]}
    assert by_model == {"bicubic": "inf", "huge": "nan"}
    assert "not finite" in capsys.readouterr().out
    assert run("-m", huge, "-r", "clean", data=flat) == 1  # nothing is scored, but it is not well


def test_pairs_of_folders(
    run: Callable[..., int], weights: Callable[..., str], tmp_path: Path, images: Path
) -> None:
    lq = tmp_path / "RealSR"
    assert main(["degrade", "-i", str(images), "-o", str(lq), "-r", "noise20", "-s", "2"]) == 0
    arguments = ["-m", weights("net"), "--pairs", str(lq / "noise20"), str(lq / "HR")]
    assert run(*arguments) == 0
    results = Results.read(tmp_path / "out" / "results.json")
    assert [d.name for d in results.datasets] == [images.name, "RealSR"]
    of_pairs, of_data = results.evaluation("net", "RealSR"), results.evaluation("net", images.name)
    assert of_pairs is not None
    assert of_data is not None
    assert of_pairs.values("psnr", "") == pytest.approx(of_data.values("psnr", "noise20"))
    assert run(*arguments, str(lq)) == 2  # not in twos


def test_real_images_are_scored_without_ground_truth(
    run: Callable[..., int],
    weights: Callable[..., str],
    tmp_path: Path,
    basicsr: ModuleType,
) -> None:
    rng = np.random.default_rng(0)
    real = tmp_path / "photos"
    write_image(real / "a.png", rng.integers(0, 255, (100, 110, 3)).astype(np.uint8))
    write_image(real / "gray.png", rng.integers(0, 255, (100, 110, 1)).astype(np.uint8))
    assert run("-m", weights("net"), "--real", str(real), "--metrics", "niqe", few=False) == 0
    found = scores(tmp_path / "out")
    assert set(found) == {(m, "", n, "niqe") for m in ("bicubic", "net") for n in ("a", "gray")}
    assert Results.read(tmp_path / "out" / "results.json").recipes[0].kind == "real"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-r", "blurr2"], "'blur2'"),
        (["--metrics", "pnsr"], "'psnr'"),
        (["--data", "nowhere"], "nowhere: does not exist"),
        (["--device", "tpu"], "tpu"),
        (["--group", "a=zzz*"], "zzz*"),
        (["--group", "a"], "NAME=PATTERN"),
        (["--trained-on", "rain"], "unknown family 'rain'"),
        (["-m", "missing.safetensors"], "missing.safetensors: does not exist"),
        (["-m", "=x"], "NAME=FILE"),
        (["-o", "{file}"], "is a file"),
    ],
)
def test_a_mistake_is_one_message(
    arguments: list[str],
    message: str,
    run: Callable[..., int],
    weights: Callable[..., str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "file").write_text("")
    given = [a.format(file=tmp_path / "file") for a in arguments]
    assert run("-m", weights("net"), *given) == 2
    told = capsys.readouterr().err
    assert message in told
    assert "Traceback" not in told


def test_no_images_at_all_and_an_empty_folder(
    weights: Callable[..., str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["benchmark", "-m", weights("net")]) == 2
    assert "--data" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert main(["benchmark", "-m", weights("net"), "--data", str(tmp_path / "empty")]) == 2
    assert "holds no image" in capsys.readouterr().err


def test_networks_of_two_scales_are_refused(
    run: Callable[..., int], weights: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("-m", weights("a"), weights("b", scale=4)) == 2
    assert "x2" in capsys.readouterr().err


def test_a_metric_that_was_asked_for_and_cannot_be_had_is_exit_code_1(
    run: Callable[..., int],
    weights: Callable[..., str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from adasr.errors import UnavailableError
    from adasr.metrics import lpips

    def unavailable(*_: object) -> None:
        raise UnavailableError("LPIPS is unavailable: no weights.")

    monkeypatch.setattr(lpips, "load_lpips", unavailable)
    model = weights("net")
    assert run("-m", model, "--metrics", "lpips") == 1
    assert capsys.readouterr().out.count("LPIPS is unavailable") == 1
    assert run("-m", model, "-r", "clean", few=False) == 0  # the usual metrics, not asked for


def test_a_full_disk_keeps_what_was_scored(
    run: Callable[..., int],
    weights: Callable[..., str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from adasr.errors import FileError
    from adasr.evaluation.benchmark.journal import Journal

    put, done = Journal.put, []

    def full(self: Journal, *arguments: object, **named: object) -> None:
        if len(done) == 20:
            raise FileError(self.path, "cannot be written (No space left on device)", "Make room.")
        done.append(1)
        put(self, *arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(Journal, "put", full)
    model = weights("net")
    assert run("-m", model) == 1
    assert "No space left" in capsys.readouterr().err
    assert len(scores(tmp_path / "out")) == 20 * 2
    assert not Results.read(tmp_path / "out" / "results.json").about["complete"]
    monkeypatch.setattr(Journal, "put", put)
    assert run("-m", model) == 0
    assert "20 of 30" in capsys.readouterr().out


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGINT,
        pytest.param(signal.SIGTERM, marks=pytest.mark.slow),
        pytest.param(signal.SIGKILL, marks=pytest.mark.slow),
    ],
)
def test_a_run_that_is_stopped_goes_on(
    number: signal.Signals, weights: Callable[..., str], tmp_path: Path, images: Path
) -> None:
    command = [
        sys.executable, "-m", "adasr", "benchmark", "-m", weights("net"), "--data", str(images),
        "-r", "standard", "motion-blur", "--metrics", "ssim", "-o", str(tmp_path / "out"),
        "--pictures", "0",
    ]  # fmt: skip
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    journal = tmp_path / "out" / NAME
    while process.poll() is None and (not journal.exists() or journal.stat().st_size < 3000):
        time.sleep(0.01)
    process.send_signal(number)
    _, told = process.communicate(timeout=600)
    if number == signal.SIGKILL:
        assert process.returncode == -number
    else:
        assert process.returncode == 128 + number
        assert "goes on" in told
        assert not Results.read(tmp_path / "out" / "results.json").about["complete"]
    assert "Traceback" not in told
    held = journal.read_bytes().count(b"\n")
    again = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert f"{held} of " in again.stdout
    assert Results.read(tmp_path / "out" / "results.json").about["complete"]


def test_two_at_once_into_one_folder_are_refused(
    run: Callable[..., int],
    weights: Callable[..., str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    import filelock

    (tmp_path / "out").mkdir()
    with filelock.FileLock(tmp_path / "out" / ".lock"):
        assert run("-m", weights("net")) == 2
    assert "another benchmark" in capsys.readouterr().err


def test_images_that_are_saved_belong_to_these_weights(
    run: Callable[..., int], weights: Callable[..., str], tmp_path: Path, images: Path
) -> None:
    path = tmp_path / "out" / "images" / "net" / images.name / "clean" / "img0.png"
    assert run("-m", weights("net"), "-r", "clean") == 0
    assert not path.exists()
    assert run("-m", weights("net"), "-r", "clean", "--save-images") == 0
    first = np.asarray(Image.open(path))
    path.unlink()
    assert run("-m", weights("net"), "-r", "clean", "--save-images") == 0
    assert np.array_equal(np.asarray(Image.open(path)), first)
    assert run("-m", weights("net", seed=7), "-r", "clean", "--save-images") == 0
    assert not np.array_equal(np.asarray(Image.open(path)), first)
