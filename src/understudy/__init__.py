"""Understudy trains a tiny text model to play the part of a big one, and proves how well it plays it."""

from __future__ import annotations

from understudy._version import __version__

__all__ = ["__version__"]
