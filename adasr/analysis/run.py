"""``adasr analyze``: weights and images to figures, numbers and what to read from them."""

from __future__ import annotations

import datetime
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import torch

from ..degradations.testset import degrade, expand_recipes
from ..errors import AdasrError, DatasetError, OptionError
from ..evaluation.benchmark import ModelFile
from ..inference.device import choose_device
from ..version import __version__
from .crops import CLEAN, Crops, cut_crops
from .diagnostics import Diagnostic, NothingToMeasure, Settings, find_diagnostics
from .features import choose_sites, fitting_side
from .report import Section, write_json, write_markdown
from .style import save
from .subjects import Subject, load_subjects


def run_analysis(
    models: Sequence[ModelFile],
    data: Sequence[Path],
    out: Path,
    recipes: Sequence[str],
    *,
    only: Sequence[str] | None = None,
    sites: Sequence[str] | None = None,
    regularizer: Mapping[str, Any] | None = None,
    count: int = 32,
    side: int = 32,
    draws: int = 16,
    seed: int = 0,
    device: str = "auto",
    tell: Callable[[str], None] = print,
) -> bool:
    """Write ``analysis.md``, ``analysis.json`` and a figure for each diagnostic to ``out``.

    Args:
        models: weights files, of one scale.
        data: folders of GT images.
        out: the folder; files of an earlier analysis are replaced.
        recipes: test degradations, and groups of them.
        only: names of diagnostics; all by default.
        sites: names and patterns of the sites to look at; each network's own by default.
        regularizer: ``{type, ...}`` to study instead of those of the trainings.
        count: crops.
        side: of an LQ crop in pixels; rounded up to what the networks take.
        draws: masks that each image meets.
        seed: of places, masks and t-SNE.
        device: "auto", "cpu", "cuda", ...
        tell: takes lines for a person.

    Returns:
        Whether every image could be used and every diagnostic taken; what failed is told.

    Raises:
        AdasrError: wrong options, weights that cannot be used, or no usable image.
        OSError: the folder cannot be written.
    """
    wanted = find_diagnostics(only)
    recipes = expand_recipes(recipes)
    if not recipes:
        raise OptionError("names no recipe.", ("--recipes",), "E.g. clean blur2.")
    for name, value, least in (("--crops", count, 1), ("--crop-size", side, 8), ("--draws", draws, 2)):  # fmt: skip  # noqa: E501
        if value < least:
            raise OptionError(f"must be at least {least}, got {value}.", (name,))
    if out.exists() and not out.is_dir():
        raise DatasetError(out, "is a file, not a folder", "Give another folder with -o.")
    place = choose_device(device)
    subjects = load_subjects(models, place, regularizer, tell)
    chosen = sites[0] if sites is not None and len(sites) == 1 else sites
    for one in subjects:
        if chosen:
            choose_sites(one.net, chosen)  # a wrong one is told before anything runs
    side = fitting_side([one.net for one in subjects], side)
    settings = Settings(chosen, recipes, draws, seed)
    crops, problems = cut_crops(
        data,
        list(dict.fromkeys([CLEAN, *recipes])),
        subjects[0].scale,
        degrade,
        count,
        side,
        seed,
    )
    for path, problem in problems.items():
        tell(f"left out: {path} {problem}")
    begun = time.monotonic()
    sections = []
    for name, diagnostic in wanted.items():
        sections.append(_section(name, diagnostic, subjects, crops, settings, out, tell))
    about = {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "seconds": round(time.monotonic() - begun, 1),
        "device": str(place),
        "versions": _versions(),
        "seed": seed,
        "draws": draws,
        "data": [str(folder) for folder in data],
        "recipes": list(recipes),
        "crops": list(crops.names),
        "crop_size": crops.side,
        "left_out": problems,
    }
    write_json(out / "analysis.json", about, subjects, sections)
    write_markdown(out / "analysis.md", about, subjects, sections)
    tell(f"{out / 'analysis.md'}: {len(sections)} diagnostics of {len(subjects)} networks")
    return not problems and not any(section.failures for section in sections)


def _section(
    name: str,
    diagnostic: Diagnostic,
    subjects: Sequence[Subject],
    crops: Crops,
    settings: Settings,
    out: Path,
    tell: Callable[[str], None],
) -> Section:
    """One diagnostic of all networks, drawn; a network that fails is named and left out."""
    found: dict[str, Any] = {}
    failures: dict[str, str] = {}
    notes: dict[str, str] = {}
    for one in subjects:
        pieces = crops.gray() if one.channels == 1 else crops
        try:
            found[one.name] = diagnostic.measure(one, pieces, settings)
        except NothingToMeasure as reason:
            notes[one.name] = str(reason)
            tell(f"{name}: {one.name}: left out: {reason}")
        except AdasrError as error:
            failures[one.name] = str(error)
            tell(f"{name}: {one.name} FAILED: {error}")
        if name == "inconsistency" and one.regularization and one.regularization.note:
            notes[one.name] = one.regularization.note
    figures: list[Path] = []
    for stale in (out / f"{name}.png", out / f"{name}.svg"):
        stale.unlink(missing_ok=True)
    if found:
        figures = save(diagnostic.draw(found), out / name)
        tell(f"{name}: {figures[0]}")
    return Section(name, diagnostic, found, failures, notes, figures)


def _versions() -> dict[str, str]:
    return {
        "adasr": __version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "matplotlib": matplotlib.__version__,
        "python": platform.python_version(),
    }
