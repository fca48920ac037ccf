"""``inference.py`` as a person runs it: a process of its own, on files of every kind."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from adasr.cli import main
from adasr.data.images import read_image, write_image
from adasr.weights import build_network, save_network

SCRIPT = Path(__file__).resolve().parents[2] / "inference.py"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "net.safetensors"
    torch.manual_seed(0)
    save_network(
        path, build_network({"type": "SRResNet", "num_feat": 8, "num_block": 1, "upscale": 2})
    )
    return path


def infer(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    random = np.random.default_rng(0)
    write_image(folder / "rgb.png", random.integers(0, 255, (12, 10, 3), np.uint8))
    write_image(folder / "gray.png", random.integers(0, 255, (12, 10, 1), np.uint8))
    write_image(folder / "sub" / "alpha.png", random.integers(0, 255, (12, 10, 4), np.uint8))
    write_image(folder / "deep.png", random.integers(0, 65535, (12, 10, 3), np.uint16))
    write_image(folder / "grüße 東京.png", random.integers(0, 255, (12, 10, 3), np.uint8))
    write_image(folder / "one.png", random.integers(0, 255, (1, 1, 3), np.uint8))
    Image.fromarray(random.integers(0, 255, (12, 10, 4), np.uint8), "CMYK").save(
        folder / "cmyk.jpg"
    )
    Image.fromarray(random.integers(0, 255, (12, 10, 3), np.uint8)).quantize(8).save(
        folder / "palette.gif"
    )
    return folder


def test_a_folder_of_every_kind(inputs: Path, weights: Path, tmp_path: Path) -> None:
    done = infer("-i", inputs, "-o", tmp_path / "out", "-m", weights)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    out = tmp_path / "out"
    shapes = {p.relative_to(out).as_posix(): read_image(p) for p in out.rglob("*") if p.is_file()}
    assert {name: (a.shape, a.dtype.name) for name, a in shapes.items()} == {
        "rgb.png": ((24, 20, 3), "uint8"),
        "gray.png": ((24, 20, 1), "uint8"),
        "sub/alpha.png": ((24, 20, 4), "uint8"),
        "deep.png": ((24, 20, 3), "uint16"),
        "grüße 東京.png": ((24, 20, 3), "uint8"),
        "one.png": ((2, 2, 3), "uint8"),
        "cmyk.png": ((24, 20, 3), "uint8"),
        "palette.png": ((24, 20, 3), "uint8"),
    }


def test_the_same_pixels_as_the_python_interface(
    inputs: Path, weights: Path, tmp_path: Path
) -> None:
    import adasr

    infer("-i", inputs / "rgb.png", "-o", tmp_path / "out", "-m", weights)
    expected = adasr.Upscaler(weights, device="cpu")(read_image(inputs / "rgb.png"))
    assert np.array_equal(read_image(tmp_path / "out" / "rgb.png"), expected)


def test_tiles_and_output_options(inputs: Path, weights: Path, tmp_path: Path) -> None:
    done = infer(
        "-i",
        inputs / "rgb.png",
        "-o",
        tmp_path,
        "-m",
        weights,
        "--tile",
        32,
        "--suffix",
        "_x2",
        "--ext",
        "tiff",
    )
    assert done.returncode == 0, done.stderr
    whole = infer("-i", inputs / "rgb.png", "-o", tmp_path, "-m", weights, "--tile", 0)
    assert whole.returncode == 0
    a = read_image(tmp_path / "rgb_x2.tiff").astype(int)
    assert np.abs(a - read_image(tmp_path / "rgb.png")).max() <= 1


def test_bad_files_are_named_and_do_not_stop_the_rest(
    inputs: Path, weights: Path, tmp_path: Path
) -> None:
    (inputs / "text.png").write_text("no image")
    (inputs / "empty.jpg").write_bytes(b"")
    (inputs / "cut.png").write_bytes((inputs / "rgb.png").read_bytes()[:150])
    done = infer("-i", inputs, "-o", tmp_path / "out", "-m", weights)
    assert done.returncode == 1
    assert "8 images upscaled" in done.stdout
    assert len(done.stderr.splitlines()) == 3
    for name in ("text.png", "empty.jpg", "cut.png"):
        assert f"{inputs / name}: " in done.stderr
        assert not (tmp_path / "out" / name).exists()
    assert "Traceback" not in done.stderr


def one_message(done: subprocess.CompletedProcess[str], *words: object) -> None:
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.strip().splitlines()) == 1
    for word in words:
        assert str(word) in done.stderr


def test_nothing_to_do_is_one_message(weights: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    one_message(infer("-i", empty, "-o", tmp_path / "out", "-m", weights), empty)
    (empty / "readme.txt").write_text("x")
    one_message(infer("-i", empty, "-o", tmp_path / "out", "-m", weights), empty)
    one_message(
        infer("-i", tmp_path / "no", "-o", tmp_path / "out", "-m", weights), tmp_path / "no"
    )


class Bomb:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple:
        return (Path.touch, (self.target,))


def test_unusable_weights_are_one_message(inputs: Path, weights: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.pth"
    run = lambda: infer("-i", inputs, "-o", tmp_path / "out", "-m", bad)  # noqa: E731
    one_message(run(), bad)
    bad.write_text("not weights")
    one_message(run(), bad)
    torch.save({"params": {"unknown.weight": torch.zeros(3)}}, bad)
    one_message(run(), bad)
    bad.write_bytes(pickle.dumps({"params": Bomb(tmp_path / "ran")}))
    one_message(run(), bad, "refused")
    assert not (tmp_path / "ran").exists()
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(weights.read_bytes()[:500])
    one_message(infer("-i", inputs, "-o", tmp_path / "out", "-m", cut), cut)


def test_an_output_that_cannot_be_written_is_said(
    inputs: Path, weights: Path, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.write_text("")
    one_message(infer("-i", inputs, "-o", file / "out", "-m", weights), file / "out")


@pytest.mark.parametrize(
    "wrong",
    [
        ("--suffix", "../x"),
        ("--tile", "x"),
        ("--tile", "-3"),
        ("--tile", "1"),
        ("--ext", "xyz"),
        ("--device", "tpu9"),
    ],
)
def test_wrong_options_are_one_message(
    inputs: Path, weights: Path, tmp_path: Path, wrong: tuple
) -> None:
    one_message(infer("-i", inputs, "-o", tmp_path / "out", "-m", weights, *wrong))


def test_interrupted_work_goes_on(inputs: Path, weights: Path, tmp_path: Path) -> None:
    infer("-i", inputs, "-o", tmp_path / "out", "-m", weights)
    kept = tmp_path / "out" / "rgb.png"
    before = kept.stat().st_mtime_ns
    (tmp_path / "out" / "gray.png").unlink()
    done = infer("-i", inputs, "-o", tmp_path / "out", "-m", weights, "--skip-existing")
    assert "1 image upscaled" in done.stdout
    assert kept.stat().st_mtime_ns == before


def run(*arguments: object) -> int:
    return main(["infer", *map(str, arguments)])


def test_options_of_the_results(inputs: Path, weights: Path, tmp_path: Path) -> None:
    given = ("-i", inputs / "rgb.png", "-m", weights, "-s", 2.5, "--self-ensemble")
    assert run(*given, "-o", tmp_path / "out", "--ext", "jpg", "--quality", 40) == 0
    assert read_image(tmp_path / "out" / "rgb.jpg").shape == (30, 25, 3)


def test_maps_of_uncertainty(
    inputs: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ("-i", inputs, "-m", weights, "-o", tmp_path / "out", "--uncertainty")
    assert run(*given) == 2
    assert "--dropout 0.05" in capsys.readouterr().err
    assert run(*given, "--dropout", 0.1, "--passes", 3) == 0
    assert len(list((tmp_path / "out").rglob("*_uncertainty.png"))) == 8
    assert run(*given[:-1], "--dropout", 0.1) == 2
    capsys.readouterr()
    for value in (0, 1, -0.1, "nan"):  # the first: passes that are all the same
        assert run(*given, "--dropout", value) == 2
        assert capsys.readouterr().err.startswith("error: --dropout: must lie between 0 and 1")


def test_parts_of_a_folder(
    inputs: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = []
    for part in (1, 2, 3):
        assert run("-i", inputs, "-m", weights, "-o", tmp_path, "--shard", f"{part}/3") == 0
        done.append(int(capsys.readouterr().out.split()[0]))
    assert sum(done) == 8 and max(done) == 3
    assert run("-i", inputs, "-m", weights, "-o", tmp_path, "--shard", "4/3") == 2


def test_processes_of_a_launcher_share_a_folder(
    inputs: Path, weights: Path, tmp_path: Path
) -> None:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command = [*launcher, "--nproc_per_node", "2", "-m", "adasr", "infer", "-i", str(inputs)]
    command += ["-m", str(weights), "-o", str(tmp_path / "out"), "--device", "cpu"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "(part 1/2)" in done.stdout and "(part 2/2)" in done.stdout
    assert len([p for p in (tmp_path / "out").rglob("*") if p.is_file()]) == 8


def test_bad_input_is_one_message_each(
    inputs: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "one.safetensors").write_bytes(b"x")
    (tmp_path / "one.pth").write_bytes(b"x")
    given = ("-i", inputs, "-o", tmp_path / "out")
    for wrong in (
        (*given, "-m", tmp_path / "one.safetensors"),
        (*given, "-m", tmp_path / "one.pth"),
        (*given, "-m", weights, "--quality", 0),
        (*given, "-m", weights, "--max-pixels", -1),
        (*given, "-m", weights, "-s", 1000),
        (*given, "-m", weights, "--passes", 1, "--uncertainty", "--dropout", 0.1),
        (*given, "-m", weights, "--uncertainty", "--dropout", 1),
        ("-i", inputs, "-m", weights, "-o", inputs / "rgb.png"),
    ):
        assert run(*wrong) == 2, wrong
        captured = capsys.readouterr()
        assert captured.err.startswith("error: ") and len(captured.err.splitlines()) == 1, wrong
    assert not (tmp_path / "out").exists()


def test_a_full_disk_is_one_message(
    inputs: Path,
    weights: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert run("-i", inputs, "-m", weights, "-o", tmp_path / "out") == 1
    captured = capsys.readouterr()
    assert len(captured.err.splitlines()) == 1 and "No space left" in captured.err
    assert not [p for p in (tmp_path / "out").rglob("*") if p.is_file()]


def test_one_failure_more_than_fit_on_a_screen(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(50):
        (tmp_path / f"{number} [bold].png").write_bytes(b"x")
    assert run("-i", tmp_path, "-m", weights, "-o", tmp_path / "out") == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 21 and str(tmp_path / "out/failures.json") in lines[-1]
    found = json.loads((tmp_path / "out/failures.json").read_text())["failures"]
    assert len(found) == 50 and found[0]["file"].endswith("0 [bold].png")


def test_a_name_gives_the_terminal_no_commands(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a\x1b[2J\nfailed: b\u202fc.png").write_bytes(b"x")
    assert run("-i", tmp_path, "-m", weights, "-o", tmp_path / "out") == 1
    errors = capsys.readouterr().err
    assert "a\\x1b[2J\\x0afailed: b\u202fc.png: is not" in errors and errors.count("\n") == 1


def test_what_is_not_needed_is_not_imported(inputs: Path, weights: Path, tmp_path: Path) -> None:
    # Half a second each, for nothing.
    heavy = "accelerate kornia lpips matplotlib numba scipy skimage spandrel torchvision"
    code = (
        "import sys; from adasr.cli import main; code = main(sys.argv[1:]);"
        f"print(*(name for name in '{heavy}'.split() if name in sys.modules)); sys.exit(code)"
    )
    given = ["infer", "-i", inputs / "rgb.png", "-o", tmp_path, "-m", weights, "--device", "cpu"]
    command = [sys.executable, "-c", code, *map(str, given)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[1:] == [""]


def test_ctrl_c_says_how_to_go_on(weights: Path, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for number in range(400):
        pixels = random.integers(0, 255, (100, 60 + number % 60, 3), np.uint8)
        write_image(tmp_path / f"in/{number}.png", pixels)
    out = tmp_path / "out"
    command = [sys.executable, str(SCRIPT), "-i", str(tmp_path / "in"), "-o", str(out)]
    process = subprocess.Popen(
        [*command, "-m", str(weights), "--self-ensemble"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not (out.exists() and list(out.glob("*.png"))) and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    done = [p.name for p in out.iterdir()]
    assert process.returncode == 130, errors
    assert "SIGINT: stopping" in errors and "--skip-existing" in errors
    assert f"{400 - len(done)} images are left" in errors
    assert not [name for name in done if name.startswith(".")]
