"""Folders of images through a network: planned, overlapped, resumable, reported."""

from .report import FolderReport
from .run import upscale_folder

__all__ = ["FolderReport", "upscale_folder"]
