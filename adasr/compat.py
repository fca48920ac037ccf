"""Repairs of other packages, each applied only where its fault is met.

Two faults are known (torch 2.13, torchvision 0.28, BasicSR 1.4.2):

* torchvision's compiled half does not load beside a torch of another build, and its Python half
  then fails with ``operator torchvision::nms does not exist``. Declaring the two schemas that the
  Python half registers fake kernels for lets it load; nothing here calls the operators.
* BasicSR imports ``torchvision.transforms.functional_tensor``, which torchvision removed.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types

_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_library = None  # a torch.library.Library lives as long as it is referenced


def import_torchvision() -> types.ModuleType:
    """torchvision, its missing operator schemas declared when (and only when) that is its fault."""
    try:
        return importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
    _declare_torchvision_schemas()
    for name in [n for n in sys.modules if n.partition(".")[0] == "torchvision"]:
        del sys.modules[name]
    return importlib.import_module("torchvision")


def _declare_torchvision_schemas() -> None:
    global _library
    if _library is None:
        import torch

        _library = torch.library.Library("torchvision", "FRAGMENT")
        for schema in _SCHEMAS:
            _library.define(schema)


def import_basicsr() -> types.ModuleType:
    """BasicSR, ``torchvision.transforms.functional_tensor`` given back where it is gone.

    Raises:
        ImportError: BasicSR is not installed.
    """
    import_torchvision()
    gone = "torchvision.transforms.functional_tensor"
    if gone not in sys.modules and importlib.util.find_spec(gone) is None:
        from torchvision.transforms import functional

        module = types.ModuleType(gone)
        module.__dict__["rgb_to_grayscale"] = functional.rgb_to_grayscale
        sys.modules[gone] = module
    return importlib.import_module("basicsr")
