"""Statistics of a benchmark: intervals that cover, paired comparisons, headline figures."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from made_results import made_results
from scipy import stats

from adasr.evaluation.resampling import contrast, draw, over_seeds, seed_means
from adasr.evaluation.results import BICUBIC, Model, RecipeInfo, Results
from adasr.evaluation.scores import Evaluation, ImageScore
from adasr.evaluation.statistics import (
    bootstrap,
    compare,
    compare_all,
    holm,
    ranks,
    score_table,
    sign_flip,
    summarize,
)


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(0)


def coverage(intervals: list, truth: float = 0.0) -> float:
    return float(np.mean([i.low <= truth <= i.high for i in intervals]))


def test_the_interval_is_scipys_percentile_interval_widened_for_few_images(
    random: np.random.Generator,
) -> None:
    values = random.gamma(2.0, size=40)
    found = bootstrap(values, draws=20_000)
    tail = stats.norm.cdf(-math.sqrt(40 / 39) * stats.t.ppf(0.975, 39))
    theirs = stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=20_000,
        confidence_level=1 - 2 * tail,
        method="percentile",
        random_state=1,
    ).confidence_interval
    width = theirs.high - theirs.low
    assert found.mean == pytest.approx(values.mean())
    assert found.low == pytest.approx(theirs.low, abs=0.03 * width)
    assert found.high == pytest.approx(theirs.high, abs=0.03 * width)
    plain = stats.bootstrap((values,), np.mean, method="percentile", random_state=1)
    assert found.high - found.low > np.diff(plain.confidence_interval)[0]


@pytest.mark.parametrize(("images", "least"), [(5, 0.87), (14, 0.925), (50, 0.93)])
def test_intervals_cover_the_truth_as_often_as_they_say(
    random: np.random.Generator, images: int, least: float
) -> None:
    found = [bootstrap(random.normal(size=images), draws=2000) for _ in range(500)]
    assert least <= coverage(found) <= 0.985


def test_recipes_of_an_image_go_together(random: np.random.Generator) -> None:
    images = random.normal(size=(12, 1))
    alike = bootstrap(images + np.zeros((12, 20)))
    alone = bootstrap(images[:, 0])
    assert (alike.low, alike.high) == pytest.approx((alone.low, alone.high))
    assert alike.n == 12  # 240 scores, 12 images
    scores_drawn = bootstrap((images + np.zeros((12, 20))).ravel())
    assert scores_drawn.high - scores_drawn.low < (alike.high - alike.low) / 3


@pytest.mark.parametrize(("seeds", "least"), [(2, 0.8), (3, 0.87), (5, 0.9)])
def test_seeds_are_drawn_too(random: np.random.Generator, seeds: int, least: float) -> None:
    found = []
    for _ in range(300):
        cube = random.normal(size=(1, 30, 1)) + 0.3 * random.normal(size=(seeds, 1, 1))
        found.append(bootstrap(cube + 0.1 * random.normal(size=(seeds, 30, 1)), draws=1000))
    assert coverage(found) >= least


def test_the_variance_over_seeds_is_unbiased() -> None:
    seeds = np.array([1.0, 2.0, 4.0])
    cube = np.broadcast_to(seeds[:, None, None], (3, 4, 1))  # images add nothing
    drawn = bootstrap(cube, confidence=0.5, draws=20_000)
    # Pairs of three: means 1, 1.5, 2, 2.5, 3, 4; their variance is s^2 / 3, as it should be.
    pairs = [(a + b) / 2 for a in seeds for b in seeds]
    assert np.var(pairs) == pytest.approx(seeds.var(ddof=1) / 3)
    assert (drawn.low, drawn.high) == (1.5, 3.0)
    interval = over_seeds(seeds)
    theirs = stats.t.interval(0.95, 2, loc=seeds.mean(), scale=stats.sem(seeds))
    assert (interval.low, interval.high) == pytest.approx(theirs)
    assert not over_seeds([1.0]).known


def test_the_same_input_gives_the_same_interval(random: np.random.Generator) -> None:
    values = random.normal(size=(2, 9, 3))
    assert bootstrap(values) == bootstrap(values.copy())
    assert (draw(9, 100, 0).sum(1) == 9).all()


def test_infinite_scores_are_counted_and_left_out() -> None:
    found = bootstrap([30.0, 32.0, math.inf, 34.0])
    assert (found.mean, found.infinite, found.n) == (32.0, 1, 3)
    assert found.known
    whole = bootstrap([math.inf, math.inf])
    assert math.isnan(whole.mean) and whole.infinite == 2


def test_a_nan_score_makes_the_mean_nan_and_is_counted() -> None:
    found = bootstrap([30.0, math.nan, 34.0])
    assert math.isnan(found.mean) and math.isnan(found.low) and found.undefined == 1


def test_one_image_has_no_interval() -> None:
    found = bootstrap([30.0])
    assert found.mean == 30.0 and not found.known
    assert math.isnan(bootstrap([]).mean)


def test_missing_scores_weigh_nothing() -> None:
    scores = np.ma.masked_array([[1.0, 5.0], [3.0, 99.0]], [[0, 0], [0, 1]])
    found = bootstrap(scores)
    assert found.mean == pytest.approx((2 + 5) / 2)  # of recipes, of images
    assert bootstrap(np.ma.masked_array(scores, [[0, 1], [0, 1]])).mean == 2.0


def test_a_gap_is_about_the_same_draws(random: np.random.Generator) -> None:
    level = 5 * random.normal(size=(20, 1))
    scores = level + np.array([2.0, 2.0, 1.0])
    gap = contrast(scores, [0, 1], [2])
    assert (gap.mean, gap.low, gap.high) == pytest.approx((1.0, 1.0, 1.0))
    lacking = np.ma.masked_array(scores, np.broadcast_to([False, False, True], scores.shape))
    assert math.isnan(contrast(lacking, [0, 1], [2]).mean)


def test_a_pair_is_compared_image_by_image(random: np.random.Generator) -> None:
    level = 5 * random.normal(size=30)
    a, b = level + 0.3 + 0.1 * random.normal(size=30), level
    pair = compare(a, b)
    assert pair.difference.mean == pytest.approx((a - b).mean())
    assert pair.distinguishable and pair.p < 0.001
    assert (pair.wins, pair.ties, pair.losses) == ((a > b).sum(), 0, (a < b).sum())
    # The means alone would tell nothing.
    assert bootstrap(a).low < bootstrap(b).high
    turned = compare(b, a)
    assert turned.difference.mean == pytest.approx(-pair.difference.mean)
    assert (turned.wins, turned.losses, turned.p) == (pair.losses, pair.wins, pair.p)
    assert compare(a, b, higher_is_better=False).difference.mean == pytest.approx((b - a).mean())


def test_equal_networks_tie() -> None:
    pair = compare([1.0, 2.0, 3.0], [1.0, 2.0, 3.0])
    assert (pair.wins, pair.ties, pair.losses, pair.p) == (0, 3, 0, 1.0)
    assert not pair.distinguishable


@pytest.mark.parametrize("n", [5, 12])
def test_the_sign_flip_test_is_scipys(random: np.random.Generator, n: int) -> None:
    values = random.normal(0.4, size=n)
    theirs = stats.permutation_test(
        (values, np.zeros(n)),
        lambda a, b, axis: np.mean(a - b, axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=np.inf,
    )
    assert sign_flip(values) == pytest.approx(theirs.pvalue)
    assert sign_flip(np.abs(values)) == 2 / 2**n


def test_many_images_are_flipped_at_random(random: np.random.Generator) -> None:
    values = random.normal(0.25, size=60)
    assert sign_flip(values) == pytest.approx(stats.ttest_1samp(values, 0).pvalue, abs=0.02)
    assert sign_flip(values) == pytest.approx(stats.wilcoxon(values).pvalue, abs=0.1)
    assert sign_flip(values + 5) == pytest.approx(1 / 10_001)
    assert math.isnan(sign_flip([]))


def test_only_what_both_have_is_compared() -> None:
    a = np.ma.masked_array([[1.0, 9.0], [2.0, 3.0], [5.0, 5.0]], [[0, 1], [0, 0], [1, 1]])
    b = np.ma.masked_array([[0.0, 0.0], [1.0, 2.0], [0.0, 0.0]], [[0, 0], [0, 0], [0, 0]])
    pair = compare(a, b)
    assert pair.difference.mean == pytest.approx(1.0)
    assert (pair.wins, pair.left_out, pair.difference.n) == (2, 3, 2)
    none = compare(np.ma.masked_array([1.0], [True]), [2.0])
    assert math.isnan(none.difference.mean) and math.isnan(none.p) and not none.distinguishable


def test_exact_and_broken_images_decide_wins_not_means() -> None:
    pair = compare([math.inf, 30.0, math.inf], [30.0, 29.0, math.inf])
    assert (pair.wins, pair.ties, pair.losses) == (2, 1, 0)
    assert (pair.difference.mean, pair.difference.infinite) == (1.0, 2)
    broken = compare([math.nan, 30.0], [20.0, 20.0])
    assert (broken.wins, broken.losses) == (1, 1)
    assert math.isnan(broken.difference.mean) and math.isnan(broken.p)
    assert not broken.distinguishable


def test_groups_differ_only_where_their_seeds_do(random: np.random.Generator) -> None:
    level = random.normal(size=(1, 100, 1))
    a = level + np.array([0.0, 1.0, 0.5])[:, None, None]
    b = level + np.array([0.4, 0.1, 1.2])[:, None, None]
    pair = compare(a, b)
    assert pair.p < 0.01  # these networks differ on these images, ...
    assert not pair.distinguishable  # ... but the spread of their seeds is as large
    welch = stats.ttest_ind(seed_means(a), seed_means(b), equal_var=False).confidence_interval()
    assert pair.over_seeds is not None
    assert (pair.over_seeds.low, pair.over_seeds.high) == pytest.approx((welch.low, welch.high))
    far = compare(a + 5, b)
    assert far.distinguishable and far.difference.mean == pytest.approx(5 + a.mean() - b.mean())


def test_different_images_are_no_pairs() -> None:
    with pytest.raises(ValueError, match="no pairs"):
        compare([1.0, 2.0], [1.0])


def test_holm() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    adjusted = holm([0.02, math.nan, 0.6])
    assert adjusted[0] == pytest.approx(0.04) and math.isnan(adjusted[1])


@pytest.fixture(scope="module")
def results() -> Results:
    return made_results({"plain": 1.0, "adaptive": 1.4}, noise=0.05)


def values_of(results: Results, model: str, metric: str, kind: str | None = None) -> list:
    kinds = {r.name: r.kind for r in results.recipes}
    return [
        s.values[metric]
        for e in results.evaluations
        for s in e.scores
        if e.model == model and kind in (None, kinds[s.recipe])
    ]


@pytest.mark.parametrize("metric", ["psnr", "lpips"])
def test_headline_figures_are_the_means_of_the_scores(results: Results, metric: str) -> None:
    higher = metric == "psnr"
    for one in summarize(results, metric, draws=500):
        seen, unseen = (
            np.mean(values_of(results, one.name, metric, k)) for k in ("seen", "unseen")
        )
        assert one.mean.mean == pytest.approx(np.mean(values_of(results, one.name, metric)))
        assert one.seen is not None and one.unseen is not None and one.gap is not None
        assert (one.seen.mean, one.unseen.mean) == pytest.approx((seen, unseen))
        assert one.gap.mean == pytest.approx(seen - unseen if higher else unseen - seen)
        assert one.gap.mean > 0  # unseen degradations are harder in both metrics
        means = {recipe: i.mean for recipe, i in one.per_recipe.items()}
        assert one.worst_recipe == (min if higher else max)(means, key=means.__getitem__)
        assert one.mean.n == 19
        if one.name == BICUBIC:
            assert one.gains is None
        else:
            sign = 1 if higher else -1
            gain = sign * (one.mean.mean - np.mean(values_of(results, BICUBIC, metric)))
            assert one.gains is not None and one.gains.mean.mean == pytest.approx(gain)
            assert one.gains.gap is not None and one.gains.gap.mean > 0


def test_a_gain_is_surer_than_a_score(results: Results) -> None:
    one = summarize(results, "psnr")[1]
    assert one.gains is not None
    widths = [i.high - i.low for i in (one.mean, one.gains.mean)]
    assert widths[1] < widths[0] / 5


def test_datasets_apart(results: Results) -> None:
    one = summarize(results, "psnr", dataset="Set5", draws=200)[0]
    assert one.mean.n == 5
    with pytest.raises(KeyError):
        summarize(results, "ssim")


def test_seeds_make_a_group() -> None:
    results = made_results({"plain": 1.0, "adaptive": 1.4}, seeds=3)
    groups = summarize(results, "psnr", draws=500)
    assert [one.name for one in groups] == [BICUBIC, "plain", "adaptive"]
    plain = groups[1]
    assert plain.models == ("plain-s0", "plain-s1", "plain-s2") and plain.seeds == (0, 1, 2)
    assert plain.mean.mean == pytest.approx(np.mean(plain.seed_means))
    theirs = stats.t.interval(0.95, 2, np.mean(plain.seed_means), stats.sem(plain.seed_means))
    assert plain.over_seeds is not None
    assert (plain.over_seeds.low, plain.over_seeds.high) == pytest.approx(theirs)
    models = summarize(results, "psnr", by="model", draws=500)
    assert len(models) == 7
    assert models[1].mean.mean == pytest.approx(plain.seed_means[0])
    assert plain.mean.high - plain.mean.low > 0


def test_mixed_and_real_recipes_are_in_no_kinds_average() -> None:
    recipes = [
        RecipeInfo("clean"),
        RecipeInfo("jpeg50", ("jpeg",), "mixed"),
        RecipeInfo("", (), "real"),
    ]
    results = made_results({"plain": 1.0}, recipes=recipes)
    one = summarize(results, "psnr", draws=200)[1]
    assert one.seen is not None and one.seen.mean == one.per_recipe["clean"].mean
    assert one.unseen is None and one.gap is None
    both = one.per_recipe["clean"].mean, one.per_recipe["jpeg50"].mean
    assert one.mean.mean == pytest.approx(np.mean(both))
    alone = made_results({"plain": 1.0}, recipes=[recipes[2]])
    assert summarize(alone, "psnr", draws=200)[1].mean.n == 19


def test_what_a_network_lacks_is_counted_and_compared_fairly(results: Results) -> None:
    evaluations = list(results.evaluations)
    whole = evaluations[2]  # plain on Set5
    assert (whole.model, whole.dataset) == ("plain", "Set5")
    evaluations[2] = replace(whole, scores=whole.scores[5:])  # without the first image
    short = replace(results, evaluations=evaluations)
    one = summarize(short, "psnr", draws=200)[1]
    assert (one.missing, one.mean.n) == (5, 18)
    pair = compare_all(short, "psnr", draws=200)["plain", "adaptive"]
    assert pair.left_out == 5 and pair.wins + pair.ties + pair.losses == 18


def test_a_network_without_finite_outputs_comes_last() -> None:
    results = made_results({"plain": 1.0, "adaptive": 1.4})
    for evaluation in results.evaluations:
        if evaluation.model == "adaptive":
            evaluation.scores[0] = ImageScore("img_000", "clean", {"psnr": math.nan})
    summaries = summarize(results, "psnr", draws=500)
    adaptive = summaries[2]
    assert math.isnan(adaptive.mean.mean) and adaptive.mean.undefined == 2
    assert adaptive.worst is not None and not math.isnan(adaptive.worst.mean)
    tiers = ranks(summaries, compare_all(results, "psnr", draws=500))
    assert tiers[0] == ["plain"] and tiers[-1] == ["adaptive"]


def test_exactly_restored_images_are_said(results: Results) -> None:
    evaluations = [replace(e, scores=list(e.scores)) for e in results.evaluations]
    evaluations[4].scores[0] = ImageScore("img_000", "clean", {"psnr": math.inf})
    one = summarize(replace(results, evaluations=evaluations), "psnr", draws=200)[2]
    assert one.mean.infinite == 1 and math.isfinite(one.mean.mean)
    assert one.gains is not None and one.gains.mean.infinite == 1
    assert math.isfinite(one.gains.mean.mean)


def test_ranks_hold_what_cannot_be_told_apart() -> None:
    results = made_results({"a": 1.0, "b": 1.001, "c": 0.0}, noise=0.3)
    for evaluation in results.evaluations:  # b is a, shuffled a little
        if evaluation.model == "b":
            base = results.evaluation("a", evaluation.dataset)
            assert base is not None
            random = np.random.default_rng(1)
            evaluation.scores[:] = [
                ImageScore(s.name, s.recipe, {"psnr": s.values["psnr"] + 0.1 * random.normal()})
                for s in base.scores
            ]
    summaries = summarize(results, "psnr")
    tiers = ranks(summaries, compare_all(results, "psnr"))
    assert sorted(tiers[0]) == ["a", "b"]
    assert len(tiers) == 3


def test_scores_are_aligned_whatever_their_order() -> None:
    protocols, directions = {"psnr": {"metric": "psnr"}}, {"psnr": True}

    def evaluation(model: str, names: str) -> Evaluation:
        scores = [ImageScore(n, "clean", {"psnr": float(ord(n))}) for n in names]
        return Evaluation(model, "set", protocols, directions, scores)

    results = Results(
        4,
        [Model("a", "a"), Model("b", "b")],
        [],
        [RecipeInfo("clean")],
        [evaluation("a", "xyz"), evaluation("b", "zyw")],
    )
    table = score_table(results, "psnr")
    assert [name for _, name in table.images] == ["x", "y", "z", "w"]
    pair = compare_all(results, "psnr", draws=100)["a", "b"]
    assert (pair.ties, pair.left_out, pair.difference.mean) == (2, 2, 0.0)
    assert table.gains(["a"]) is None
