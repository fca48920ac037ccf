"""The option files of the repository, with the real components."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from adasr.options import dump_options, json_schema, load_options
from adasr.options.yaml_text import parse

ROOT = Path(__file__).resolve().parents[2] / "options"
FILES = sorted(f for kind in ("train", "test") for f in (ROOT / kind).glob("*.yml"))

pytestmark = pytest.mark.usefixtures("real_components")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_shipped_file_is_right(file: Path, tmp_path: Path) -> None:
    options = load_options(file)
    if file.parent.name == "train":
        options.require_train()
        assert options.name == file.stem
    else:
        options.require_test()
    resolved = tmp_path / "resolved.yml"
    resolved.write_text(dump_options(options), encoding="utf-8")
    assert dump_options(load_options(resolved)) == resolved.read_text(encoding="utf-8")


def test_an_editor_accepts_the_shipped_files() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft7Validator(json_schema())
    for file in FILES:
        errors = [e.message for e in validator.iter_errors(parse(file.read_text("utf-8"))[0])]
        assert not errors, file


def test_a_mistake_ends_the_command_with_one_message_and_exit_code_2(tmp_path: Path) -> None:
    file = tmp_path / "typo.yml"
    file.write_text(
        "name: x\nscale: 4\nnetwork_g:\n  type: SRResNet\n  num_fet: 64\n", encoding="utf-8"
    )
    command = [sys.executable, "-m", "adasr", "check", "-opt", str(file)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    assert ran.stderr == (
        f"error: {file}:5: network_g.num_fet: arch 'SRResNet' has no option 'num_fet'. "
        "Did you mean 'num_feat'?\n"
    )
    assert ran.stdout == ""


def test_importing_options_is_light() -> None:
    code = "import sys, adasr.options; sys.exit(any(m in sys.modules for m in ('torch', 'cv2')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
