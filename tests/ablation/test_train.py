"""What a training among several is told, and what its end is taken for."""

from __future__ import annotations

from pathlib import Path

import pytest

from adasr.ablation import train
from adasr.ablation.progress import reached
from adasr.ablation.worker import last_words
from adasr.cli import main


def test_cores_are_divided_and_gpus_taken_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(train, "_cores", lambda: 8)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    assert train.environment(0, 1) == {"CUDA_VISIBLE_DEVICES": "2"}
    found = [train.environment(slot, 3) for slot in range(3)]
    assert [one["CUDA_VISIBLE_DEVICES"] for one in found] == ["2", "5", "2"]
    assert {one["OMP_NUM_THREADS"] for one in found} == {"2"}
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5")
    assert train.environment(1, 20) == {"OMP_NUM_THREADS": "1"}
    monkeypatch.setenv("OMP_NUM_THREADS", "6")  # a person has decided
    assert train.environment(1, 2) == {}


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("a\nerror: no space\n", "no space"),
        ("error: x\nerror: line 1\nline 2\n", "line 1\nline 2"),
        ("Traceback ...\nValueError: bad\n\n", "ValueError: bad"),
        ("", "ended without a word"),
    ],
)
def test_the_error_is_found_in_what_a_training_said(tmp_path: Path, said: str, found: str) -> None:
    log = tmp_path / "run.log"
    log.write_text(said)
    assert last_words(log) == found


def test_how_far_a_run_is_can_be_read_while_it_writes(tmp_path: Path) -> None:
    assert reached(tmp_path) == 0
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"iteration": 50}\n{"iteration": 100}\n{"iterat')
    assert reached(tmp_path) == 100
    path.write_text("x" * 50_000)
    assert reached(tmp_path) == 0


def test_torchrun_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LOCAL_RANK", "0")
    assert main(["ablate", "-opt", str(tmp_path / "x.yml")]) == 1
    assert "Start it without torchrun" in capsys.readouterr().err
