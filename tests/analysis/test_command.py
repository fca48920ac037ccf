"""``adasr analyze`` as a person types it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from PIL import Image

from adasr.cli import main
from adasr.weights import build_network, save_network

ALL = ["inconsistency", "saliency", "representations", "similarity", "zeroing"]
SMALL = ["--crops", "3", "--crop-size", "8", "--draws", "2"]
ADAPTIVE = {
    "type": "AdaptiveDropout",
    "schedule": {"type": "LayerwiseAnnealing", "interval": 10},
}
Make = Callable[..., str]


@pytest.fixture
def weights(tmp_path: Path) -> Make:
    """Writes the weights of a small network x2."""

    def write(
        name: str, regularizer: Mapping[str, Any] | None = None, arch: object = None, **held: str
    ) -> str:
        torch.manual_seed(len(name))
        arch = arch or {"type": "SRResNet", "num_feat": 8, "num_block": 2, "upscale": 2}
        options: dict[str, Any] = {"name": name, "train": {"total_iter": 100}}
        if regularizer is not None:
            options["regularizer"] = dict(regularizer)
        metadata = {"name": name, "iteration": "15", "options": yaml.safe_dump(options), **held}
        path = tmp_path / f"{name}.safetensors"
        save_network(path, build_network(arch), metadata)  # type: ignore[arg-type]
        return str(path)

    return write


def _analyze(out: Path, *arguments: str) -> tuple[int, dict[str, Any], str]:
    code = main(["analyze", "-o", str(out), *SMALL, *arguments])
    data = json.loads((out / "analysis.json").read_text(), parse_constant=pytest.fail)
    return code, data["diagnostics"], (out / "analysis.md").read_text()


def test_several_networks_are_drawn_side_by_side(
    weights: Make, images: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    files = [weights("adaptive", ADAPTIVE), weights("kong", {"type": "ChannelDropout"})]
    recipes = ["--recipes", "clean", "noise20", "jpeg50"]
    code, found, text = _analyze(out, "-m", *files, "--data", str(images), *recipes)
    assert code == 0
    assert list(found) == ALL
    for name in ALL:
        assert list(found[name]["models"]) == ["adaptive", "kong"]
        assert f"]({name}.png)" in text
        with Image.open(out / f"{name}.png") as picture:
            assert min(picture.size) > 300
        assert (out / f"{name}.svg").stat().st_size > 5000
    assert text.count("**What to read from it.**") == 5
    shifts = found["inconsistency"]["models"]["adaptive"]["conditions"]
    told = [one["condition"] for one in shifts]
    assert told == [
        "dropout alone (w = 0)",
        "blend (w = 0.3)",
        "at iteration 15: 1 of 3 sites annealed",
    ]
    assert [site["weight"] for site in shifts[2]["sites"]] == [1, 0.3, 0.3]
    assert len(found["inconsistency"]["models"]["kong"]["conditions"]) == 1
    assert set(found["similarity"]["models"]["kong"]["cka"]) == {"noise20", "jpeg50"}


def test_the_same_command_gives_the_same_files(weights: Make, images: Path, tmp_path: Path) -> None:
    command = ["-m", weights("kong", {"type": "ChannelDropout"}), "--data", str(images)]
    for out in ("one", "two"):
        _analyze(tmp_path / out, *command, "--only", "inconsistency", "saliency")
    for name in ("inconsistency.png", "saliency.svg"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_a_network_without_regularizer_is_said_and_one_can_be_tried(
    weights: Make, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["-m", weights("plain"), "--data", str(images), "--only", "inconsistency"]
    code, found, text = _analyze(tmp_path / "out", *command)
    assert code == 0
    assert found["inconsistency"]["models"] == {}
    assert "trained without a regularizer" in capsys.readouterr().out
    assert "trained without a regularizer" in text
    assert not (tmp_path / "out" / "inconsistency.png").exists()
    tried = ["--regularizer", "{type: AdaptiveDropout, p: 0.3, weight: 0.5}"]
    code, found, text = _analyze(tmp_path / "out", *command, *tried)
    assert code == 0
    assert len(found["inconsistency"]["models"]["plain"]["conditions"]) == 2
    assert (tmp_path / "out" / "inconsistency.png").exists()


def test_a_gate_is_said_to_be_missing(weights: Make, images: Path, tmp_path: Path) -> None:
    file = weights("gated", {"type": "AdaptiveDropout", "gate": "vector"})
    _, found, _ = _analyze(
        tmp_path / "out", "-m", file, "--data", str(images), "--only", "inconsistency"
    )
    assert "gate" in found["inconsistency"]["notes"]["gated"]
    assert len(found["inconsistency"]["models"]["gated"]["conditions"]) == 1


def test_gray_networks_and_others_of_the_field_do(
    weights: Make, images: Path, tmp_path: Path
) -> None:
    gray = {"type": "SRResNet", "num_in_ch": 1, "num_out_ch": 1, "num_feat": 8, "num_block": 1}
    swin = {"type": "SwinIR", "upscale": 2, "embed_dim": 12, "depths": [2], "num_heads": [2]}
    dropout = {"type": "ChannelDropout", "p": 0.5}
    files = [
        weights("gray", dropout, {**gray, "upscale": 2}),
        weights("swin", dropout, swin),
    ]
    command = ["-m", *files, "--data", str(images), "--recipes", "clean", "noise20"]
    code, found, _ = _analyze(tmp_path / "out", *command)
    assert code == 0
    assert all(list(found[name]["models"]) == ["gray", "swin"] for name in ALL)


def test_one_recipe_leaves_out_what_compares_recipes(
    weights: Make, images: Path, tmp_path: Path
) -> None:
    command = ["-m", weights("kong"), "--data", str(images), "--recipes", "clean"]
    code, found, text = _analyze(
        tmp_path / "out", *command, "--only", "representations", "similarity"
    )
    assert code == 0
    assert found["similarity"]["models"] == {}
    assert "name a recipe beside 'clean'" in found["similarity"]["notes"]["kong"]
    assert found["representations"]["models"]["kong"]["views"][0]["score"] is None
    assert "One degradation alone has no cluster score" in text


def test_a_network_that_overflows_is_named_and_the_others_are_drawn(
    weights: Make, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = weights("good")
    net = build_network({"type": "SRResNet", "num_feat": 8, "num_block": 2, "upscale": 2})
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.mul_(1e20)
    bad = tmp_path / "bad.safetensors"
    save_network(bad, net)
    only = ["--only", "zeroing", "similarity"]
    command = ["-m", good, str(bad), "--data", str(images), *only]
    code, found, text = _analyze(tmp_path / "out", *command)
    assert code == 1
    assert list(found["zeroing"]["models"]) == ["good"]
    assert "not finite" in found["zeroing"]["failures"]["bad"]
    assert "zeroing: bad FAILED" in capsys.readouterr().out
    assert "bad FAILED" in text


def test_networks_of_one_name_are_told_apart(weights: Make, images: Path, tmp_path: Path) -> None:
    first = weights("same")
    (tmp_path / "a").mkdir()
    other = tmp_path / "a" / "later.safetensors"
    net = build_network({"type": "SRResNet", "num_feat": 8, "num_block": 2, "upscale": 2})
    save_network(other, net, {"name": "same", "iteration": "20"})
    command = ["--data", str(images), "--only", "zeroing"]
    _, found, _ = _analyze(tmp_path / "out", "-m", first, str(other), first, *command)
    assert list(found["zeroing"]["models"]) == ["same 15", "same 20"]
    _, found, _ = _analyze(tmp_path / "out", "-m", f"mine={first}", *command)
    assert list(found["zeroing"]["models"]) == ["mine"]


def test_an_unreadable_image_is_named_and_the_rest_is_used(
    weights: Make, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "broken.png").write_bytes(b"")
    data = ["--data", str(images), str(tmp_path / "more")]
    code, _, text = _analyze(tmp_path / "out", "-m", weights("net"), *data, "--only", "zeroing")
    assert code == 1
    assert "broken.png" in capsys.readouterr().out
    assert "broken.png" in text


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--only", "salency"], "Did you mean 'saliency'?"),
        (["--recipes", "blur3"], "unknown recipe"),
        (["--sites", "bdy.*"], "matches no module"),
        (["--sites", "upconv1:output"], "matches no module"),
        (["--regularizer", "{type: Dropout}"], "Did you mean"),
        (["--regularizer", "0.5"], "expected a mapping"),
        (["--regularizer", "{type: ChannelDropout, p: 2}"], "drop probability"),
        (["--device", "cuda:99"], "cannot be used here"),
        (["--draws", "1"], "--draws"),
        (["-m", "none.safetensors"], "none.safetensors"),
        (["--data", "nowhere"], "nowhere"),
        (["--crop-size", "400"], "smaller than a crop"),
    ],
)
def test_wrong_usage_is_one_message(
    arguments: list[str],
    told: str,
    weights: Make,
    images: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    command = ["analyze", "-m", weights("net"), "--data", str(images), "-o", str(out)]
    assert main([*command, *arguments]) in (1, 2)
    captured = capsys.readouterr()
    assert told in captured.err + captured.out
    assert "Traceback" not in captured.err


def test_networks_of_two_scales_are_refused(
    weights: Make, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = weights("x4", arch={"type": "SRResNet", "num_feat": 8, "num_block": 1, "upscale": 4})
    command = ["-m", weights("x2"), other, "--data", str(images), "-o", str(tmp_path / "out")]
    assert main(["analyze", *command]) == 2
    assert "one scale at a time" in capsys.readouterr().err
