"""The page itself: Gradio's components and what happens between them.

Import it through ``serve``, which readies the environment that Gradio reads when it is imported.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from ..errors import AdasrError, OptionError
from .enlarge import FORMATS, SAME, Enlarger, Result, Settings, tell
from .workspace import Workspace, pack

_log = logging.getLogger(__name__)
_AGE = 3600  # seconds after which a visitor's files go
_WAITING = 16  # presses of the button in the queue
_OWN_SCALE = "the network's"
_SCALES = (_OWN_SCALE, "1.5", "2", "3", "4", "6", "8")
_TILES = ("auto", "128", "256", "512", "1024")
_PROGRESS = gr.Progress()  # Gradio gives each call one of its own in its place
# With margins alone an empty page would be as narrow as its words.
CSS = (
    ".gradio-container {width: 100% !important; max-width: 1200px !important; "
    "margin: 0 auto !important; box-sizing: border-box}"
)


def theme() -> gr.themes.Base:
    """Gradio's own with fonts of the system: its default ones come from the internet."""
    return gr.themes.Default(
        font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]
    )


class Page:
    """What the page's buttons do.

    Args:
        weights: what can be chosen, by name.
        enlarger: does the work.
        workspace: keeps the files.
    """

    def __init__(self, weights: dict[str, Path], enlarger: Enlarger, workspace: Workspace) -> None:
        self.weights, self.enlarger, self.workspace = weights, enlarger, workspace

    def blocks(self) -> gr.Blocks:
        """The page."""
        limits = self.enlarger.limits
        with gr.Blocks(title="adasr", analytics_enabled=False, delete_cache=(600, _AGE)) as blocks:
            gr.Markdown("# adasr\nEnlarges images, on the computer that runs this page.")
            folder = gr.State(None, time_to_live=_AGE, delete_callback=self.workspace.drop)
            results = gr.State([])
            with gr.Row():
                with gr.Column(scale=1, min_width=300):
                    files = gr.File(
                        label=f"Images (up to {limits.max_files}, "
                        f"{limits.max_pixels / 1e6:g} megapixels each)",
                        file_count="multiple",
                        file_types=["image"],
                        elem_id="files",
                    )
                    names = list(self.weights)
                    weights = gr.Dropdown(names, value=names[0], label="Weights", elem_id="weights")
                    scale = gr.Dropdown(list(_SCALES), value=_OWN_SCALE, label="Scale")
                    with gr.Accordion("More", open=False):
                        form = gr.Dropdown(list(FORMATS), value=SAME, label="File format")
                        precision = gr.Radio(
                            ["auto", "fp32", "bf16", "fp16"], value="auto", label="Precision"
                        )
                        tile = gr.Dropdown(list(_TILES), value="auto", label="Tile, in pixels")
                        ensemble = gr.Checkbox(
                            label="Average over flips and turns (8 times as slow)"
                        )
                    with gr.Row():
                        start = gr.Button("Enlarge", variant="primary", elem_id="start")
                        stop = gr.Button("Stop", elem_id="stop")
                with gr.Column(scale=2, min_width=300):
                    shown = gr.Dropdown([], label="Result", visible=False, elem_id="shown")
                    slider = gr.ImageSlider(
                        label="Before and after (preview)",
                        type="filepath",
                        interactive=False,
                        buttons=["fullscreen"],
                        elem_id="slider",
                        max_height=640,
                    )
                    told = gr.Markdown(elem_id="told")
                    downloads = gr.File(
                        label="Results in full quality",
                        file_count="multiple",
                        interactive=False,
                        visible=False,
                        elem_id="downloads",
                    )
                    archive = gr.DownloadButton("Download all", visible=False, elem_id="archive")
            outputs = [folder, results, shown, slider, told, downloads, archive]
            event = start.click(
                self.run,
                [files, weights, scale, precision, tile, ensemble, form, folder],
                outputs,
                concurrency_limit=1,
                concurrency_id="network",
                api_visibility="private",
                show_progress_on=[told],
            )
            stop.click(None, cancels=[event], api_visibility="private")
            shown.input(self.show, [shown, results], [slider, told], api_visibility="private")
        return blocks.queue(max_size=_WAITING, api_open=False)

    def run(
        self,
        files: list[str] | None,
        weights: str,
        scale: str,
        precision: Any,
        tile: str,
        ensemble: bool,
        form: str,
        before: str | None,
        progress: gr.Progress = _PROGRESS,
    ) -> Iterator[tuple[Any, ...]]:
        """Enlarge the files one by one; what is done so far after each."""
        paths = [Path(file) for file in files or []]
        try:
            self.enlarger.check(paths)
            settings = Settings(
                self._chosen(weights),
                None if scale == _OWN_SCALE else float(scale),
                precision,
                "auto" if tile == "auto" else int(tile),
                ensemble,
                form,
            )
        except AdasrError as error:
            raise gr.Error(tell(error), print_exception=False) from None
        folder = self.workspace.fresh(before)
        results: list[Result] = []
        for number, path in enumerate(paths, 1):
            of = f" ({number} of {len(paths)})" if len(paths) > 1 else ""
            progress(0.0, desc=f"{path.name}{of}")

            def on_tile(done: int, total: int, name: str = f"{path.name}{of}") -> None:
                progress(done / total, desc=name)

            try:
                results.append(self.enlarger.enlarge(path, settings, folder, on_tile))
            except (AdasrError, OSError) as error:
                if len(paths) == 1:
                    raise gr.Error(tell(error), print_exception=False) from None
                gr.Warning(tell(error))
                continue
            except Exception:
                _log.exception("%s", path.name)
                message = f"{path.name}: a fault of adasr. The terminal has the details."
                raise gr.Error(message, print_exception=False) from None
            yield self._state(folder, results, number == len(paths))
        if not results:
            raise gr.Error("None of the images could be enlarged.", print_exception=False)
        yield self._state(folder, results, True)

    def show(self, name: str, results: list[Result]) -> tuple[Any, str]:
        """The pictures and the line of text for one result."""
        found = next(result for result in results if result.name == name)
        return (str(found.before), str(found.after)), _line(found)

    def _state(self, folder: Path, results: list[Result], last: bool) -> tuple[Any, ...]:
        newest, files = results[-1], [result.file for result in results]
        several = len(results) > 1
        packed = gr.DownloadButton(visible=False)
        if several and last:
            packed = gr.DownloadButton(value=str(pack(files, folder)), visible=True)
        names = [result.name for result in results]
        return (
            str(folder),
            results,
            gr.Dropdown(names, value=newest.name, visible=several),
            (str(newest.before), str(newest.after)),
            _line(newest),
            gr.File([str(file) for file in files], visible=True),
            packed,
        )

    def _chosen(self, name: str) -> Path:
        if name not in self.weights:  # only what is offered: the page may be public
            raise OptionError(f"there are no weights '{name}'.", ("weights",))
        return self.weights[name]


def _line(result: Result) -> str:
    return f"**{result.name}**: {result.size}"
