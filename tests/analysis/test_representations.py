"""Features of degradations: apart where a network tells them apart, together where it does not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from adasr.analysis.representations import draw_representations, measure_representations


def _images(lq: Tensor) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(lq.shape, generator=generator)
    return {"clean": lq / 4, "noise": lq / 4 + 0.1 * noise, "bright": lq / 4 + 0.7}


def test_a_network_that_sees_brightness_groups_by_it(lq: Tensor) -> None:
    seeing = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 3, 1))
    blind = nn.Sequential(nn.InstanceNorm2d(3), nn.Conv2d(3, 4, 1), nn.Conv2d(4, 3, 1))
    images = {k: v for k, v in _images(lq).items() if k != "noise"}
    one = measure_representations(seeing, images, "0")
    two = measure_representations(blind, images, "1")
    for view, other in zip(one.views, two.views, strict=True):
        assert view.score is not None and other.score is not None
        assert view.score > 5
        assert other.score < 0.5
        assert other.content_score is not None and other.content_score > 4 * other.score
    draw_representations({"seeing": one, "blind": two}).canvas.draw()


def test_one_recipe_has_no_score(net: nn.Module, lq: Tensor) -> None:
    found = measure_representations(net, {"clean": lq}, "conv_last:input")
    assert [view.score for view in found.views] == [None, None]
    assert found.labels == ("clean",) * 6
    draw_representations({"one": found}).canvas.draw()


def test_one_image_is_enough(net: nn.Module, lq: Tensor) -> None:
    found = measure_representations(net, {"clean": lq[:1]}, "conv_last:input")
    assert found.views[0].pca.shape == (1, 2)


def test_large_features_are_thinned_out_and_distances_stay(lq: Tensor) -> None:
    net = nn.Sequential(nn.Conv2d(3, 80, 1), nn.Conv2d(80, 3, 1))  # 80 x 16 x 16 > 16,384
    images = _images(lq)
    found = measure_representations(net, images, "0").views[0]
    with torch.no_grad():
        whole = torch.cat([net[0](x) for x in images.values()]).flatten(1).double()
    centred = (whole - whole.mean(0)).numpy()
    left, lengths, _ = np.linalg.svd(centred, full_matrices=False)
    expected = (left * lengths)[:, 0]
    correlation = np.corrcoef(found.pca[:, 0], expected)[0, 1]
    assert abs(correlation) > 0.999


def test_it_leaves_no_trace_and_repeats(
    net: nn.Module, lq: Tensor, trace: Callable[[nn.Module], object]
) -> None:
    net.train()
    before = trace(net)
    one, same = (measure_representations(net, _images(lq), "conv_last:input") for _ in range(2))
    assert trace(net) == before
    for a, b in zip(one.views, same.views, strict=True):
        np.testing.assert_array_equal(a.pca, b.pca)
        assert a.score == b.score
        if a.tsne is not None:
            np.testing.assert_array_equal(a.tsne, b.tsne)
