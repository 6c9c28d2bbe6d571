"""Several problems of one file in one error: the first few by their place, and how many more there are."""

from __future__ import annotations

from collections.abc import Sequence

from understudy.core.wording import with_article
from understudy.errors import DataError

SHOWN = 5
"""Problems spelled out in one message; the rest are counted."""

MOST_LISTED = 50
"""Names that `listed` spells out."""


def bad_rows(where: str, problems: Sequence[str], advice: str) -> DataError:
    """The error to raise for a file in which ``problems`` were found.

    Args:
        where: The file, or the split of a hub data set.
        problems: One phrase each, beginning with its place, e.g. ``"line 3: the text is empty"``.
        advice: A sentence on what to do about them.
    """
    if len(problems) == 1:
        return DataError(f"{where}, {problems[0]}. {advice}")
    shown = [f"  {problem}" for problem in problems[:SHOWN]]
    if len(problems) > SHOWN:
        shown.append(f"  and {len(problems) - SHOWN:,} more")
    return DataError("\n".join([f"{where} has {len(problems):,} problems:", *shown, advice]))


def shorten(text: str, length: int = 60) -> str:
    """A text on one line, quoted, cut to about ``length`` characters."""
    line = " ".join(text.split())
    return repr(line if len(line) <= length else line[: length - 1] + "…")


def described(value: object, length: int = 60) -> str:
    """The type of a value and the value itself, cut to about ``length`` characters.

    >>> described(7)
    'an int, 7'
    """
    written = repr(value)
    cut = written if len(written) <= length else written[: length - 1] + "…"
    return f"{with_article(type(value).__name__)}, {cut}"


def listed(names: Sequence[str]) -> str:
    """Names quoted and separated by commas, or ``nothing``; of many, the first and how many more."""
    more = f" and {len(names) - MOST_LISTED:,} more" if len(names) > MOST_LISTED else ""
    return (", ".join(repr(str(name)) for name in names[:MOST_LISTED]) or "nothing") + more
