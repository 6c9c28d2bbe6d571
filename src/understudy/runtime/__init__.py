"""Answer without torch: our C extension, or numpy and ONNX Runtime alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from understudy.runtime.model import Model, load

__all__ = ["Model", "load"]


def __getattr__(name: str) -> Any:
    """Import `Model` and `load` when they are first used: the command line may need neither."""
    if name not in __all__:
        raise AttributeError(f"module 'understudy.runtime' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module("understudy.runtime.model"), name)
