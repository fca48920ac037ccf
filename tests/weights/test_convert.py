"""Converted weights give the same outputs in the programs that they were converted for."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

import adasr
from adasr.archs.keys import LAYOUTS, respelled
from adasr.cli import main
from adasr.cli.weights import Layout
from adasr.data.images import read_image
from adasr.errors import OptionError, WeightsError
from adasr.weights import build_network, convert, load_network, load_state, save_network

SMALL = {"type": "SRResNet", "num_feat": 8, "num_block": 2, "upscale": 2}
DEEP = {"type": "SRResNet", "num_feat": 4, "num_block": 16}
RRDB = {"type": "RRDBNet", "num_feat": 8, "num_block": 2, "num_grow_ch": 4}


def outputs(net: nn.Module, images: Tensor) -> Tensor:
    with torch.no_grad():
        return net.eval()(images)


def assert_same(a: nn.Module, b: nn.Module, atol: float = 1e-6) -> None:
    images = torch.rand(1, 3, 8, 12)
    torch.testing.assert_close(outputs(a, images), outputs(b, images), rtol=0, atol=atol)


def metadata_of(path: Path) -> dict[str, str]:
    with safe_open(path, "pt") as file:
        return file.metadata()


def saved(folder: Path, options: dict) -> tuple[Path, nn.Module]:
    net = build_network(options)
    save_network(folder / "net.safetensors", net, {"iteration": "7"})
    return folder / "net.safetensors", net


def as_basicsr(path: Path, net: nn.Module, key: str) -> None:
    """BasicSR's own code path."""
    from basicsr.models.base_model import BaseModel

    BaseModel({"num_gpu": 0, "is_train": False}).load_network(net, str(path), True, key)


def as_real_esrgan(path: Path, net: nn.Module, _: str) -> None:
    """How Real-ESRGAN's inference reads weights."""
    held = torch.load(path, map_location="cpu")
    net.load_state_dict(held["params_ema" if "params_ema" in held else "params"], strict=True)


@pytest.mark.parametrize("load", [as_basicsr, as_real_esrgan])
@pytest.mark.parametrize("key", ["params", "params_ema"])
@pytest.mark.parametrize(
    "options",
    [*({**SMALL, "upscale": x} for x in (2, 3, 4)), *({**RRDB, "upscale": x} for x in (1, 2, 4))],
    ids=lambda options: f"{options['type']} x{options['upscale']}",
)
def test_basicsr_and_real_esrgan_read_a_converted_pth(
    tmp_path: Path,
    basicsr: ModuleType,
    options: dict,
    key: str,
    load: Callable[[Path, nn.Module, str], None],
) -> None:
    from basicsr.archs.rrdbnet_arch import RRDBNet as TheirRRDBNet
    from basicsr.archs.srresnet_arch import MSRResNet

    source, net = saved(tmp_path, options)
    convert(source, tmp_path / "theirs" / "net.pth")
    upscale = options["upscale"]
    if options["type"] == "SRResNet":
        theirs = MSRResNet(num_feat=8, num_block=2, upscale=upscale)
    else:
        theirs = TheirRRDBNet(3, 3, scale=upscale, num_feat=8, num_block=2, num_grow_ch=4)
    load(tmp_path / "theirs" / "net.pth", theirs, key)
    assert_same(theirs, net)


def test_weights_of_basicsr_become_a_file_that_says_what_it_is(
    tmp_path: Path, basicsr: ModuleType
) -> None:
    from basicsr.archs.rrdbnet_arch import RRDBNet as TheirRRDBNet

    theirs = TheirRRDBNet(3, 3, scale=2, num_feat=8, num_block=2, num_grow_ch=4)
    torch.save({"params_ema": theirs.state_dict()}, tmp_path / "theirs.pth")
    told = convert(tmp_path / "theirs.pth", tmp_path / "ours.safetensors")
    assert_same(load_network(tmp_path / "ours.safetensors"), theirs)
    found = metadata_of(tmp_path / "ours.safetensors")
    assert json.loads(found["arch"]) == {**RRDB, "upscale": 2, "num_in_ch": 3, "num_out_ch": 3}
    assert (found["format"], found["scale"]) == ("adasr", "2")
    assert found["version"] == adasr.__version__
    assert "\n" not in told
    assert "RRDBNet x2 with num_feat 8, num_block 2; " in told
    assert f"{sum(p.numel() for p in theirs.parameters()):,} parameters" in told
    assert "72 of 72 keys are its, such as conv_first.weight, body.0.rdb1.conv1.weight" in told


