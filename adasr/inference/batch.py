"""Small images of one shape through a network at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from ..data.images import to_tensor
from .backend import Backend
from .channels import enlarge_alpha, extend_visible, split_alpha
from .tiler import quantized
from .tiles import pad_to_multiple


def upscale_stack(backend: Backend, images: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Images (H, W, C) of one shape and type enlarged in one pass; see ``Upscaler.batch``."""
    parts = [split_alpha(image) for image in images]
    seen = [
        colours if alpha is None else extend_visible(colours, alpha) for colours, alpha in parts
    ]
    height, width, colours = seen[0].shape
    scale, dtype = backend.upscale, seen[0].dtype
    with torch.inference_mode():
        stack = torch.stack([to_tensor(image) for image in seen])
        if backend.channels == 1:
            stack = stack.flatten(0, 1)[:, None]
        elif colours == 1:
            stack = stack.expand(-1, 3, -1, -1)
        output = backend(pad_to_multiple(stack, backend.multiple, backend.minimum))
        output = output[..., : height * scale, : width * scale]
        if backend.channels == 1:
            output = output.unflatten(0, (len(images), colours))[:, :, 0]
        elif colours == 1:
            output = output.mean(dim=1, keepdim=True)
        larger = [quantized(planes, dtype) for planes in output]
    return [
        image if alpha is None else np.dstack([image, enlarge_alpha(alpha, scale)])
        for image, (_, alpha) in zip(larger, parts, strict=True)
    ]
