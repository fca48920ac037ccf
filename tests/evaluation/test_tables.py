"""Scores as files and tables: nothing is lost, the best is marked only where scores compare."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path

import pytest
from rich.console import Console

from adasr.errors import FileError
from adasr.evaluation.scores import Evaluation, ImageScore
from adasr.evaluation.tables import (
    csv_table,
    markdown_table,
    protocol_notes,
    read_scores,
    rich_table,
    rows,
    write_scores,
)

PROTOCOLS = {"psnr": {"metric": "psnr", "crop_border": 4}, "lpips": {"metric": "lpips"}}


def evaluation(model: str, gain: float, baseline: Evaluation | None = None) -> Evaluation:
    scores = [
        ImageScore(f"img{i}", recipe, {"psnr": 20 + i + j + gain, "lpips": 0.4 - 0.1 * gain})
        for j, recipe in enumerate(("clean", "blur2"))
        for i in range(2)
    ]
    directions = {"psnr": True, "lpips": False}
    return Evaluation(model, "Set|5", PROTOCOLS, directions, scores, baseline=baseline)


@pytest.fixture
def found() -> list[Evaluation]:
    bicubic = evaluation("bicubic", 0.0)
    return [evaluation("plain", 1.0, bicubic), evaluation("adaptive", 1.5, bicubic)]


def test_scores_come_back_from_the_file(found: list[Evaluation], tmp_path: Path) -> None:
    found[0].failures["img9.png"] = "is not a readable image"
    found[0].scores.append(ImageScore("exact", "clean", {"psnr": math.inf}))
    found[1].scores.append(ImageScore("broken", "clean", {"lpips": math.nan}))
    paths = write_scores(found, tmp_path / "deep" / "folder")
    assert [p.name for p in paths] == ["scores.json", "scores.csv", "scores.md"]

    def strict(constant: str) -> float:
        raise AssertionError(f"{constant} is not JSON")

    data = json.loads(paths[0].read_text(encoding="utf-8"), parse_constant=strict)
    assert data[0]["means"]["psnr"]["blur2"] == pytest.approx(22.5)
    back = read_scores(paths[0])
    assert back[0] == found[0]
    assert math.isnan(back[1].scores[-1].values["lpips"])
    assert back[0].mean("psnr") == math.inf


def test_csv_has_a_line_for_every_score(found: list[Evaluation]) -> None:
    lines = list(csv.DictReader(io.StringIO(csv_table(found))))
    assert len(lines) == 3 * 4 * 2  # the common baseline once
    line = next(x for x in lines if x["model"] == "adaptive" and x["metric"] == "psnr")
    assert (line["dataset"], line["recipe"], line["name"]) == ("Set|5", "clean", "img0")
    assert float(line["value"]) == 21.5


def test_best_follows_each_metrics_direction(found: list[Evaluation]) -> None:
    recipes, table = rows(found)
    assert recipes == ["clean", "blur2"]
    best = {(row.metric, row.model): row.best for row in table}
    assert best["psnr", "adaptive"] == best["lpips", "adaptive"] == (True, True, True)
    assert best["psnr", "bicubic"] == best["lpips", "plain"] == (False, False, False)
    means = {(row.metric, row.model): row.means for row in table}
    assert means["psnr", "plain"] == pytest.approx((21.5, 22.5, 22.0))


def test_nothing_is_best_across_protocols_or_alone(found: list[Evaluation]) -> None:
    other = Evaluation(
        "other",
        "Set|5",
        {"psnr": {"metric": "psnr", "crop_border": 0}},
        {"psnr": True},
        [ImageScore("img0", "clean", {"psnr": 99.0})],
    )
    _, table = rows([*found, other])
    assert not any(any(row.best) for row in table if row.metric == "psnr")
    _, table = rows([evaluation("alone", 0.0)])
    assert not any(any(row.best) for row in table)


def test_markdown_is_one_table_whatever_the_names(found: list[Evaluation]) -> None:
    lines = markdown_table(found).splitlines()
    assert len(lines) == 2 + 3 * 2
    assert {line.replace(r"\|", "").count("|") for line in lines} == {7}
    assert lines[0] == "| dataset | metric | model | clean | blur2 | mean |"
    assert "**22.00** | **23.00** | **22.50**" in markdown_table(found)
    assert "psnr ↑" in lines[2]
    assert "lpips ↓" in lines[5]


def test_one_recipe_has_no_second_mean_column() -> None:
    scores = [ImageScore("a", "", {"psnr": 30.0}), ImageScore("b", "", {"psnr": math.nan})]
    one = Evaluation("net", "Set5", {"psnr": {"metric": "psnr"}}, {"psnr": True}, scores)
    lines = markdown_table([one]).splitlines()
    assert lines[0] == "| dataset | metric | model | mean |"
    assert lines[2].endswith("| - |")


def test_console_table_says_the_same(found: list[Evaluation]) -> None:
    console = Console(width=120, file=io.StringIO())
    console.print(rich_table(found, "[comparison"))
    text = console.file.getvalue()  # pyright: ignore[reportAttributeAccessIssue]
    assert "[comparison" in text
    for cell in ("Set|5", "adaptive", "22.50", "blur2"):
        assert cell in text


def test_notes_tell_protocol_and_failures(found: list[Evaluation]) -> None:
    found[1].failures["img9 (blur2)"] = "out of memory"
    notes = protocol_notes(found)
    assert notes.count("crop_border 4") == 1
    assert "img9 (blur2): out of memory" in notes


def test_a_file_that_is_not_scores_is_said(tmp_path: Path) -> None:
    for text in ("", "{}", '[{"model": 1}]', "[3]"):
        path = tmp_path / "scores.json"
        path.write_text(text)
        if text == "{}":
            assert read_scores(path) == []
            continue
        with pytest.raises(FileError, match="not a file of scores"):
            read_scores(path)
    with pytest.raises(FileError, match="cannot be read"):
        read_scores(tmp_path / "none.json")


def test_unwritable_folder_is_said(tmp_path: Path, found: list[Evaluation]) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with pytest.raises(FileError, match="cannot be written"):
        write_scores(found, blocked)
