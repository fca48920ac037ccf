"""What the page's button does, without a browser."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from adasr.app.choices import find_weights
from adasr.app.enlarge import Enlarger, Limits, Settings, tell
from adasr.app.workspace import Workspace, pack
from adasr.data.images import read_image, write_image
from adasr.errors import AdasrError, FileError, ImageReadError, OptionError
from adasr.inference.upscaler import Upscaler
from adasr.weights import build_network, save_network


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    net = build_network({"type": "SRResNet", "num_feat": 8, "num_block": 1, "upscale": 2})
    path = tmp_path / "weights" / "net_g.safetensors"
    save_network(path, net)
    return path


def picture(path: Path, channels: int = 4, dtype: type = np.uint16) -> Path:
    values = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (20, 30, channels))
    write_image(path, values.astype(dtype))
    return path


def test_results_have_the_full_quality_of_the_library(weights: Path, tmp_path: Path) -> None:
    image = picture(tmp_path / "deep.png")
    settings = Settings(weights, precision="fp32")
    result = Enlarger("cpu").enlarge(image, settings, tmp_path / "out")
    made = read_image(result.file)
    assert made.dtype == np.uint16 and made.shape == (40, 60, 4)
    np.testing.assert_array_equal(made, Upscaler(weights, "cpu", "fp32")(read_image(image)))
    assert result.name == "deep.png" and "30 x 20 to 60 x 40" in result.size


def test_previews_are_alike_in_size_and_no_larger_than_a_screen(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adasr.app.preview.LONGEST", 24)
    result = Enlarger("cpu").enlarge(
        picture(tmp_path / "a.png", 3, np.uint8), Settings(weights), tmp_path / "out"
    )
    before, after = read_image(result.before), read_image(result.after)
    assert before.shape == after.shape == (16, 24, 3)
    assert before.dtype == after.dtype == np.uint8


def test_scale_and_format_are_as_chosen_and_names_never_clash(
    weights: Path, tmp_path: Path
) -> None:
    enlarger, out = Enlarger("cpu"), tmp_path / "out"
    image = picture(tmp_path / "a.png", 3, np.uint8)
    settings = Settings(weights, scale=1.5, format="webp")
    names = [enlarger.enlarge(image, settings, out).file for _ in range(2)]
    assert [path.name for path in names] == ["a.webp", "a-2.webp"]
    assert read_image(names[1]).shape == (30, 45, 3)


def test_too_much_is_refused_before_anything_is_done(weights: Path, tmp_path: Path) -> None:
    image = picture(tmp_path / "a.png")
    enlarger = Enlarger("cpu", Limits(max_pixels=599, max_files=2))
    with pytest.raises(AdasrError, match="Choose an image"):
        enlarger.check([])
    with pytest.raises(AdasrError, match="3 images are too many: choose 2"):
        enlarger.check([image] * 3)
    with pytest.raises(FileError, match="no longer there"):
        enlarger.check([tmp_path / "gone.png"])
    with pytest.raises(ImageReadError):
        enlarger.enlarge(image, Settings(weights), tmp_path / "out")
    large = Settings(weights, scale=8)  # 64 times the pixels
    with pytest.raises(FileError, match="would become 0 megapixels"):
        Enlarger("cpu", Limits(max_pixels=600)).enlarge(image, large, tmp_path / "out")
    with pytest.raises(OptionError, match="max_files"):
        Limits(max_files=0)


def test_a_format_that_cannot_hold_the_result_is_known_before_the_network_runs(
    weights: Path, tmp_path: Path
) -> None:
    write_image(tmp_path / "clear.png", np.zeros((8, 8, 4), np.uint8))
    tiles: list[int] = []
    with pytest.raises(FileError, match="cannot hold alpha"):
        Enlarger("cpu").enlarge(
            tmp_path / "clear.png",
            Settings(weights, format="jpg"),
            tmp_path / "out",
            lambda done, total: tiles.append(done),
        )
    assert not tiles


def test_messages_name_files_without_the_folders_of_the_computer() -> None:
    error = FileError("/secret/place/a.png", "is damaged", "Copy it again.")
    assert tell(error) == "a.png is damaged. Copy it again."
    assert "/secret" not in tell(OSError(28, "No space left on device", "/secret/b.png"))


def test_weights_are_found_and_those_of_discriminators_left_out(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weights" / "net_d_5.pth").write_bytes(b"")
    other = tmp_path / "b" / "net_g.safetensors"
    other.parent.mkdir()
    other.write_bytes(b"")
    assert find_weights([]) == {"net_g.safetensors": Path("weights/net_g.safetensors")}
    assert set(find_weights([weights.parent, other])) == {str(weights), str(other)}
    with pytest.raises(FileError, match="does not exist"):
        find_weights([tmp_path / "none"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(OptionError, match="no weights"):
        find_weights([tmp_path / "empty"])


def test_files_of_visitors_go(tmp_path: Path) -> None:
    with Workspace() as workspace:
        first = workspace.fresh(None)
        second = workspace.fresh(str(first))
        assert not first.exists() and second.is_dir()
        workspace.drop(str(tmp_path))  # none of its own
        file = second / "a.png"
        file.write_bytes(b"a")
        with zipfile.ZipFile(pack([file], second)) as archive:
            assert archive.namelist() == ["a.png"]
    assert tmp_path.is_dir() and not workspace.root.exists()
