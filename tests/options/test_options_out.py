"""Options as text: the resolved YAML, and the schema for editors."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from adasr.options import Options, dump_options, json_schema
from adasr.options.yaml_text import parse

Load = Callable[..., Options]

EXTRAS = (
    "regularizer={type: AdaptiveDropout, sites: last, schedule: {type: LayerwiseAnnealing}}",
    "datasets.val={type: DegradedFolder, dataroot_gt: Bäume, recipe: [clean, 1e5]}",
    "val.metrics={psnr: {crop_border: 4}, y: {type: psnr, test_y_channel: true}}",
    "train.scheduler={type: MultiStepLR, milestones: [3, 5]}",
    "train.pixel_opt=~",
    "train.perceptual_opt={type: LPIPSLoss}",
    "path.resume_state=a/b",
)


@pytest.fixture
def options(load: Load, train_yaml: str) -> Options:
    """Options with something in every section."""
    extras = [e.replace("1e5", "'1e5'") for e in EXTRAS]
    return load(train_yaml, *extras)


def test_the_resolved_yaml_builds_the_same_parts(options: Options, load: Load) -> None:
    text = dump_options(options)
    again = load(text)
    assert dump_options(again) == text
    assert again.model_dump(exclude=_COMPONENTS) == options.model_dump(exclude=_COMPONENTS)
    assert again.train.pixel_opt is None
    assert again.validation_datasets["val"].arguments["recipe"] == ["clean", "1e5"]


_COMPONENTS: Any = {"network_g", "regularizer", "degradation", "datasets", "train", "val"}


def test_the_resolved_yaml_holds_every_default(options: Options) -> None:
    written = yaml.safe_load(dump_options(options))
    assert written["network_g"] == {
        "type": "SRResNet",
        "num_feat": 64,
        "num_block": 16,
        "upscale": 4,
    }
    assert written["regularizer"] == {
        "type": "AdaptiveDropout",
        "p": 0.5,
        "weight": 0.3,
        "sites": "last",
        "schedule": {"type": "LayerwiseAnnealing"},
    }
    assert written["degradation"]["jpeg_range"] == [30, 95]
    assert written["datasets"]["train"]["batch_size_per_gpu"] == 16
    assert written["train"]["optim_g"] == {
        "type": "Adam",
        "lr": 2e-4,
        "betas": [0.9, 0.99],
        "eps": 1e-8,
    }
    assert written["logger"]["print_freq"] == 100


def test_options_of_a_test_can_be_written_too(load: Load) -> None:
    o = load("name: x\nscale: 4\nnetwork_g: {type: SRResNet}\n")
    again = load(dump_options(o))
    assert dump_options(again) == dump_options(o)
    assert again.train.total_iter == 0


def test_the_schema_knows_every_key_and_component() -> None:
    schema = json_schema()
    json.dumps(schema)
    assert set(schema["properties"]) == set(Options.model_fields)
    assert schema["required"] == ["name", "scale", "network_g"]
    assert schema["additionalProperties"] is False
    network = schema["properties"]["network_g"]
    assert {"enum": ["FixedNet", "SRResNet"]} in network["properties"]["type"]["anyOf"]
    srresnet = next(
        rule["then"]
        for rule in network["allOf"]
        if rule["if"]["properties"]["type"]["const"] == "SRResNet"
    )
    assert srresnet["properties"]["num_feat"] == {
        "type": "integer",
        "default": 64,
        "description": "channels of the features.",
    }
    assert srresnet["additionalProperties"] is False


def test_the_schema_takes_every_reference_from_itself() -> None:
    schema = json_schema()

    def references(part: Any) -> list[str]:
        if isinstance(part, list):
            return [r for item in part for r in references(item)]
        if isinstance(part, dict):
            own = [part["$ref"]] if isinstance(part.get("$ref"), str) else []
            return own + [r for item in part.values() for r in references(item)]
        return []

    found = references(schema)
    assert found
    for reference in found:
        assert reference.removeprefix("#/$defs/") in schema["$defs"]


def test_an_editor_accepts_what_is_right_and_marks_what_is_wrong(options: Options) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft7Validator(json_schema())
    validator.check_schema(validator.schema)
    right = parse(dump_options(options))[0]
    assert not list(validator.iter_errors(right))
    assert validator.is_valid(right | {"regularizer": "none", "degradation": None, "path": None})
    assert validator.is_valid(right | {"val": {"metrics": {"psnr": None}}})
    wrong = [
        {"network_g": {"type": "SRResNet", "num_fet": 3}},
        {"regularizer": {"type": "AdaptiveDropout", "p": "x"}},
        {"regularizer": {"type": "AdaptiveDropout", "schedule": {"type": 3}}},
        {"datasets": {"trian": {"type": "ImageFolder"}}},
        {"train": {"total_iter": 0}},
        {"train": {"precision": "fp8"}},
        {"scale": "4"},
        {"nme": 3},
    ]
    for change in wrong:
        assert not validator.is_valid(right | change), change
