"""adasr inside BasicSR 1.4.2: import this once, before BasicSR itself.

It makes the released BasicSR import and run on current PyTorch, torchvision, NumPy and OpenCV, on a
CPU too (``repairs``), and adds to its registries:

* archs: ``AdaSRResNet``, ``AdaRRDBNet`` and so on for all of adasr's, and ``Regularized``, which
  puts a regularizer into any arch that BasicSR knows;
* models: ``AdaSRModel`` (paired data) and ``AdaRealESRNetModel`` (LQ made on the fly);
* datasets ``AdaImageFolder``, ``AdaPairedFolder``, ``AdaDegradedFolder``; losses ``AdaL1Loss``,
  ``AdaLPIPSLoss`` and so on; metrics ``ada_psnr``, ``ada_ssim``, ``ada_lpips`` and so on.

Every model of BasicSR, its own ones included, then takes ``regularizer: {...}`` at the top of the
option file or under ``network_g``, anneals the networks that carry one (see ``hooks``), and logs
how far that is. ``python -m adasr.integrations.basicsr train -opt FILE`` runs BasicSR's own loop.

Raises:
    MissingBasicSRError: BasicSR is not installed, or does not import.
    UnavailableError: a name is taken in BasicSR's registries.
"""

import sys

from .installed import MissingBasicSRError, require_basicsr

try:
    require_basicsr()
except MissingBasicSRError as error:
    if sys.argv[:1] != ["-m"]:  # so it reads while "python -m" looks for the command below
        raise
    print(f"error: {error}", file=sys.stderr)
    sys.exit(2)

from .registration import register
from .repairs import repair

repair()
register()

__all__ = ["MissingBasicSRError", "register", "repair", "require_basicsr"]
