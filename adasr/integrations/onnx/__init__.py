"""Networks as ONNX files, for ONNX Runtime and programs on top of it."""

from .export import Exported, export_onnx

__all__ = ["Exported", "export_onnx"]
