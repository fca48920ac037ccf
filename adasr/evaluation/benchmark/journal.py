"""Scores as they are taken, line by line: what was scored once is not scored again."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from ...errors import FileError

NAME = ".scores.jsonl"


def key_of(**parts: Any) -> str:
    """A short key that differs where any of ``parts`` does."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


class Journal:
    """The scores in a folder, by what they depend on: network, image and protocol.

    A line is appended as soon as a score is known, so a run that is killed loses nothing. Lines
    that a crash or a full disk cut short are passed by.

    Args:
        folder: where ``.scores.jsonl`` lies; made if it is not there.
        fresh: whether to forget what it holds.

    Raises:
        FileError: the folder or the file cannot be written.
    """

    def __init__(self, folder: Path, fresh: bool = False) -> None:
        self.path = folder / NAME
        self._held: dict[tuple[str, str], dict[str, float]] = {}
        self._how: dict[tuple[str, str], str] = {}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if not fresh:
                self._read()
            self._file: IO[bytes] = self.path.open("wb" if fresh else "ab")
            if self._file.tell() and not self._ends_with_a_line():
                self._file.write(b"\n")
        except OSError as error:
            raise FileError(
                error.filename or folder,
                f"cannot be written ({error.strerror})",
                "Give another folder with -o.",
            ) from None

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def get(self, network: str, image: str) -> Mapping[str, float]:
        """The scores of an image under a network, by the keys of their protocols."""
        return self._held.get((network, image), {})

    def how(self, network: str, image: str) -> str:
        """How the network was given the image, where not as a whole."""
        return self._how.get((network, image), "")

    def put(self, network: str, image: str, values: Mapping[str, float], how: str = "") -> None:
        """Add scores.

        Raises:
            FileError: the disk is full or gone.
        """
        if not values:
            return
        self._held.setdefault((network, image), {}).update(values)
        plain = {key: repr(value) for key, value in values.items()}
        data = {"network": network, "image": image, "scores": plain}
        if how:
            data["how"] = self._how[network, image] = how
        line = json.dumps(data)
        try:
            self._file.write(line.encode() + b"\n")
            self._file.flush()
        except OSError as error:
            hint = "What was scored before is kept: make room and give the same command again."
            raise FileError(self.path, f"cannot be written ({error.strerror})", hint) from None

    def _read(self) -> None:
        try:
            with self.path.open("rb") as file:
                for line in file:
                    self._take(line)
        except FileNotFoundError:
            return

    def _take(self, line: bytes) -> None:
        try:
            data = json.loads(line)
            key = (data["network"], data["image"])
            values = {protocol: float(value) for protocol, value in data["scores"].items()}
        except (ValueError, KeyError, TypeError, AttributeError):
            return
        self._held.setdefault(key, {}).update(values)
        if data.get("how"):
            self._how[key] = str(data["how"])

    def _ends_with_a_line(self) -> bool:
        with self.path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) == b"\n"
