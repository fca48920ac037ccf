"""Files and folders that options name: are they there?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from ..errors import OptionError, did_you_mean
from .components import Component
from .schema import Options

Key = tuple[str | int, ...]


def check_paths(options: Options, phase: Literal["train", "test"] | None = None) -> None:
    """Look whether every folder and file that the options name is there; nothing is opened.

    Args:
        options: checked options.
        phase: look only at what a training or a test uses; by default at everything.

    Raises:
        OptionsFileError: each missing one, with its place in the file.
    """
    errors = [*_datasets(options, phase), *_components(options, phase), *_starts(options, phase)]
    if errors:
        raise options.source.error(errors)


def _datasets(options: Options, phase: str | None) -> Iterator[OptionError]:
    wanted = options.datasets.scored
    if phase is not None:
        wanted = options.validation_datasets if phase == "train" else options.test_datasets
    if options.datasets.train is not None and phase != "test":
        wanted = {"train": options.datasets.train, **wanted}
    for name, dataset in wanted.items():
        for option, value in dataset.arguments.items():
            key = ("datasets", name, option)
            for inner, path in _paths(value):
                if option.startswith("dataroot"):
                    yield from _folder(path, (*key, *inner))
                elif option == "meta_info":
                    yield from _file(path, (*key, *inner))


def _components(options: Options, phase: str | None) -> Iterator[OptionError]:
    """Weights that losses and metrics name."""
    named: dict[Key, Component | None] = {}
    if phase != "test":
        named["train", "pixel_opt"] = options.train.pixel_opt
        named["train", "perceptual_opt"] = options.train.perceptual_opt
    for label, metric in (options.val.metrics if options.val else {}).items():
        named["val", "metrics", label] = metric
    for key, component in named.items():
        for _, path in _paths(component.arguments.get("weights") if component else None):
            yield from _file(path, (*key, "weights"))


def _starts(options: Options, phase: str | None) -> Iterator[OptionError]:
    path = options.path
    if path.pretrain_network_g is not None:
        yield from _file(path.pretrain_network_g, ("path", "pretrain_network_g"))
    if path.pretrain_network_d is not None and phase != "test":
        yield from _file(path.pretrain_network_d, ("path", "pretrain_network_d"))
    if path.resume_state is not None and phase != "test":
        yield from _file(path.resume_state, ("path", "resume_state"))
    for key in ("experiments_root", "results_root"):
        root = getattr(path, key)
        if root.exists() and not root.is_dir():
            yield OptionError(f"'{root}' is a file, not a folder.", ("path", key))


def _paths(value: object) -> Iterator[tuple[Key, Path]]:
    """The paths in an option that is one or a list of them, each with its key inside."""
    if isinstance(value, str):
        yield (), Path(value).expanduser()
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            if isinstance(item, str):
                yield (index,), Path(item).expanduser()


def _folder(path: Path, key: Key) -> Iterator[OptionError]:
    if path.is_dir():
        return
    if path.exists():
        yield OptionError(f"'{path}' is a file, not a folder.", key, "Name a folder of images.")
    else:
        hint = f"{_near(path)}datasets/README.md tells where public datasets come from."
        yield OptionError(f"there is no folder '{path}'.", key, hint)


def _file(path: Path, key: Key) -> Iterator[OptionError]:
    if path.is_file():
        return
    if path.exists():
        yield OptionError(f"'{path}' is a folder, not a file.", key)
    else:
        yield OptionError(f"there is no file '{path}'.", key, _near(path).strip())


def _near(path: Path) -> str:
    """What to look at: the nearest name beside it, or the first folder that is missing."""
    parts = [path, *path.parents]
    missing = next((p for p in reversed(parts) if not p.exists()), path)
    beside = [p.name for p in missing.parent.iterdir()] if missing.parent.is_dir() else []
    near = did_you_mean(missing.name, beside) if beside else ""
    if near.startswith("Did"):
        return f"Did you mean '{missing.parent / near.split(chr(39))[1]}'? "
    if not path.is_absolute():
        return f"Looked in {Path.cwd()}. "
    return f"'{missing}' does not exist. " if missing != path else ""
