"""The page in a browser without a network: what a person sees and gets."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import numpy as np
import pytest
import torch

from adasr.data.images import read_image, write_image
from adasr.weights import build_network, save_network

pytest.importorskip("gradio")
pytestmark = pytest.mark.slow
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("page")
    torch.manual_seed(0)
    net = build_network({"type": "SRResNet", "num_feat": 8, "num_block": 1, "upscale": 2})
    save_network(place / "weights" / "first.safetensors", net)
    random = np.random.default_rng(0)
    write_image(place / "a.png", random.integers(0, 65536, (40, 60, 4)).astype(np.uint16))
    write_image(place / "b.jpg", random.integers(0, 256, (30, 20, 3)).astype(np.uint8))
    write_image(place / "large.png", np.zeros((120, 120, 3), np.uint8))
    (place / "broken.png").write_bytes(b"no image")
    return place


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "adasr", "app", "-m", str(folder / "weights")]
    command += ["--port", str(port), "--max-pixels", "10000", "--device", "cpu"]
    environment = {**os.environ, "TMPDIR": str(folder)}
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    assert "offers 1 weights" in line, line + process.stdout.read()
    yield f"http://127.0.0.1:{port}/"
    process.send_signal(signal.SIGINT)
    rest = process.communicate(timeout=60)[0]
    assert process.returncode == 0 and "Traceback" not in rest, rest
    assert not list(folder.glob("adasr-app-*")), "files of the page are left"


@pytest.fixture
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("no Chromium")
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield opened
        opened.close()


def visit(browser: Any, address: str, **options: Any) -> tuple[Any, list[str]]:
    """The page, and what it asked other computers for."""
    page = browser.new_context(accept_downloads=True, **options).new_page()
    outside: list[str] = []

    def pass_on(route: Any) -> None:
        url = route.request.url
        if url.startswith((address, "data:", "blob:")):
            route.continue_()
        else:
            outside.append(url)
            route.abort()

    page.route("**/*", pass_on)
    page.goto(address)
    page.wait_for_selector("#start", timeout=60_000)
    return page, outside


def give(page: Any, *files: Path) -> None:
    page.set_input_files("#files input[type=file]", [str(file) for file in files])
    for file in files:
        page.wait_for_selector(f"#files :text('{file.stem}')", timeout=30_000)


def test_only_this_computer_is_listened_to(address: str) -> None:
    assert urlopen(address, timeout=30).status == 200
    port = int(address.rstrip("/").rpartition(":")[2])
    others = {entry[4][0] for entry in socket.getaddrinfo(socket.gethostname(), port)}
    for host in others - {"127.0.0.1", "127.0.1.1", "::1"}:
        with pytest.raises(OSError):
            socket.create_connection((str(host), port), timeout=2).close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_images_become_results_to_look_at_and_to_keep(
    browser: Any, address: str, folder: Path, tmp_path: Path, scheme: str
) -> None:
    page, outside = visit(browser, address, color_scheme=scheme)
    give(page, folder / "a.png", folder / "b.jpg")
    page.click("#start")
    page.wait_for_selector("#archive:visible", timeout=120_000)
    assert page.locator("#slider img").count() == 2
    assert "20 x 30 to 40 x 60 pixels" in page.inner_text("#told")
    with page.expect_download() as download:
        page.locator("#downloads a[download]").first.click()
    download.value.save_as(tmp_path / "a.png")
    made = read_image(tmp_path / "a.png")
    assert made.shape == (80, 120, 4) and made.dtype == np.uint16
    with page.expect_download() as download:
        page.click("#archive")
    assert download.value.suggested_filename == "results.zip"
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    levels = [int(part) for part in background.strip("rgb()").split(",")]
    assert (max(levels) < 80) == (scheme == "dark")
    assert outside == []


def test_a_wide_window_is_used_from_the_beginning(browser: Any, address: str) -> None:
    page, _ = visit(browser, address, viewport={"width": 1280, "height": 900})
    files, slider = (page.locator(name).bounding_box() for name in ("#files", "#slider"))
    assert slider["x"] > files["x"] + files["width"] and slider["width"] > 600


def test_a_phone_shows_it_without_scrolling_sideways(browser: Any, address: str) -> None:
    page, _ = visit(browser, address, viewport={"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize(
    ("name", "told"), [("broken.png", "broken.png"), ("large.png", "large.png")]
)
def test_what_cannot_be_done_is_a_message(
    browser: Any, address: str, folder: Path, name: str, told: str
) -> None:
    page, _ = visit(browser, address)
    give(page, folder / name)
    page.click("#start")
    toast = page.wait_for_selector(".toast-body", timeout=60_000).inner_text()
    assert told in toast and "Traceback" not in toast and str(folder) not in toast


def test_nothing_chosen_is_a_message(browser: Any, address: str) -> None:
    page, _ = visit(browser, address)
    page.click("#start")
    toast = page.wait_for_selector(".toast-body", timeout=60_000)
    assert "Choose an image first" in toast.inner_text()
