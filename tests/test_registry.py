from __future__ import annotations

import importlib.metadata
from types import ModuleType
from typing import Literal

import pytest

import adasr.registry as module
from adasr.errors import OptionError
from adasr.registry import ARCH_REGISTRY, REGISTRIES, Registry


@pytest.fixture
def registry() -> Registry:
    registry = Registry("thing", supplied=("sites",))

    @registry.register()
    class Thing:
        """A thing.

        More of it.

        Args:
            size: how large; in
                pixels.
            sides: lengths.
            sites: supplied.
        """

        def __init__(
            self,
            size: int,
            sides: tuple[float, float] = (1.0, 2.0),
            kind: Literal["a", "b"] | None = None,
            flag: bool = False,
            sites: object = None,
        ) -> None:
            if size < 0:
                raise OptionError("must not be negative.", ("size",))
            self.__dict__.update(size=size, sides=sides, kind=kind, flag=flag, sites=sites)

    return registry


def test_build_calls_with_checked_options_and_what_the_code_supplies(registry: Registry) -> None:
    thing = registry.build({"type": "Thing", "size": 3, "sides": [1, 2]}, sites=[1], unused=2)
    assert (thing.size, thing.sides, thing.sites) == (3, (1.0, 2.0), [1])
    assert all(isinstance(side, float) for side in thing.sides)


@pytest.mark.parametrize(
    ("options", "key", "message"),
    [
        ({"type": "Thng", "size": 1}, ("type",), "Did you mean 'Thing'"),
        ({"size": 1}, (), "no 'type'"),
        ({"type": 3}, ("type",), "expected a name"),
        (["Thing"], (), "expected a mapping"),
        ({"type": "Thing"}, ("size",), "missing"),
        ({"type": "Thing", "size": 1, "sizes": 2}, ("sizes",), "Did you mean 'size'"),
        ({"type": "Thing", "size": "3"}, ("size",), "expected int, got '3'"),
        ({"type": "Thing", "size": True}, ("size",), "expected int, got True"),
        ({"type": "Thing", "size": 2.5}, ("size",), "expected int"),
        ({"type": "Thing", "size": 1, "flag": "yes"}, ("flag",), "expected bool"),
        ({"type": "Thing", "size": 1, "kind": "c"}, ("kind",), "'c'"),
        ({"type": "Thing", "size": 1, "sides": [1, "x"]}, ("sides", 1), "expected"),
        ({"type": "Thing", "size": 1, "sides": [1]}, ("sides",), "expected"),
        ({"type": "Thing", "size": 1, "sites": 2}, ("sites",), "no option 'sites'"),
        ({"type": "Thing", "size": -1}, ("size",), "negative"),
    ],
)
def test_a_wrong_option_is_named(
    registry: Registry, options: object, key: tuple, message: str
) -> None:
    with pytest.raises(OptionError) as caught:
        registry.build(options)
    assert caught.value.key == key
    assert message in str(caught.value)


def test_options_and_docs_come_from_the_signature(registry: Registry) -> None:
    options = registry.options("Thing")
    assert list(options) == ["size", "sides", "kind", "flag"]
    assert options["size"].required
    assert options["size"].doc == "how large; in pixels."
    assert options["sides"].type_name == "tuple[float, float]"
    assert registry.doc("Thing") == "A thing."


def test_a_name_is_taken_once(registry: Registry) -> None:
    with pytest.raises(KeyError, match="twice"):
        registry.register("Thing")(lambda: None)


def test_an_error_can_be_seen_from_further_outside(registry: Registry) -> None:
    with pytest.raises(OptionError) as caught:
        registry.build({"type": "Thing", "size": "x"})
    error = caught.value.under("datasets", "train")
    assert str(error).startswith("datasets.train.size: expected int, got 'x'.")


def test_plugins_register_and_a_broken_one_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = Registry("thing")
    loaded = []

    class Entry:
        def __init__(self, name: str) -> None:
            self.name = name

        def load(self) -> None:
            loaded.append(self.name)
            if self.name == "broken":
                raise RuntimeError("no such file")
            registry.register("FromPlugin")(lambda: "made by a plugin")

    def entry_points(group: str) -> list[Entry]:
        assert group == "adasr.plugins"
        return [Entry("broken"), Entry("good")]

    monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)
    monkeypatch.setattr(module, "_plugins_loaded", False)
    with pytest.warns(UserWarning, match="broken.*no such file"):
        assert "FromPlugin" in registry
    assert loaded == ["broken", "good"]
    assert registry.build({"type": "FromPlugin"}) == "made by a plugin"


def test_basicsrs_networks_are_found_by_name(basicsr: ModuleType) -> None:
    import torch

    net = ARCH_REGISTRY.build({"type": "EDSR", "num_in_ch": 3, "num_out_ch": 3, "num_feat": 8})
    assert type(net).__module__ == "basicsr.archs.edsr_arch"
    assert net(torch.zeros(1, 3, 4, 4)).shape == (1, 3, 16, 16)
    with pytest.raises(OptionError, match="Did you mean 'num_feat'"):
        ARCH_REGISTRY.build({"type": "EDSR", "num_fet": 8})
    assert ARCH_REGISTRY.get("RRDBNet").__module__.startswith("adasr.")


@pytest.mark.parametrize("kind", list(REGISTRIES))
def test_every_component_says_what_it_is_and_what_its_options_are(kind: str) -> None:
    registry = REGISTRIES[kind]
    assert registry.names()
    for name in registry.names():
        assert registry.doc(name).endswith((".", ")", ":")), name
        for option in registry.options(name).values():
            assert option.type_name != "any", f"{name}.{option.name} has no type"
            assert option.doc, f"{name}.{option.name} has no line in Args"