def test_the_authors_weights_go_both_ways(tmp_path: Path, shared: Path) -> None:
    golden = load_file(shared / "golden" / "xu2025_srresnet_details_x4.safetensors")
    state = {k.removeprefix("state."): v for k, v in golden.items() if k.startswith("state.")}
    torch.save({"params": state}, tmp_path / "authors.pth")
    for target in ("ours.safetensors", "ours.pth"):
        convert(tmp_path / "authors.pth", tmp_path / target)
        net = load_network(tmp_path / target)
        torch.testing.assert_close(
            outputs(net, golden["input"]), golden["output"], rtol=0, atol=1e-5
        )
        convert(tmp_path / target, tmp_path / "back.pth", layout="authors")
        back = torch.load(tmp_path / "back.pth", weights_only=True)
        for key in ("params", "params_ema"):
            assert back[key].keys() == state.keys()
            assert all(torch.equal(value, state[name]) for name, value in back[key].items())


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("options", [DEEP, RRDB], ids=["SRResNet", "RRDBNet"])
def test_there_and_back_changes_no_number(
    tmp_path: Path, options: dict, layout: str, suffix: str
) -> None:
    source, net = saved(tmp_path, options)
    there = tmp_path / f"there{suffix}"
    if (layout, options["type"]) in (("esrgan", "SRResNet"), ("authors", "RRDBNet")):
        with pytest.raises(WeightsError, match=f"layout '{layout}' has no key names"):
            convert(source, there, layout)
        return
    convert(source, there, layout)
    assert load_network(there).arch_options == net.arch_options
    convert(there, tmp_path / "back.safetensors")
    assert (tmp_path / "back.safetensors").read_bytes() == source.read_bytes() or (
        suffix == ".pth" and layout in ("mmsr", "esrgan")  # a state dict alone has no metadata
    )
    state = load_state(tmp_path / "back.safetensors")
    assert all(torch.equal(state[key], value) for key, value in net.state_dict().items())


def test_programs_before_basicsr_get_a_state_dict_alone(tmp_path: Path) -> None:
    source, net = saved(tmp_path, RRDB)
    convert(source, tmp_path / "old.pth", "esrgan")
    held = torch.load(tmp_path / "old.pth", weights_only=True)
    assert all(isinstance(value, Tensor) for value in held.values())
    assert len(held) == len(net.state_dict())


def test_weights_under_two_names_are_stored_once(tmp_path: Path) -> None:
    source, net = saved(tmp_path, {**RRDB, "num_feat": 32})
    convert(source, tmp_path / "net.pth")
    size = 4 * sum(parameter.numel() for parameter in net.parameters())
    assert (tmp_path / "net.pth").stat().st_size < 1.3 * size


@pytest.mark.parametrize("target", ["net.pth", "again.safetensors"])
def test_a_network_that_cannot_be_recognized_is_named_once(
    tmp_path: Path, basicsr: ModuleType, target: str
) -> None:
    from basicsr.archs.edsr_arch import EDSR

    theirs = EDSR(3, 3, num_feat=8, num_block=2, upscale=2, res_scale=0.1)
    torch.save({"params": theirs.state_dict()}, tmp_path / "edsr.pth")
    arch = {"type": "EDSR", "num_in_ch": 3, "num_out_ch": 3, "num_feat": 8, "num_block": 2}
    arch.update(upscale=2, res_scale=0.1)
    told = convert(tmp_path / "edsr.pth", tmp_path / target, arch=arch)
    assert "EDSR x2" in told and "by the options given" in told
    net = load_network(tmp_path / target)
    assert net.upscale == 2
    assert_same(net, theirs)
    with pytest.raises(WeightsError, match="of another shape"):
        convert(tmp_path / "edsr.pth", tmp_path / target, arch={**arch, "num_feat": 16})
    with pytest.raises(OptionError, match=r"arch\.type: 'EDSR' refuses"):
        convert(tmp_path / "edsr.pth", tmp_path / target, arch={**arch, "num_feat": []})


def test_networks_of_spandrel_keep_their_keys(tmp_path: Path) -> None:
    net = build_network({"type": "Compact", "num_feat": 8, "num_conv": 2, "upscale": 2})
    save_file(net.state_dict(), tmp_path / "community.safetensors", {"author": "someone"})
    told = convert(tmp_path / "community.safetensors", tmp_path / "net.safetensors")
    assert "Compact x2" in told and "by spandrel" in told
    found = metadata_of(tmp_path / "net.safetensors")
    assert found["author"] == "someone" and found["scale"] == "2" and "arch" not in found
    assert load_file(tmp_path / "net.safetensors").keys() == net.state_dict().keys()
    assert_same(load_network(tmp_path / "net.safetensors"), net)


def test_metadata_survives(tmp_path: Path) -> None:
    source, _ = saved(tmp_path, SMALL)
    convert(source, tmp_path / "net.pth")
    convert(tmp_path / "net.pth", tmp_path / "again.safetensors")
    assert metadata_of(tmp_path / "again.safetensors") == metadata_of(source)
    assert metadata_of(source)["iteration"] == "7"


