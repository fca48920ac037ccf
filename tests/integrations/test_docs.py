"""The recipes of docs/basicsr.md, run as they stand there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from basicsr_project import free_port, project_options

PAGE = Path(__file__).parents[2] / "docs" / "basicsr.md"


def blocks(heading: str, language: str) -> list[str]:
    """The code blocks of one language in the section under ``heading``."""
    text = PAGE.read_text(encoding="utf-8")
    section = re.split(r"^## ", text.partition(f"## {heading}\n")[2], flags=re.MULTILINE)[0]
    return re.findall(rf"^```{language}\n(.*?)^```", section, re.MULTILINE | re.DOTALL)


def shell(script: str, folder: Path) -> str:
    """What a script prints, run with this interpreter's commands first in the path."""
    tools = str(Path(sys.executable).parent)
    done = subprocess.run(
        ["bash", "-ec", script],
        cwd=folder,
        env={**os.environ, "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
    assert done.returncode == 0, f"{script}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
    return done.stdout + done.stderr


@pytest.fixture
def start(basicsr: ModuleType, pairs: Path, tmp_path: Path) -> Path:
    """A BasicSR project with its option file, and a folder to upscale."""
    (tmp_path / "options").mkdir()
    options = {**project_options(pairs), "name": "my_run"}
    (tmp_path / "options" / "my_run.yml").write_text(yaml.safe_dump(options, sort_keys=False))
    shutil.copytree(pairs / "lq", tmp_path / "lq")
    return tmp_path


@pytest.mark.slow
def test_adaptive_dropout_in_a_basicsr_project(start: Path) -> None:
    heading = "Adaptive Dropout in your BasicSR project"
    (script,), (lines,) = blocks(heading, "python"), blocks(heading, "yaml")
    (start / "train.py").write_text(script)
    path = start / "options" / "my_run.yml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **yaml.safe_load(lines)}))
    training, use = blocks(heading, "bash")
    training = training.replace("torchrun ", f"torchrun --master_port={free_port()} ")
    assert "annealed: 1.0000e+00" in shell(training, start)
    shell(use, start)
    assert len(list((start / "upscaled").iterdir())) == 5


@pytest.mark.slow
def test_a_basicsr_run_taken_over_to_adasr(start: Path) -> None:
    shell("python -m adasr.integrations.basicsr train -opt options/my_run.yml", start)
    (script,) = blocks("Take your BasicSR or Real-ESRGAN run over to adasr", "bash")
    told = shell(script, start)
    assert "MSRResNet -> SRResNet" in told
    assert len(list((start / "upscaled").iterdir())) == 5


@pytest.mark.slow
@pytest.mark.parametrize("name", ["regularized_edsr_x4", "adasrresnet_x4"])
def test_the_example_project_runs(basicsr: ModuleType, tmp_path: Path, name: str) -> None:
    shutil.copytree(PAGE.parents[1] / "examples" / "basicsr", tmp_path, dirs_exist_ok=True)
    short = "train:total_iter=4 val:val_freq=4 logger:save_checkpoint_freq=2 logger:print_freq=1"
    train = f"python train.py -opt options/{name}.yml --force_yml {short}"
    shell("python prepare_data.py", tmp_path)
    assert "# psnr:" in shell(train, tmp_path)
    (tmp_path / f"experiments/{name}/training_states/4.state").unlink()
    assert "Resuming training from epoch: 0, iter: 2" in shell(f"{train} --auto_resume", tmp_path)
    weights = f"experiments/{name}/models/net_g_latest.safetensors"
    shell(f"adasr infer -i data/val/noise20 -m {weights} -o upscaled", tmp_path)
    assert len(list((tmp_path / "upscaled").iterdir())) == 3
