"""What TensorBoard shows of a run, read back with TensorBoard's own reader."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.custom_scalar import layout_pb2

from adasr.training.log import TrainingLog, read_metrics, whole_records

WEIGHTS = [1.0, 0.3, 0.3]
TRAIN = {"l_pix": 0.5, "lr": 1e-3, "data_wait": 0.1, "memory_mib": 900.0, "weights": WEIGHTS}
VAL = {"Set5/psnr": 30.0, "Set5/blur2/psnr": 28.0}


def events(folder: Path) -> EventAccumulator:
    reader = EventAccumulator(str(folder / "tb"), {"scalars": 0, "images": 0, "tensors": 0})
    return reader.Reload()


def logged(folder: Path, **options: Any) -> TrainingLog:
    return TrainingLog(folder, 100, quiet=True, **options)


def test_every_number_becomes_a_scalar_in_a_group(tmp_path: Path) -> None:
    with logged(tmp_path) as log:
        log.metrics(10, "train", TRAIN)
        log.metrics(10, "val", VAL)
    reader = events(tmp_path)
    found = {tag: reader.Scalars(tag)[0].value for tag in reader.Tags()["scalars"]}
    assert found == pytest.approx(
        {
            "losses/l_pix": 0.5,
            "train/lr": 1e-3,
            "speed/data_wait": 0.1,
            "memory/memory_mib": 900.0,
            "weights/00": 1.0,
            "weights/01": 0.3,
            "weights/02": 0.3,
            "metrics/Set5/psnr": 30.0,
            "recipes/Set5/blur2/psnr": 28.0,
        }
    )
    assert [r["kind"] for r in read_metrics(tmp_path)] == ["train", "val"]
    assert read_metrics(tmp_path)[0]["weights"] == WEIGHTS


def test_named_sites_keep_their_order(tmp_path: Path) -> None:
    names = ["conv_first", "body.10.conv1", "body.2.conv1"]
    with logged(tmp_path) as log:
        log.metrics(1, "train", {"weights": dict(zip(names, WEIGHTS, strict=True))})
    tags = sorted(events(tmp_path).Tags()["scalars"])
    assert tags == [f"weights/{i:02d}_{name}" for i, name in enumerate(names)]


def test_related_curves_share_a_chart(tmp_path: Path) -> None:
    with logged(tmp_path) as log:
        log.metrics(10, "train", TRAIN)
        log.metrics(10, "val", VAL)
    held = events(tmp_path).Tensors("custom_scalars__config__")[-1]
    layout = layout_pb2.Layout.FromString(held.tensor_proto.string_val[0])
    charts = {c.title: list(c.multiline.tag) for group in layout.category for c in group.chart}
    assert charts["psnr"] == ["^(metrics|recipes)/.*/psnr$"]
    assert charts["weights of the sites"] == ["^weights/.*"]


def test_a_resumed_run_replaces_what_it_writes_again(tmp_path: Path) -> None:
    red = torch.zeros(3, 4, 4)
    with logged(tmp_path) as log:
        for iteration in (10, 20, 30):
            log.metrics(iteration, "train", {"l_pix": float(iteration)})
            log.images(iteration, "images", {"Set5": red})
    with logged(tmp_path, start_iter=15) as log:
        log.begin()
        log.metrics(20, "train", {"l_pix": 0.0})
    reader = events(tmp_path)
    assert [(e.step, e.value) for e in reader.Scalars("losses/l_pix")] == [(10, 10.0), (20, 0.0)]
    assert [e.step for e in reader.Images("images/Set5")] == [10]
    assert [r["iteration"] for r in read_metrics(tmp_path)] == [10, 20]


def test_images_arrive_as_they_were(tmp_path: Path) -> None:
    picture = torch.tensor([0.0, 1.0, 2.0, -1.0, float("nan"), 0.5]).expand(3, 5, 6)
    with logged(tmp_path) as log:
        assert log.shows_images
        log.images(7, "images", {"Set5": picture, "Set14": picture})
    reader = events(tmp_path)
    assert set(reader.Tags()["images"]) == {"images/Set5", "images/Set14"}
    (event,) = reader.Images("images/Set5")
    assert (event.step, event.width, event.height) == (7, 6, 5)
    pixels = np.asarray(Image.open(io.BytesIO(event.encoded_image_string)))
    assert pixels[0, :, 0].tolist() == [0, 255, 255, 0, 0, 128]


@pytest.mark.parametrize("options", [{"active": False}, {"tensorboard": False}])
def test_without_a_board_images_go_nowhere(tmp_path: Path, options: dict[str, bool]) -> None:
    with logged(tmp_path / "run", **options) as log:
        assert not log.shows_images
        log.images(1, "images", {"Set5": torch.zeros(3, 4, 4)})
    assert not (tmp_path / "run" / "tb").exists()


def test_wandb_gets_numbers_and_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[dict, int]] = []
    wandb = SimpleNamespace(Image=lambda picture: picture.shape)
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    with logged(tmp_path, tensorboard=False) as log:
        run = SimpleNamespace(log=lambda values, step: sent.append((values, step)))
        log._wandb = SimpleNamespace(log=run.log, finish=lambda: None)
        log.metrics(5, "train", {"weights": [0.3]})
        log.images(5, "images", {"Set5": torch.zeros(3, 4, 6)})
    assert sent == [({"weights/00": 0.3}, 5), ({"images/Set5": (4, 6, 3)}, 5)]


def test_lines_that_are_no_records_are_counted(tmp_path: Path) -> None:
    good = b'{"iteration": 1, "kind": "train"}\n'
    damage = b'\n7\n{"kind": "train"}\n\0\0\0\xff\n{"iteration": 2, "ki'
    (tmp_path / "metrics.jsonl").write_bytes(good + damage)
    records, broken = whole_records(tmp_path)
    assert [r["iteration"] for r in records] == [1]
    assert broken == 4
    assert whole_records(tmp_path / "none") == ([], 0)
