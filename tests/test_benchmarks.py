"""The benchmark scripts run and end with the line that others read."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"


def _run(script: str, *arguments: str) -> dict:
    command = [sys.executable, str(FOLDER / script), "--json", "--threads", "1", *arguments]
    command += ["--device", "cpu"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_degradation(basicsr, images):
    tiny = ["--batch", "2", "--rounds", "1", "--released-rounds", "1", "--checks", "6"]
    found = _run("degradation.py", *tiny, "--batches", "3", "--network", "--data", str(images))
    assert found["goal"] == 100
    assert found["ratio"] > 0
    assert found["ratio_separable"] > 0
    assert found["share_of_step"] > 0
    assert found["memory"]["adasr"]["peak_mib"] > found["memory"]["adasr"]["start_mib"] > 0
    assert {"adasr", "BasicSR as released"} < set(found["medians_s"])


@pytest.mark.slow
def test_degradation_distribution(basicsr, images):
    found = _run("degradation_distribution.py", "--draws", "6", "--data", str(images))
    assert found["draws"] == 6
    assert len(found["rows"]) == 13
    assert found["worst_z"] == max(abs(row["z"]) for row in found["rows"])


@pytest.mark.slow
def test_degradation_on_the_device(basicsr):
    tiny = ["--batch", "2", "4", "--frame", "96", "--gt-size", "64", "--blocks", "1"]
    found = _run("degradation_device.py", *tiny, "--rounds", "1")
    assert found["goal"] == 5
    assert found["ratio"] > 0
    for batch in ("2", "4"):
        assert found["batches"][batch]["share_of_step"]["adasr, batched on the device"] > 0


@pytest.mark.slow
def test_listing():
    found = _run("listing.py", "--files", "3000", "--rounds", "1")
    assert found["files"] == 3000
    assert found["ratio"] > 0
    assert set(found["memory"]) == set(found["medians_s"]) == {"adasr", "pathlib"}


@pytest.mark.slow
def test_loading(basicsr, images):
    tiny = ["--batch", "2", "--batches", "1", "--rounds", "1", "--data", str(images)]
    found = _run("loading.py", *tiny)
    assert found["ratio"] > 0 and found["ratio_without_cache"] > 0
    assert len(found["batches_per_second"]) == 5
    assert found["images"] == 5 and found["mib"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("cache", ["none", "ram", "disk"])
def test_soak(images, cache):
    tiny = ["--iterations", "10", "--batch", "2", "--data", str(images), "--cache", cache]
    found = _run("soak.py", *tiny)
    assert list(found["points"]) == ["1", "5", "10"]
    assert all(len(held["workers"]) == 1 for held in found["points"].values())
    assert found["ratio"] > 0


@pytest.mark.slow
def test_kill_and_resume():
    found = _run("kill_and_resume.py", "--kills", "3")
    assert found["ratio"] == found["goal"] == 1.0
    assert found["kills"] == 3
    assert found["unreadable"] == found["differing"] == found["leftovers"] == []


@pytest.mark.slow
def test_precision():
    found = _run("precision.py", "--iterations", "3", "--seeds", "1", "--precisions", "fp32")
    assert found["ratio"] > 0
    assert list(found["psnr_db"]) == ["fp32"]


@pytest.mark.slow
def test_training(basicsr, images):
    tiny = ["--blocks", "1", "--batch", "1", "--rounds", "1", "--turn", "1", "--released-turn", "1"]
    found = _run("training.py", *tiny, "--data", str(images))
    assert found["ratio"] > 0 and found["bare_ratio"] > 0
    assert 0 <= found["data_wait"] < 1


@pytest.mark.slow
def test_training_device(basicsr, images):
    tiny = ["--small", "--batch", "1", "--rounds", "1", "--compile", "none", "--workers", "1"]
    found = _run("training_device.py", *tiny, "--device", "cpu", "--data", str(images))
    assert found["ratio"] > 0
    assert set(found["networks"]) == {"SRResNet", "RRDBNet", "SwinIR"}
    assert all(network["mfu"] > 0 for network in found["networks"].values())


@pytest.mark.slow
def test_startup():
    found = _run("startup.py", "--rounds", "1", "--num-feat", "8", "--num-block", "1")
    assert found["ratio"] > 0
    assert found["times_import_torch"] > 1
