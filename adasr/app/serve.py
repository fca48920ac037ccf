"""The page on a port of this computer until it is stopped."""

from __future__ import annotations

import importlib.util
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import UnavailableError
from .enlarge import Enlarger, Limits
from .workspace import Workspace

LOCAL = ("127.0.0.1", "localhost", "::1")


@contextmanager
def serving(
    weights: dict[str, Path],
    host: str = "127.0.0.1",
    port: int = 7860,
    device: str = "auto",
    limits: Limits | None = None,
) -> Iterator[str]:
    """The page, until the context is left; all files that it keeps go then.

    Args:
        weights: what can be chosen, by name.
        host: the address to listen on; by default only this computer can reach it.
        port: a free one.
        device: as of ``Upscaler``.
        limits: what is refused.

    Yields:
        The page's address.

    Raises:
        UnavailableError: gradio is not installed.
        OSError: the port is taken.
    """
    if importlib.util.find_spec("gradio") is None:
        raise UnavailableError(
            "The page needs gradio, which is not installed. Run: pip install 'adasr[app]'."
        )
    limits = limits or Limits()
    with Workspace() as workspace:
        # Gradio reads these when it is imported.
        os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
        os.environ["GRADIO_TEMP_DIR"] = str(workspace.uploads)
        from .page import CSS, Page, theme

        blocks = Page(weights, Enlarger(device, limits), workspace).blocks()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Gradio's own parts
            _, address, _ = blocks.launch(
                server_name=host,
                server_port=port,
                share=False,
                inbrowser=False,
                quiet=True,
                prevent_thread_lock=True,
                show_error=False,
                max_file_size=limits.max_megabytes * 10**6,
                allowed_paths=[str(workspace.results)],
                footer_links=[],
                ssr_mode=False,
                enable_monitoring=False,
                theme=theme(),
                css=CSS,
            )
        try:
            yield address
        finally:
            blocks.close(verbose=False)
