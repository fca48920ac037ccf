"""The report as one HTML file: no network, no library, nothing beside it."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from collections.abc import Sequence
from importlib import resources
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup

from ..results import BICUBIC, Results
from .blocks import metric_block
from .markdown import METHOD, plain_text, restored_otherwise
from .pictures import Embedded, Picture, embedded
from .views import MISSING, MetricView

_FAILURES = 500


def html_report(
    results: Results,
    views: Sequence[MetricView],
    pictures: Sequence[Picture],
    title: str,
    ranking: bool = False,
) -> str:
    """The page.

    Args:
        results: the benchmark.
        views: of its metrics.
        pictures: for the sliders.
        title: heading.
        ranking: best first, with ranks.
    """
    shown = embedded(pictures, results.scale)
    failures = [
        (e.model, e.dataset, name, problem)
        for e in results.evaluations
        for name, problem in e.failures.items()
    ]
    script, style = (_file(name) for name in ("page.js", "page.css"))
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    environment.filters["breakable"] = breakable
    return environment.from_string(_file("page.html")).render(
        title=title,
        lead=_lead(results),
        ranking=ranking,
        sections=_sections(bool(shown.pictures)),
        metrics=[metric_block(results, view, i, ranking) for i, view in enumerate(views)],
        pictures=bool(shown.pictures),
        left_out=shown.left_out,
        failures=failures[:_FAILURES],
        failures_more=max(0, len(failures) - _FAILURES),
        method=METHOD,
        models=_models(results),
        datasets=results.datasets,
        about=[(key, plain_text(value)) for key, value in results.about.items() if value],
        notes=restored_otherwise(results),
        style=Markup(style),
        script=Markup(script),
        # The page may run this script and no other.
        script_hash=Markup(f"sha256-{_sha256(script)}"),
        data=Markup(_data(views, shown)),
    )


def breakable(name: object) -> Markup:
    """A name that a narrow column may break after its signs, and anywhere once it is long."""
    parts = re.split(r"(?<=[_\-./ ])", str(name))
    pieces = [part[i : i + 14] for part in parts for i in range(0, len(part), 14)]
    return Markup("<wbr>").join(pieces)


def _file(name: str) -> str:
    return resources.files(__name__.rpartition(".")[0]).joinpath(name).read_text(encoding="utf-8")


def _sha256(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


def _lead(results: Results) -> list[str]:
    networks = sum(one.name != BICUBIC for one in results.models)
    images = sum(len(one.images) for one in results.datasets)
    parts = [
        _count(networks, "network"),
        _count(images, "image"),
        _count(len(results.recipes), "degradation"),
        f"×{results.scale}",
    ]
    date = results.about.get("date")
    return [*parts, str(date)] if date else parts


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"


def _sections(pictures: bool) -> list[tuple[str, str]]:
    return [
        ("overview", "Overview"),
        ("intervals", "Intervals"),
        ("degradations", "Degradations"),
        ("pairs", "Image by image"),
        ("datasets", "Datasets"),
        *([("pictures", "Pictures")] if pictures else []),
        ("images", "Every image"),
        ("protocol", "How it was taken"),
    ]


def _models(results: Results) -> list[dict[str, Any]]:
    return [
        {
            "name": one.name,
            "group": one.group,
            "seed": MISSING if one.seed is None else one.seed,
            "network": one.network or MISSING,
            "parameters": f"{one.parameters:,}" if one.parameters else MISSING,
            "size": one.parameters or "",
            "trained_on": _families(one.trained_on) if one.file else MISSING,
            "training": plain_text(one.training) or MISSING,
            "file": one.file or MISSING,
            "sha256": one.sha256,
        }
        for one in results.models
    ]


def _families(families: tuple[str, ...] | None) -> str:
    if families is None:
        return "unknown"
    return ", ".join(families) or "downscaling alone"


def _data(views: Sequence[MetricView], shown: Embedded) -> str:
    """The scores and pictures for the script, as JSON that can lie inside of HTML."""
    images = list(dict.fromkeys(image for view in views for image in view.table.images))
    recipes = list(dict.fromkeys(recipe for view in views for recipe in view.table.recipes))
    models = list(dict.fromkeys(model for view in views for model in view.table.values))
    data = {
        "metrics": [
            {"label": view.title, "digits": view.digits, "higher": view.higher_is_better}
            for view in views
        ],
        "models": models,
        "recipes": recipes,
        "images": images,
        "scores": [[_flat(view, model, images, recipes) for model in models] for view in views],
        "pictures": shown.pictures,
        "sources": shown.images,
    }
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _flat(
    view: MetricView, model: str, images: list[tuple[str, str]], recipes: list[str]
) -> list[float | str | None]:
    """The scores of a model by image, then recipe; null where it has none."""
    found = view.table.values.get(model)
    flat: list[float | str | None] = [None] * (len(images) * len(recipes))
    if found is None:
        return flat
    rows = {image: i for i, image in enumerate(images)}
    columns = [recipes.index(recipe) for recipe in view.table.recipes]
    places = [rows[image] * len(recipes) for image in view.table.images]
    for i, j in zip(*np.nonzero(~np.ma.getmaskarray(found)), strict=True):
        value = float(np.ma.getdata(found)[i, j])
        place = places[i] + columns[j]
        flat[place] = round(value, view.digits + 2) if math.isfinite(value) else str(value)
    return flat
