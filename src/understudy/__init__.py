"""Understudy trains a tiny text model to play the part of a big one, and proves how well it plays it.

>>> import understudy
>>> result = understudy.distill("reviews.csv", unlabelled="more.txt")  # doctest: +SKIP
>>> student = understudy.load(result.best)  # doctest: +SKIP
>>> student.predict("what a film")  # doctest: +SKIP
'positive'
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from understudy._version import __version__

if TYPE_CHECKING:
    from understudy.cli.progress_bar import Terminal
    from understudy.errors import (
        ArtifactError,
        DataError,
        RecipeError,
        StoreError,
        TeacherError,
        UnderstudyError,
    )
    from understudy.pipeline.distillation import distill
    from understudy.pipeline.result import Result
    from understudy.runtime import Model, load

__all__ = [
    "ArtifactError",
    "DataError",
    "Model",
    "RecipeError",
    "Result",
    "StoreError",
    "TeacherError",
    "Terminal",
    "UnderstudyError",
    "__version__",
    "distill",
    "load",
]

_HOMES = {
    **dict.fromkeys(
        ("ArtifactError", "DataError", "RecipeError", "StoreError", "TeacherError", "UnderstudyError"),
        "understudy.errors",
    ),
    "Model": "understudy.runtime",
    "Result": "understudy.pipeline.result",
    "Terminal": "understudy.cli.progress_bar",
    "distill": "understudy.pipeline.distillation",
    "load": "understudy.runtime",
}


def __getattr__(name: str) -> Any:
    """Import a public name's module when it is first used: ``import understudy`` stays light."""
    if name not in _HOMES:
        raise AttributeError(f"module 'understudy' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """The public names, for completion."""
    return sorted(__all__)
