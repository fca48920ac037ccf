"""What a test set was made of and with: its checksums, and the versions that they may hang on."""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL
from PIL import features

from ...errors import DatasetError
from ...files import write_text
from ...version import __version__
from .groups import find_recipe

# Hidden, so that loaders which take every file of a folder for an image (BasicSR) pass it by.
MANIFEST = ".manifest.json"


def checksum(image: np.ndarray) -> str:
    """SHA-256 of an image's bytes, in hex."""
    return hashlib.sha256(np.ascontiguousarray(image).data).hexdigest()


@functools.cache
def library_version(name: str) -> str:
    """The version of a library that recipes name, "none" where this machine lacks it."""
    return str(_VERSIONS[name]() or "none")


def _libjpeg_of_opencv() -> str:
    found = re.search(r"^\s*JPEG:\s*(.+?)\s*$", cv2.getBuildInformation(), re.MULTILINE)
    told = found[1] if found else "unknown"
    # A library of the system is told by its path and version, one that was built in by its name.
    return re.sub(r"^(build-|/\S*/)", "", told)


_VERSIONS: dict[str, Callable[[], str | None]] = {
    "opencv": lambda: cv2.__version__,
    "pillow": lambda: PIL.__version__,
    "libjpeg (opencv)": _libjpeg_of_opencv,
    "openjpeg (pillow)": lambda: features.version_codec("jpg_2000"),
    "libwebp (pillow)": lambda: features.version_module("webp"),
}


def versions_of(recipe: str) -> dict[str, str]:
    """The versions on which a recipe's pixels may depend, and that of the recipe itself."""
    found = find_recipe(recipe)
    versions = {library: library_version(library) for library in found.libraries}
    return {"recipe": str(found.version), **versions}


def entry(source: str, lq: np.ndarray, gt: np.ndarray) -> dict[str, Any]:
    """What a manifest says of an image."""
    return {
        "source": source,
        "height": lq.shape[0],
        "width": lq.shape[1],
        "sha256": checksum(lq),
        "gt_sha256": checksum(gt),
    }


def write_manifest(path: Path, recipe: str, scale: int, images: Mapping[str, Any]) -> None:
    """Write what is known of a set.

    Raises:
        OSError: the place cannot be written.
    """
    manifest = {
        "recipe": recipe,
        "scale": scale,
        "versions": {
            "adasr": __version__,
            "numpy": np.__version__,
            "opencv": cv2.__version__,
            "pillow": PIL.__version__,
            **versions_of(recipe),
        },
        "checksum": "SHA-256 of the (height, width, RGB) uint8 pixels",
        "images": dict(images),
    }
    write_text(path, json.dumps(manifest, indent=1, ensure_ascii=False) + "\n")


def read_manifest(path: Path) -> dict[str, Any]:
    """A manifest; its images have at least their "sha256".

    Raises:
        DatasetError: there is none, or it cannot be read.
    """
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        for one in manifest["images"].values():
            if not isinstance(one["sha256"], str):
                raise TypeError("a checksum is no text")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DatasetError(
            path, f"is no manifest of a test set ({reason})", "Write the set again."
        ) from None
    return manifest


def compare_manifests(found: Mapping[str, Any], expected: Mapping[str, Any]) -> dict[str, str]:
    """Why the images of two sets differ: name -> problem; empty if they are the same.

    A set of another recipe or scale, images that only one of them has, an image whose GT differs,
    and LQ images that differ though the GT is the same: then with the versions that do, since a
    library that computes differently is the likely reason.
    """
    for key in ("recipe", "scale"):
        if found.get(key) != expected.get(key):
            return {key: f"{found.get(key)} here, {expected.get(key)} there"}
    ours, theirs = found["images"], expected["images"]
    problems = {name: "is only here" for name in ours if name not in theirs}
    problems.update({name: "is only there" for name in theirs if name not in ours})
    for name in ours.keys() & theirs.keys():
        if ours[name]["sha256"] == theirs[name]["sha256"]:
            continue
        if ours[name].get("gt_sha256") != theirs[name].get("gt_sha256"):
            problems[name] = "the ground truth differs"
        else:
            told = differing_versions(found.get("versions", {}), expected.get("versions", {}))
            problems[name] = f"the pixels differ ({told or 'made with the same versions'})"
    return dict(sorted(problems.items()))


def differing_versions(ours: Mapping[str, str], theirs: Mapping[str, str]) -> str:
    """The versions that differ, for a person; "" if none does."""
    return ", ".join(
        f"{name} {ours.get(name, 'unknown')} here, {theirs.get(name, 'unknown')} there"
        for name in sorted(ours.keys() | theirs.keys())
        if ours.get(name) != theirs.get(name)
    )
