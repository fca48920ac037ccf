"""The batch of an iteration depends on (seed, iteration, rank) and on nothing else."""

from __future__ import annotations

import multiprocessing
import shutil
from collections import Counter
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from adasr.data.image_folder import ImageFolder
from adasr.data.images import write_image
from adasr.data.loader import IterationSampler, train_loader
from adasr.errors import DatasetError, OptionError


def positions(sampler: IterationSampler, count: int) -> list[int]:
    return [index for batch in islice(sampler, count) for index, _ in batch]


def test_frozen():
    """Numbers of today: a change would change every training run and every resume."""
    assert IterationSampler(5, 2, seed=0).batch(1) == [
        (0, 11203925021116910928),
        (3, 18077698173029956028),
    ]


@pytest.mark.parametrize(("length", "batch_size", "world_size"), [(10, 5, 1), (7, 3, 2), (3, 8, 1)])
def test_every_image_once_per_epoch_over_all_ranks(length, batch_size, world_size):
    samplers = [
        IterationSampler(length, batch_size, 1, 0, r, world_size) for r in range(world_size)
    ]
    order = [
        index
        for iteration in range(1, 4 * length + 1)
        for sampler in samplers
        for index, _ in sampler.batch(iteration)
    ]
    epochs = [order[i : i + length] for i in range(0, len(order) - length + 1, length)]
    assert all(Counter(epoch) == Counter(range(length)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 1


def test_resumed_sampler_goes_on():
    whole = list(islice(IterationSampler(11, 4, seed=3), 30))
    assert list(islice(IterationSampler(11, 4, seed=3, start_iter=17), 13)) == whole[17:]
    assert IterationSampler(11, 4, seed=3).batch(18) == whole[17]


def test_another_number_of_ranks_goes_on_in_the_epoch():
    """Four iterations of two ranks, then one rank alone: every image once per epoch still."""
    two = [IterationSampler(6, 2, seed=3, rank=rank, world_size=2) for rank in (0, 1)]
    before = [item for t in range(1, 5) for sampler in two for item in sampler.batch(t)]
    one = IterationSampler(6, 2, seed=3, start_iter=4, drawn=len(before))
    after = [item for batch in islice(one, 7) for item in batch]
    whole = [item for batch in islice(IterationSampler(6, 2, seed=3), 15) for item in batch]
    assert before + after == whole
    with pytest.raises(OptionError, match="drawn"):
        IterationSampler(6, 2, seed=3, drawn=-1)


def test_item_seeds_differ_everywhere():
    seeds = [s for batch in islice(IterationSampler(5, 8, seed=3), 200) for _, s in batch]
    assert len(set(seeds)) == len(seeds)
    assert set(seeds).isdisjoint(
        s for batch in islice(IterationSampler(5, 8, seed=4), 200) for _, s in batch
    )
    assert all(0 <= s < 2**64 for s in seeds)


def test_order_is_uniform():
    first = Counter(positions(IterationSampler(4, 4, seed=5), 1000)[::4])
    assert all(200 < first[i] < 300 for i in range(4))


@pytest.mark.parametrize(
    "values",
    [
        {"length": 0},
        {"batch_size": 0},
        {"seed": -1},
        {"start_iter": -1},
        {"rank": 2, "world_size": 2},
    ],
)
def test_values_out_of_range(values):
    with pytest.raises(OptionError) as caught:
        IterationSampler(**{"length": 4, "batch_size": 2, "seed": 0, **values})
    assert caught.value.key == (next(iter(values)),)


@pytest.fixture
def dataset(folder):
    (folder / "img4.png").write_bytes(b"broken")
    return ImageFolder(str(folder), gt_size=16, scale=4)


def batches(dataset, count: int = 4, **options):
    return list(islice(train_loader(dataset, 3, seed=9, **options), count))


def same(one, other) -> bool:
    return all(
        torch.equal(a["gt"], b["gt"]) and a["path"] == b["path"] and a["skipped"] == b["skipped"]
        for a, b in zip(one, other, strict=True)
    )


def test_workers_do_not_change_the_batches(dataset):
    alone = batches(dataset, num_workers=0)
    assert alone[0]["gt"].shape == (3, 3, 16, 16) and len(alone[0]["path"]) == 3
    skipped = [problem for batch in alone for problem in batch["skipped"]]
    assert len(skipped) == 2 and {path for path, _ in skipped} == {str(dataset.files[4])}
    assert same(alone, batches(dataset, num_workers=2))
    assert same(alone[2:], batches(dataset, 2, num_workers=1, start_iter=2))


def test_workers_start_after_opencv_has_used_threads(dataset):
    """Forked workers that touch OpenCV's threads would hang."""
    deep = np.random.default_rng(0).integers(0, 65536, (600, 600, 3), dtype=np.uint16)
    write_image(dataset.files[4], deep)
    cv2.GaussianBlur(deep.astype(np.float32), (0, 0), 3)
    torch.randn(300, 300) @ torch.randn(300, 300)
    assert same(batches(dataset, num_workers=0), batches(dataset, num_workers=2))


def test_ranks_share_the_batches_of_one(dataset):
    """Each rank has its part of a larger batch, and another number of ranks goes on after it."""
    whole = list(islice(train_loader(dataset, 4, 0, seed=9), 3))
    ranks = [batches_of_two(dataset, rank=rank, world_size=2) for rank in (0, 1)]
    for batch, parts in zip(whole, zip(*ranks, strict=True), strict=True):
        assert torch.equal(batch["gt"], torch.cat([part["gt"] for part in parts]))
        assert batch["path"] == [path for part in parts for path in part["path"]]
    alone = batches_of_two(dataset, start_iter=2, drawn=8)
    assert torch.equal(torch.cat([batch["gt"] for batch in alone[:2]]), whole[2]["gt"])


def batches_of_two(dataset, **options):
    return list(islice(train_loader(dataset, 2, 1, seed=9, **options), 3))


@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_loader_that_is_gone_through_again_begins_again(dataset, num_workers):
    """Letting go of the first batches, in the middle, ends their workers."""
    loader = train_loader(dataset, 3, num_workers, seed=9)
    first = list(islice(loader, 2))
    assert same(first, list(islice(loader, 2)))
    assert not multiprocessing.active_children()


@pytest.mark.slow
def test_workers_may_be_spawned(dataset):
    spawned = batches(dataset, num_workers=1, multiprocessing_context="spawn")
    assert same(batches(dataset, num_workers=0), spawned)


def test_global_random_state_is_left_alone(dataset):
    torch.manual_seed(0)
    before = torch.get_rng_state()
    batches(dataset, num_workers=1)
    assert torch.equal(torch.get_rng_state(), before)


def test_negative_workers(dataset):
    with pytest.raises(OptionError, match="num_workers"):
        train_loader(dataset, 3, num_workers=-1)


@pytest.mark.parametrize("num_workers", [0, 1])
def test_batch_larger_than_the_data_set(folder, num_workers):
    """Epochs follow each other: a batch of 16 of 6 images has each two or three times."""
    dataset = ImageFolder(str(folder), gt_size=16, scale=4)
    found = list(islice(train_loader(dataset, 16, num_workers, seed=1), 3))
    assert all(batch["gt"].shape == (16, 3, 16, 16) for batch in found)
    counts = [Counter(batch["path"]) for batch in found]
    assert all(len(count) == 6 and set(count.values()) <= {2, 3, 4} for count in counts)
    assert set(sum(counts, Counter()).values()) == {8}
    crops = found[0]["gt"].flatten(1)
    assert len(torch.unique(crops, dim=0)) == 16  # each time another crop


@pytest.mark.parametrize("num_workers", [0, 2])
def test_files_that_disappear_in_mid_run_are_replaced_and_named(folder, num_workers):
    dataset = ImageFolder(str(folder), gt_size=16, scale=4)
    batches = iter(train_loader(dataset, 3, num_workers, seed=1))
    next(batches)
    for number in (0, 1, 4):
        (folder / f"img{number}.png").unlink()
    later = list(islice(batches, 12))[6:]  # some were decoded ahead
    assert {Path(p).name for b in later for p in b["path"]} == {f"img{n}.png" for n in (2, 3, 5)}
    skipped = dict(problem for batch in later for problem in batch["skipped"])
    assert skipped == {str(folder / f"img{n}.png"): "does not exist" for n in (0, 1, 4)}


@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_folder_that_disappears_in_mid_run_ends_it_with_one_message(folder, num_workers):
    dataset = ImageFolder(str(folder), gt_size=16, scale=4)
    batches = iter(train_loader(dataset, 3, num_workers, seed=1))
    next(batches)
    shutil.rmtree(folder)
    with pytest.raises(DatasetError, match=r"gt: has disappeared\. Bring it back and go on with"):
        list(islice(batches, 12))
