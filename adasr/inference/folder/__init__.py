"""Folders of images through a network: planned, overlapped, resumable, reported."""

from .report import FolderReport
from .run import upscale_folder
from .single import upscale_file

__all__ = ["FolderReport", "upscale_file", "upscale_folder"]
