"""The keys of an ablation's YAML."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from ..errors import OptionError
from ..options.components import Section
from ..options.fields import FilePath, check_folder_name

Seed = Annotated[int, Field(ge=0, lt=2**32 - 2**16)]
Changes = dict[str, Any]
"""Option keys, dotted or nested, to values."""


class BenchmarkOptions(Section):
    """What the trained networks are compared on."""

    data: Annotated[list[FilePath], Field(min_length=1)]
    """Folders of GT images."""
    recipes: list[str] = Field(default=["all"], min_length=1)
    """Test degradations, or groups of them such as standard, heldout and all."""
    metrics: list[str] = Field(default=["psnr", "ssim", "lpips"], min_length=1)
    """Metrics; one that cannot be had here is left out and named."""
    weights: Literal["last", "best"] = "last"
    """Of which iteration: the last, or the best of the validations while training, which is fair
    only if those do not see the images of this comparison."""
    pictures: Annotated[int, Field(ge=0)] = 12
    """How many images the report shows."""


class AblationOptions(Section):
    """All of one ablation's file."""

    name: str
    """The ablation's name, also that of its folder."""
    base: FilePath | Changes
    """The option YAML that every run starts from (relative to this file), or the options."""
    set: Changes = Field(default={})
    """What all runs change in it."""
    variants: dict[str, Changes | None] = Field(default={})
    """Configurations by name: what each changes."""
    grid: dict[str, list[Any] | dict[str, Any]] = Field(default={})
    """Axes, all combined with each other: option key -> values, option key -> {name: value}, or
    any name -> {name: changes}."""
    seeds: list[Seed] = Field(default=[0], min_length=1)
    """Every configuration is trained once with each."""
    benchmark: BenchmarkOptions | None = None
    """What the trained networks are compared on; without it they are only trained."""

    @field_validator("name")
    @classmethod
    def _is_folder_name(cls, name: str) -> str:
        check_folder_name(name)
        return name

    @field_validator("base", mode="before")
    @classmethod
    def _is_path_or_options(cls, base: Any) -> Any:
        if isinstance(base, str) and base.strip():
            return Path(base).expanduser()
        if not isinstance(base, dict):
            raise OptionError(
                "expected an option YAML's path or the options themselves.",
                hint="E.g. base: ../train/srresnet_x4_plain.yml.",
            )
        return base

    @field_validator("seeds")
    @classmethod
    def _differ(cls, seeds: list[int]) -> list[int]:
        twice = sorted({seed for seed in seeds if seeds.count(seed) > 1})
        if twice:
            raise OptionError(f"{', '.join(map(str, twice))} stands twice.")
        return seeds
