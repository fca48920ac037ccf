"""Gray, colour and transparency: what a network of RGB images is given, and the way back."""

from __future__ import annotations

import cv2
import numpy as np


def split_alpha(image: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """(H, W, C) into its colours (H, W, 1 or 3) and its alpha (H, W), if it has one."""
    if image.shape[2] in (2, 4):
        return image[..., :-1], image[..., -1]
    return image, None


def extend_visible(colours: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """``colours`` where alpha is above 0, elsewhere those of the nearest such pixel.

    What lies under transparent pixels is arbitrary; unseen, it would bleed into the visible edge
    and show as a fringe.
    """
    hidden = alpha <= 0
    if not hidden.any() or hidden.all():
        return colours
    from scipy.ndimage import distance_transform_edt

    nearest = distance_transform_edt(hidden, return_distances=False, return_indices=True)
    assert isinstance(nearest, np.ndarray)
    return colours[nearest[0], nearest[1]]


def enlarge_alpha(alpha: np.ndarray, upscale: int) -> np.ndarray:
    """(H, W) enlarged by bicubic interpolation: a mask has no texture to restore."""
    if upscale == 1:
        return alpha
    size = (alpha.shape[1] * upscale, alpha.shape[0] * upscale)
    if np.issubdtype(alpha.dtype, np.floating):
        larger = cv2.resize(alpha.astype(np.float32), size, interpolation=cv2.INTER_CUBIC)
        return np.clip(larger, 0, 1).astype(alpha.dtype)
    return cv2.resize(np.ascontiguousarray(alpha), size, interpolation=cv2.INTER_CUBIC)


def check_image(shape: tuple[int, ...], dtype: np.dtype) -> None:
    """Raise ``ValueError`` for what is no image: its shape or its type."""
    if len(shape) not in (2, 3) or (len(shape) == 3 and shape[2] not in (1, 2, 3, 4)):
        raise ValueError(f"expected an image of (H, W) or (H, W, 1 to 4), got {tuple(shape)}")
    if 0 in shape:
        raise ValueError(f"the image is empty: {tuple(shape)}")
    if dtype not in (np.uint8, np.uint16) and dtype.kind != "f":
        raise ValueError(f"expected uint8, uint16 or float values, got {dtype}")


def check_values(image: np.ndarray) -> None:
    """Raise ``ValueError`` for float values outside [0, 1] or NaN."""
    if image.dtype.kind != "f":
        return
    low, high = float(image.min()), float(image.max())
    if not (low >= 0.0 and high <= 1.0):  # also for NaN
        raise ValueError(
            f"float values must lie in [0, 1], got {low:g} to {high:g}. "
            "Divide by the value of white, or convert to 16 bits."
        )
