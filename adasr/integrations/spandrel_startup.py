"""Our SRResNet for programs that use spandrel and never import adasr, such as chaiNNer.

``python -m adasr.integrations.spandrel_startup``, run by the program's own Python, writes a startup
file into its site-packages. From then on ``import spandrel`` there brings our SRResNet along. The
file costs nothing where spandrel is not imported; delete it to undo this.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import sysconfig
import warnings
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

from ..compat import import_torchvision

STARTUP_FILE = "adasr_spandrel.pth"
# Python runs lines of startup files that begin with "import". This one is silent without adasr.
STARTUP_LINE = (
    "import importlib.util; importlib.util.find_spec('adasr') and "
    "importlib.import_module('adasr.integrations.spandrel_startup').watch()\n"
)


def watch() -> None:
    """Add our SRResNet to spandrel's main registry as soon as spandrel is imported."""
    if "spandrel" in sys.modules:
        _register()
    elif not any(isinstance(finder, _Watcher) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Watcher())


def write_startup_file(folder: str | Path | None = None) -> Path:
    """Write the startup file into ``folder``, this Python's site-packages by default; its path.

    Raises:
        OSError: the folder cannot be written.
    """
    from ..files import write_text

    path = Path(folder or sysconfig.get_path("purelib")) / STARTUP_FILE
    write_text(path, STARTUP_LINE)
    return path


class _Watcher(MetaPathFinder):
    """Finds nothing itself: lets the others find spandrel, and registers once it has run."""

    asking = False

    def find_spec(self, fullname: str, path: object, target: object = None) -> ModuleSpec | None:
        if fullname != "spandrel" or self.asking:
            return None
        self.asking = True
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            self.asking = False
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def execute_and_register(module: ModuleType) -> None:
            import_torchvision()  # as spandrel does next, mended where it is broken
            execute(module)
            _register()

        spec.loader.exec_module = execute_and_register
        return spec


def _register() -> None:
    try:
        importlib.import_module("adasr.integrations.spandrel")
    except Exception as error:  # the program must go on without our network
        warnings.warn(f"adasr cannot add SRResNet to spandrel: {error}", stacklevel=2)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the startup file; exit code 1 where it cannot be written."""
    parser = argparse.ArgumentParser(
        prog="python -m adasr.integrations.spandrel_startup",
        description="Let programs on spandrel in this Python read SRResNet.",
    )
    parser.add_argument("folder", nargs="?", help="this Python's site-packages by default")
    folder = parser.parse_args(arguments).folder
    if folder is not None and not Path(folder).is_dir():
        parser.error(f"{folder} is no folder")
    try:
        path = write_startup_file(folder)
    except OSError as error:
        print(f"error: {error.filename}: {error.strerror}.", file=sys.stderr)
        return 1
    print(f"{path}: spandrel in this Python reads SRResNet from now on; delete the file to undo it")
    return 0


if __name__ == "__main__":
    sys.exit(main())
