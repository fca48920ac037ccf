"""Whether BasicSR is there, and which."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import sys
import warnings
from types import ModuleType

from ...compat import import_basicsr
from ...errors import UnavailableError

TESTED = "1.4.2"
_INSTALL = (
    "Its source package needs PyTorch while it is built, so pin the one you have: "
    "PIP_CONSTRAINT=FILE PIP_BUILD_CONSTRAINT=FILE pip install --use-pep517 basicsr==1.4.2, where "
    "FILE holds a line such as torch==2.13.0."
)
_TOO_NEW = (
    "It cannot be built on Python 3.13 or newer; make an environment with Python 3.11 or 3.12."
)


class MissingBasicSRError(UnavailableError, ImportError):
    """BasicSR is not installed, or does not import."""


def require_basicsr() -> ModuleType:
    """The package ``basicsr``; another version than the tested one gives a warning.

    Raises:
        MissingBasicSRError: it is not installed, or does not import.
    """
    if importlib.util.find_spec("basicsr") is None:
        remedy = _TOO_NEW if sys.version_info >= (3, 13) else _INSTALL
        raise MissingBasicSRError(f"BasicSR is not installed. {remedy}")
    version = installed_version()
    if version != TESTED:
        warnings.warn(
            f"BasicSR {version or 'of an unknown version'} is installed; adasr is tested with "
            f"{TESTED}. Repairs are applied where their faults are found; if something fails, "
            f"install basicsr=={TESTED}.",
            stacklevel=4,
        )
    try:
        return import_basicsr()
    except Exception as error:  # whatever a broken installation raises
        raise MissingBasicSRError(
            f"BasicSR {version} is installed but does not import ({error}). "
            f"Install basicsr=={TESTED}. {_INSTALL}"
        ) from error


def installed_version() -> str:
    """The version of the installed package, or of a source tree on the path; empty if unknown."""
    try:
        return importlib.metadata.version("basicsr")
    except importlib.metadata.PackageNotFoundError:
        return ""
