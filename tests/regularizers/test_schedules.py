from __future__ import annotations

import pytest
import torch

from adasr.errors import OptionError
from adasr.regularizers.adaptive_dropout import AdaptiveDropout
from adasr.regularizers.channel_dropout import ChannelDropout
from adasr.regularizers.schedules import LayerwiseAnnealing
from adasr.regularizers.sites import Site


def make_sites(count: int = 17, weight: float = 0.3) -> list[Site]:
    return [Site(f"s{i}", AdaptiveDropout(weight=weight)) for i in range(count)]


def test_released_schedule() -> None:
    """weight[i] is 0.3 and becomes 1.0 at iteration 20000 * (i + 1), before that step."""
    sites = make_sites()
    anneal = LayerwiseAnnealing(sites, interval=20_000)
    released = [0.3] * 17
    edges = [n * 20_000 + d for n in range(1, 18) for d in (-1, 0, 1)]
    for t in [1, *edges, 500_000]:
        for i in range(17):
            if t >= 20_000 * (i + 1):
                released[i] = 1.0
        anneal.step(t)
        assert [s.weight for s in sites] == released
    assert anneal.end == 340_000


def test_default_ends_at_68_percent() -> None:
    assert LayerwiseAnnealing(make_sites(), total_iter=500_000).interval == 20_000
    assert LayerwiseAnnealing(make_sites(24), total_iter=1000).end == pytest.approx(680, abs=24)


def test_weights_do_not_depend_on_what_was_set_before() -> None:
    once, often = (LayerwiseAnnealing(make_sites(), interval=10) for _ in range(2))
    for t in range(1, 78):
        often.step(t)
    once.step(77)
    assert [s.weight for s in once.sites] == [s.weight for s in often.sites]
    often.step(5)
    assert [s.weight for s in often.sites] == [0.3] * 17


def test_fraction_of_the_training() -> None:
    assert LayerwiseAnnealing(make_sites(3), interval=0.1, total_iter=500).interval == 50


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("front_to_back", [1.0, 0.3, 0.3]),
        ("back_to_front", [0.3, 0.3, 1.0]),
        ("all_at_once", [0.3, 0.3, 0.3]),
    ],
)
def test_orders(order: str, expected: list[float]) -> None:
    anneal = LayerwiseAnnealing(make_sites(3), interval=10, order=order)
    assert anneal.weights(19) == expected
    assert anneal.weights(30) == [1.0] * 3
    assert anneal.weights(29) != [1.0] * 3


@pytest.mark.parametrize(("shape", "middle"), [("step", 0.2), ("linear", 0.6), ("cosine", 0.6)])
def test_shapes(shape: str, middle: float) -> None:
    anneal = LayerwiseAnnealing(make_sites(2, 0.2), interval=100, shape=shape)
    assert anneal.weights(50) == pytest.approx([middle, 0.2])
    assert anneal.weights(150) == pytest.approx([1.0, middle])
    rising = torch.tensor([anneal.weights(t)[0] for t in range(1, 201)])
    assert (rising.diff() >= 0).all()
    assert rising[0] >= 0.2
    assert rising[99] == 1.0


@pytest.mark.parametrize(
    "arguments",
    [
        {"interval": 0},
        {"interval": 1.5, "total_iter": 10},
        {"interval": 0.1},
        {"interval": 5, "order": "sideways"},
        {"interval": 5, "shape": "wavy"},
    ],
)
def test_faults_are_named(arguments: dict) -> None:
    with pytest.raises(OptionError):
        LayerwiseAnnealing(make_sites(), **arguments)


@pytest.mark.parametrize(
    "regularizer", [ChannelDropout(), AdaptiveDropout(gate="scalar").for_site(4)]
)
def test_regularizer_without_a_free_weight_is_refused(regularizer: torch.nn.Module) -> None:
    with pytest.raises(OptionError, match="no weight to anneal"):
        LayerwiseAnnealing([Site("s", regularizer)], interval=5)
