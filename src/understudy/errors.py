"""Every error that Understudy raises on purpose, and the small helper that suggests the nearest name.

A message says what was wrong, shows the value, and says what to do. The command line prints the message
alone; a traceback means a defect of ours.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_MOST_COMPARED = 5_000
"""Names among which the nearest is looked for: a file may have 100,000 columns, and comparing takes time."""

_MOST_LISTED = 50
"""Names that one message lists; the others are counted."""


class UnderstudyError(Exception):
    """Base of all errors raised on purpose."""


class DataError(UnderstudyError):
    """A file, a column, a label or a text cannot be used as it is."""


class RecipeError(UnderstudyError, ValueError):
    """A recipe, a flag or a name asks for something that does not exist or does not fit."""


class TeacherError(UnderstudyError):
    """A teacher cannot be loaded, or does not fit the task."""


class StoreError(UnderstudyError):
    """A logit store is stale, foreign or damaged."""


class ArtifactError(UnderstudyError):
    """A saved folder is incomplete, altered, or not what it is taken for."""


class ExportError(UnderstudyError):
    """The exported model does not answer like the trained one."""


class MissingExtraError(UnderstudyError):
    """A command needs packages that the base install does not bring."""


def nearest(name: str, known: Iterable[str]) -> str:
    """A sentence that suggests what was meant by ``name`` and lists what there is.

    >>> nearest("cbow", ["cbow.v1", "bilstm.v1"])
    "Did you mean 'cbow.v1'? Known: 'bilstm.v1', 'cbow.v1'."
    """
    names = sorted({str(item) for item in known})
    if not names:
        return "There are none."

    by_lower = {item.lower(): item for item in names[:_MOST_COMPARED]}
    close = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.5)
    prefix = [item for item in names if name and item.lower().startswith(name.lower())]
    guess = by_lower[close[0]] if close else (prefix[0] if prefix else None)
    hint = f"Did you mean {guess!r}? " if guess else ""

    more = f" and {len(names) - _MOST_LISTED:,} more" if len(names) > _MOST_LISTED else ""
    return hint + "Known: " + ", ".join(repr(item) for item in names[:_MOST_LISTED]) + more + "."
