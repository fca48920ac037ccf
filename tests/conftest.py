"""What several test folders need."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from types import ModuleType

import pytest
import torch

torch.set_num_threads(min(2, torch.get_num_threads()))


def pytest_configure() -> None:
    # One place for every child process too: a test must not depend on the machine's thread count.
    os.environ.setdefault("OMP_NUM_THREADS", "2")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with reference tensors and images; tests that need it skip without it."""
    default = Path(__file__).resolve().parents[2] / "shared"
    folder = Path(os.environ.get("ADASR_SHARED", default))
    if not (folder / "golden").is_dir():
        pytest.skip("no folder with reference data (set ADASR_SHARED)")
    return folder


@pytest.fixture(scope="session")
def basicsr() -> ModuleType:
    """The real BasicSR, mended so that it imports; tests that compare with it skip without it."""
    if importlib.util.find_spec("basicsr") is None:
        pytest.skip("BasicSR is not installed")
    from adasr.compat import import_basicsr

    return import_basicsr()
