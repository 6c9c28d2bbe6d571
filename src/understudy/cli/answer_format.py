"""How one answer is written as one line. No numpy: the quick answer of `understudy predict` uses it too."""

from __future__ import annotations

from collections.abc import Iterable

_CONTROL = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))}
_ESCAPES = str.maketrans(
    {**_CONTROL, 0x2028: "\\u2028", 0x2029: "\\u2029", "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
)


def escaped(label: str) -> str:
    r"""A label without control characters, which would break the line or command the terminal.

    >>> escaped("good"), escaped("two\nlines"), escaped("a\\b"), escaped("\x1b[31m")
    ('good', 'two\\nlines', 'a\\\\b', '\\x1b[31m')
    """
    return label.translate(_ESCAPES)


def joined(labels: Iterable[str]) -> str:
    r"""Several labels with commas between; a comma within a label gets a backslash.

    >>> joined(["a", "b"]), joined(["a,b"]), joined([])
    ('a,b', 'a\\,b', '')
    """
    return ",".join(escaped(label).replace(",", "\\,") for label in labels)


def one_line(text: str) -> str:
    r"""A text whose line breaks are spaces.

    >>> one_line("two\nlines"), one_line("")
    ('two lines', '')
    """
    return " ".join(text.splitlines())


def text_line(label: str, share: float, text: str) -> str:
    """One answer as `predict` writes it: the label, its probability, the text."""
    return f"{escaped(label)}\t{share:.4f}\t{one_line(text)}\n"
