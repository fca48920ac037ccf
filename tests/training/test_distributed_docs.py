"""What docs/distributed.md tells people to type."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from adasr.training.checkpoint import load_state

PAGE = Path(__file__).parents[2] / "docs" / "distributed.md"
BLOCKS = re.findall(r"^```bash\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S)

SRUN = """#!/bin/bash
shift    # its own option; it becomes the task, so that signals reach that
exec "$@"
"""
SCONTROL = """#!/bin/bash
if [ "$1" = show ]; then echo localhost; else echo "$@" >> requeued; fi
"""
TORCHRUN = f"""#!/bin/bash
exec {sys.executable} -m torch.distributed.run "$@"
"""


@pytest.mark.parametrize("script", BLOCKS)
def test_scripts_are_well_formed_and_name_files_that_are_there(script: str, tmp_path: Path) -> None:
    (tmp_path / "script").write_text(script)
    subprocess.run(["bash", "-n", str(tmp_path / "script")], check=True)
    (option_file,) = set(re.findall(r"-opt (\S+)", script))
    assert (PAGE.parents[1] / option_file).is_file()


@pytest.mark.slow
def test_a_preempted_job_saves_and_is_queued_again(
    recipe: Callable[..., Path], tmp_path: Path
) -> None:
    """The SLURM file with two processes, and stand-ins for SLURM's commands."""
    logger = {"print_freq": 1, "save_checkpoint_freq": 100_000}
    path = recipe(train={"total_iter": 100_000}, logger=logger, datasets={"val": None}, val=None)
    (script,) = [block for block in BLOCKS if "#SBATCH" in block]
    script = re.sub(r"-opt \S+", f"-opt {path}", script)
    script = script.replace("--nproc_per_node 4", "--nproc_per_node 2").replace(":29500", ":0")
    (tmp_path / "job.sh").write_text(script)
    for name, text in (("srun", SRUN), ("scontrol", SCONTROL), ("torchrun", TORCHRUN)):
        (tmp_path / "bin").mkdir(exist_ok=True)
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    job = {"JOB_ID": "7", "NNODES": "1", "JOB_NODELIST": "here", "CPUS_PER_TASK": "4"}
    process = subprocess.Popen(
        ["bash", str(tmp_path / "job.sh")],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env={
            **os.environ,
            **{f"SLURM_{key}": value for key, value in job.items()},
            "PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(PAGE.parents[1]),
            "PYTHONUNBUFFERED": "1",
        },
    )
    assert process.stdout is not None
    told = ""
    for line in process.stdout:
        told += line
        if line.startswith("iteration 5:"):
            os.kill(process.pid, signal.SIGTERM)
            break
    told += process.communicate(timeout=120)[0]
    assert "stopped and saved" in told, told
    assert (tmp_path / "requeued").read_text() == "requeue 7\n"
    (state,) = (tmp_path / "experiments" / "run" / "training_states").iterdir()
    assert load_state(state)["iteration"] >= 5
