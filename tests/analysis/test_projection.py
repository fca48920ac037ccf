"""Principal components and cluster scores against NumPy, SciPy and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from adasr.analysis.projection import calinski_harabasz, has_tsne, pca, tsne


@pytest.mark.parametrize(("n", "d"), [(12, 40), (30, 5), (2, 3)])
def test_components_are_those_of_the_singular_values(n: int, d: int) -> None:
    values = np.random.default_rng(0).normal(size=(n, d)) * np.arange(1, d + 1)
    found, shares = pca(values)
    left, lengths, _ = np.linalg.svd(values - values.mean(0), full_matrices=False)
    count = found.shape[1]
    np.testing.assert_allclose(np.abs(found), np.abs(left * lengths)[:, :count], atol=1e-6)
    np.testing.assert_allclose(shares, (lengths**2 / (lengths**2).sum())[:count], atol=1e-9)
    assert count == min(n - 1, d)


def test_equal_rows_have_no_components_and_no_groups() -> None:
    found, shares = pca(np.ones((6, 4), np.float32))
    assert not found.any()
    assert not shares.any()
    assert calinski_harabasz(found, "aabbcc") == 0.0


def test_of_one_number_the_score_is_the_f_statistic() -> None:
    values = np.random.default_rng(1).normal(size=(20, 1))
    labels = [i % 4 for i in range(20)]
    groups = [values[i::4, 0] for i in range(4)]
    expected = stats.f_oneway(*groups).statistic
    assert calinski_harabasz(values, labels) == pytest.approx(expected)


def test_the_score_is_that_of_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    values = np.random.default_rng(2).normal(size=(40, 6))
    labels = ["abc"[i % 3] for i in range(40)]
    expected = metrics.calinski_harabasz_score(values, labels)
    assert calinski_harabasz(values, labels) == pytest.approx(expected)


@pytest.mark.parametrize("labels", ["aaaa", "abcd"])
def test_one_group_or_as_many_as_rows_have_no_score(labels: str) -> None:
    assert calinski_harabasz(np.random.default_rng(3).normal(size=(4, 2)), labels) is None


def test_groups_that_are_points_are_infinitely_apart() -> None:
    assert calinski_harabasz(np.array([[0.0], [0.0], [1.0], [1.0]]), "aabb") == np.inf


def test_tsne_keeps_groups_apart_and_one_seed_gives_one_picture() -> None:
    if not has_tsne():
        pytest.skip("scikit-learn is not installed")
    random = np.random.default_rng(4)
    values = np.concatenate([random.normal(size=(15, 8)), 30 + random.normal(size=(15, 8))])
    one, same = tsne(values, 0), tsne(values, 0)
    assert one is not None
    assert np.array_equal(one, same)
    score = calinski_harabasz(one, [0] * 15 + [1] * 15)
    assert score is not None and score > 20
    assert tsne(values[:4], 0) is None


def test_without_scikit_learn_there_is_no_tsne(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adasr.analysis.projection.has_tsne", lambda: False)
    assert tsne(np.zeros((10, 3)), 0) is None
