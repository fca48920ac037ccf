"""Images through a network: one array, or a folder of files."""

from .folder import FolderReport, upscale_file, upscale_folder
from .upscaler import Upscaler

__all__ = ["FolderReport", "Upscaler", "upscale_file", "upscale_folder"]
