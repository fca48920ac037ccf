"""Which images a report shows."""

from __future__ import annotations

from collections import Counter

from adasr.evaluation.benchmark.pictures import Candidate, choose


def made() -> list[Candidate]:
    """Two sets of five images under six recipes."""
    return [
        Candidate(d, 10 * r + i, f"img{i}", f"recipe{r}", gain=i - 2.0, spread=float(abs(i - 3)))
        for d in range(2)
        for r in range(6)
        for i in range(5)
    ]


def test_they_are_spread_over_recipes_sets_and_images() -> None:
    chosen = choose(made(), 12)
    assert len(chosen) == len(set(chosen)) == 12
    assert set(Counter(c.recipe for c in chosen).values()) == {2}
    assert set(Counter(c.dataset for c in chosen).values()) == {6}
    assert max(Counter((c.dataset, c.name) for c in chosen).values()) <= 2


def test_gains_and_losses_are_both_shown() -> None:
    gains = [c.gain for c in choose(made(), 6)]
    assert max(gains) == 2.0
    assert min(gains) < 0


def test_no_more_than_there_are_and_none_if_none_are_wanted() -> None:
    few = made()[:3]
    assert sorted(c.item for c in choose(few, 10)) == [0, 1, 2]
    assert choose(few, 0) == []
    assert choose([], 5) == []


def test_with_fewer_pictures_than_recipes_the_first_and_the_last_are_among_them() -> None:
    assert {"recipe0", "recipe5"} <= {c.recipe for c in choose(made(), 3)}
