"""Every recipe gives the pixels written down, on Set5, Set14 and a picture of scikit-image.

``python tests/degradations/test_testset_hashes.py FOLDER_OF_SETS`` writes the file anew: for a new
recipe, or one whose ``version`` was counted up.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adasr.data.images import list_images, read_rgb
from adasr.degradations.testset import GROUPS, RECIPES, compare_manifests, degrade, modcrop
from adasr.degradations.testset.manifest import entry, versions_of
from adasr.pixels import to_eight_bit

HASHES = Path(__file__).with_name("testset_hashes.json")
SCALE = 4
DIGITS = 16  # of a SHA-256: enough to tell


def picture() -> np.ndarray:
    import skimage.data

    return skimage.data.astronaut()[:256, 96:352]  # comes with the package


def images_of(sets: Path | None, name: str) -> dict[str, np.ndarray]:
    if name == "scikit-image":
        return {"astronaut": picture()}
    assert sets is not None
    return {file.stem: to_eight_bit(read_rgb(file)) for file in list_images(sets / name)}


def manifest_of(images: dict[str, np.ndarray], recipe: str) -> dict[str, Any]:
    found = {}
    for name, image in images.items():
        gt = modcrop(image, SCALE)
        told = entry(name, degrade(gt, recipe, SCALE, name), gt)
        found[name] = {key: told[key][:DIGITS] for key in ("sha256", "gt_sha256")}
    return {"versions": versions_of(recipe), "images": found}


@pytest.fixture(scope="module")
def written() -> dict[str, Any]:
    return json.loads(HASHES.read_text(encoding="utf-8"))


def _check(images: dict[str, np.ndarray], recipe: str, expected: dict[str, Any]) -> None:
    found = manifest_of(images, recipe)
    problems = compare_manifests(found, expected)
    if "the ground truth differs" in problems.values():
        pytest.skip(f"other images than those of the hashes: {', '.join(problems)}")
    codec = any(name.startswith(("libwebp", "openjpeg")) for name in found["versions"])
    if problems and codec and found["versions"] != expected["versions"]:
        # An encoder may come to choose differently; all else must stay.
        pytest.xfail(f"{recipe}: {next(iter(problems.values()))}")
    assert not problems, f"{recipe}: {problems}"


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_bundled_picture(recipe, written):
    _check(images_of(None, "scikit-image"), recipe, written["scikit-image"][recipe])


@pytest.fixture(scope="module")
def set5(shared) -> dict[str, np.ndarray]:
    return images_of(shared / "data", "Set5")


@pytest.mark.parametrize("recipe", RECIPES)
def test_set5(recipe, set5, written):
    _check(set5, recipe, written["Set5"][recipe])


@pytest.fixture(scope="module")
def set14(shared) -> dict[str, np.ndarray]:
    return images_of(shared / "data", "Set14")


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES)
def test_set14(recipe, set14, written):
    _check(set14, recipe, written["Set14"][recipe])


def test_a_difference_is_told_with_the_versions_that_differ(written):
    recipe = "webp50"
    expected = json.loads(json.dumps(written["scikit-image"][recipe]))
    expected["images"]["astronaut"]["sha256"] = "0" * DIGITS
    expected["versions"]["libwebp (pillow)"] = "0.4.0"
    found = manifest_of(images_of(None, "scikit-image"), recipe)
    told = compare_manifests(found, expected)["astronaut"]
    assert "the pixels differ" in told
    assert "libwebp (pillow)" in told
    assert "0.4.0 there" in told
    assert compare_manifests(found, found) == {}
    other = {**found, "images": {"b": found["images"]["astronaut"]}}
    assert compare_manifests(found, other) == {"astronaut": "is only here", "b": "is only there"}
    assert compare_manifests(found, {**found, "scale": 2}) == {"scale": "None here, 2 there"}


@pytest.mark.slow
def test_a_machine_without_vector_instructions_gets_the_same():
    """NumPy, OpenCV, PyTorch and libjpeg-turbo compute as on a processor of 2005."""
    plain = {
        "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL",
        "OPENCV_CPU_DISABLE": "AVX512-SKX,AVX2,AVX,FP16,SSE4.2,SSE4.1",
        "ATEN_CPU_CAPABILITY": "default",
        "JSIMD_FORCENONE": "1",
    }
    tests = [sys.executable, "-m", "pytest", "-q", __file__, "-k", "bundled"]
    done = subprocess.run(tests, env={**os.environ, **plain}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_every_recipe_is_written_down(written):
    assert set(GROUPS["all"]) == set(written["Set5"]) == set(written["Set14"])


if __name__ == "__main__":
    sets = Path(sys.argv[1])
    contents = {
        name: {recipe: manifest_of(images_of(sets, name), recipe) for recipe in RECIPES}
        for name in ("scikit-image", "Set5", "Set14")
    }
    HASHES.write_text(json.dumps(contents, indent=0, sort_keys=True) + "\n", encoding="utf-8")
