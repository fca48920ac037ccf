"""Compiled functions stay inside their arrays, and work where nothing can be kept on disk."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from numba.core.caching import IndexDataCacheFile

from adasr.degradations.blur import _reflected
from adasr.degradations.compiled import compiled, mirrored


def _double(value):
    return 2 * value


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


def test_mirrored_indices_equal_those_of_torch():
    for length in (1, 2, 3, 8):
        index = torch.arange(-20, 21)
        expected = _reflected(index, length).tolist()
        assert [mirrored(i, length) for i in index.tolist()] == expected


@pytest.mark.slow
def test_every_index_lies_inside_its_array(tmp_path):
    """Compiled code does not look; compiled with checks it does, over the tests that use it."""
    here = Path(__file__).parent
    names = ("correlate", "frame_degradation", "levels", "properties", "real_esrgan", "resize")
    files = [str(here / f"test_{name}.py") for name in (*names, "sharpening", "shot_noise")]
    environment = {**os.environ, "NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "pytest", "-q", "-x", *files]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:]
