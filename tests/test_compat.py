from __future__ import annotations

import subprocess
import sys
from types import ModuleType

import pytest


def run(code: str) -> str:
    """What a fresh interpreter prints: repairs must work in a process that has imported nothing."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("package", ["lpips", "spandrel", "torchvision.transforms"])
def test_packages_that_need_torchvision_import(package: str) -> None:
    code = (
        "from adasr.compat import import_torchvision\n"
        f"import_torchvision()\nimport {package}\nprint('ok')"
    )
    assert run(code).endswith("ok")


def test_basicsr_imports_whole(basicsr: ModuleType) -> None:
    code = (
        "from adasr.compat import import_basicsr; import_basicsr()\n"
        "import basicsr.archs, basicsr.data, basicsr.losses, basicsr.metrics, basicsr.models\n"
        "from basicsr.data.degradations import random_mixed_kernels\nprint('ok')"
    )
    assert run(code).endswith("ok")


def test_importing_adasr_is_light() -> None:
    heavy = {
        "torch",
        "torchvision",
        "cv2",
        "lpips",
        "spandrel",
        "matplotlib",
        "accelerate",
        "kornia",
    }
    code = f"import sys, adasr, adasr.cli; print(sorted({heavy!r} & set(sys.modules)))"
    assert run(code) == "[]"
