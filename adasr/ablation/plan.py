"""An ablation's file read: every run with its checked options, before anything is trained."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ..errors import OptionError
from ..options import Fault, Options, OptionsFileError, dump_options
from ..options.fields import check_folder_name
from ..options.loading import make_options
from ..options.source import Source, overridden, parse_override, read_mapping
from ..options.wording import reworded
from ..options.yaml_text import node_of
from .grid import Change, Variant, changes_of, expand
from .options import AblationOptions, BenchmarkOptions


@dataclass(frozen=True)
class Run:
    """One training.

    Attributes:
        name: of its folder, ``VARIANT_sSEED``.
        variant: its configuration.
        seed: its ``manual_seed``.
        options: checked.
        root: the ablation's folder.
    """

    name: str
    variant: Variant
    seed: int
    options: Options
    root: Path

    @property
    def folder(self) -> Path:
        """Where the training writes."""
        return self.root / self.name

    @property
    def file(self) -> Path:
        """The option YAML that the training is started with."""
        return self.root / "plan" / f"{self.name}.yml"

    @property
    def log(self) -> Path:
        """What its process says."""
        return self.root / "plan" / f"{self.name}.log"


@dataclass(frozen=True)
class Ablation:
    """A whole ablation.

    Attributes:
        name: of its folder.
        file: it was read from.
        root: its folder.
        runs: variant by variant, seeds fastest.
        benchmark: what the networks are compared on.
        source: knows the places in the file.
    """

    name: str
    file: Path
    root: Path
    runs: list[Run]
    benchmark: BenchmarkOptions | None
    source: Source

    @property
    def variants(self) -> list[Variant]:
        """In the file's order."""
        return list({run.variant.name: run.variant for run in self.runs}.values())


def read_ablation(
    path: str | Path,
    overrides: Sequence[str] = (),
    base: Path | None = None,
    name: str | None = None,
) -> Ablation:
    """An ablation's YAML with every run's options, all checked.

    Args:
        path: of the YAML.
        base: option YAML in place of the file's base.
        name: in place of the file's.
        overrides: ``KEY=VALUE`` over the base and ``set``; what a variant sets stays.

    Raises:
        OptionsFileError: all that is wrong in the file, or in the first variant that is wrong.
    """
    mapping, source = read_mapping(path, "options/ablation/")
    try:
        given = {key: value for key, value in mapping.items() if value is not None}
        wanted = AblationOptions.model_validate(given)
    except ValidationError as error:
        raise source.error(reworded(error, AblationOptions)) from None
    try:
        variants = expand(wanted.variants, wanted.grid, source.place)
        common = list(changes_of(wanted.set, ("set",), source.place))
    except OptionError as error:
        raise source.error([error]) from None
    start = _base(wanted.base, Path(path), source) if base is None else read_mapping(base)
    start = overridden(*start, [*common, *map(parse_override, overrides)])
    name = wanted.name if name is None else name
    check_folder_name(name, ("--name",))
    runs = [
        _run(name, variant, seed, *start, source) for variant in variants for seed in wanted.seeds
    ]
    _check_scales(runs, source)
    _check_differ(runs, source)
    _check_best(runs, wanted.benchmark, source)
    root = runs[0].root
    return Ablation(name, Path(path), root, runs, wanted.benchmark, source)


@contextlib.contextmanager
def of_variant(variant: Variant) -> Iterator[None]:
    """Say of what is wrong in options which variant's they are."""
    try:
        yield
    except OptionsFileError as error:
        raise OptionsFileError(
            [Fault(f"variant '{variant.name}': {f.place}", f.error) for f in error.faults]
        ) from None


def _base(
    base: Path | Mapping[str, Any], file: Path, source: Source
) -> tuple[dict[str, Any], Source]:
    if not isinstance(base, Path):
        return dict(base), Source(source.name, node_of(source.nodes, "base"))
    try:
        return read_mapping(base if base.is_absolute() else file.parent / base)
    except OptionsFileError as error:
        missing = error.faults[0]
        fault = OptionError(f"{missing.place}: {missing.error}", ("base",))
        raise source.error([fault]) from None


def _run(
    name: str,
    variant: Variant,
    seed: int,
    mapping: Mapping[str, Any],
    base: Source,
    source: Source,
) -> Run:
    named = f"{variant.name}_s{seed}"
    own = [
        Change(f"name={named}", ("name",), named, source.place(("name",))),
        Change(f"manual_seed={seed}", ("manual_seed",), seed, source.place(("seeds",))),
    ]
    with of_variant(variant):
        options = make_options(*overridden(mapping, base, [*variant.changes, *own]))
        options.require_train()
        if options.path.resume_state is not None:
            with options.at("path", "resume_state"):
                raise OptionError("every run of an ablation has its own.", hint="Leave it out.")
    root = options.path.experiments_root / name
    path = options.path.model_copy(update={"experiments_root": root})
    return Run(named, variant, seed, options.model_copy(update={"path": path}), root)


def _check_scales(runs: Sequence[Run], source: Source) -> None:
    scales = {run.options.scale: run.variant.name for run in runs}
    if len(scales) > 1:
        told = ", ".join(f"{name} x{scale}" for scale, name in scales.items())
        fault = OptionError(
            f"networks of several scales cannot be compared ({told}).",
            ("grid",),
            "Make an ablation of each scale.",
        )
        raise source.error([fault])


def _check_differ(runs: Sequence[Run], source: Source) -> None:
    """Two variants with the same options would only seem to be compared."""
    seen: dict[str, Run] = {}
    for run in runs:
        bare = run.options.model_copy(update={"name": "x"})
        twin = seen.setdefault(dump_options(bare), run)
        if twin is not run:
            fault = OptionError(
                f"'{twin.variant.name}' and '{run.variant.name}' have the same options.",
                ("grid",) if run.variant.settings else ("variants", run.variant.name),
                "Leave one out.",
            )
            raise source.error([fault])


def _check_best(runs: Sequence[Run], benchmark: BenchmarkOptions | None, source: Source) -> None:
    """The best weights are chosen by validations, which every run then must have."""
    if benchmark is None or benchmark.weights != "best":
        return
    for run in runs:
        if run.options.val is None or not run.options.validation_datasets:
            fault = OptionError(
                f"'{run.variant.name}' is not validated while it trains.",
                ("benchmark", "weights"),
                "Write last, or give the base a val section and a dataset that starts with val.",
            )
            raise source.error([fault])
