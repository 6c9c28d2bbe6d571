"""Standard input and output as every command needs them: open, and able to show any text.

A lone surrogate, such as half of an emoji in JSON or a byte of an argument that is not UTF-8, cannot be
written in UTF-8. Answers have a question mark in its place, on standard output and in a file.

Nothing here needs more than the standard library: the quick answer of `understudy predict` needs it too.
"""

from __future__ import annotations

import codecs
import io
import os
import sys

from understudy.errors import DataError

PLAIN_LETTERS = {
    "★": "*",
    "→": "->",
    "…": "...",
    "–": "-",
    "—": "-",
    "−": "-",
    "·": ".",
    "•": "*",
    "×": "x",
    "±": "+/-",
    "≤": "<=",
    "≥": ">=",
    "µ": "u",
    "²": "^2",
    "“": '"',
    "”": '"',
    "‘": "'",
    "’": "'",
}
"""What stands for a letter of our tables and messages where the terminal does not know it."""

CLOSED: set[int] = set()
"""Numbers of the standard streams that the caller closed."""

REPLACE = "understudy.replace"
"""Name of the error handler that puts these, or a question mark, in the place of what cannot be written."""


def prepare() -> None:
    """Open what the caller closed, and never fail over a letter that standard output cannot show."""
    _open_closed()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=REPLACE)


def write_data() -> None:
    """Write UTF-8 to standard output, as it is read: answers are data. A terminal keeps its own encoding.

    Raises:
        DataError: Standard output was closed by the caller, so that answers would be lost.
    """
    if 1 in CLOSED:
        raise DataError(
            "Standard output is closed, so that answers would be lost. Name a file with --output."
        )
    if isinstance(sys.stdout, io.TextIOWrapper) and not sys.stdout.isatty():
        sys.stdout.reconfigure(encoding="utf-8", errors=REPLACE)


def _open_closed() -> None:
    """Put the null device in the place of a closed stream (``>&-``).

    Otherwise the next file that is opened gets its number, and what a library prints would land in that file.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            CLOSED.add(number)
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one

    if sys.stdin is None:
        sys.stdin = io.TextIOWrapper(io.BufferedReader(io.FileIO(0, closefd=False)), encoding="utf-8")
    if sys.stdout is None:
        sys.stdout = io.TextIOWrapper(io.BufferedWriter(io.FileIO(1, "w", closefd=False)), encoding="utf-8")
    if sys.stderr is None:
        sys.stderr = io.TextIOWrapper(io.BufferedWriter(io.FileIO(2, "w", closefd=False)), encoding="utf-8")


def _replace(error: UnicodeError) -> tuple[str, int]:
    """The handler: plain letters for the part of a text that cannot be encoded."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    letters = error.object[error.start : error.end]
    return "".join(PLAIN_LETTERS.get(letter, "?") for letter in letters), error.end


codecs.register_error(REPLACE, _replace)
