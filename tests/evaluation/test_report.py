"""The report as files: everything is in it, escaped, small enough, and needs nothing else."""

from __future__ import annotations

import base64
import io
import json
import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch
from made_results import made_pictures, made_results
from PIL import Image

from adasr.data.images import to_image, to_tensor
from adasr.degradations.testset import degrade
from adasr.errors import FileError
from adasr.evaluation import evaluate, restore
from adasr.evaluation.baseline import bicubic
from adasr.evaluation.report import Picture, write_report
from adasr.evaluation.report.findings import caveats, findings
from adasr.evaluation.report.page import breakable
from adasr.evaluation.report.pictures import embedded
from adasr.evaluation.report.views import MetricView, metric_views, number
from adasr.evaluation.results import BICUBIC, DatasetInfo, Model, RecipeInfo, Results
from adasr.evaluation.scores import ImageScore
from adasr.registry import METRIC_REGISTRY
from adasr.weights import build_network

HOSTILE = "<script>alert('x')</script>|&\"_*`\n[a](b)"


class Page(HTMLParser):
    """Tables as text, addresses, and whether tags are balanced."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tables: list[list[list[str]]] = []
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.ids: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.addresses += [found[key] or "" for key in ("src", "href", "action") if key in found]
        self.ids += [found["id"] or ""] if "id" in found else []
        if tag not in {"meta", "input", "img", "wbr", "br", "path", "rect", "line"}:
            self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in {"td", "th"}:
            self.tables[-1][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        if tag not in {"path", "rect", "line"}:
            assert self.open.pop() == tag, (tag, self.getpos())

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in {"script", "style"}:
            self.text += data
            if {"td", "th"} & set(self.open):
                self.tables[-1][-1][-1] += data


def data_of(text: str) -> dict:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)
    assert found
    return json.loads(found.group(1))


@pytest.fixture(scope="module")
def results() -> Results:
    return made_results({"plain": 1.0, "adaptive": 1.6}, {"Set5": 5})


def test_both_files_say_the_same_figures(results: Results, tmp_path: Path) -> None:
    paths = write_report(results, tmp_path / "deep" / "out", title="Which one?")
    assert [path.name for path in paths] == ["results.md", "report.html"]
    markdown, html = (path.read_text(encoding="utf-8") for path in paths)
    page = Page(html)
    assert "Which one?" in page.text and markdown.startswith("# Which one?")
    assert not page.open
    values = [
        s.values["psnr"] for e in results.evaluations if e.model == "adaptive" for s in e.scores
    ]
    mean = f"{np.mean(values):.2f}"
    row = next(row for row in page.tables[0] if row[0] == "adaptive")
    assert row[1].startswith(mean)
    line = next(x for x in markdown.splitlines() if x.startswith("| adaptive |"))
    assert line.split("|")[2].strip().strip("*").startswith(f"{mean} [")
    for sha in (results.models[1].sha256, results.datasets[0].images["img_000"]["sha256"]):
        assert sha in page.text
    assert "crop_border 4" in markdown and "crop_border 4" in page.text
    assert "adasr benchmark -m weights" in markdown and "adasr benchmark -m weights" in page.text


def test_markdown_tables_are_whole(results: Results, tmp_path: Path) -> None:
    renamed = made_results({HOSTILE: 1.0, "b|c": 0.5}, {HOSTILE: 3})
    text = write_report(renamed, tmp_path)[0].read_text(encoding="utf-8")
    assert "<script>" not in text.replace("\\<script>", "")
    width, tables = 0, 0
    for line in text.splitlines():
        if not line.startswith("|"):
            width = 0
            continue
        cells = line.replace(r"\\", "").replace(r"\|", "").count("|")
        tables += not width
        assert cells == (width or cells), line
        width = cells
    assert tables == 2 * 3 + 2  # one dataset needs no table of its own


def test_names_are_text_wherever_they_appear(tmp_path: Path) -> None:
    results = made_results({HOSTILE: 1.0, "plain": 0.5}, {HOSTILE: 3}, [RecipeInfo(HOSTILE)])
    results = replace(results, about={HOSTILE: {HOSTILE: [HOSTILE]}})
    results.evaluations[1].failures[HOSTILE] = HOSTILE
    html = write_report(results, tmp_path, made_pictures(results), title=HOSTILE)[1].read_text()
    page = Page(html)
    assert html.count("<script") == 2 and html.count("</script") == 2
    assert "<script>alert" in page.text  # as text
    data = data_of(html)
    assert HOSTILE in data["models"] and data["recipes"] == [HOSTILE]
    assert data["pictures"][0]["name"] == "img_000"


def test_the_page_asks_no_one_for_anything(results: Results, tmp_path: Path) -> None:
    html = write_report(results, tmp_path, made_pictures(results))[1].read_text(encoding="utf-8")
    page = Page(html)
    assert all(address.startswith("#") for address in page.addresses)
    assert {address[1:] for address in page.addresses} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))
    assert not re.findall(r"url\(|@import|https?://", html.split('id="data"')[0])
    assert "default-src 'none'" in html
    assert not (set(tmp_path.iterdir()) - {tmp_path / "report.html", tmp_path / "results.md"})


def test_every_score_is_in_the_page(results: Results, tmp_path: Path) -> None:
    evaluations = [replace(e, scores=list(e.scores)) for e in results.evaluations]
    evaluations[1].scores[0] = ImageScore("img_000", "clean", {"psnr": math.inf})
    evaluations[1].scores[1] = ImageScore("img_000", "blur2", {"psnr": math.nan})
    odd = replace(results, evaluations=evaluations)
    html = write_report(odd, tmp_path)[1].read_text(encoding="utf-8")
    data = data_of(html)
    psnr, lpips = data["scores"]
    recipes = len(data["recipes"])
    for k, model in enumerate(data["models"]):
        evaluation = odd.evaluation(model, "Set5")
        assert evaluation is not None
        for score in evaluation.scores:
            place = data["images"].index(["Set5", score.name]) * recipes
            place += data["recipes"].index(score.recipe)
            found = float(psnr[k][place])
            assert found == pytest.approx(score.values["psnr"], abs=1e-4, nan_ok=True)
    assert psnr[1][0] == "inf" and psnr[1][1] == "nan" and lpips[1][0] is None
    assert "NaN" in Page(html).text and "1 scores are infinite" in Page(html).text


def test_ranking_is_best_first(tmp_path: Path) -> None:
    results = made_results({"plain": 1.0, "adaptive": 1.6}, noise=0.05)
    html = write_report(results, tmp_path, ranking=True)[1].read_text(encoding="utf-8")
    table = Page(html).tables[0]
    assert [row[1] for row in table[1:]] == ["adaptive", "plain", "bicubic"]
    assert [row[0] for row in table[1:]] == ["1", "2", "3"]


def test_failures_are_listed(results: Results, tmp_path: Path) -> None:
    failed = [replace(e, failures={}) for e in results.evaluations]
    failed[2].failures.update({f"img{i} (blur2)": "out of memory" for i in range(600)})
    markdown, html = write_report(replace(results, evaluations=failed), tmp_path)
    assert "600 failures" in Page(html.read_text()).text
    assert "adaptive, Set5, img0 (blur2): out of memory" in markdown.read_text()
    assert "and 400 more" in markdown.read_text()


def test_a_benchmark_of_nothing_still_has_a_page(results: Results, tmp_path: Path) -> None:
    empty = [replace(e, scores=[]) for e in results.evaluations]
    for odd in (
        replace(results, evaluations=empty),
        replace(results, evaluations=[]),
        made_results({}),
        made_results({"plain": 1.0}, {"one": 1}, [RecipeInfo("", (), "real")]),
    ):
        for path in write_report(odd, tmp_path):
            assert path.stat().st_size > 500


def test_no_bicubic_means_no_gains(results: Results, tmp_path: Path) -> None:
    models = [m for m in results.models if m.name != BICUBIC]
    kept = [e for e in results.evaluations if e.model != BICUBIC]
    alone = replace(results, models=models, evaluations=kept)
    page = Page(write_report(alone, tmp_path)[1].read_text(encoding="utf-8"))
    assert not any("Gain" in cell for cell in page.tables[0][0])
    assert "Bicubic interpolation was not scored" in page.text


def test_an_unwritable_folder_is_said(results: Results, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(FileError, match="cannot be written"):
        write_report(results, tmp_path / "file")


def view_of(results: Results) -> MetricView:
    return metric_views(results)[0]


def test_findings_say_who_is_better_only_where_it_is_sure() -> None:
    sure = made_results({"plain": 1.0, "adaptive": 1.6}, noise=0.05)
    told = " ".join(findings(sure, view_of(sure)))
    assert "adaptive has the best mean psnr" in told and "told apart from every other" in told
    unsure = made_results({"plain": 1.0, "adaptive": 1.0}, {"Set5": 5}, spread=0)
    told = " ".join(findings(unsure, view_of(unsure)))
    assert "cannot be told apart" in told
    care = " ".join(caveats(unsure, view_of(unsure)))
    assert "Only 5 images" in care and "0.062" in care
    assert "not about other seeds" in care
    seeds = made_results({"plain": 1.0, "adaptive": 1.5}, seeds=2)
    assert "2 seeds" in " ".join(caveats(seeds, view_of(seeds)))


def test_a_network_worse_than_bicubic_is_named() -> None:
    results = made_results({"bad": -1.0, "good": 1.0}, noise=0.05)
    told = " ".join(findings(results, view_of(results)))
    assert "Worse than bicubic interpolation" in told and "bad under clean" in told


@pytest.mark.parametrize(
    ("value", "signed", "text"),
    [
        (1.005, False, "1.00"),
        (-0.001, True, "0.00"),
        (-2.5, False, "−2.50"),
        (0.1, True, "+0.10"),
        (math.inf, False, "∞"),
        (math.nan, False, "NaN"),
        (None, False, "–"),
    ],
)
def test_numbers_as_people_write_them(value: float | None, signed: bool, text: str) -> None:
    assert number(value, 2, signed) == text


def test_long_names_can_break() -> None:
    assert breakable("a_b") == "a_<wbr>b"
    assert "<wbr>" in breakable("x" * 40)
    assert breakable("<i>") == "&lt;i&gt;"


def opened(uri: str) -> np.ndarray:
    head, _, code = uri.partition(",")
    assert head == "data:image/webp;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(code))).convert("RGB"))


def test_pictures_keep_their_pixels(results: Results) -> None:
    pictures = made_pictures(results)
    shown = embedded(pictures, 4)
    assert len(shown.pictures) == len(pictures) and not shown.left_out
    for plain, picture in zip(shown.pictures, pictures, strict=True):
        found = {v["label"]: opened(shown.images[v["image"]]) for v in plain["versions"]}
        assert plain["whole"] and list(found) == ["LQ", *picture.sr, "GT"]
        assert (found["LQ"] == picture.lq).all() and (found["GT"] == picture.gt).all()
        for name, sr in picture.sr.items():
            assert (found[name] == sr).all()


def test_pictures_are_cut_to_the_budget(results: Results) -> None:
    random = np.random.default_rng(0)
    gt = np.full((640, 800, 3), 128, np.uint8)
    gt[200:420, 500:720] = random.integers(0, 256, (220, 220, 3))
    pictures = [
        Picture("set", "a", recipe, gt[::4, ::4], gt, {"net": gt[:, :, ::-1]})
        for recipe in ("clean", "blur2")
    ]
    shown = embedded(pictures, 4, budget=250_000)
    assert not shown.left_out and sum(map(len, shown.images)) * 3 / 4 <= 250_000
    one = shown.pictures[0]
    assert not one["whole"] and one["width"] % 4 == one["left"] % 4 == 0
    # Where there is something to see, the same for all.
    assert 200 <= one["top"] < 420 and 500 <= one["left"] < 720
    assert shown.pictures[1]["left"] == one["left"]
    cut = opened(shown.images[one["versions"][-1]["image"]])
    top, left = one["top"], one["left"]
    assert (cut == gt[top : top + one["height"], left : left + one["width"]]).all()
    assert one["versions"][1]["label"] == BICUBIC  # made where the caller has none
    few = embedded(pictures, 4, budget=100)
    assert few.left_out == 2 and not few.images
    assert embedded([], 4).pictures == []


def test_images_without_ground_truth_can_be_shown(results: Results, tmp_path: Path) -> None:
    pictures = made_pictures(results, ground_truth=False)
    html = write_report(results, tmp_path, pictures)[1].read_text(encoding="utf-8")
    labels = [v["label"] for v in data_of(html)["pictures"][0]["versions"]]
    assert labels == ["LQ", "bicubic", "plain", "adaptive"]


class Pairs:
    """A few small image pairs."""

    def __init__(self, recipes: list[str]) -> None:
        random = np.random.default_rng(0)
        self.items = []
        for i in range(3):
            gt = random.integers(0, 256, (32, 48, 3)).astype(np.uint8)
            for recipe in recipes:
                lq = degrade(gt, recipe, 2, f"im{i}")
                item = {"name": f"im{i}", "recipe": recipe, "lq": to_tensor(lq)}
                self.items.append(item | {"gt": to_tensor(gt)})

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> dict:
        return self.items[index]


def test_real_networks_make_a_report(tmp_path: Path) -> None:
    recipes = ["clean", "blur2"]
    pairs = Pairs(recipes)
    networks = {BICUBIC: bicubic(2)}
    for name in ("first", "second"):
        options = {"type": "SRResNet", "num_feat": 8, "num_block": 1, "upscale": 2}
        networks[name] = build_network(options).eval()
    metrics = {"psnr": METRIC_REGISTRY.build({"type": "psnr", "crop_border": 2})}
    evaluations = [
        evaluate(network, pairs, metrics, model=name, dataset_name="made")
        for name, network in networks.items()
    ]
    images = {f"im{i}": {"width": 48, "height": 32, "sha256": ""} for i in range(3)}
    results = Results(
        2,
        [Model(name, name) for name in networks],
        [DatasetInfo("made", "made", images)],
        [RecipeInfo("clean"), RecipeInfo("blur2", ("gaussian blur",), "unseen")],
        evaluations,
    )
    results.write(tmp_path / "results.json")
    results = Results.read(tmp_path / "results.json")
    item = pairs[1]
    with torch.no_grad():
        sr = {name: to_image(restore(net, item["lq"])) for name, net in networks.items()}
    picture = Picture("made", "im0", "blur2", to_image(item["lq"]), to_image(item["gt"]), sr)
    html = write_report(results, tmp_path, [picture])[1].read_text(encoding="utf-8")
    table = Page(html).tables[0]
    for evaluation in evaluations:
        row = next(row for row in table if row[0] == evaluation.model)
        assert row[1].startswith(f"{evaluation.mean('psnr'):.2f}")
