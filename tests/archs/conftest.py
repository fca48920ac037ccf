"""BasicSR as the reference."""

from __future__ import annotations

import importlib.util

import pytest


@pytest.fixture(scope="session")
def basicsr() -> None:
    """BasicSR, made importable; tests that need it skip without it."""
    if importlib.util.find_spec("basicsr") is None:
        pytest.skip("BasicSR is not installed")
    from adasr.compat import import_basicsr

    import_basicsr()
