"""The journal of scores: nothing is lost, nothing is taken for another's."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from adasr.errors import FileError
from adasr.evaluation.benchmark.journal import NAME, Journal, key_of


def test_scores_come_back_to_the_last_bit(tmp_path: Path) -> None:
    values = {"psnr": 27.123456789012345, "ssim": math.inf, "lpips": math.nan}
    with Journal(tmp_path) as journal:
        journal.put("net", "image", values, how="in tiles")
    with Journal(tmp_path) as journal:
        held = journal.get("net", "image")
        assert held["psnr"] == values["psnr"]
        assert held["ssim"] == math.inf
        assert math.isnan(held["lpips"])
        assert journal.how("net", "image") == "in tiles"
        assert journal.get("net", "other") == {}
        assert journal.get("other", "image") == {}


def test_a_line_that_was_cut_short_costs_only_itself(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        for i in range(3):
            journal.put("net", f"image{i}", {"psnr": float(i)})
    path = tmp_path / NAME
    path.write_bytes(path.read_bytes()[:-9])
    with Journal(tmp_path) as journal:
        assert journal.get("net", "image1") == {"psnr": 1.0}
        assert journal.get("net", "image2") == {}
        journal.put("net", "image3", {"psnr": 3.0})
    with Journal(tmp_path) as journal:
        assert journal.get("net", "image3") == {"psnr": 3.0}


def test_other_files_and_binary_rubbish_are_passed_by(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b'[]\n{"network": 1}\n\xff\xfe\n{"a": "b"}\n')
    with Journal(tmp_path) as journal:
        journal.put("net", "image", {"psnr": 1.0})
    with Journal(tmp_path) as journal:
        assert journal.get("net", "image") == {"psnr": 1.0}


def test_fresh_forgets(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        journal.put("net", "image", {"psnr": 1.0})
    with Journal(tmp_path, fresh=True) as journal:
        assert journal.get("net", "image") == {}


def test_a_place_that_cannot_be_written_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="-o"):
        Journal(tmp_path / "file" / "deeper")


def test_keys_differ_where_a_part_does() -> None:
    assert key_of(a=1, b=2) == key_of(b=2, a=1)
    assert key_of(a=1, b=2) != key_of(a=2, b=1)
