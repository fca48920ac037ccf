"""Running the command line: what a person sees of an error, and the exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any, cast

import typer

from ..errors import AdasrError, TrainingError
from .app import app

# Typer brings a Click of its own or uses the installed one; its public errors know which.
UsageError: type[Exception] = typer.BadParameter.__bases__[0]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code. A user's mistake is one message, never a traceback."""
    try:
        code = app(args=arguments, prog_name="adasr", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except typer.Exit as stop:
        return stop.exit_code
    except UsageError as error:
        cast(Any, error).show()
        return 2
    except TrainingError as error:
        return _failed(str(error), 1)
    except AdasrError as error:
        return _failed(str(error), 2)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        return _failed(f"{place}{error.strerror or error}.", 1)
    except (RuntimeError, MemoryError) as error:
        if str(error).startswith("DataLoader worker"):  # torch's, wherever the run is just then
            return _failed(
                f"a process that loads images has ended ({error.args[0].splitlines()[0]}). Mostly "
                "memory has run out: lower datasets.train.num_worker_per_gpu. Go on with "
                "--auto-resume; what was saved is untouched.",
                1,
            )
        if _lost_process(error):
            return _failed(
                "another process of this training has ended; its own message, or torchrun's last "
                "lines, tell why. Go on from the last checkpoint with --auto-resume.",
                1,
            )
        if not _out_of_memory(error):
            raise
        return _failed(
            "out of memory. Try smaller crops (gt_size), a smaller batch (batch_size_per_gpu), "
            "a smaller network, or tiles (--tile).",
            1,
        )
    except (KeyboardInterrupt, typer.Abort):
        return _failed("interrupted.", 130)


def _out_of_memory(error: RuntimeError | MemoryError) -> bool:
    from ..inference.memory import is_out_of_memory

    return isinstance(error, MemoryError) or is_out_of_memory(error)


def _lost_process(error: RuntimeError | MemoryError) -> bool:
    if "RANK" not in os.environ:
        return False
    from ..training.processes import lost_process

    return lost_process(error)


def _failed(message: str, code: int) -> int:
    print(f"error: {message}", file=sys.stderr)
    return code
