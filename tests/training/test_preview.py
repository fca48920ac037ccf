"""The contact sheet shows what a training sees, and says how to see it again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from adasr.cli import main
from adasr.data.images import read_image
from adasr.errors import DatasetError, ImageWriteError
from adasr.options import Options, OptionsFileError, load_options
from adasr.training.build import make_degradation
from adasr.training.preview import contact_sheet, make_examples, write_preview

MakeOptions = Callable[..., Options]
STEPS = "{type: Pipeline, frame: 64, steps: [{type: JPEG, jpeg_range: [20, 20]}]}"


@pytest.fixture
def degraded(recipe: Callable[..., Path]) -> MakeOptions:
    """``degraded("{type: ...}")``: options with that degradation."""
    return lambda text: load_options(recipe(), [f"degradation={text}"])


def test_an_example_can_be_made_again_from_its_seed(degraded: MakeOptions) -> None:
    o = degraded(STEPS)
    three = make_examples(o, 3, seed=5)
    assert [e.seed for e in three] == [5, 6, 7]
    assert {e.gt.shape for e in three} == {(32, 32, 3)}
    assert {e.lq.shape for e in three} == {(16, 16, 3)}
    assert str(three[0].notes[0]) == "JPEG: quality 20"
    again = make_examples(o, 1, seed=6)[0]
    assert np.array_equal(again.lq, three[1].lq)
    assert again.name == three[1].name


def test_the_sheet_holds_the_pictures(degraded: MakeOptions) -> None:
    examples = make_examples(degraded(STEPS), 3)
    sheet = contact_sheet(examples)
    assert sheet.dtype == np.uint8
    gt, lq = sheet[8:200, 8:200], sheet[8:200, 208:400]
    assert np.array_equal(gt[3::6, 3::6], examples[0].gt)
    assert np.array_equal(lq[6::12, 6::12], examples[0].lq)
    text = sheet[8:60, 408:700]
    assert (text.max(-1) > 150).mean() > 0.01
    assert len(contact_sheet(examples[:1])) == 8 + 192 + 8


def test_a_degradation_without_notes_is_shown_too(degraded: MakeOptions) -> None:
    examples = make_examples(degraded("{type: Bicubic}"), 1)
    assert contact_sheet(examples).shape[2] == 3


def test_degrading_for_a_preview_leaves_the_random_state_alone(options: MakeOptions) -> None:
    state = torch.get_rng_state()
    make_examples(options(), 2)
    assert torch.equal(torch.get_rng_state(), state)
    assert make_degradation(options()) is not None


def test_the_command(
    recipe: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, sheet = str(recipe()), tmp_path / "new" / "sheet.png"
    assert main(["degrade", "-opt", path, "--preview", "3", "-o", str(sheet)]) == 0
    assert "3 samples of RealESRGAN, seeds 0 to 2" in capsys.readouterr().out
    assert read_image(sheet).ndim == 3
    assert [p.name for p in sheet.parent.iterdir()] == ["sheet.png"]
    other = ["--set", "degradation.type=BSRGAN", "--seed", "9", "-i", str(tmp_path / "none")]
    assert main(["degrade", "-opt", path, "--preview", "3", "-o", str(sheet), *other]) == 2
    assert "none" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["--preview", "3"],
        ["-opt", "x.yml"],
        ["--preview", "0", "-opt", "x.yml"],
        ["--preview", "3", "-opt", "x.yml", "-r", "all"],
        ["-i", "x"],
        ["-r", "all"],
    ],
)
def test_wrong_usage_is_told(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["degrade", "-o", str(tmp_path / "x.png"), *arguments]) == 2
    assert "Traceback" not in capsys.readouterr().err
    assert not any(tmp_path.iterdir())


def test_what_is_missing_is_named(options: MakeOptions, images: Path, tmp_path: Path) -> None:
    pairs = {"type": "PairedFolder", "dataroot_gt": "a", "dataroot_lq": "b", "gt_size": 32}
    with pytest.raises(OptionsFileError, match="degradation: there is none"):
        write_preview(options(datasets={"train": pairs}, degradation=None), tmp_path / "a.png", 1)
    test_only = options(datasets={"train": None})
    with pytest.raises(OptionsFileError, match=r"datasets\.train: there are no images"):
        write_preview(test_only, tmp_path / "a.png", 1)
    write_preview(test_only, tmp_path / "a.png", 1, source=images, tell=lambda line: None)
    with pytest.raises(DatasetError):
        write_preview(test_only, tmp_path / "a.png", 1, source=tmp_path / "none")
    with pytest.raises(ImageWriteError, match="suffix"):
        write_preview(test_only, tmp_path / "sheet", 1, source=images)
