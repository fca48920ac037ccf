"""``adasr plot`` as a person types it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from adasr.cli import main


@pytest.fixture
def run(recipe: Callable[..., Path], tmp_path: Path) -> str:
    """A short training's folder."""
    shortened = ["--set", "train.total_iter=4", "--set", "logger.print_freq=1"]
    assert main(["train", "-opt", str(recipe()), *shortened]) == 0
    return str(tmp_path / "experiments" / "run")


def test_a_trained_run_is_drawn(
    run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "plots" / "curves.png"
    capsys.readouterr()
    assert main(["plot", run, "-o", str(target)]) == 0
    assert capsys.readouterr().out == f"{target}: 1 run\n"
    with Image.open(target) as picture:
        assert min(picture.size) > 500
    wishes = ["--x", "time", "--metrics", "psnr", "--recipes", "--smooth", "0", "--logx"]
    assert main(["plot", run, "-o", str(target.with_suffix(".svg")), *wishes]) == 0
    text = target.with_suffix(".svg").read_text(encoding="utf-8")
    assert text.count("psnr on val") == 1
    assert "ssim on val" not in text
    assert "hours of training" in text


def test_a_missing_run_is_named_and_the_others_drawn(
    run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing, target = tmp_path / "none", tmp_path / "curves.png"
    assert main(["plot", str(missing), run, "-o", str(target)]) == 1
    assert f"{missing}: there is no such folder." in capsys.readouterr().out
    assert target.is_file()


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        ([], 2, "RUN..."),
        (["none"], 1, "there is no run to draw"),
        (["none", "-o", "curves.gif"], 2, "Use .png, .svg, .pdf."),
        (["none", "--smooth", "1"], 2, "--smooth"),
        (["none", "--x", "epochs"], 2, "iterations"),
    ],
)
def test_wrong_usage_is_told(
    arguments: list[str],
    code: int,
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["plot", *arguments]) == code
    error = capsys.readouterr().err
    assert told in error
    assert "Traceback" not in error
    assert not any(tmp_path.iterdir())


def test_an_unknown_metric_and_a_full_place_are_told(
    run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plot", run, "--metrics", "lpips", "-o", str(tmp_path / "a.png")]) == 2
    assert "no run has the metric 'lpips'. Known: " in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    assert main(["plot", run, "-o", str(tmp_path / "file" / "a.png")]) == 1
    assert "file" in capsys.readouterr().err
