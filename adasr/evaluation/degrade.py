"""``adasr degrade``: a folder of HR images to degraded test sets on disk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from ..data.checking import map_files
from ..data.images import list_images, read_rgb, write_image
from ..data.listing import relative_names
from ..degradations.testset import (
    MANIFEST,
    TestsetReport,
    compare_manifests,
    expand_recipes,
    read_manifest,
    write_testset,
)
from ..errors import DatasetError

_TOLD = 3  # differing images named for each recipe


def write_testsets(
    source: Path,
    target: Path,
    recipes: Sequence[str],
    scale: int,
    tell: Callable[[str], None],
    compare: Path | None = None,
) -> int:
    """Write ``target/RECIPE/*.png`` with a manifest for each recipe, and ``target/HR``.

    Args:
        source: folder of HR images.
        target: folder to write to, outside ``source``.
        recipes: names of recipes or of groups of them.
        scale: downscaling factor.
        tell: takes lines for a person.
        compare: such a folder (its manifests are enough) that another machine wrote: what differs
            is told, with the versions that do.

    Returns:
        0 if every image was done and none differs, 1 if some failed or do.

    Raises:
        AdasrError: an unknown recipe, no images, a target that cannot be written, or nothing to
            compare with.
    """
    wanted = expand_recipes(recipes)
    if target.resolve().is_relative_to(source.resolve()):
        hint = "Choose a target outside it, or it would be degraded itself next time."
        raise DatasetError(target, f"lies inside the source {source}", hint)
    files = list_images(source)
    names = relative_names(files, source)
    expected = {}
    if compare is not None:
        expected = {recipe: read_manifest(compare / recipe / MANIFEST) for recipe in wanted}

    def write(recipe: str) -> TestsetReport:
        return write_testset(
            files,
            names,
            target / recipe,
            recipe=recipe,
            scale=scale,
            read=read_rgb,
            write=write_image,
            hr_target=target / "HR" if recipe == wanted[0] else None,
        )

    failures: dict[Path, str] = {}
    differing = 0
    for recipe, report in zip(wanted, map_files(write, wanted), strict=True):
        for path, problem in report.failures.items():
            failures.setdefault(path, problem)
        tell(f"{recipe}: {len(report.written)} images in {target / recipe}")
        if recipe in expected:
            problems = compare_manifests(
                read_manifest(target / recipe / MANIFEST), expected[recipe]
            )
            differing += len(problems)
            _tell_differences(problems, tell)
    for path, problem in failures.items():
        told = problem if str(path) in problem else f"{path}: {problem}"
        tell(f"failed: {told}")
    if compare is not None and not differing:
        tell(f"All images are those of {compare}.")
    return 1 if failures or differing else 0


def _tell_differences(problems: dict[str, str], tell: Callable[[str], None]) -> None:
    for name, problem in list(problems.items())[:_TOLD]:
        tell(f"  {name}: {problem}")
    if len(problems) > _TOLD:
        tell(f"  ... and {len(problems) - _TOLD} more images differ")
