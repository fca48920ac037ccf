"""``adasr app``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .app import app


@app.command("app")
def page(
    weights: Annotated[
        list[Path] | None,
        typer.Option(
            "-m",
            "--weights",
            help="weights or a folder with them, several times; 'weights' and 'experiments' "
            "of this folder by default",
        ),
    ] = None,
    host: Annotated[
        str, typer.Option(help="address to listen on; 0.0.0.0 lets other computers in")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="port of the page", min=1, max=65535)] = 7860,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps")] = "auto",
    max_pixels: Annotated[int, typer.Option(help="largest image, in pixels")] = 16_000_000,
    max_files: Annotated[int, typer.Option(help="images at a time")] = 20,
) -> int:
    """Show a page in the browser that enlarges images (needs the extra 'app')."""
    from ..app.choices import find_weights
    from ..app.enlarge import Limits
    from ..app.serve import LOCAL, serving

    found = find_weights(weights or [])
    with serving(found, host, port, device, Limits(max_pixels, max_files)) as address:
        typer.echo(f"{address} offers {len(found)} weights. Stop it with Ctrl+C.")
        if host not in LOCAL:
            typer.echo("Everyone who reaches this computer can use it, without a password.")
        _wait()
    return 0


def _wait() -> None:
    """Until the person stops the program, by Ctrl+C or a signal to end."""
    import signal
    import threading

    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    signal.signal(signal.SIGINT, lambda *_: ended.set())
    while not ended.wait(1.0):  # with a timeout: signals come through on Windows too
        pass
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a second Ctrl+C ends an image under way too
