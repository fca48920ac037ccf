"""Weights of other programs load from the file alone, whatever they call their keys."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

import adasr
from adasr.archs.keys import SPELLINGS, respelled
from adasr.archs.rrdbnet import RRDBNet
from adasr.archs.srresnet import SRResNet
from adasr.compat import import_torchvision
from adasr.weights import build_network, load_into, load_network, load_state, save_network

# spandrel's ESRGAN has 32 of these, always.
TINY_RRDB = {"type": "RRDBNet", "num_feat": 4, "num_block": 2, "num_grow_ch": 32}
TINY = {"type": "SRResNet", "num_feat": 4, "num_block": 3, "upscale": 2}


def outputs(net: nn.Module, images: Tensor) -> Tensor:
    with torch.no_grad():
        return net.eval()(images)


def assert_same(a: nn.Module, b: nn.Module, atol: float = 1e-6) -> None:
    images = torch.rand(1, 3, 8, 12)
    torch.testing.assert_close(outputs(a, images), outputs(b, images), rtol=0, atol=atol)


def esrgan(**options: Any) -> nn.Module:
    """spandrel's network with the key names of ESRGAN's first weights."""
    import_torchvision()
    from spandrel.architectures.ESRGAN import ESRGAN

    return ESRGAN(num_filters=4, num_blocks=2, **options)


def spandrel_finds(state: Mapping[str, Tensor]) -> Any:
    import_torchvision()
    import spandrel

    return spandrel.ModelLoader().load_from_state_dict(dict(state))


@pytest.mark.parametrize("upscale", [1, 2, 4])
def test_first_esrgan_weights_become_our_rrdbnet(tmp_path: Path, upscale: int) -> None:
    # Real-ESRGAN's x1 and x2 fold the input's pixels and enlarge by four.
    factor = 4 // upscale
    theirs = esrgan(in_nc=3 * factor**2, scale=4, shuffle_factor=factor if factor > 1 else None)
    assert "model.1.sub.0.RDB1.conv1.0.weight" in theirs.state_dict()
    torch.save(theirs.state_dict(), tmp_path / "old.pth")
    net = load_network(tmp_path / "old.pth")
    assert isinstance(net, RRDBNet) and net.upscale == upscale
    assert_same(net, theirs)
    into = build_network({**TINY_RRDB, "upscale": upscale})
    assert load_into(into, tmp_path / "old.pth") == []
    assert_same(into, theirs)
    sites = adasr.attach(net, adasr.AdaptiveDropout())
    assert [site.name for site in sites] == ["body.0.rdb3", "body.1.rdb3", "conv_last:input"]


@pytest.mark.parametrize("layout", ["mmsr", "esrgan"])
@pytest.mark.parametrize("upscale", [2, 4])
def test_our_rrdbnet_in_an_old_layout_is_an_esrgan_to_spandrel(layout: str, upscale: int) -> None:
    net = build_network({**TINY_RRDB, "upscale": upscale})
    state = respelled(net.state_dict(), "RRDBNet", layout)
    assert not any(key.startswith("body.") for key in state)
    found = spandrel_finds(state)
    assert found.architecture.id == "ESRGAN" and found.scale == upscale
    assert_same(found.model, net)


@pytest.mark.parametrize(
    ("options", "scale"),
    [
        ({"scale": 1}, 1),
        ({"scale": 2}, 2),
        ({"scale": 8}, 8),
        ({"scale": 16}, 16),
        ({"scale": 4, "plus": True}, 4),
    ],
)
def test_esrgans_that_our_rrdbnet_cannot_express_load_through_spandrel(
    tmp_path: Path, options: dict, scale: int
) -> None:
    theirs = esrgan(**options)
    torch.save(theirs.state_dict(), tmp_path / "old.pth")
    net = load_network(tmp_path / "old.pth")
    assert not isinstance(net, RRDBNet) and net.upscale == scale
    if not options.get("plus"):  # ESRGAN+ draws noise
        assert_same(net, theirs)


def test_an_x2_network_of_bsrgan_is_not_taken_for_a_damaged_x4(tmp_path: Path) -> None:
    state = respelled(build_network(TINY_RRDB).state_dict(), "RRDBNet", "mmsr")
    x2 = {key: value for key, value in state.items() if not key.startswith("upconv2")}
    torch.save(x2, tmp_path / "x2.pth")
    assert load_network(tmp_path / "x2.pth").upscale == 2


MMSR_SRRESNET = (
    r"conv_first|recon_trunk\.\d+\.conv[12]|upconv1|HRconv|conv_last",
    "mmsr",
)
AUTHORS = (r"conv_first|body[1-9]\d*\.0\.conv[12]|upconv1|conv_hr|conv_last", "authors")


@pytest.mark.parametrize(("names", "layout"), [MMSR_SRRESNET, AUTHORS])
def test_other_names_of_srresnet(tmp_path: Path, names: str, layout: str) -> None:
    net = build_network(TINY)
    state = respelled(net.state_dict(), "SRResNet", layout)
    assert all(re.fullmatch(f"(?:{names})\\.(?:weight|bias)", key) for key in state)
    torch.save(state, tmp_path / "net.pth")
    loaded = load_network(tmp_path / "net.pth")
    assert isinstance(loaded, SRResNet)
    assert_same(loaded, net, atol=0)
    assert load_into(build_network(TINY), tmp_path / "net.pth") == []


def test_every_spelling_names_each_key_once() -> None:
    for spelling in SPELLINGS:
        state = build_network({**TINY, "type": spelling.network, "upscale": 4}).state_dict()
        spelled = respelled(state, spelling.network, spelling.layout)
        assert len(spelled) == len(state)


def test_a_network_with_the_old_names_itself_takes_them(tmp_path: Path) -> None:
    theirs = esrgan()
    torch.save(theirs.state_dict(), tmp_path / "old.pth")
    net = esrgan()
    assert load_into(net, tmp_path / "old.pth") == []
    assert_same(net, theirs, atol=0)


WRAPS: dict[str, Callable[[dict], dict]] = {
    "params-ema": lambda state: {"params-ema": state, "params": {"x": torch.zeros(1)}},
    "net": lambda state: {"net": state, "epoch": 3},
    "an unknown single name": lambda state: {"generator": state},
    "netG.": lambda state: {f"netG.{key}": value for key, value in state.items()},
    "module. in params": lambda s: {"params": {f"module.{key}": value for key, value in s.items()}},
    "an empty ema": lambda state: {"params_ema": {}, "params": state},
}


@pytest.mark.parametrize("wrap", WRAPS)
def test_whatever_stands_around_a_state_dict_is_taken_off(tmp_path: Path, wrap: str) -> None:
    net = build_network(TINY)
    torch.save(WRAPS[wrap](dict(net.state_dict())), tmp_path / "net.pth")
    assert_same(load_network(tmp_path / "net.pth"), net, atol=0)


def test_a_mapping_inside_itself_ends(tmp_path: Path) -> None:
    content: dict[str, Any] = {}
    content["params"] = content
    torch.save(content, tmp_path / "net.pth")
    with pytest.raises(adasr.errors.WeightsError, match="no weights"):
        load_state(tmp_path / "net.pth")


def test_the_weights_to_read_can_be_chosen(tmp_path: Path) -> None:
    ema, last = build_network(TINY), build_network(TINY)
    path = tmp_path / "net.pth"
    torch.save({"params": last.state_dict(), "params_ema": ema.state_dict()}, path)
    assert_same(load_network(path), ema, atol=0)
    assert_same(load_network(path, key="params"), last, atol=0)
    net = build_network(TINY)
    assert load_into(net, path, key="params") == []
    assert_same(net, last, atol=0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("kind", ["SRResNet", "first ESRGAN x2"])
def test_weights_of_any_precision_load_as_float32(
    tmp_path: Path, dtype: torch.dtype, kind: str
) -> None:
    net = build_network(TINY) if kind == "SRResNet" else esrgan(scale=2)
    state = {key: value.to(dtype) for key, value in net.state_dict().items()}
    save_file(state, tmp_path / "half.safetensors")
    loaded = load_network(tmp_path / "half.safetensors")
    assert {p.dtype for p in loaded.parameters()} == {torch.float32}
    assert {v.dtype for v in load_state(tmp_path / "half.safetensors").values()} == {torch.float32}
    assert_same(loaded, net.to(dtype).float(), atol=0)


def test_a_network_with_an_upscale_of_another_meaning_keeps_its_keys(tmp_path: Path) -> None:
    import_torchvision()
    from spandrel.architectures.MoESR import MoESR

    theirs = MoESR(dim=16, n_blocks=1, n_block=1, upsample_dim=8, scale=2)
    torch.save(theirs.state_dict(), tmp_path / "net.pth")
    net = load_network(tmp_path / "net.pth")
    assert net.upscale == 2 and net.state_dict().keys() == theirs.state_dict().keys()
    adasr.attach(net, adasr.AdaptiveDropout(gate="vector"), example=torch.rand(1, 3, 8, 8))
    net.load_state_dict(net.state_dict())
    save_network(tmp_path / "again.safetensors", net)
    assert_same(load_network(tmp_path / "again.safetensors"), theirs)
