"""One training as a process of its own.

A process each: a crash or a lack of memory ends one run and not the others, all memory of a GPU is
given back, several can train at once, and any of them can be started by hand just the same.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from ..files import write_text
from ..options import dump_options
from .plan import Run

_PR_SET_PDEATHSIG = 1


class Worker:
    """The running training of a run.

    Args:
        run: whose option file is written and trained.
        environment: variables over those of this process.
    """

    def __init__(self, run: Run, environment: Mapping[str, str]) -> None:
        self.run = run
        write_text(run.file, dump_options(run.options))
        command = [sys.executable, "-m", "adasr", "train", "-opt", str(run.file), "--auto-resume"]
        with run.log.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **environment},
                # Ctrl-C in the terminal is ours: the training hears of it once, from stop().
                start_new_session=True,
                preexec_fn=_dies_with_parent(),
            )

    def poll(self) -> int | None:
        """The exit code, None while it runs."""
        return self.process.poll()

    def stop(self) -> None:
        """Ask it to save and end."""
        with contextlib.suppress(ProcessLookupError):
            self.process.terminate()

    def kill(self) -> None:
        """End it and its loading processes on the spot; what it saved stays."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if os.name == "posix":
                os.killpg(self.process.pid, signal.SIGKILL)
            else:
                self.process.kill()
        self.process.wait()

    def problem(self) -> str:
        """Why it ended, from its exit code and its last words."""
        code = self.process.returncode
        if code < 0:
            name = signal.Signals(-code).name
            why = " (out of memory?)" if name == "SIGKILL" else ""
            return f"was ended by {name}{why}; {self.run.log}"
        if code > 128:
            return f"was stopped by {signal.Signals(code - 128).name} and has saved its state"
        return f"{last_words(self.run.log)}; {self.run.log}"


def last_words(log: Path) -> str:
    """The error message in what a process said, or its last line."""
    lines = [line for line in _tail(log).splitlines() if line.strip()]
    for index in range(len(lines) - 1, -1, -1):
        if lines[index].startswith("error: "):
            return "\n".join([lines[index].removeprefix("error: "), *lines[index + 1 :]])
    return lines[-1].strip() if lines else "ended without a word"


def _tail(path: Path, size: int = 20_000) -> str:
    with contextlib.suppress(OSError), path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - size))
        return file.read().decode("utf-8", errors="replace")
    return ""


def _dies_with_parent() -> Callable[[], None] | None:
    """Lets Linux ask a training to save and end when this process is killed.

    Elsewhere it goes on by itself, and who ablates next waits for its folder.
    """
    if sys.platform != "linux":
        return None
    try:
        control = ctypes.CDLL(None, use_errno=True).prctl
    except (OSError, AttributeError):
        return None
    parent = os.getpid()

    def follow() -> None:
        control(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it went before the line above
            os._exit(1)

    return follow
