from __future__ import annotations

import pickle
import random
from pathlib import Path

import numpy as np
import pytest
import torch

from adasr.errors import TrainingError, WeightsError
from adasr.training.checkpoint import (
    differences,
    load_state,
    newest_state,
    prune,
    random_state,
    restore_random_state,
    save_state,
    saved_states,
    set_aside,
)


def test_random_generators_go_on_where_they_were(tmp_path: Path) -> None:
    def draw() -> list[float]:
        return [random.gauss(0, 1), np.random.randn(), torch.randn(1).item(), random.random()]

    draw()
    save_state(tmp_path / "5.state", {"iteration": 5, "random": random_state()})
    expected = draw()
    draw()
    restore_random_state(load_state(tmp_path / "5.state")["random"])
    assert draw() == expected


def test_newest_readable_state_is_found_and_damaged_ones_are_named(tmp_path: Path) -> None:
    for iteration in (9, 10, 100):
        save_state(tmp_path / f"{iteration}.state", {"iteration": iteration})
    assert [p.stem for p in saved_states(tmp_path)] == ["100", "10", "9"]
    whole = (tmp_path / "100.state").read_bytes()
    (tmp_path / "100.state").write_bytes(whole[: len(whole) // 2])
    warnings: list[str] = []
    path, state = newest_state(tmp_path, warnings.append)
    assert path == tmp_path / "10.state"
    assert state is not None
    assert state["iteration"] == 10
    assert len(warnings) == 1
    assert "100.state" in warnings[0]
    assert newest_state(tmp_path / "nothing", warnings.append) == (None, None)


def test_code_in_a_state_is_never_run(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple:
            return (Path.touch, (tmp_path / "ran",))

    (tmp_path / "1.state").write_bytes(pickle.dumps({"iteration": Bomb()}))
    torch.save({"iteration": Bomb()}, tmp_path / "2.state")
    for name in ("1.state", "2.state"):
        with pytest.raises(WeightsError):
            load_state(tmp_path / name)
    assert not (tmp_path / "ran").exists()


def test_a_failed_save_keeps_the_last_one(tmp_path: Path) -> None:
    path = tmp_path / "5.state"
    save_state(path, {"iteration": 5})

    class Unwritable:
        def __reduce__(self) -> tuple:
            raise OSError(28, "No space left on device")

    with pytest.raises(TrainingError, match="No space left"):
        save_state(path, {"iteration": 6, "x": Unwritable()})
    assert load_state(path)["iteration"] == 5
    assert [p.name for p in tmp_path.iterdir()] == ["5.state"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_full_disk_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """torch's own writer reports a full disk as a RuntimeError."""
    import contextlib
    from collections.abc import Iterator

    @contextlib.contextmanager
    def full(path: Path) -> Iterator[Path]:
        yield Path("/dev/full")

    monkeypatch.setattr("adasr.training.checkpoint.atomic_path", full)
    with pytest.raises(TrainingError, match="cannot be saved"):
        save_state(tmp_path / "5.state", {"iteration": 5, "x": torch.zeros(10**6)})


def test_oldest_are_dropped_and_named_ones_stay(tmp_path: Path) -> None:
    for name in ("net_g_5", "net_g_10", "net_g_100", "net_g_best"):
        (tmp_path / f"{name}.safetensors").touch()
    prune(tmp_path, r"net_g_(\d+)\.safetensors", keep=2)
    assert sorted(p.stem for p in tmp_path.iterdir()) == ["net_g_10", "net_g_100", "net_g_best"]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("place", ["network", "ema", "optimizer"])
def test_a_state_that_is_not_finite_is_named_and_passed_over(
    tmp_path: Path, value: float, place: str
) -> None:
    good = {
        "network": {"conv.weight": torch.ones(2, 2)},
        "ema": {"conv.weight": torch.ones(2, 2)},
        "optimizer": {"state": {0: {"exp_avg": torch.ones(2, 2)}}, "param_groups": [{"lr": 0.1}]},
    }
    save_state(tmp_path / "1.state", {"iteration": 1, **good})
    if place == "optimizer":
        good["optimizer"]["state"][0]["exp_avg"][1, 1] = value
        key = "optimizer.state.0.exp_avg"
    else:
        good[place]["conv.weight"][1, 1] = value
        key = f"{place}.conv.weight"
    save_state(tmp_path / "2.state", {"iteration": 2, **good})
    with pytest.raises(WeightsError, match=rf"2\.state: has numbers that are not finite.*{key}"):
        load_state(tmp_path / "2.state")
    warnings: list[str] = []
    assert newest_state(tmp_path, warnings.append)[0] == tmp_path / "1.state"
    assert "2.state" in warnings[0]


def test_what_differs_from_the_saved_run_is_listed(tmp_path: Path) -> None:
    options = "name: a\ntrain:\n  lr: 1\n"
    held = {"iteration": 1, "metadata": {"options": options}, "random": [random_state()]}
    save_state(tmp_path / "1.state", held)
    state = load_state(tmp_path / "1.state")
    assert differences(state, options, 1) == []
    (first, second) = differences(state, options.replace("1", "2"), 1)
    assert first.endswith("-  lr: 1")
    assert second.endswith("+  lr: 2")
    (told,) = differences(state, options, 2)
    assert "saved by 1 process, now there are 2" in told
    state["versions"]["torch"] = "1.0"
    (told,) = differences(state, options, 1)
    assert told.startswith(f"saved by torch 1.0, this is {torch.__version__}")
    del state["versions"]  # of an earlier version of adasr
    assert differences(state, options, 1) == []


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    from adasr.files import atomic_path

    class Kill(BaseException):
        pass

    left = []
    for name in ("8.state", "9.state"):
        with pytest.raises(Kill), atomic_path(tmp_path / name) as temporary:
            temporary.write_bytes(b"half")
            left.append((temporary, temporary.read_bytes()))
            raise Kill
    for path, data in left:  # a killed process has no time to remove it
        path.write_bytes(data)
    (tmp_path / ".keep").touch()
    save_state(tmp_path / "7.state", {"iteration": 7})
    set_aside(tmp_path, r"(\d+)\.state", 7)
    assert sorted(p.name for p in tmp_path.iterdir()) == [".keep", "7.state"]
