"""The perceptual loss of SRGAN, ESRGAN and Real-ESRGAN, on features of a VGG network."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..compat import import_torchvision
from ..errors import OptionError, did_you_mean
from ..pretrained import ImageNetFile
from ..registry import LOSS_REGISTRY

VggType = Literal[
    "vgg11", "vgg13", "vgg16", "vgg19", "vgg11_bn", "vgg13_bn", "vgg16_bn", "vgg19_bn"
]
Criterion = Literal["l1", "l2", "fro"]

# torchvision's ImageNet weights, version 1, and its letter of each network.
_FILES = {
    "vgg11": "vgg11-8a719046.pth",
    "vgg13": "vgg13-19584684.pth",
    "vgg16": "vgg16-397923af.pth",
    "vgg19": "vgg19-dcbb9e9d.pth",
    "vgg11_bn": "vgg11_bn-6002323d.pth",
    "vgg13_bn": "vgg13_bn-abd245e5.pth",
    "vgg16_bn": "vgg16_bn-6c64b313.pth",
    "vgg19_bn": "vgg19_bn-c79401a0.pth",
}
_LETTERS = {"vgg11": "A", "vgg13": "B", "vgg16": "D", "vgg19": "E"}
_BASICSR_FOLDER = Path("experiments/pretrained_models")  # where BasicSR looks first
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, RGB in [0, 1]


@LOSS_REGISTRY.register()
class PerceptualLoss(nn.Module):
    """Distance of VGG features, and of their Gram matrices (arXiv 1603.08155, 1809.00219).

    The network is frozen. It computes in the precision it is called in: outside of autocast that
    is float32, as in BasicSR.

    Args:
        layer_weights: weight of each layer, e.g. {conv1_2: 0.1, conv5_4: 1}; conv5_4 is the
            convolution's output before its ReLU (relu5_4), pool5 that of the pooling.
        vgg_type: which network of torchvision.
        use_input_norm: normalize the images by ImageNet's mean and deviation; they are in [0, 1].
        range_norm: bring images in [-1, 1] to [0, 1] first.
        perceptual_weight: factor of the distance of features; 0: leave it out.
        style_weight: factor of the distance of Gram matrices; 0: leave it out.
        criterion: "l1", "l2" (mean squared error) or "fro" (Frobenius norm over the batch).
        weights: file with torchvision's ImageNet weights of the network; without it
            experiments/pretrained_models and torch hub's cache are used, then a download is tried.

    Raises:
        OptionError: an unknown layer, no layer, or a weight that is not finite and 0 or more.
        UnavailableError: no ImageNet weights here and none to be had.
        WeightsError: ``weights`` cannot be read or is of another network.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        layer_weights: dict[str, float],
        vgg_type: VggType = "vgg19",
        use_input_norm: bool = True,
        range_norm: bool = False,
        perceptual_weight: float = 1.0,
        style_weight: float = 0.0,
        criterion: Criterion = "l1",
        weights: str | None = None,
    ) -> None:
        super().__init__()
        _check(layer_weights, perceptual_weight, style_weight)
        self.layer_weights, self.criterion = dict(layer_weights), criterion
        self.use_input_norm, self.range_norm = use_input_norm, range_norm
        self.perceptual_weight, self.style_weight = perceptual_weight, style_weight
        self.vgg = _trained(vgg_type, layer_weights, weights)
        self.register_buffer("mean", torch.tensor(_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(_STD).view(1, 3, 1, 1), persistent=False)

    def train(self, mode: bool = True) -> PerceptualLoss:
        """Stay in evaluation mode: batch normalization must not follow the images."""
        return super().train(False)

    def forward(self, sr: Tensor, gt: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """The weighted distances (perceptual, style), scalars; None for one that is left out.

        Args:
            sr: (N, 3, H, W) in [0, 1]; the gradient goes here alone.
            gt: the same shape.

        Raises:
            ValueError: the shapes differ.
        """
        if sr.shape != gt.shape:
            raise ValueError(f"SR {tuple(sr.shape)} and GT {tuple(gt.shape)} differ in shape")
        with torch.no_grad():
            wanted = self.features(gt)
        found = self.features(sr)
        perceptual = style = None
        if self.perceptual_weight:
            perceptual = self.perceptual_weight * self._distance(found, wanted)
        if self.style_weight:
            grams = [{k: gram_matrix(v) for k, v in part.items()} for part in (found, wanted)]
            style = self.style_weight * self._distance(*grams)
        return perceptual, style

    def features(self, images: Tensor) -> dict[str, Tensor]:
        """The features of (N, 3, H, W) by layer."""
        if self.range_norm:
            images = (images + 1) / 2
        if self.use_input_norm:
            images = (images - self.mean) / self.std
        found = {}
        for name, layer in self.vgg.named_children():
            images = layer(images)
            if name in self.layer_weights:
                found[name] = images
        return found

    def _distance(self, found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> Tensor:
        parts = [weight * self._layer(found[k], wanted[k]) for k, weight in self._items()]
        return torch.stack(parts).sum()

    def _items(self) -> list[tuple[str, float]]:
        return list(self.layer_weights.items())

    def _layer(self, found: Tensor, wanted: Tensor) -> Tensor:
        if self.criterion == "l1":
            return F.l1_loss(found, wanted)
        if self.criterion == "l2":
            return F.mse_loss(found, wanted)
        return torch.linalg.vector_norm(found - wanted)


def gram_matrix(features: Tensor) -> Tensor:
    """The Gram matrix of each image's channels, (N, C, H, W) to (N, C, C), per element."""
    flat = features.flatten(2)
    return flat @ flat.transpose(1, 2) / features[0].numel()


def layer_names(vgg_type: VggType) -> list[str]:
    """The layers of a network in their order: conv1_1, relu1_1, ..., pool5."""
    return [name for name, _ in _layers(vgg_type)]


def _layers(vgg_type: str) -> list[tuple[str, nn.Module]]:
    """The layers without weights (on the meta device), by name."""
    import_torchvision()
    from torchvision.models import vgg

    plain = vgg_type.removesuffix("_bn")
    with torch.device("meta"):  # no memory, and no draw from the global random numbers
        modules = vgg.make_layers(vgg.cfgs[_LETTERS[plain]], batch_norm=plain != vgg_type)
    kinds = {nn.Conv2d: "conv", nn.BatchNorm2d: "bn", nn.ReLU: "relu", nn.MaxPool2d: "pool"}
    named, block, number = [], 1, 0
    for module in modules:
        kind = kinds[type(module)]
        number += kind == "conv"
        named.append((f"pool{block}" if kind == "pool" else f"{kind}{block}_{number}", module))
        if kind == "pool":
            block, number = block + 1, 0
    return named


def _trained(vgg_type: str, wanted: Mapping[str, float], weights: str | None) -> nn.Sequential:
    """The network up to its last wanted layer, frozen, in evaluation mode."""
    layers = _layers(vgg_type)
    names = [name for name, _ in layers]
    for name in wanted:
        if name not in names:
            hint = did_you_mean(name, names)
            raise OptionError(f"{vgg_type} has no layer '{name}'.", ("layer_weights", name), hint)
    network = nn.Sequential()
    for name, module in layers[: 1 + max(map(names.index, wanted))]:
        if isinstance(module, nn.ReLU):
            # In place it would overwrite features that the loss looks at.
            module.inplace = next(reversed(network._modules), "") not in wanted
        network.add_module(name, module)
    _load(network, vgg_type, weights)
    return network.eval().requires_grad_(False)


def _load(network: nn.Sequential, vgg_type: str, weights: str | None) -> None:
    file = ImageNetFile(_FILES[vgg_type], "PerceptualLoss", vgg_type)
    if weights is None and (_BASICSR_FOLDER / file.name).is_file():
        weights = str(_BASICSR_FOLDER / file.name)
    path = file.find(weights)
    state, own = file.read(path), {}
    for index, (name, module) in enumerate(network.named_children()):
        for key, value in module.state_dict().items():
            source = f"features.{index}.{key}"
            tensor = state.get(source)
            if tensor is None and key == "num_batches_tracked":
                continue  # newer than some of the files; evaluation does without
            if not isinstance(tensor, Tensor) or tensor.shape != value.shape:
                raise file.misfit(path, source, missing=tensor is None)
            own[f"{name}.{key}"] = tensor
    network.load_state_dict(own, assign=True)


def _check(layer_weights: Mapping[str, float], perceptual: float, style: float) -> None:
    if not layer_weights:
        hint = "ESRGAN's: {conv5_4: 1}."
        raise OptionError("names no layer.", ("layer_weights",), hint)
    numbers = {("layer_weights", name): weight for name, weight in layer_weights.items()}
    numbers |= {("perceptual_weight",): perceptual, ("style_weight",): style}
    for key, number in numbers.items():
        if not (math.isfinite(number) and number >= 0):
            raise OptionError(f"must be finite and 0 or more, got {number}.", key)
    if not (perceptual or style):
        hint = "Give one of them a weight, or leave the loss out."
        raise OptionError("is 0, and style_weight too.", ("perceptual_weight",), hint)
