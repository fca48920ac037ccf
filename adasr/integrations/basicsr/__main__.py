"""``python -m adasr.integrations.basicsr train|test -opt FILE``: BasicSR's own loop, mended.

Everything behind the first word is BasicSR's: ``--auto_resume``, ``--launcher pytorch`` under
``torchrun``, ``--force_yml``. Experiments and results go to the current folder.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch.distributed as dist

from ...errors import AdasrError

_USAGE = "usage: python -m adasr.integrations.basicsr train|test -opt FILE [BasicSR's arguments]"


def main() -> int:
    """Run BasicSR's train or test pipeline; exit code 2 for a user's mistake."""
    # Not always the first: torch.distributed.launch puts an argument of its own before it.
    word = next((a for a in sys.argv[1:] if not a.startswith("-")), None)
    if word not in ("train", "test"):
        print(_USAGE, file=sys.stderr)
        return 2
    sys.argv.remove(word)
    from basicsr.test import test_pipeline
    from basicsr.train import train_pipeline

    pipeline = train_pipeline if word == "train" else test_pipeline
    try:
        pipeline(str(Path.cwd()))
    except AdasrError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    finally:
        if dist.is_available() and dist.is_initialized():
            # Left to the interpreter's end, the group's threads may abort the process.
            dist.destroy_process_group()
    return 0


if __name__ == "__main__":
    sys.exit(main())
