"""Answer without torch: numpy, tokenizers and ONNX Runtime alone."""

from understudy.runtime.model import Model, load

__all__ = ["Model", "load"]
