"""What comes of an ablation: scores of every run, a ranking, and what was trained."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from adasr.ablation.plan import read_ablation
from adasr.ablation.state import mark_done
from adasr.cli import main
from adasr.evaluation.results import BICUBIC, Results
from adasr.files import write_text
from adasr.options import dump_options
from adasr.weights import build_network, save_network

Write = Callable[..., Path]


@pytest.fixture
def compared(ablation: Write, images: Path) -> Callable[..., Path]:
    def write(**changes: Any) -> Path:
        wanted = {
            "data": [str(images)],
            "recipes": ["clean", "saltpepper2"],
            "metrics": ["psnr", "ssim"],
            "pictures": 1,
        }
        return ablation(benchmark=wanted | changes.pop("benchmark", {}), **changes)

    return write


def pretend(path: Path, *names: str) -> Path:
    """Leave what trainings leave at their end, with the weights they begin with."""
    for run in read_ablation(path).runs:
        if names and run.name not in names:
            continue
        torch.manual_seed(run.seed)
        options = dump_options(run.options)
        write_text(run.folder / "options.yml", options)
        net = build_network(run.options.network_g.options)
        metadata = {"name": run.name, "options": options, "iteration": "4"}
        save_network(run.folder / "models" / "net_g_4.safetensors", net, metadata)
        mark_done(run)
    return path


def report(tmp_path: Path) -> Path:
    return tmp_path / "experiments" / "study" / "report"


def ablate(path: Path, *more: str) -> int:
    return main(["ablate", "-opt", str(path), *more])


def test_every_run_is_scored_and_seeds_are_taken_together(
    compared: Write, tmp_path: Path, images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ablate(pretend(compared())) == 0
    found = Results.read(report(tmp_path) / "results.json")
    assert [(m.name, m.group, m.seed) for m in found.models] == [
        (BICUBIC, BICUBIC, None),
        ("plain_s0", "plain", 0),
        ("plain_s1", "plain", 1),
        ("dropout_s0", "dropout", 0),
        ("dropout_s1", "dropout", 1),
    ]
    count = len(list(images.iterdir())) * 2
    assert all(len(one.scores) == count for one in found.evaluations)
    # The same weights benchmarked by hand have the same scores.
    weights = tmp_path / "experiments" / "study" / "dropout_s1" / "models" / "net_g_4.safetensors"
    out = tmp_path / "by_hand"
    command = ["benchmark", "-m", str(weights), "--data", str(images), "-o", str(out)]
    assert main([*command, "-r", "clean", "saltpepper2", "--metrics", "psnr", "ssim"]) == 0
    by_hand = Results.read(out / "results.json").evaluations[-1]
    (ours,) = [one for one in found.evaluations if one.model == "dropout_s1"]
    assert ours.scores == by_hand.scores

    with (report(tmp_path) / "scores.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 5 * count * 2
    text = (report(tmp_path) / "results.md").read_text()
    assert "rank" in text
    assert (report(tmp_path) / "report.html").stat().st_size > 1000
    runs = (report(tmp_path) / "runs.md").read_text()
    assert "| dropout | `regularizer: {type: AdaptiveDropout, p: 0.5}` | 0, 1 | 4 | 2 |" in runs
    assert "num_feat: 4" in runs

    capsys.readouterr()
    assert ablate(compared()) == 0  # nothing to train, nothing to score
    assert f"{5 * count} of {5 * count} images are scored already" in capsys.readouterr().out


def test_what_is_done_can_be_compared_at_any_time(
    compared: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ablate(compared(), "--report") == 1
    assert "nothing to compare" in capsys.readouterr().out
    assert ablate(pretend(compared(), "plain_s0", "dropout_s0"), "--report") == 0
    found = Results.read(report(tmp_path) / "results.json")
    assert [m.name for m in found.models] == [BICUBIC, "plain_s0", "dropout_s0"]
    assert "2 runs are missing" in (report(tmp_path) / "results.md").read_text()
    assert "0, 1 (not done)" in (report(tmp_path) / "runs.md").read_text()
    # Networks that were trained with other options than the file now has are not compared.
    changed = compared(
        variants={"plain": None, "dropout": {"regularizer": {"type": "ChannelDropout"}}}
    )
    capsys.readouterr()
    assert ablate(changed, "--report") == 0
    assert "left out, since trained with other options: dropout_s0" in capsys.readouterr().out
    found = Results.read(report(tmp_path) / "results.json")
    assert [m.name for m in found.models] == [BICUBIC, "plain_s0"]


@pytest.mark.parametrize(
    ("benchmark", "message"),
    [
        ({"recipes": ["saltpeper2"]}, r"benchmark.recipes: .*saltpeper2"),
        ({"metrics": ["pnsr"]}, r"benchmark.metrics: unknown metric 'pnsr'. Did you mean 'psnr'"),
        ({"data": ["nowhere"]}, r"nowhere"),
    ],
)
def test_a_comparison_that_cannot_be_is_told_before_the_training(
    compared: Write,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    benchmark: dict[str, Any],
    message: str,
) -> None:
    path = compared(benchmark=benchmark)
    assert ablate(path) == 2
    told = capsys.readouterr().err
    assert told.startswith("error: ")
    assert re.search(message, told)
    assert not (tmp_path / "experiments").exists()


def test_an_image_that_cannot_be_read_is_named_and_the_others_scored(
    compared: Write, tmp_path: Path, images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "test"
    folder.mkdir()
    good = sorted(images.iterdir())[0]
    (folder / good.name).write_bytes(good.read_bytes())
    (folder / "broken.png").write_bytes(good.read_bytes()[:60])
    path = compared(benchmark={"data": [str(folder)]}, seeds=[0], variants={"plain": None})
    assert ablate(path) == 1  # trained in earnest
    assert "broken" in capsys.readouterr().out
    data = json.loads((report(tmp_path) / "results.json").read_text())
    assert all(len(one["scores"]) == 2 for one in data["evaluations"])
