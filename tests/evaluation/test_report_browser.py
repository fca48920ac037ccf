"""The report in a browser: what a person sees, sorts, drags and enlarges."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from made_results import made_pictures, made_results

from adasr.evaluation.report import write_report
from adasr.evaluation.results import RecipeInfo

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
LONG = "srresnet_x4_with_a_very_long_name_and_aWordThatNothingCanBreakBecauseItHasNoSign"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    results = made_results(
        {"plain": 1.0, "<script>alert(1)</script>": 0.4, LONG: -0.3, "adaptive": 1.9},
        {"Set5": 5, "Set14": 14},
    )
    results.evaluations[3].failures["img_003 (blur2)"] = "out of memory for an LQ of 64x48"
    return write_report(results, tmp_path_factory.mktemp("report"), made_pictures(results))[1]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("no Chromium")
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield opened
        opened.close()


@pytest.fixture
def visit(browser: Any) -> Iterator[Any]:
    contexts, problems = [], []

    def opened(path: Path, **options: Any) -> Any:
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("dialog", lambda dialog: problems.append(f"dialog {dialog.message}"))
        page.on("requestfailed", lambda request: problems.append(request.url[:80]))
        page.on(
            "request",
            lambda request: (
                request.url.startswith(("file:", "data:")) or problems.append(request.url)
            ),
        )
        page.goto(path.as_uri())
        return page

    yield opened
    for context in contexts:
        context.close()
    assert problems == []  # no error, no request, no script of a name


def column(page: Any, table: str, number: int) -> list[str]:
    cells = page.locator(f"{table} tbody tr > :nth-child({number})")
    return [text.split("\n")[0].strip() for text in cells.all_inner_texts()]


def numbers(texts: list[str]) -> list[float]:
    return [float(text.replace("−", "-")) for text in texts if text not in {"–", ""}]


def test_tables_sort_both_ways(visit: Any, report: Path) -> None:
    page = visit(report)
    table = ".metric[data-metric='0'] .headline"
    assert column(page, table, 1)[0] == "bicubic"
    header = page.locator(f"{table} thead th:nth-child(2)")
    header.get_by_role("button").click()
    assert header.get_attribute("aria-sort") == "ascending"
    rising = numbers(column(page, table, 2))
    assert len(rising) == 5 and rising == sorted(rising)
    page.keyboard.press("Enter")  # the button has the focus
    assert header.get_attribute("aria-sort") == "descending"
    assert numbers(column(page, table, 2)) == sorted(rising, reverse=True)
    gain = page.locator(f"{table} thead th:nth-child(7)")
    gain.get_by_role("button").click()
    for _ in range(2):  # what has no number is last in both directions
        assert column(page, table, 7)[-1] == "–"
        gain.get_by_role("button").click()
    assert header.get_attribute("aria-sort") == "none"


def test_the_metric_is_chosen_for_the_whole_page(visit: Any, report: Path) -> None:
    page = visit(report)
    shown = page.locator("#overview table:visible")
    assert shown.count() == 1 and "psnr" in shown.inner_text()
    every = page.locator("#score-table tbody tr").first.inner_text()
    page.get_by_text("lpips ↓").first.click()
    assert shown.count() == 1 and "lpips" in shown.inner_text()
    assert page.locator("#score-table tbody tr").first.inner_text() != every
    assert "lpips" in page.locator("#versions").inner_text()


def test_the_heat_map_shows_gains_or_scores_and_sorts_by_them(visit: Any, report: Path) -> None:
    page = visit(report)
    table = ".metric[data-metric='0'] .heatmap"
    cells = page.locator(f"{table} tbody tr > :nth-child(3)")
    gains = [cell.inner_text() for cell in cells.all()]
    assert all(re.fullmatch(r"[+−]\d+\.\d\d", text) for text in gains)
    page.locator(".metric[data-metric='0'] .choice").get_by_text("psnr").click()
    assert all(float(cell.inner_text()) > 15 for cell in cells.all())
    page.locator(f"{table} thead th:nth-child(3) button").click()
    scores = [float(cell.inner_text()) for cell in cells.all()]
    assert scores == sorted(scores)


def test_scores_are_found_sorted_and_shown_bit_by_bit(visit: Any, report: Path) -> None:
    page = visit(report)
    rows = page.locator("#score-table tbody tr")
    assert (rows.count(), page.inner_text("#count")) == (60, "60 of 95 rows")
    page.click("#more")
    assert rows.count() == 95 and not page.is_visible("#more")
    page.fill("#find", "set14 img_003")
    assert rows.count() == 5
    page.select_option("#of-recipe", "motion15")
    assert rows.count() == 1 and "motion15" in rows.inner_text()
    page.fill("#find", "")
    head = page.locator("#score-table thead th:nth-child(5)")
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "descending"  # the best first
    falling = numbers(column(page, "#score-table", 5))
    assert len(falling) == 19 and falling == sorted(falling, reverse=True)
    page.fill("#find", "no such image")
    assert page.inner_text("#count") == "0 of 0 rows"


def test_the_divider_moves_by_mouse_and_keys(visit: Any, report: Path) -> None:
    page = visit(report)
    stage, handle = page.locator("#stage"), page.locator("#handle")
    stage.scroll_into_view_if_needed()
    box = stage.bounding_box()

    def split() -> float:
        return float(handle.get_attribute("aria-valuenow"))

    def clip() -> str:
        return page.evaluate("getComputedStyle(document.getElementById('over')).clipPath")

    assert split() == 50 and "50%" in clip()
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] / 2, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.8, middle, steps=4)
    page.mouse.up()
    assert split() == pytest.approx(80, abs=1) and "20%" in clip()
    page.mouse.move(box["x"] + 5, middle)  # no longer held
    assert split() == pytest.approx(80, abs=1)
    handle.focus()
    page.keyboard.press("ArrowLeft")
    assert split() == pytest.approx(78, abs=1)
    for key, value in (("Home", 0), ("ArrowLeft", 0), ("End", 100)):
        page.keyboard.press(key)
        assert split() == value


def test_what_is_left_of_the_divider_is_the_left_image(visit: Any, report: Path) -> None:
    page = visit(report)
    for side, label in (("left", "LQ"), ("right", "GT")):
        page.select_option(f"#{side}", label=label)
        assert page.inner_text(f"#tag-{side}") == label
    sources = page.evaluate(
        "data.pictures[0].versions.map((v) => [v.label, data.sources[v.image]])"
    )
    by_label = dict(sources)
    assert page.get_attribute("#over", "src") == by_label["LQ"]
    assert page.get_attribute("#under", "src") == by_label["GT"]
    widths = page.evaluate(
        "['over', 'under'].map((id) => document.getElementById(id).naturalWidth)"
    )
    assert widths == [40, 160]
    pressed = page.locator(".version[aria-pressed=true]")
    assert pressed.count() == 2
    page.locator(".version", has_text="adaptive").click()
    assert page.inner_text("#tag-right") == "adaptive"
    page.locator(".version", has_text="plain").click(modifiers=["Shift"])
    assert page.inner_text("#tag-left") == "plain"


def test_images_and_degradations_are_chosen(visit: Any, report: Path) -> None:
    page = visit(report)
    before = page.get_attribute("#under", "src")
    page.select_option("#image", label="Set5: img_001")
    after = page.get_attribute("#under", "src")
    assert after != before
    page.select_option("#recipe", label="blur2")
    assert page.input_value("#image") == '["Set5","img_001"]'
    page.select_option("#image", label="Set5: img_000")
    assert page.locator("#recipe option:checked").inner_text() == "blur2"  # stays
    page.fill("#find", "set5 img_001 noise20")
    page.get_by_role("button", name="View img_001, noise20").click()
    assert page.locator("#recipe option:checked").inner_text() == "noise20"
    assert page.locator("#image option:checked").inner_text() == "Set5: img_001"


def test_all_versions_are_enlarged_and_moved_together(visit: Any, report: Path) -> None:
    page = visit(report)
    stage = page.locator("#stage")
    stage.scroll_into_view_if_needed()
    box = stage.bounding_box()

    def transforms() -> set[str]:
        """Scale and relative position of every picture."""
        return set(
            page.evaluate(
                """[...document.querySelectorAll('#over, #under, .version img')].map((image) => {
                const m = new DOMMatrix(getComputedStyle(image).transform);
                return [m.a, m.e / image.clientWidth / m.a, m.f / image.clientHeight / m.a]
                    .map((n) => n.toFixed(2)).join(' ') })"""
            )
        )

    assert transforms() == {"1.00 0.00 0.00"}
    page.click("#in")
    assert transforms() == {"1.50 -0.17 -0.17"}  # about the middle
    x, y = box["x"] + box["width"] * 0.25, box["y"] + box["height"] * 0.25
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + box["width"] * 0.1, y + box["height"] * 0.1, steps=3)
    page.mouse.up()
    assert transforms() == {"1.50 -0.10 -0.10"}
    page.mouse.move(x, y)
    page.mouse.wheel(0, -1000)  # the picture was clicked, so the wheel is its own
    page.wait_for_function("view.z > 2")
    assert len(transforms()) == 1
    scrolled = page.evaluate("scrollY")
    page.mouse.wheel(0, 5000)
    page.wait_for_function("view.z === 1")
    assert transforms() == {"1.00 0.00 0.00"}
    assert page.evaluate("scrollY") == scrolled
    page.locator("#find").focus()
    page.mouse.wheel(0, 300)  # not any more: the page scrolls
    page.wait_for_function(f"scrollY !== {scrolled}")
    assert page.evaluate("view.z") == 1
    page.locator("#handle").focus()
    page.keyboard.press("+")
    assert page.evaluate("view.z") == 1.5
    page.click("#fit")
    assert page.evaluate("view.z") == 1


def test_two_fingers_enlarge(visit: Any, report: Path) -> None:
    page = visit(report, has_touch=True, viewport={"width": 390, "height": 844})
    stage = page.locator("#stage")
    stage.scroll_into_view_if_needed()
    box = stage.bounding_box()
    session = page.context.new_cdp_session(page)

    def touch(kind: str, *places: float) -> None:
        y = box["y"] + box["height"] / 2
        points = [{"x": box["x"] + box["width"] * x, "y": y, "id": i} for i, x in enumerate(places)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", 0.4, 0.6)
    for step in range(1, 6):
        touch("touchMove", 0.4 - 0.05 * step, 0.6 + 0.05 * step)
    touch("touchEnd")
    assert page.evaluate("view.z") > 2
    assert page.evaluate("visualViewport.scale") == 1  # the picture, not the page


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_readable_on_a_phone_and_in_the_dark(
    visit: Any, report: Path, scheme: str, width: int
) -> None:
    page = visit(report, viewport={"width": width, "height": 844}, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    least, where = page.evaluate(CONTRAST)
    assert 4.5 <= least <= 21, where
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    levels = [int(part) for part in re.findall(r"\d+", dark)]
    assert (max(levels) < 80) == (scheme == "dark")


# WCAG 2's contrast of every visible text with what is painted behind it.
CONTRAST = """() => {
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = 1;
  const context = canvas.getContext('2d', { willReadFrequently: true });
  const over = (colors) => {
    context.clearRect(0, 0, 1, 1);
    for (const color of colors) { context.fillStyle = color; context.fillRect(0, 0, 1, 1); }
    return context.getImageData(0, 0, 1, 1).data;
  };
  const light = (rgb) => [0.2126, 0.7152, 0.0722].reduce((sum, share, i) => {
    const c = rgb[i] / 255;
    return sum + share * (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  }, 0);
  let least = 99, where = '';
  for (const element of document.querySelectorAll('main *, header *, nav *')) {
    const own = [...element.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    if (!own || !element.checkVisibility() || element.closest('#stage, .sr, script')) continue;
    const back = [];
    for (let e = element; e; e = e.parentElement) back.unshift(getComputedStyle(e).backgroundColor);
    const [a, b] = [light(over(back)), light(over([...back, getComputedStyle(element).color]))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < least) [least, where] = [contrast, element.outerHTML.slice(0, 120)];
  }
  return [least, where];
}"""


def test_without_script_the_figures_are_there(browser: Any, report: Path) -> None:
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto(report.as_uri())
    assert page.locator("#overview table:visible").count() == 2  # one for each metric
    assert page.locator(".heatmap:visible").count() == 2
    assert not page.is_visible("#viewer") and "need JavaScript" in page.inner_text("#pictures")
    page.context.close()


def test_prints_without_controls(visit: Any, report: Path) -> None:
    page = visit(report)
    page.emulate_media(media="print")
    assert not page.is_visible("nav") and not page.is_visible("#images")
    assert page.is_visible("#overview table >> nth=0")


@pytest.mark.slow
def test_a_large_benchmark_opens_fast(browser: Any, tmp_path: Path) -> None:
    """20 models x 30 degradations x 114 images: 136,800 scores in two metrics."""
    recipes = [
        RecipeInfo(f"recipe_{i:02}", ("noise",), "unseen" if i % 2 else "seen") for i in range(30)
    ]
    models = {f"net_{i:02}": 0.1 * i for i in range(19)}
    results = made_results(models, {"Set14": 14, "BSDS100": 100}, recipes)
    path = write_report(results, tmp_path)[1]
    assert path.stat().st_size < 6_000_000
    page = browser.new_context().new_page()
    page.goto(path.as_uri())
    milliseconds = page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd")
    assert milliseconds < 8000  # under a second where nothing else runs
    assert page.inner_text("#count") == "60 of 3420 rows"
    taken = page.evaluate(
        """() => { const start = performance.now();
        document.querySelector('#score-table thead th:nth-child(6) button').click();
        document.getElementById('score-table').offsetHeight;
        return performance.now() - start; }"""
    )
    assert taken < 2000
    page.context.close()
