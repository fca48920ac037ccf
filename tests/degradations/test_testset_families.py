"""Held-out test degradations do what their names say, by the measure of other libraries."""

from __future__ import annotations

import io
import itertools
import math
from pathlib import Path

import cv2
import numpy as np
import pytest
import scipy.ndimage
import scipy.stats
import skimage.data
import skimage.measure
import skimage.metrics
import skimage.util
import torch
import torch.nn.functional as F
from PIL import Image

from adasr.degradations.families import FAMILIES
from adasr.degradations.testset import GROUPS, RECIPES, degrade, expand_recipes
from adasr.degradations.testset.filtering import filter_exactly
from adasr.degradations.testset.recipe import Bicubic, mix, random_stream
from adasr.errors import OptionError


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return skimage.data.astronaut()[:256, :320]


def _gray(level: int, side: int = 512) -> np.ndarray:
    return np.full((side, side, 3), level, np.uint8)


def _response(recipe: str, side: int = 63, name: str = "x") -> np.ndarray:
    """What a recipe's blur makes of a point, as shares."""
    blur = RECIPES[recipe].blur
    assert blur is not None
    image = np.zeros((side, side, 3), np.uint8)
    image[side // 2, side // 2] = 255
    found = blur(image, random_stream(f"{recipe}/{name}/blur"))
    return found[..., 0] / 255


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (5, 3), (64, 48), (530, 21)])
@pytest.mark.parametrize("side", [3, 9, 31])
def test_filters_are_exact(shape, side):
    random = np.random.RandomState(side)
    image = random.randint(0, 256, (*shape, 3)).astype(np.uint8)
    weights = random.randint(0, 300, (side, side)).astype(np.int64)
    sums = np.stack(
        [
            scipy.ndimage.correlate(image[..., c].astype(np.int64), weights, mode="mirror")
            for c in range(3)
        ],
        -1,
    )
    total = int(weights.sum())
    assert np.array_equal(filter_exactly(image, weights), (2 * sums + total) // (2 * total))


def test_filters_are_exact_where_a_dft_is_taken():
    """Weights as large as those of the recipes, and a bright image."""
    random = np.random.RandomState(0)
    image = random.randint(200, 256, (200, 170, 3)).astype(np.uint8)
    weights = np.full((31, 31), 2**16 // 961, np.int64)
    weights[15, 15] += 2**16 - weights.sum()
    expected = scipy.ndimage.correlate(image[..., 1].astype(np.int64), weights, mode="mirror")
    assert np.array_equal(filter_exactly(image, weights)[..., 1], (expected + 2**15) >> 16)


@pytest.mark.parametrize(("recipe", "length"), [("motion7", 7), ("motion15", 15), ("motion25", 25)])
def test_motion_is_a_line_of_its_length(recipe, length):
    """Its variance along itself is that of a line, across itself that of a pixel."""
    bright = _response(recipe)
    y, x = np.mgrid[:63, :63] - 31
    share = bright / bright.sum()
    centre = np.array([(share * y).sum(), (share * x).sum()])
    assert np.abs(centre).max() < 0.35  # levels are rounded
    covariance = np.cov(np.stack([y.ravel(), x.ravel()]), aweights=share.ravel(), ddof=0)
    across, along = np.linalg.eigvalsh(covariance)
    assert math.sqrt(12 * along) == pytest.approx(length, abs=1.5)
    assert across < 0.5


def test_directions_hang_on_the_image_and_are_the_same_again():
    responses = {name: _response("motion25", name=name).tobytes() for name in "abcde"}
    assert len(set(responses.values())) == 5
    assert responses["a"] == _response("motion25", name="a").tobytes()


def test_shake_is_bent():
    """A path that bends is shorter from end to end than a line."""
    wide = []
    for name in "abcdefgh":
        spread = np.argwhere(_response("shake31", name=name) > 0)
        wide.append(np.ptp(spread, axis=0).max())
    assert np.mean(wide) < 31 - 2
    assert min(wide) < 25


@pytest.mark.parametrize("radius", [2, 4, 6])
def test_defocus_is_an_even_disc(radius):
    disc = _response(f"defocus{radius}")
    y, x = np.mgrid[:63, :63] - 31
    distance = np.hypot(y, x)
    inside = disc[distance < radius - 1] * 255
    assert np.ptp(inside) <= 1
    assert inside.mean() == pytest.approx(255 / (math.pi * radius**2), abs=0.6)
    assert not disc[distance > radius + 1].any()


@pytest.mark.parametrize("percent", [2, 6, 17])
def test_salt_and_pepper_has_its_share(percent):
    lq = degrade(_gray(128, 1600), f"saltpepper{percent}", 4, "x")
    reference = skimage.util.random_noise(
        np.full((400, 400), 128 / 255), mode="s&p", amount=percent / 100, rng=0
    )
    n = 400 * 400
    for level, theirs in ((0, (reference == 0).sum()), (255, (reference == 1).sum())):
        ours = (lq == level).all(-1).sum()
        spread = math.sqrt(n * percent / 200)
        assert abs(ours - n * percent / 200) < 4 * spread
        assert abs(int(ours) - int(theirs)) < 6 * spread
    assert set(np.unique(lq)) == {0, 128, 255}


@pytest.mark.parametrize("percent", [15, 20, 35])
@pytest.mark.parametrize("level", [40, 80])
def test_speckle_grows_with_the_intensity(percent, level):
    lq = degrade(_gray(level, 1024), f"speckle{percent}", 4, "x").astype(float)
    reference = skimage.util.random_noise(
        np.full((256, 256, 3), level / 255), mode="speckle", var=(percent / 100) ** 2, rng=0
    )
    assert lq.mean() == pytest.approx(level, rel=0.01)
    assert lq.std() == pytest.approx(reference.std() * 255, rel=0.02)


@pytest.mark.parametrize("peak", [60, 25, 12])
@pytest.mark.parametrize("level", [1, 60, 128, 255])
def test_poisson_counts_have_its_distribution(peak, level):
    noise = RECIPES[f"poisson{peak}"].noise
    assert noise is not None
    rate = peak * level / 255
    lq = noise(_gray(level, 256), np.random.RandomState(1))
    # Levels stand for counts one to one, but those brighter than white.
    counts = np.rint(lq.astype(float) * peak / 255).astype(int).ravel()
    assert np.array_equal(np.minimum((2 * 255 * counts + peak) // (2 * peak), 255), lq.ravel())
    found = np.bincount(np.minimum(counts, peak), minlength=peak + 1)
    share = scipy.stats.poisson.pmf(np.arange(peak + 1), rate)
    share[-1] = scipy.stats.poisson.sf(peak - 1, rate)
    expected = share * counts.size
    usual = expected > 10
    groups = [np.append(a[usual], a[~usual].sum()) for a in (found, expected)]
    if groups[1][-1] < 5:
        groups = [np.append(a[:-2], a[-2:].sum()) for a in groups]
    assert scipy.stats.chisquare(*groups).pvalue > 1e-4
    if rate + 5 * rate**0.5 < peak:  # else white cuts the counts off
        assert counts.mean() == pytest.approx(rate, rel=0.02, abs=0.01)
        assert counts.var() == pytest.approx(rate, rel=0.03, abs=0.01)


@pytest.mark.parametrize("decibels", [32, 28, 24])
def test_jpeg2000_has_its_psnr(photo, decibels):
    clean = degrade(photo, "clean", 2, "x")
    lq = degrade(photo, f"jpeg2000_{decibels}", 2, "x")
    psnr = skimage.metrics.peak_signal_noise_ratio(clean, lq, data_range=255)
    assert decibels - 1 <= psnr <= decibels + 2


@pytest.mark.parametrize("shape", [(300, 300), (300, 7), (64, 64), (1, 1), (1, 9)])
@pytest.mark.parametrize("decibels", [32, 24])
def test_jpeg2000_keeps_smooth_images(shape, decibels):
    """OpenJPEG alone makes gray of an image that is black."""
    ramp = np.linspace(0, 255, shape[1]).astype(np.uint8)[None, :, None]
    for image in (np.zeros((*shape, 3), np.uint8), np.broadcast_to(ramp, (*shape, 3)).copy()):
        lq = degrade(image, f"jpeg2000_{decibels}", 1, "x")
        error = np.square(lq.astype(float) - image).mean()
        assert error <= 255**2 / 10 ** ((decibels - 1) / 10)


def test_webp_is_what_another_libwebp_decodes(photo):
    """OpenCV has a libwebp of its own; the two agree on colours but for their enlargement."""
    clean = degrade(photo, "clean", 2, "x")
    file = io.BytesIO()
    Image.fromarray(clean).save(file, "WEBP", quality=50, method=4)
    theirs = cv2.imdecode(np.frombuffer(file.getvalue(), np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    assert np.abs(degrade(photo, "webp50", 2, "x").astype(int) - theirs).max() <= 1


def test_resizes_are_those_of_other_libraries(photo):
    tensor = torch.from_numpy(photo).permute(2, 0, 1)[None].double()

    def near(recipe, expected, most):
        lq = degrade(photo, recipe, 4, "x").astype(float)
        assert np.abs(lq - expected).max() <= most

    def resized(**options):
        found = F.interpolate(tensor, scale_factor=0.25, **options)
        return found[0].permute(1, 2, 0).clamp(0, 255).numpy()

    near("area", skimage.measure.block_reduce(photo, (4, 4, 1), np.mean), 1)
    near("bilinear", resized(mode="bilinear", antialias=True), 1.1)
    near("bicubic_aliased", resized(mode="bicubic"), 1.5)
    near("nearest", resized(mode="nearest-exact"), 0)
    with pytest.raises(AssertionError):
        near("lanczos", resized(mode="bicubic", antialias=True), 1.5)


FAMILY_GROUPS = ["defocus", "jpeg2000", "poisson-noise", "salt-and-pepper", "speckle", "webp"]


@pytest.mark.parametrize("group", [*FAMILY_GROUPS, "motion-blur"])
def test_strengths_rise(photo, group):
    members = [name for name in GROUPS[group] if not name.startswith("shake")]
    assert len(members) >= 3
    clean = degrade(photo, "clean", 2, "x")
    psnr = [
        skimage.metrics.peak_signal_noise_ratio(clean, degrade(photo, name, 2, "x"))
        for name in members
    ]
    assert all(weak > strong + 0.5 for weak, strong in itertools.pairwise(psnr)), psnr


@pytest.mark.parametrize("scale", [1, 3])
def test_every_recipe_takes_every_size(scale):
    random = np.random.RandomState(0)
    for shape in ((scale, scale), (scale, 9 * scale), (31, 50)):
        image = random.randint(0, 256, (*shape, 3)).astype(np.uint8)
        for name in RECIPES:
            lq = degrade(image, name, scale, "x")
            assert (lq.shape, lq.dtype) == ((shape[0] // scale, shape[1] // scale, 3), np.uint8)
            assert lq.flags.c_contiguous


def test_pixels_hang_on_no_thread_count(photo):
    before, threads = cv2.getNumThreads(), torch.get_num_threads()
    many = {name: degrade(photo, name, 4, "x") for name in GROUPS["heldout"]}
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    try:
        np.random.seed(7)
        for name, lq in many.items():
            assert np.array_equal(degrade(photo, name, 4, "x"), lq), name
    finally:
        cv2.setNumThreads(before)
        torch.set_num_threads(threads)


def test_webp_refuses_what_it_cannot_hold():
    with pytest.raises(OptionError, match="16383 pixels a side, the LQ has 16384x1"):
        degrade(np.zeros((1, 16384, 3), np.uint8), "webp50", 1, "x")


def test_families_are_known_and_recipes_tell_what_they_are():
    for name, recipe in RECIPES.items():
        assert set(recipe.families) <= set(FAMILIES), name
        assert (recipe.families == ()) == (name == "clean")
        assert recipe.imitates, name
        assert recipe.source, name


def test_groups():
    assert set(GROUPS["all"]) == set(RECIPES)
    assert not set(GROUPS["heldout"]) & set(GROUPS["standard"])
    unusual = {"motion blur", "defocus", "salt and pepper", "speckle", "poisson noise"}
    unusual |= {"jpeg2000", "webp", "nearest resize", "lanczos resize"}
    assert unusual <= {family for name in GROUPS["heldout"] for family in RECIPES[name].families}
    assert all(len(RECIPES[name].families) > 1 for name in GROUPS["mixed"])
    assert set(GROUPS["motion-blur"]) == {"motion7", "motion15", "motion25", "shake15", "shake31"}
    assert not set(GROUPS) & set(RECIPES)


def test_names_and_groups_become_recipes():
    assert expand_recipes(["clean", "defocus", "clean", "defocus4"]) == [
        "clean",
        "defocus2",
        "defocus4",
        "defocus6",
    ]
    same = [expand_recipes([name]) for name in ("motion blur", "Motion_Blur", "motion-blur")]
    assert same[0] == same[1] == same[2]
    with pytest.raises(OptionError, match="Did you mean 'motion15'"):
        expand_recipes(["clean", "motion_15"])
    with pytest.raises(OptionError, match="Did you mean 'heldout'"):
        expand_recipes(["held-outs"])


def test_a_mixture_has_the_steps_of_its_parts(photo):
    mixed = RECIPES["motion15_noise20_jpeg50"]
    assert mixed.blur == RECIPES["motion15"].blur
    assert mixed.noise == RECIPES["noise20"].noise
    assert mixed.codec == RECIPES["jpeg50"].codec
    assert mixed.downscaling == Bicubic()
    assert mixed.families == ("motion blur", "gaussian noise", "jpeg")
    with pytest.raises(ValueError, match="two steps of the kind blur"):
        mix("blur2", "motion15")


def test_a_recipe_says_on_which_libraries_its_pixels_hang():
    assert "libwebp (pillow)" in RECIPES["motion7_poisson60_webp50"].libraries
    assert "openjpeg (pillow)" in RECIPES["jpeg2000_28"].libraries
    assert RECIPES["nearest"].libraries == ()


def test_the_documentation_lists_every_recipe_as_it_is():
    rows = {}
    text = (Path(__file__).parents[2] / "docs/recipes.md").read_text(encoding="utf-8")
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 5 and cells[0].startswith("`"):
            rows[cells[0].strip("`")] = cells[1:]
    assert set(rows) == set(RECIPES)
    for name, recipe in RECIPES.items():
        families = ", ".join(recipe.families) or "-"
        told = [families, recipe.strength or "-", recipe.imitates, recipe.source]
        assert rows[name] == told
