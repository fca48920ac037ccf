"""The curves of runs: what is drawn, what runs are called, and what cannot be drawn."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from scipy.signal import lfilter

from adasr.errors import OptionError, TrainingError
from adasr.training.curves import load_runs, smooth, unique_names
from adasr.training.plot import Look, draw, plot_runs

Record = dict[str, object]
MakeRun = Callable[..., Path]


def train(iteration: int, **values: object) -> Record:
    known = {"l_pix": 1 / iteration, "lr": 1e-3, "iterations_per_second": 2.0, "data_wait": 0.1}
    weights = [1.0, 0.3] if iteration > 20 else [0.3, 0.3]
    return {"iteration": iteration, "kind": "train", **known, "weights": weights, **values}


def val(iteration: int, psnr: float) -> Record:
    scores = {"Set5/psnr": psnr, "Set5/clean/psnr": psnr + 1, "Set5/blur2/psnr": psnr - 1}
    return {"iteration": iteration, "kind": "val", **scores, "Set5/ssim": 0.8}


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    def make(name: str, records: list[Record] | None = None, tail: str = "") -> Path:
        if records is None:
            records = [train(i) for i in (10, 20, 30, 40)] + [val(20, 25.0), val(40, 26.0)]
        folder = tmp_path / "experiments" / name
        folder.mkdir(parents=True)
        text = "".join(json.dumps(record) + "\n" for record in records)
        (folder / "metrics.jsonl").write_text(text + tail)
        return folder

    return make


def drawn(*folders: Path, metrics: tuple[str, ...] = (), **look: object) -> Figure:
    runs, _ = load_runs(folders, print)
    return draw(runs, metrics, Look(**look))  # type: ignore[arg-type]


def panels(figure: Figure) -> dict[str, Axes]:
    return {axes.get_title(): axes for axes in figure.axes}


def line(axes: Axes, name: str) -> np.ndarray:
    (found,) = [drawn for drawn in axes.get_lines() if drawn.get_label() == name]
    return np.array(found.get_xydata())


def test_each_panel_holds_the_curves_of_all_runs(make_run: MakeRun) -> None:
    other = [train(i, l_pix=0.7) for i in (10, 20)] + [val(20, 24.0)]
    figure = drawn(make_run("a"), make_run("b", other), smoothing=0.0)
    found = panels(figure)
    assert list(found) == [
        "l_pix",
        "psnr on Set5",
        "ssim on Set5",
        "learning rate",
        "weights of the sites and their mean",
        "speed (iterations / s)",
        "time spent waiting for data",
    ]
    assert line(found["psnr on Set5"], "a").tolist() == [[20, 25.0], [40, 26.0]]
    assert line(found["psnr on Set5"], "b").tolist() == [[20, 24.0]]
    assert line(found["l_pix"], "b").tolist() == [[10, 0.7], [20, 0.7]]
    weights = found["weights of the sites and their mean"]
    assert line(weights, "a")[:, 1].tolist() == [0.3, 0.3, 0.65, 0.65]
    assert sum(drawn.get_label() == "_site" for drawn in weights.get_lines()) == 4
    legend = figure.legends[0]
    assert [text.get_text() for text in legend.get_texts()] == ["a", "b"]
    colors = {drawn.get_color() for drawn in found["l_pix"].get_lines()}
    assert len(colors) == 2


def test_a_panel_without_a_curve_is_left_out(make_run: MakeRun) -> None:
    records = [{"iteration": 5, "kind": "train", "l_pix": math.nan, "lr": 1e-3, "weights": []}]
    assert list(panels(drawn(make_run("a", records)))) == ["learning rate"]


def test_what_is_not_finite_is_left_out_of_a_curve(make_run: MakeRun) -> None:
    records = [val(10, math.inf), val(20, math.nan), val(30, 27.0)]
    figure = drawn(make_run("a", records))
    assert line(panels(figure)["psnr on Set5"], "a").tolist() == [[30, 27.0]]


def test_metrics_and_recipes_are_chosen(make_run: MakeRun) -> None:
    run = make_run("a")
    for wanted in ("psnr", "Set5/psnr"):
        found = panels(drawn(run, metrics=(wanted,), recipes=True))
        assert [title for title in found if "Set5" in title] == ["psnr on Set5"]
    recipes = [x for x in found["psnr on Set5"].get_lines() if x.get_label() == "_recipe"]
    assert [x.get_ydata()[-1] for x in recipes] == [27.0, 25.0]
    assert [text.get_text() for text in found["psnr on Set5"].texts] == ["blur2", "clean"]
    with pytest.raises(OptionError, match=r"no run has the metric 'pnsr'\. Did you mean 'psnr'"):
        drawn(run, metrics=("pnsr",))


def test_hours_are_those_of_training(make_run: MakeRun) -> None:
    # Half the speed in the second half; nothing is known of the pause before the resumption.
    speeds = {100: 2.0, 200: 2.0, 300: 1.0, 400: 1.0}
    records = [train(i, iterations_per_second=s, time=i**3) for i, s in speeds.items()]
    figure = drawn(make_run("a", [*records, val(250, 25.0)]), x="time")
    hours = line(panels(figure)["learning rate"], "a")[:, 0]
    assert hours * 3600 == pytest.approx([50, 100, 200, 300])
    assert line(panels(figure)["psnr on Set5"], "a")[0, 0] * 3600 == pytest.approx(150)
    assert figure.axes[0].get_xlabel() == "hours of training"


def test_smoothing_is_that_of_tensorboard() -> None:
    values, weight = np.random.default_rng(0).random(50), 0.9
    filtered = lfilter([1 - weight], [1, -weight], values)
    expected = filtered / (1 - weight ** np.arange(1, 51))
    assert np.allclose(smooth(values, weight), expected)
    assert np.array_equal(smooth(values, 0.0), values)


def test_a_smoothed_curve_shows_what_it_was_made_of(make_run: MakeRun) -> None:
    axes = panels(drawn(make_run("a"), smoothing=0.5))["l_pix"]
    assert line(axes, "_raw")[:, 1].tolist() == [1 / 10, 1 / 20, 1 / 30, 1 / 40]
    assert line(axes, "a")[:, 1] == pytest.approx(smooth(line(axes, "_raw")[:, 1], 0.5))


def test_names_say_as_much_as_it_takes(tmp_path: Path) -> None:
    folders = [tmp_path / "a" / "x" / "run", tmp_path / "a" / "y" / "run", tmp_path / "b" / "other"]
    assert unique_names(folders) == ["x/run", "y/run", "other"]
    folders = [tmp_path / "a" / "x" / "run", tmp_path / "b" / "x" / "run", Path("/run")]
    assert unique_names(folders)[:2] == ["a/x/run", "b/x/run"]
    assert unique_names([]) == []


def test_a_folder_of_experiments_stands_for_them(make_run: MakeRun, tmp_path: Path) -> None:
    for name in ("b", "a", "a_archived_20260101_000000"):
        make_run(name)
    parent = tmp_path / "experiments"
    runs, failed = load_runs([parent, parent / "a" / "metrics.jsonl", parent / "a"], print)
    assert ([run.name for run in runs], failed) == (["a", "b"], 0)
    runs, _ = load_runs([parent / "a_archived_20260101_000000"], print)
    assert len(runs) == 1


def test_records_that_were_written_twice_are_drawn_once(make_run: MakeRun) -> None:
    records = [train(20), train(10, l_pix=1.0), train(10, l_pix=2.0)]
    axes = panels(drawn(make_run("a", records), smoothing=0.0))["l_pix"]
    assert line(axes, "a").tolist() == [[10, 2.0], [20, 0.05]]


def test_runs_that_cannot_be_drawn_are_told(make_run: MakeRun, tmp_path: Path) -> None:
    told: list[str] = []
    (tmp_path / "empty").mkdir()
    wrong = [tmp_path / "none", tmp_path / "empty", make_run("young", [])]
    cut = make_run("cut", [train(10)], tail='{"iteration": 20, "ki')
    target = tmp_path / "curves.png"
    assert not plot_runs([*wrong, cut], target, tell=told.append)
    assert target.is_file()
    for problem in (
        f"{tmp_path / 'none'}: there is no such folder.",
        f"{tmp_path / 'empty'}: holds no metrics.jsonl.",
        f"{wrong[2]}: holds no metrics yet",
        f"{cut / 'metrics.jsonl'}: 1 line is cut off or damaged and left out.",
        f"{target}: 1 run",
    ):
        assert any(line.startswith(problem) for line in told), problem
    target.unlink()
    with pytest.raises(TrainingError, match="no run to draw"):
        plot_runs(wrong, target, tell=told.append)
    slow = make_run("slow", [train(10, iterations_per_second=None)])
    assert not plot_runs([slow, cut], target, x="time", tell=told.append)
    assert any(line.startswith("slow: no speed is logged") for line in told)


def test_a_cut_off_line_is_no_failure(make_run: MakeRun, tmp_path: Path) -> None:
    cut = make_run("cut", [train(10)], tail="{")
    assert plot_runs([cut], tmp_path / "curves.png", tell=lambda line: None)


@pytest.mark.parametrize(
    ("suffix", "head"), [("svg", b"<?xml"), ("pdf", b"%PDF"), ("PNG", b"\x89")]
)
def test_formats(make_run: MakeRun, tmp_path: Path, suffix: str, head: bytes) -> None:
    target = tmp_path / "new" / f"curves.{suffix}"
    assert plot_runs([make_run("a")], target, log_x=True, tell=lambda line: None)
    assert target.read_bytes().startswith(head)
    assert [path.name for path in target.parent.iterdir()] == [target.name]


def test_the_picture_is_as_large_as_its_panels(make_run: MakeRun, tmp_path: Path) -> None:
    plot_runs([make_run("a")], tmp_path / "a.png", tell=lambda line: None)
    with Image.open(tmp_path / "a.png") as picture:
        width, height = picture.size
        assert picture.convert("RGB").getpixel((0, 0)) == (255, 255, 255)
    assert width == pytest.approx(3 * 4.6 * 130, abs=2)
    assert height == pytest.approx((3 * 2.9 + 0.5) * 130, abs=2)


def test_labels_stay_inside_and_the_legend_below(make_run: MakeRun) -> None:
    names = [f"an_experiment_with_a_long_name_{i}" for i in range(9)]
    figure = drawn(*[make_run(name) for name in names], recipes=True)
    figure.draw_without_rendering()
    everything, page = figure.get_tightbbox(), figure.bbox_inches
    assert everything.x0 >= -0.01 and everything.y0 >= -0.01
    assert everything.x1 <= page.x1 + 0.01 and everything.y1 <= page.y1 + 0.01
    legend = figure.legends[0].get_window_extent()
    assert all(axes.get_tightbbox().y0 >= legend.y1 for axes in figure.axes)
    styles = {(x.get_color(), x.get_linestyle()) for x in figure.axes[0].get_lines()}
    assert len(styles) == len(names)


def test_names_of_recipes_do_not_overlap(make_run: MakeRun) -> None:
    psnr = {"a": 20.0, "b": 20.01, "c": 20.02, "d": 25.0}
    scores = {"Set5/psnr": 21.3, **{f"Set5/{name}/psnr": y for name, y in psnr.items()}}
    figure = drawn(make_run("a", [{"iteration": 1, "kind": "val", **scores}]), recipes=True)
    figure.draw_without_rendering()
    boxes = {text.get_text(): text.get_window_extent() for text in figure.axes[0].texts}
    assert list(boxes) == ["a", "b", "c", "d"]
    for lower, upper in (("a", "b"), ("b", "c"), ("c", "d")):
        assert boxes[upper].y0 >= boxes[lower].y1 - 1
    places = {text.get_text(): text.xy[1] for text in figure.axes[0].texts}
    assert (places["b"], places["d"]) == pytest.approx((20.01, 25.0))


def test_wrong_wishes_are_told_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"cannot draw to .*curves\.gif'\. Use \.png"):
        plot_runs([tmp_path / "none"], tmp_path / "curves.gif")
    with pytest.raises(OptionError, match="smoothing"):
        plot_runs([tmp_path / "none"], tmp_path / "curves.png", smoothing=1.0)
