"""Free memory as the system and its container tell it."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from adasr import memory


def test_about_what_psutil_says():
    assert 0 < memory.free_memory() <= psutil.virtual_memory().total
    if Path("/proc/meminfo").exists():
        found, wanted = memory._system_bytes(), psutil.virtual_memory().available
        assert found == pytest.approx(wanted, rel=0.3)


@pytest.mark.parametrize(
    ("files", "free"),
    [
        ({"memory.max": "1000", "memory.current": "900"}, 100),
        ({"memory.max": "1000", "memory.current": "1200"}, 0),
        # File pages count as used, and are given back to whoever asks.
        (
            {
                "memory.max": "1000",
                "memory.current": "900",
                "memory.stat": "anon 5\ninactive_file 300\nactive_file 7\n",
            },
            400,
        ),
        ({"memory.max": "max", "memory.current": "900"}, 2**62),
        ({"memory/memory.limit_in_bytes": "50", "memory/memory.usage_in_bytes": "20"}, 30),
        ({}, 2**62),
    ],
)
def test_a_containers_limit(tmp_path: Path, monkeypatch, files, free):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(memory, "CONTAINER", tmp_path)
    assert memory._container_bytes() == free


@pytest.mark.parametrize(
    ("groups", "files", "free"),
    [
        # A job of Slurm: the limit is of a group above the process's own.
        (
            "0::/system/job_7/step\n",
            {
                "system/job_7/memory.max": "1000",
                "system/job_7/memory.current": "300",
                "system/job_7/step/memory.max": "max",
                "system/job_7/step/memory.current": "200",
            },
            700,
        ),
        (
            "9:pids:/other\n4:cpu,memory:/job\n",
            {
                "memory/memory.limit_in_bytes": str(2**63 - 4096),
                "memory/memory.usage_in_bytes": "90",
                "memory/job/memory.limit_in_bytes": "50",
                "memory/job/memory.usage_in_bytes": "20",
            },
            30,
        ),
        # Not to be seen from inside a container, whose own group is the root.
        ("0::/../elsewhere\n", {"memory.max": "80", "memory.current": "20"}, 60),
    ],
)
def test_the_limit_of_a_job(tmp_path: Path, monkeypatch, groups, files, free):
    for name, text in files.items():
        (tmp_path / "root" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "root" / name).write_text(text)
    (tmp_path / "groups").write_text(groups)
    monkeypatch.setattr(memory, "CONTAINER", tmp_path / "root")
    monkeypatch.setattr(memory, "MEMBERSHIP", tmp_path / "groups")
    assert memory._container_bytes() == free
