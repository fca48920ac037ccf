"""Compiled functions stay inside their arrays, and work where nothing can be kept on disk."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numba.core.caching import IndexDataCacheFile

import adasr
from adasr.degradations.compiled import compiled, mirrored


def _double(value):
    return 2 * value


@pytest.mark.filterwarnings("ignore:no folder")
def test_without_a_folder_to_keep_it_in():
    names = {}
    exec("def triple(value): return 3 * value", names)  # no file that a cache could lie beside
    assert compiled(names["triple"])(3) == 9


def test_on_a_full_disk(monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(IndexDataCacheFile, "load", lambda *_: None)
    monkeypatch.setattr(IndexDataCacheFile, "save", full)
    assert compiled(_double)(3) == 6


@pytest.mark.parametrize("length", [1, 2, 3, 8])
def test_mirrored_indices_equal_numpys(length):
    expected = np.pad(np.arange(length), 20, mode="reflect")
    assert [mirrored(i, length) for i in range(-20, length + 20)] == expected.tolist()


def _run(folder: Path, code: str, **environment: str) -> str:
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


_NUMBERS = """
import torch
from adasr.degradations.shot_noise import shot_noise
print(shot_noise(torch.full((9,), 99, dtype=torch.uint8), 64, torch.Generator().manual_seed(0)))
"""


def test_a_change_of_a_called_file_and_damage_are_noticed(tmp_path):
    package = Path(adasr.__file__).parent
    copy = tmp_path / "adasr"
    shutil.copytree(package, copy, ignore=shutil.ignore_patterns("__pycache__"))
    kept = tmp_path / "kept"
    before = _run(tmp_path, _NUMBERS, NUMBA_CACHE_DIR=str(kept))
    for path in kept.rglob("*.nb[ci]"):
        path.write_bytes(path.read_bytes()[:20])
    assert _run(tmp_path, _NUMBERS, NUMBA_CACHE_DIR=str(kept)) == before
    called = copy / "degradations" / "random_numbers.py"
    called.write_text(called.read_text().replace("0xBF58476D1CE4E5B9", "0xBF58476D1CE4E5B7"))
    assert _run(tmp_path, _NUMBERS, NUMBA_CACHE_DIR=str(kept)) != before


def test_without_compiling():
    """What numba offers to debug with."""
    assert "tensor" in _run(Path(adasr.__file__).parents[1], _NUMBERS, NUMBA_DISABLE_JIT="1")


@pytest.mark.slow
def test_every_index_lies_inside_its_array(tmp_path):
    """Compiled code does not look; with checks it does (at their ends), over tests that use it."""
    here = Path(__file__).parent
    names = "correlate frame_degradation levels properties random_numbers real_esrgan resize"
    files = [str(here / f"test_{name}.py") for name in f"{names} sharpening shot_noise".split()]
    environment = {**os.environ, "NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "pytest", "-q", "-x", *files]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:]
