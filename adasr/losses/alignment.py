"""Feature alignment (Wang et al., CVPR 2024, arXiv 2402.18929): its linear part."""

from __future__ import annotations

from torch import Tensor


def linear_alignment(features: Tensor) -> Tensor:
    r"""How far the pooled features of two degradations of the same images lie apart.

    Features are averaged over space and centred over the images of each degradation. With
    :math:`u_i, v_i` of C channels for image i under the two degradations:

    .. math:: \sum_i \frac{1}{C} \lVert u_i - v_i \rVert^2
              + \frac{1}{C^2} \lVert u_i u_i^T - v_i v_i^T \rVert_F^2

    Args:
        features: (2 N, C, H, W); the first N of one degradation, the others of the other, in the
            same order.

    Returns:
        A scalar; 0 where the two agree.

    Raises:
        ValueError: not (2 N, C, H, W).
    """
    if features.dim() != 4 or features.shape[0] % 2:
        raise ValueError(f"expected features (2 N, C, H, W), got {tuple(features.shape)}")
    first, second = features.mean(dim=(2, 3)).chunk(2)
    u, v = first - first.mean(0), second - second.mean(0)
    channels = u.shape[1]
    # |u u' - v v'|^2 = (u.u)^2 + (v.v)^2 - 2 (u.v)^2 would lose all digits near 0.
    outer = u[:, :, None] * u[:, None, :] - v[:, :, None] * v[:, None, :]
    per_image = (u - v).square().sum(1) / channels + outer.square().sum((1, 2)) / channels**2
    return per_image.sum()
