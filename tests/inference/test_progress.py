"""What a log file says of a folder's progress."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from adasr.inference import progress as module
from adasr.inference.progress import FolderProgress


def test_images_that_were_there_do_not_count_as_speed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = 0.0
    monkeypatch.setattr(module.time, "monotonic", lambda: clock)
    progress = FolderProgress(Console(file=io.StringIO()))
    progress.start(Path("a.png"), 1, 1000)
    for _ in range(900):  # a run that goes on passes over them at once
        clock += 0.001
        progress.done(Path("a.png"), None)
    for _ in range(7):
        clock += 10
        progress.done(Path("a.png"), None)
    [line] = capsys.readouterr().out.splitlines()
    assert line == "906/1000 images, 0.10 images/s, 16 min left"
