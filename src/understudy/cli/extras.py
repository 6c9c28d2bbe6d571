"""What is said where an extra is not installed."""

from __future__ import annotations

from understudy.errors import MissingExtraError

TRAINING_MODULES = ("torch", "transformers", "datasets", "onnx", "pydantic", "yaml", "sklearn", "matplotlib")


def _need_training() -> None:
    from importlib.util import find_spec

    missing = [name for name in TRAINING_MODULES if find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"This command trains, and needs packages that are not installed: {', '.join(missing)}. "
            "Install them with: pip install 'understudy[train]'"
        )