def test_what_regularizers_learned_is_left_out(tmp_path: Path) -> None:
    net = build_network(SMALL)
    plain = dict(net.state_dict())
    adasr.attach(net, adasr.AdaptiveDropout(gate="vector"), example=torch.rand(1, 3, 8, 8))
    assert len(net.state_dict()) > len(plain)
    torch.save({"params": net.state_dict()}, tmp_path / "trained.pth")
    convert(tmp_path / "trained.pth", tmp_path / "net.pth")
    assert load_state(tmp_path / "net.pth").keys() == plain.keys()


def test_the_weights_to_convert_can_be_chosen(tmp_path: Path) -> None:
    ema, last = build_network(SMALL).state_dict(), build_network(SMALL).state_dict()
    torch.save({"params": last, "params_ema": ema}, tmp_path / "both.pth")
    for key, expected in ((None, ema), ("params", last), ("params_ema", ema)):
        convert(tmp_path / "both.pth", tmp_path / "net.safetensors", key=key)
        state = load_state(tmp_path / "net.safetensors")
        assert all(torch.equal(state[name], value) for name, value in expected.items())


def test_half_precision_becomes_float32(tmp_path: Path) -> None:
    state = {k: v.half() for k, v in build_network(SMALL).state_dict().items()}
    torch.save(state, tmp_path / "half.pth")
    for target in ("net.safetensors", "net.pth"):
        convert(tmp_path / "half.pth", tmp_path / target)
        assert {v.dtype for v in load_state(tmp_path / target).values()} == {torch.float32}


def test_the_input_is_never_written_over(tmp_path: Path) -> None:
    source, _ = saved(tmp_path, SMALL)
    (tmp_path / "link.safetensors").symlink_to(source)
    before = source.read_bytes()
    for target in (source, tmp_path / "link.safetensors"):
        with pytest.raises(WeightsError, match="is the file to convert"):
            convert(source, target)
    assert source.read_bytes() == before


@pytest.mark.parametrize("target", ["net.pth", "net.safetensors"])
def test_a_failed_write_leaves_the_earlier_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    source, _ = saved(tmp_path, SMALL)
    place = tmp_path / "out" / target
    convert(source, place)
    before = place.read_bytes()

    def no_space(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", no_space)
    with pytest.raises(OSError, match="No space"):
        convert(source, place)
    assert place.read_bytes() == before
    assert [p.name for p in place.parent.iterdir()] == [target]


def test_what_cannot_be_converted_says_why(tmp_path: Path) -> None:
    source, _ = saved(tmp_path, SMALL)
    with pytest.raises(WeightsError, match="the authors' network has 16 blocks"):
        convert(source, tmp_path / "net.pth", "authors")
    with pytest.raises(OptionError, match=r"must end in \.safetensors or \.pth"):
        convert(source, tmp_path / "net.onnx")
    with pytest.raises(OptionError, match="must be one of basicsr"):
        convert(source, tmp_path / "net.pth", "old")
    with pytest.raises(WeightsError, match="does not exist"):
        convert(tmp_path / "gone.pth", tmp_path / "net.pth")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["net.safetensors"]


def test_the_command_offers_every_layout() -> None:
    assert [layout.value for layout in Layout] == list(LAYOUTS)


def test_the_command_converts_and_explains(
    tmp_path: Path, images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = respelled(build_network(DEEP).state_dict(), "SRResNet", "authors")
    torch.save({"params": state}, tmp_path / "authors.pth")
    target = tmp_path / "a" / "net.pth"
    assert main(["convert", "-i", str(tmp_path / "authors.pth"), "-o", str(target)]) == 0
    told = capsys.readouterr()
    assert told.out.startswith(f"{target}: SRResNet x4") and told.out.count("\n") == 1
    assert not told.err
    command = ["convert", "-i", str(target), "-o", str(tmp_path / "x.pth"), "--arch"]
    assert main([*command, "{type: SRResNet, num_feta: 8}"]) == 2
    told = capsys.readouterr()
    assert told.err.startswith("error: arch.num_feta: ") and "num_feat" in told.err
    assert main([*command, "{type: SRResNet"]) == 2
    assert capsys.readouterr().err.startswith("error: arch: is no YAML")


def test_inference_takes_every_layout(tmp_path: Path, images: Path) -> None:
    authors = respelled(build_network(DEEP).state_dict(), "SRResNet", "authors")
    old = respelled(build_network(RRDB).state_dict(), "RRDBNet", "esrgan")
    torch.save({"params": authors}, tmp_path / "authors.pth")
    torch.save(old, tmp_path / "old.pth")
    convert(tmp_path / "authors.pth", tmp_path / "converted.safetensors")
    for weights in ("authors.pth", "old.pth", "converted.safetensors"):
        out = tmp_path / weights.partition(".")[0]
        picture, model = str(images / "img0.png"), str(tmp_path / weights)
        assert main(["infer", "-i", picture, "-o", str(out), "-m", model]) == 0
        assert read_image(out / "img0.png").shape == (256, 256, 3)
