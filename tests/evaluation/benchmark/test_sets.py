"""What test sets are called."""

from __future__ import annotations

from pathlib import Path

import pytest

from adasr.errors import OptionError
from adasr.evaluation.benchmark.sets import Sources


@pytest.mark.parametrize(
    ("folders", "names"),
    [
        (["/d/Set5", "/d/Set14"], ["Set5", "Set14"]),
        (["/d/Set5/HR", "/d/Set14/original"], ["Set5", "Set14"]),
        (["/d/Set5/HR", "/e/Set5/HR"], ["d/Set5", "e/Set5"]),
        (["/d/Set5/HR", "/d/Set5/LR"], ["HR", "LR"]),
        (["/d/test/images"], ["d"]),
        (["/hr"], ["hr"]),
    ],
)
def test_a_set_is_called_as_its_folder_as_far_as_that_tells_it(
    folders: list[str], names: list[str]
) -> None:
    assert Sources([Path(folder) for folder in folders]).names() == names


def test_pairs_are_called_as_their_ground_truth() -> None:
    sources = Sources([Path("/d/Set5")], [(Path("/r/RealSR/LR"), Path("/r/RealSR/HR"))])
    assert sources.names() == ["Set5", "RealSR"]


def test_nothing_and_the_same_twice_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="--data"):
        Sources().check()
    with pytest.raises(OptionError, match="twice"):
        Sources([tmp_path, tmp_path / "."]).check()
