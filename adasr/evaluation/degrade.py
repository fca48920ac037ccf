"""``adasr degrade``: a folder of HR images to degraded test sets on disk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from ..data.images import list_images, read_rgb, write_image
from ..data.listing import relative_names
from ..degradations.testset import RECIPES, find_recipe, write_testset
from ..errors import DatasetError


def write_testsets(
    source: Path, target: Path, recipes: Sequence[str], scale: int, tell: Callable[[str], None]
) -> int:
    """Write ``target/RECIPE/*.png`` with a manifest for each recipe, and ``target/HR``.

    Args:
        source: folder of HR images.
        target: folder to write to, outside ``source``.
        recipes: names of recipes; ``all`` stands for the eight of them.
        scale: downscaling factor.
        tell: takes lines for a person.

    Returns:
        0 if every image was done, 1 if some failed.

    Raises:
        AdasrError: an unknown recipe, no images, or a target that cannot be written.
    """
    wanted = list(RECIPES) if "all" in recipes else list(dict.fromkeys(recipes))
    for recipe in wanted:
        find_recipe(recipe)
    if target.resolve().is_relative_to(source.resolve()):
        hint = "Choose a target outside it, or it would be degraded itself next time."
        raise DatasetError(target, f"lies inside the source {source}", hint)
    files = list_images(source)
    names = relative_names(files, source)
    failures: dict[Path, str] = {}
    for recipe in wanted:
        report = write_testset(
            files,
            names,
            target / recipe,
            recipe=recipe,
            scale=scale,
            read=read_rgb,
            write=write_image,
            hr_target=target / "HR",
        )
        failures.update(report.failures)
        tell(f"{recipe}: {len(report.written)} images in {target / recipe}")
    for path, problem in failures.items():
        told = problem if str(path) in problem else f"{path}: {problem}"
        tell(f"failed: {told}")
    return 1 if failures else 0
