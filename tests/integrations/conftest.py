"""A project of BasicSR's to run its pipelines in."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
from basicsr_project import Project


@pytest.fixture(scope="session")
def integration(basicsr: ModuleType) -> ModuleType:
    import adasr.integrations.basicsr

    return adasr.integrations.basicsr


@pytest.fixture(scope="session")
def pairs(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``gt`` (64x64) and ``lq`` (32x32)."""
    from adasr.data.images import read_rgb, write_image
    from adasr.degradations.testset import degrade

    folder = tmp_path_factory.mktemp("pairs")
    for path in sorted(images.iterdir()):
        picture = read_rgb(path)
        write_image(folder / "gt" / path.name, picture)
        write_image(folder / "lq" / path.name, degrade(picture, "clean", 2, path.stem))
    return folder


@pytest.fixture
def project(
    integration: ModuleType, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Project:
    return Project(tmp_path, pairs, monkeypatch)
