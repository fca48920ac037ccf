"""Whether BasicSR is there, and which."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import sys
import warnings
from pathlib import Path
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
    module = _imported()
    version = getattr(module, "__version__", "of an unknown version")
    if version != TESTED:
        warnings.warn(
            f"BasicSR {version} is in use ({_folder()}); adasr is tested with {TESTED}. Repairs "
            "are applied where their faults are found; if something fails, install "
            f"basicsr=={TESTED}.",
            stacklevel=4,
        )
    return module


def _imported() -> ModuleType:
    try:
        module = import_basicsr()
        for part in ("archs", "data", "losses", "metrics", "models", "train", "test"):
            importlib.import_module(f"basicsr.{part}")
        return module
    except Exception as error:  # whatever a broken installation raises
        remedy = f"Install basicsr=={TESTED}. {_INSTALL}"
        if not _is_installed_one():
            remedy = (
                "That folder hides the installed one: work in another folder, or build it there "
                "(python setup.py develop)."
            )
        raise MissingBasicSRError(
            f"BasicSR in {_folder()} does not import ({error}). {remedy}"
        ) from error


def _folder() -> str:
    spec = importlib.util.find_spec("basicsr")
    places = list(spec.submodule_search_locations or ()) if spec is not None else []
    return places[0] if places else "an unknown place"


def _is_installed_one() -> bool:
    """Whether the package that is found is the one that pip put there."""
    try:
        own = importlib.metadata.distribution("basicsr").locate_file("basicsr")
    except importlib.metadata.PackageNotFoundError:
        return True
    return Path(str(own)).resolve() == Path(_folder()).resolve()
