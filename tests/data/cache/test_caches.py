"""What a training sees does not depend on a cache, and a cache copies no more than a crop."""

from __future__ import annotations

import copy
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from adasr.data.cache import ram
from adasr.data.image_folder import ImageFolder
from adasr.data.loader import train_loader
from adasr.data.paired_folder import PairedFolder
from adasr.errors import DatasetError, OptionError

KINDS = ("ram", "disk")


def same_item(one: dict, other: dict) -> bool:
    return one.keys() == other.keys() and all(
        torch.equal(one[key], other[key])
        and one[key].dtype == other[key].dtype
        and one[key].is_contiguous()
        if isinstance(one[key], torch.Tensor)
        else one[key] == other[key]
        for key in one
    )


@pytest.mark.parametrize("cache", KINDS)
@pytest.mark.parametrize("frame", [0, 56])
def test_frames_are_the_same_with_and_without(mixed: Path, cache, frame):
    plain = ImageFolder(str(mixed), 32, 4, frame)
    cached = ImageFolder(str(mixed), 32, 4, frame, cache=cache)
    keys = [(index, seed) for index in range(len(plain)) for seed in range(4)]
    assert all(same_item(plain[key], cached[key]) for key in keys)
    assert all(same_item(plain[key], cached[key]) for key in keys)  # now from the cache
    broken = (next(i for i, f in enumerate(plain.files) if f.name == "broken.png"), 0)
    assert plain[broken]["skipped"] == cached[broken]["skipped"] != []
    assert same_item(plain[0], cached[0])  # whole images


@pytest.mark.parametrize("cache", KINDS)
def test_pairs_are_the_same_with_and_without(pairs, cache):
    """16 bits are kept: a cache holds 8 of them, so deep pairs are decoded every time."""
    plain = PairedFolder(**pairs, scale=4, gt_size=32)
    cached = PairedFolder(**pairs, scale=4, gt_size=32, cache=cache)
    for index, seed in [(i, s) for i in range(3) for s in range(4)] * 2:
        assert same_item(plain[(index, seed)], cached[(index, seed)])
    assert same_item(plain[1], cached[1])


@pytest.mark.parametrize("cache", KINDS)
def test_an_image_is_decoded_once(mixed: Path, cache, monkeypatch):
    dataset = ImageFolder(str(mixed), 32, 4, cache=cache)
    dataset.open_cache()
    before = [dataset[(index, 7)] for index in range(4)]
    monkeypatch.setattr(dataset._read, "decode", lambda index: pytest.fail("decoded again"))
    assert all(same_item(item, dataset[(index, 7)]) for index, item in enumerate(before))


@pytest.mark.parametrize("cache", KINDS)
def test_an_item_shares_no_memory_with_the_cache(mixed: Path, cache):
    dataset = ImageFolder(str(mixed), 32, 4, use_hflip=False, use_rot=False, cache=cache)
    dataset[(0, 0)]
    view = np.asarray(dataset._read(0))
    assert not np.shares_memory(dataset[(0, 0)]["gt"].numpy(), view)
    # What the memory holds is not copied, so a crop's copy touches the crop's rows alone.
    assert np.shares_memory(view, np.asarray(dataset._read(0))) == (cache == "ram")


@pytest.mark.parametrize("cache", KINDS)
def test_workers_fill_and_share_one_cache(mixed: Path, cache):
    plain = ImageFolder(str(mixed), 32, 4)
    cached = ImageFolder(str(mixed), 32, 4, cache=cache)
    wanted = list(islice(train_loader(plain, 5, 0, seed=1), 6))
    got = list(islice(train_loader(cached, 5, 2, seed=1), 6))
    assert all(same_item(a, b) for a, b in zip(wanted, got, strict=True))
    if cache == "ram":
        reader = cached._read
        assert isinstance(reader, ram.RamCache) and reader._memory is not None
        # The parent has decoded nothing itself: broken.png alone is not there.
        assert int((reader._memory.array[-len(plain) :] == 1).sum()) == len(plain) - 1


@pytest.mark.slow
@pytest.mark.parametrize("cache", KINDS)
def test_spawned_workers_share_it_too(mixed: Path, cache):
    cached = ImageFolder(str(mixed), 32, 4, cache=cache)
    plain = train_loader(ImageFolder(str(mixed), 32, 4), 5, 0, seed=1)
    loader = train_loader(cached, 5, 1, seed=1, multiprocessing_context="spawn")
    assert all(same_item(a, b) for a, b in zip(islice(plain, 4), islice(loader, 4), strict=True))
    if isinstance(cached._read, ram.RamCache):
        assert cached._read._memory is not None
        assert cached._read._memory.array[-len(cached) :].sum() == len(cached) - 1


@pytest.mark.parametrize("cache", KINDS)
def test_a_folder_lost_in_mid_run_is_in_the_cache(folder: Path, cache):
    dataset = ImageFolder(str(folder), 16, 4, cache=cache)
    before = [dataset[(index, 3)] for index in range(6)]
    folder.rename(folder.with_name("gone"))
    assert all(same_item(item, dataset[(index, 3)]) for index, item in enumerate(before))


def test_more_than_the_free_memory_is_refused(folder: Path, monkeypatch):
    monkeypatch.setattr(ram, "free_memory", lambda: 20_000)
    dataset = ImageFolder(str(folder), 16, 4, cache="ram")
    with pytest.raises(DatasetError, match=r"takes 0\.033 MiB of memory.*cache: disk, or"):
        train_loader(dataset, 2, 0)
    monkeypatch.setattr(ram, "free_memory", lambda: 60_000)
    dataset.open_cache()
    # Each process of a machine has a copy.
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    with pytest.raises(DatasetError, match="are free"):
        ImageFolder(str(folder), 16, 4, cache="ram").open_cache()


def test_without_a_cache_nothing_is_opened(folder: Path):
    dataset = ImageFolder(str(folder), 16, 4)
    dataset.open_cache()
    dataset[(0, 0)]
    assert sorted(p.name for p in folder.iterdir()) == [f"img{i}.png" for i in range(6)]


def test_options(folder: Path):
    with pytest.raises(OptionError, match=r"cache_dir: is of no use with cache: ram"):
        ImageFolder(str(folder), 16, 4, cache="ram", cache_dir="x")
    assert len(copy.copy(ImageFolder(str(folder), 16, 4, cache="ram"))) == 6
