"""Many numbers per image to two, and how well groups of images stand apart."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Sequence

import numpy as np

COMPONENTS = 50
"""Principal components that t-SNE and the cluster score start from (Liu et al., 2021)."""


def pca(values: np.ndarray, components: int = COMPONENTS) -> tuple[np.ndarray, np.ndarray]:
    """Principal components of (n, d) values.

    Args:
        values: a row per image.
        components: how many; fewer where n - 1 or d is smaller.

    Returns:
        (n, k) float64, the directions of most variance first, each with the sign that makes its
        largest value positive; (k,) shares of the whole variance.
    """
    centred = values.astype(np.float64)
    centred -= centred.mean(0)
    count = max(1, min(components, len(values) - 1, values.shape[1]))
    # Through the (n, n) inner products: n is small and d is not.
    squares, vectors = np.linalg.eigh(centred @ centred.T)
    order = np.argsort(squares)[::-1][:count]
    lengths = np.sqrt(np.clip(squares[order], 0, None))
    # Directions that hold nothing but rounding are nothing.
    lengths[lengths <= 1e-9 * max(lengths.max(initial=0.0), 1e-300)] = 0.0
    found = vectors[:, order] * lengths
    largest = found[np.abs(found).argmax(0), np.arange(found.shape[1])]
    total = float(np.clip(squares, 0, None).sum())
    shares = lengths**2 / total if total > 0 else np.zeros(count)
    return found * np.where(largest < 0, -1.0, 1.0), shares


def has_tsne() -> bool:
    """Whether scikit-learn, which brings t-SNE, is installed."""
    return importlib.util.find_spec("sklearn") is not None


def tsne(values: np.ndarray, seed: int) -> np.ndarray | None:
    """(n, d) values on a plane by t-SNE, (n, 2); None without scikit-learn or for under 5 images.

    It starts from the principal components, so one seed gives one picture.
    """
    if len(values) < 5 or not has_tsne():
        return None
    manifold = importlib.import_module("sklearn.manifold")
    perplexity = min(30.0, (len(values) - 1) / 3)
    fit = manifold.TSNE(2, perplexity=perplexity, init="pca", random_state=seed)
    return np.asarray(fit.fit_transform(values.astype(np.float32)), dtype=np.float64)


def calinski_harabasz(values: np.ndarray, labels: Sequence[object]) -> float | None:
    """Calinski-Harabasz index of labelled rows: larger for denser groups that lie further apart.

    ``[B / (k - 1)] / [W / (n - k)]`` with B the scatter of k groups' centres, W that in the groups.

    Args:
        values: (n, d).
        labels: the group of each row.

    Returns:
        None for a single group, or as many groups as rows; infinity where groups are points.
    """
    groups = list(dict.fromkeys(labels))
    count, k = len(values), len(groups)
    if k < 2 or k >= count:
        return None
    mean = values.mean(0)
    between = within = 0.0
    named = np.array([groups.index(label) for label in labels])
    for group in range(k):
        members = values[named == group]
        centre = members.mean(0)
        between += len(members) * float(((centre - mean) ** 2).sum())
        within += float(((members - centre) ** 2).sum())
    if within <= 0:
        return float("inf") if between > 0 else 0.0
    return between * (count - k) / (within * (k - 1))
