"""Folders and files that options name are looked for before anything runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from adasr.options import Options, OptionsFileError, check_paths

Load = Callable[..., Options]

TEXT = """\
name: x
scale: 4
network_g: {type: SRResNet}
degradation: {type: RealESRGAN}
datasets:
  train:
    type: ImageFolder
    dataroot_gt:
      - data/a
      - data/b
    gt_size: 128
    meta_info: meta.txt
  val:
    type: PairedFolder
    dataroot_gt: data/hr
    dataroot_lq: data/lr
  test_b: {type: DegradedFolder, dataroot_gt: data/test, recipe: clean}
path:
  pretrain_network_g: w.pth
  resume_state: 9.state
train:
  total_iter: 3
  perceptual_opt: {type: LPIPSLoss, weights: p.pth}
val:
  metrics:
    lpips: {weights: q.pth}
"""
FOLDERS = ["data/a", "data/b", "data/hr", "data/lr", "data/test"]
FILES = ["meta.txt", "w.pth", "p.pth", "q.pth", "9.state"]


@pytest.fixture
def options(load: Load) -> Options:
    """Options whose every file and folder is there."""
    for folder in FOLDERS:
        Path(folder).mkdir(parents=True)
    for file in FILES:
        Path(file).touch()
    return load(TEXT)


def messages(options: Options, **phase: str) -> list[str]:
    with pytest.raises(OptionsFileError) as caught:
        check_paths(options, **phase)  # type: ignore[arg-type]
    return str(caught.value).splitlines()


def test_nothing_is_said_when_all_is_there(options: Options) -> None:
    check_paths(options)
    check_paths(options, "train")
    check_paths(options, "test")


def test_every_missing_path_is_told_with_its_line(options: Options) -> None:
    for folder in FOLDERS:
        Path(folder).rmdir()
    for file in FILES:
        Path(file).unlink()
    found = messages(options)
    lines = [int(m.split(":")[1]) for m in found]
    assert lines == [9, 10, 12, 15, 16, 17, 19, 20, 23, 26]
    assert "o.yml:10: datasets.train.dataroot_gt.1: there is no folder 'data/b'." in found[1]


def test_the_nearest_name_is_told(options: Options) -> None:
    Path("data/test").rename("data/tests")
    (found,) = messages(options)
    assert "there is no folder 'data/test'. Did you mean 'data/tests'?" in found


def test_a_file_is_no_folder_and_a_folder_no_file(options: Options) -> None:
    Path("data/hr").rmdir()
    Path("data/hr").touch()
    Path("w.pth").unlink()
    Path("w.pth").mkdir()
    Path("experiments").touch()
    found = "\n".join(messages(options))
    assert "path.experiments_root: 'experiments' is a file, not a folder." in found
    assert "o.yml:15: datasets.val.dataroot_gt: 'data/hr' is a file, not a folder." in found
    assert "o.yml:19: path.pretrain_network_g: 'w.pth' is a folder, not a file." in found


def test_a_training_does_not_need_the_test_sets_and_the_reverse(options: Options) -> None:
    Path("data/test").rmdir()
    check_paths(options, "train")
    assert len(messages(options, phase="test")) == 1
    Path("data/test").mkdir()
    Path("data/a").rmdir()
    Path("data/lr").rmdir()
    Path("p.pth").unlink()
    Path("9.state").unlink()
    check_paths(options, "test")
    assert len(messages(options, phase="train")) == 4


def test_a_home_folder_is_found(
    options: Options, load: Load, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    o = load(TEXT, "path.pretrain_network_g=~/w.pth", "datasets.val.dataroot_gt=~/data/hr")
    assert o.path.pretrain_network_g == tmp_path / "w.pth"
    check_paths(o)


def test_an_override_is_named(options: Options, load: Load) -> None:
    (found,) = messages(load(TEXT, "datasets.val.dataroot_gt=nowhere"))
    place = "--set datasets.val.dataroot_gt=nowhere: datasets.val.dataroot_gt: "
    assert found.startswith(f"{place}there is no folder 'nowhere'.")
