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
    from understudy.pipeline.distillation import distill
    from understudy.pipeline.result import Result
    from understudy.runtime import Model, load

__all__ = ["Model", "Result", "__version__", "distill", "load"]

_HOMES = {
    "Model": "understudy.runtime",
    "Result": "understudy.pipeline.result",
    "distill": "understudy.pipeline.distillation",
    "load": "understudy.runtime",
}


def __getattr__(name: str) -> Any:
    """Import a public name's module when it is first used: ``import understudy`` stays light."""
    if name not in _HOMES:
        raise AttributeError(f"module 'understudy' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
