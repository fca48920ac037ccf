"""Named registries of components, and the one check of a component's options.

A component is a class or function; its options are its signature. ``Registry.build({"type": X,
...})`` checks names and types against that signature, so there is no second schema to keep in
step. A registry fills itself on first use: it imports every module of its package, then the
plugins of the entry point group ``adasr.plugins``. A name it lacks is looked up in BasicSR's
registry where BasicSR is installed.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import inspect
import json
import pkgutil
import re
import typing
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .errors import OptionError, did_you_mean

PLUGIN_GROUP = "adasr.plugins"
_BASICSR_SUFFIX = "_basicsr"
_plugins_loaded = False


@dataclass(frozen=True)
class Option:
    """One option of a component, as its signature and docstring tell it."""

    name: str
    annotation: Any
    default: Any
    doc: str

    @property
    def required(self) -> bool:
        """Whether the component has no default for it."""
        return self.default is inspect.Parameter.empty

    @property
    def type_name(self) -> str:
        """The type as a person writes it."""
        if self.annotation is inspect.Parameter.empty:
            return "any"
        name = inspect.formatannotation(self.annotation).replace("NoneType", "None")
        return re.sub(r"^Optional\[(.*)\]$", r"\1 | None", name)


class Registry:
    """Components of one kind by name.

    Args:
        kind: what a component is called in messages, e.g. ``"arch"``.
        package: the package (or module) whose modules register the built-in components.
        supplied: parameters that code gives, never a user's options.
        basicsr: name of BasicSR's registry to fall back to, and the module that fills it.
        lists: option -> key in ``REGISTRIES``: options that hold a list of other components.
        beside: key in ``REGISTRIES`` of the components of another kind that BasicSR keeps in the
            same registry; they are none of this kind.
    """

    def __init__(
        self,
        kind: str,
        package: str | None = None,
        supplied: tuple[str, ...] = (),
        basicsr: tuple[str, str] | None = None,
        lists: Mapping[str, str] | None = None,
        beside: str | None = None,
    ) -> None:
        self.kind, self.package, self.supplied, self.basicsr = kind, package, supplied, basicsr
        self.lists, self.beside = dict(lists or {}), beside
        self._components: dict[str, Callable[..., Any]] = {}
        self._filled = False

    def register(self, name: str | None = None) -> Callable[[Any], Any]:
        """Decorator that adds a class or function under ``name`` (its own name by default)."""

        def add(component: Any) -> Any:
            key = name or component.__name__
            held = self._components.get(key)
            if held is not None and held is not component:
                raise KeyError(f"{self.kind} '{key}' is registered twice: {held} and {component}")
            self._components[key] = component
            return component

        return add

    def names(self) -> list[str]:
        """All registered names, sorted."""
        self._fill()
        return sorted(self._components)

    def __contains__(self, name: object) -> bool:
        self._fill()
        return name in self._components

    def get(self, name: str) -> Callable[..., Any]:
        """The component called ``name``.

        Raises:
            OptionError: there is none; the message carries the nearest name.
        """
        self._fill()
        if name in self._components:
            return self._components[name]
        other = REGISTRIES[self.beside] if self.beside is not None else None
        if other is not None and name in other:
            message = f"'{name}' is {_one(other.kind)}, not {_one(self.kind)}."
            raise OptionError(message, ("type",), self._known())
        component, note = self._from_basicsr(name)
        if component is not None:
            return component
        hint = did_you_mean(str(name), [*self._components, *self.fallback_names()])
        raise OptionError(f"unknown {self.kind} '{name}'.{note}", ("type",), hint)

    def options(self, name: str) -> dict[str, Option]:
        """The options of a component in the order of its signature."""
        component = self.get(name)
        hints, docs = _type_hints(component), _argument_docs(component)
        return {
            p.name: Option(p.name, hints.get(p.name, p.annotation), p.default, docs.get(p.name, ""))
            for p in inspect.signature(component).parameters.values()
            if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY) and p.name not in self.supplied
        }

    def doc(self, name: str) -> str:
        """The first line of a component's docstring."""
        return (inspect.getdoc(self.get(name)) or "").partition("\n")[0]

    def check(self, options: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """Name and checked keyword arguments of ``{"type": name, **arguments}``.

        Raises:
            OptionError: no or unknown type; unknown, missing or wrongly typed option. Its key is
                the path inside ``options``.
        """
        if not isinstance(options, Mapping):
            raise OptionError(
                f"expected a mapping with a 'type', got {options!r}.",
                hint=f"Write {{type: NAME, ...}}; known: {', '.join(self.names())}.",
            )
        if "type" not in options:
            raise OptionError(f"no 'type' says which {self.kind}.", hint=f"{self._known()}")
        if not isinstance(options["type"], str):
            raise OptionError(
                f"expected a name, got {options['type']!r}.", ("type",), self._known()
            )
        name = options["type"]
        known = self.options(name)
        open_ended = any(
            p.kind is p.VAR_KEYWORD for p in inspect.signature(self.get(name)).parameters.values()
        )
        arguments = {}
        for key, value in options.items():
            if key == "type":
                continue
            if key in known and key in self.lists:
                arguments[key] = _checked_list(value, known[key], REGISTRIES[self.lists[key]])
            elif key in known:
                arguments[key] = _checked(value, known[key])
            elif open_ended and key not in self.supplied:
                arguments[key] = value
            else:
                hint = did_you_mean(str(key), known)
                raise OptionError(f"{self.kind} '{name}' has no option '{key}'.", (key,), hint)
        for option in known.values():
            if option.required and option.name not in arguments:
                hint = f"Give it under '{name}'. {option.doc}".strip()
                raise OptionError(
                    f"the option is missing ({option.type_name}).", (option.name,), hint
                )
        return name, arguments

    def build(self, options: Mapping[str, Any], **supplied: Any) -> Any:
        """Check ``options`` and call the component; ``supplied`` go to those that take them.

        Raises:
            OptionError: as ``check``, or the component itself refuses a value.
        """
        name, arguments = self.check(options)
        component = self.get(name)
        accepted = inspect.signature(component).parameters
        return component(**arguments, **{k: v for k, v in supplied.items() if k in accepted})

    def _known(self) -> str:
        return f"Known: {', '.join(self.names())}."

    def _fill(self) -> None:
        if self._filled:
            return
        self._filled = True
        if self.package:
            package = importlib.import_module(self.package)
            for module in pkgutil.iter_modules(getattr(package, "__path__", ())):
                importlib.import_module(f"{self.package}.{module.name}")
        _load_plugins()

    def fallback_names(self) -> list[str]:
        """What BasicSR's registry adds to ours, sorted; nothing where it is not installed."""
        registry, _ = self._basicsr_registry()
        # Some of BasicSR's own have a suffix, which its option files leave out.
        names = {key.removesuffix(_BASICSR_SUFFIX) for key, _ in registry or ()}
        if self.beside is not None:  # BasicSR tells its discriminators by their names alone
            names = {n for n in names if ("Discriminator" in n) == (self.kind == "discriminator")}
        return sorted(names - set(self._components))

    def _from_basicsr(self, name: str) -> tuple[Callable[..., Any] | None, str]:
        registry, note = self._basicsr_registry()
        held = {key: component for key, component in registry or ()}  # noqa: C416  no mapping
        return held.get(name, held.get(f"{name}{_BASICSR_SUFFIX}")), note

    def _basicsr_registry(self) -> tuple[Any, str]:
        """BasicSR's registry, filled; or None, and why where it should be there."""
        if self.basicsr is None:
            return None, ""
        if importlib.util.find_spec("basicsr") is None:
            return None, " (BasicSR, which has more, is not installed)"
        from .compat import import_basicsr

        registry_name, module = self.basicsr
        try:
            import_basicsr()
            importlib.import_module(module)
            return getattr(importlib.import_module("basicsr.utils.registry"), registry_name), ""
        except Exception as error:  # whatever another package raises, ours must go on
            return None, f" (BasicSR is installed but does not import: {error})"


def _one(kind: str) -> str:
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def _load_plugins() -> None:
    """Import the plugins of other packages once; a broken one is named and left out."""
    global _plugins_loaded
    if _plugins_loaded:
        return
    _plugins_loaded = True
    for entry in importlib.metadata.entry_points(group=PLUGIN_GROUP):
        try:
            entry.load()
        except Exception as error:  # a plugin's fault must not stop its user
            warnings.warn(f"adasr plugin '{entry.name}' does not load: {error}", stacklevel=2)


def _type_hints(component: Callable[..., Any]) -> dict[str, Any]:
    target = component.__init__ if inspect.isclass(component) else component
    try:
        return typing.get_type_hints(target)
    except Exception:  # names that exist for type checkers only
        return {}


def _argument_docs(component: Callable[..., Any]) -> dict[str, str]:
    """The lines of a Google-style ``Args:`` section by argument name."""
    doc = inspect.getdoc(component) or ""
    section = re.search(r"^Args:\n((?:[ \t]+.*\n?|\n)+)", doc, re.MULTILINE)
    if section is None:
        return {}
    found: dict[str, str] = {}
    for item in re.finditer(
        r"^    (\w+)[^:\n]*:((?:.*\n?)(?:^     +.*\n?)*)", section[1], re.MULTILINE
    ):
        found[item[1]] = " ".join(item[2].split())
    return found


def _checked(value: Any, option: Option) -> Any:
    """``value`` as the option's type by JSON's rules: 1 is a float, "3" and true are no int."""
    from pydantic import PydanticSchemaGenerationError, TypeAdapter, ValidationError

    if option.annotation is inspect.Parameter.empty:
        return value
    try:
        adapter = TypeAdapter(option.annotation)
    except PydanticSchemaGenerationError:
        return value
    try:
        text = json.dumps(value)
    except TypeError:
        return value  # a Python object given from Python; the component checks it
    try:
        return adapter.validate_json(text, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        inner = tuple(place for place in first["loc"] if isinstance(place, int))
        if not isinstance(value, list | tuple) or any(place >= len(value) for place in inner):
            inner = ()  # of a union's branch, or of an item that is not there
        raise OptionError(
            f"expected {option.type_name}, got {value!r}.",
            (option.name, *inner),
            option.doc[:1].upper() + option.doc[1:],
        ) from None


def _checked_list(value: Any, option: Option, registry: Registry) -> Any:
    """``value`` after every component in it was checked; objects built already stay as they are."""
    if not isinstance(value, list | tuple):
        hint = f"Write [{{type: NAME, ...}}, ...]; known: {', '.join(registry.names())}."
        raise OptionError(f"expected a list, got {value!r}.", (option.name,), hint)
    for i, item in enumerate(value):
        if not callable(item):
            try:
                registry.check(item)
            except OptionError as error:
                raise error.under(option.name, i) from None
    return value


_BASICSR_ARCHS = ("ARCH_REGISTRY", "basicsr.archs")
ARCH_REGISTRY = Registry("arch", "adasr.archs", basicsr=_BASICSR_ARCHS, beside="discriminators")
DISCRIMINATOR_REGISTRY = Registry(
    "discriminator", "adasr.archs", basicsr=_BASICSR_ARCHS, beside="archs"
)
DATASET_REGISTRY = Registry("dataset", "adasr.data", supplied=("scale", "frame", "degrade"))
DEGRADATION_REGISTRY = Registry(
    "degradation", "adasr.degradations", supplied=("scale",), lists={"steps": "steps"}
)
STEP_REGISTRY = Registry("step", "adasr.degradations.steps", lists={"steps": "steps"})
REGULARIZER_REGISTRY = Registry("regularizer", "adasr.regularizers")
SCHEDULE_REGISTRY = Registry("schedule", "adasr.regularizers", supplied=("sites", "total_iter"))
LOSS_REGISTRY = Registry("loss", "adasr.losses", basicsr=("LOSS_REGISTRY", "basicsr.losses"))
METRIC_REGISTRY = Registry("metric", "adasr.metrics")
OPTIMIZER_REGISTRY = Registry("optimizer", "adasr.training.optimizers", supplied=("params",))
LR_REGISTRY = Registry("lr schedule", "adasr.training.lr", supplied=("total_iter",))

REGISTRIES = {
    "archs": ARCH_REGISTRY,
    "discriminators": DISCRIMINATOR_REGISTRY,
    "datasets": DATASET_REGISTRY,
    "degradations": DEGRADATION_REGISTRY,
    "steps": STEP_REGISTRY,
    "regularizers": REGULARIZER_REGISTRY,
    "schedules": SCHEDULE_REGISTRY,
    "losses": LOSS_REGISTRY,
    "metrics": METRIC_REGISTRY,
    "optimizers": OPTIMIZER_REGISTRY,
    "lr_schedules": LR_REGISTRY,
}
