"""What is written is what is read back, by us and by others; a failed write leaves no trace."""

from __future__ import annotations

import errno

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from adasr.data import pictures
from adasr.data.images import read_image, to_image, to_tensor, write_image
from adasr.errors import ImageWriteError

RNG = np.random.default_rng(3)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize(
    ("suffix", "dtype"),
    [
        (".png", np.uint8),
        (".png", np.uint16),
        (".tif", np.uint8),
        (".tiff", np.uint16),
        (".tif", np.float32),
        (".bmp", np.uint8),
        (".webp", np.uint8),
    ],
)
def test_lossless_round_trip(tmp_path, channels, suffix, dtype, capfd):
    image = RNG.integers(0, 256 if dtype == np.uint8 else 65536, (9, 12, channels)).astype(dtype)
    path = tmp_path / f"ü{suffix}"
    write_image(path, image)
    back = read_image(path)
    if suffix in (".webp", ".bmp") and channels <= 2:
        back = back[..., [0, -1][:channels]]  # the format has no gray, or no gray with alpha
    assert back.dtype == dtype
    np.testing.assert_array_equal(back, image)
    assert capfd.readouterr() == ("", "")


def test_others_read_the_same_order_of_channels(tmp_path, photo):
    for suffix in ("png", "bmp", "tif", "webp"):
        write_image(tmp_path / f"a.{suffix}", photo)
        np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / f"a.{suffix}")), photo)


def test_jpeg_quality(tmp_path, photo):
    sizes = []
    for quality in (30, 95):
        write_image(tmp_path / "a.jpg", photo, quality=quality)
        back = np.asarray(Image.open(tmp_path / "a.jpg")).astype(int)
        assert np.abs(back - photo).mean() < 12
        sizes.append((tmp_path / "a.jpg").stat().st_size)
    assert sizes[0] < sizes[1]


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp", ".webp"])
def test_gray_without_channel_axis_and_views(tmp_path, photo, suffix):
    path = tmp_path / f"a{suffix}"
    write_image(path, photo[::-1, ::2, 0])
    np.testing.assert_array_equal(read_image(path)[..., 0], photo[::-1, ::2, 0])
    write_image(path, np.asfortranarray(photo))
    np.testing.assert_array_equal(read_image(path), photo)


@pytest.mark.parametrize(
    ("name", "image", "problem"),
    [
        ("a.xyz", np.zeros((2, 2, 3), np.uint8), "unknown suffix '.xyz'"),
        ("a", np.zeros((2, 2, 3), np.uint8), "unknown suffix"),
        ("a.jpg", np.zeros((2, 2, 4), np.uint8), "cannot hold alpha"),
        ("a.jpg", np.zeros((2, 2, 3), np.uint16), "cannot hold uint16"),
        ("a.png", np.zeros((2, 2, 3), np.float32), "cannot hold float32"),
        ("a.jpg", np.zeros((2, 2, 2), np.uint8), "cannot hold alpha"),
        ("a.png", np.zeros((2, 2, 5), np.uint8), "array of 2x2x5"),
        ("a.png", np.zeros((0, 2, 3), np.uint8), "array of 0x2x3"),
        ("a.webp", np.zeros((1, 20000, 3), np.uint8), "side of 20000 pixels"),
        ("a.jpg", np.zeros((70000, 1, 3), np.uint8), "side of 70000 pixels"),
    ],
)
def test_impossible_is_refused(tmp_path, name, image, problem, capfd):
    with pytest.raises(ImageWriteError, match=problem):
        write_image(tmp_path / name, image)
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")


def test_system_errors_are_told_and_the_old_file_stays(tmp_path, photo, monkeypatch):
    path = tmp_path / "a.png"
    write_image(path, photo)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pictures, "write_bytes", full)
    with pytest.raises(ImageWriteError, match="No space left on device"):
        write_image(path, photo[::-1])
    monkeypatch.undo()
    np.testing.assert_array_equal(read_image(path), photo)
    with pytest.raises(ImageWriteError, match="cannot be written"):
        write_image(path / "below_a_file.png", photo)
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_every_value_survives_the_tensor(dtype):
    values = np.arange(np.iinfo(dtype).max + 1, dtype=dtype).reshape(-1, 16, 1)
    tensor = to_tensor(values)
    assert tensor.dtype == torch.float32 and tensor.shape == (1, values.shape[0], 16)
    assert tensor.min() == 0 and tensor.max() == 1
    expected = values.astype(np.float64) / np.iinfo(dtype).max
    np.testing.assert_allclose(tensor[0].numpy(), expected[..., 0], atol=1e-7)
    np.testing.assert_array_equal(to_image(tensor, dtype), values)


def test_tensor_is_independent_of_the_array(photo):
    for image in (photo.copy(), photo.astype(np.float32), photo[..., :1].astype(np.float32)):
        tensor = to_tensor(image)
        before = tensor.clone()
        image[:] = 0
        assert torch.equal(tensor, before)


def test_to_image_clamps_rounds_and_survives_nan():
    tensor = torch.tensor([-1.0, 0.4 / 255, 0.6 / 255, 2.0, float("nan")]).reshape(1, 1, 1, 5)
    np.testing.assert_array_equal(to_image(tensor)[0, :, 0], [0, 0, 1, 255, 0])
    assert to_image(tensor, np.float32).dtype == np.float32
    assert to_image(tensor.bfloat16()).dtype == np.uint8
    with pytest.raises(ValueError, match="expected"):
        to_image(torch.zeros(2, 3, 4, 4))


def test_tensor_equals_basicsr(photo):
    from adasr.compat import import_basicsr

    try:
        import_basicsr()
    except ImportError:
        pytest.skip("BasicSR is not installed")
    from basicsr.utils import img2tensor, tensor2img

    bgr = np.ascontiguousarray(photo[..., ::-1])
    theirs = img2tensor(bgr.astype(np.float32) / 255.0)
    assert torch.equal(to_tensor(photo), theirs)
    noisy = theirs + torch.randn(theirs.shape, generator=torch.Generator().manual_seed(0))
    np.testing.assert_array_equal(to_image(noisy), tensor2img(noisy)[..., ::-1])
    assert cv2.imencode(".png", bgr)[0]
