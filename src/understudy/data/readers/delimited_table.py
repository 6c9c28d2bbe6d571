"""Rows of fields made into a table: delimiter, quotes and header as the user says, or guessed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from understudy.core.wording import plural
from understudy.data.readers import delimited
from understudy.data.readers.names import LABEL_NAMES, OTHER_NAMES, PAIR_NAMES, TEXT_NAMES
from understudy.data.readers.table import Table
from understudy.data.readers.text import read_text
from understudy.errors import DataError

KNOWN = frozenset((*TEXT_NAMES, *LABEL_NAMES, *OTHER_NAMES, *(name for pair in PAIR_NAMES for name in pair)))
"""Names by which a first row is known to be a header."""

MOST_COLUMNS_OF_ONE_LINE = 1_000
"""A file of one line with more columns than this is something else under the wrong name."""

_USUAL_DELIMITER = {"csv": ",", "tsv": "\t"}


@dataclass(frozen=True)
class HeaderChoice:
    """What is known of a file's header before it is read.

    Attributes:
        wish: Whether there is one, where the user says so.
        like: A file read before it, whose header settles the guess.
        expected: Column names that the user named; a first line that has one is a header.
    """

    wish: bool | None = None
    like: Table | None = None
    expected: Sequence[str | None] = ()

    def decide(self, cells: Sequence[Sequence[str]]) -> tuple[bool, bool]:
        """Whether the first row of ``cells`` names the columns, and whether that is a guess."""
        first = [cell.strip() for cell in cells[0]]
        if self.wish is not None:
            return self.wish, False
        if not set(first).isdisjoint(self.expected):
            return True, False
        if self.like is not None and (not self.like.header or first == list(self.like.columns)):
            return self.like.header, True
        return delimited.has_header(cells, KNOWN), True


def read_delimited(path: Path, file_format: str, delimiter: str | None, header: HeaderChoice) -> Table:
    """Read a file of fields between which one character stands.

    Args:
        path: The file.
        file_format: ``csv``, ``tsv`` or ``txt``.
        delimiter: The character, where the user names it.
        header: What is known of the header.

    Raises:
        DataError: the file cannot be read, is empty, or has rows that do not fit; by line.
        RecipeError: the delimiter is not one character.
    """
    text, promised = delimited.promised(read_text(path))
    wish = promised if delimiter is None else delimiter
    character, is_quoted = delimiter_of(text, file_format, wish)
    guesses = []
    if wish is None and character != _USUAL_DELIMITER.get(file_format):
        name = delimited.DELIMITERS[character]
        guesses.append(f"columns are separated by {name} (guessed; use --delimiter).")

    if is_quoted:
        rows = delimited.split_quoted(text, character, str(path))
    else:
        rows = delimited.split_plain(text, character)
    if not rows.cells:
        raise DataError(f"{path} is empty. A data file needs at least one row for each label.")
    check_lines(rows.cells, path)

    named, is_guessed = header.decide(rows.cells)
    if is_guessed:
        what = "names the columns" if named else "is a row, not column names"
        guesses.append(f"the first line {what} (guessed; use --header / --no-header).")
    columns = column_names(rows.cells[0], path) if named else numbered(len(rows.cells[0]))
    return to_table(
        path, rows, character, named=named, columns=columns, skip=int(named), guesses=tuple(guesses)
    )


def delimiter_of(text: str, file_format: str, wish: str | None = None) -> tuple[str, bool]:
    """The delimiter of a file's text, guessed where none is wished for, and whether fields may be quoted.

    Raises:
        RecipeError: the wish is not one character.
    """
    usual = _USUAL_DELIMITER.get(file_format)
    delimiter = delimited.guess_delimiter(text, usual) if wish is None else delimited.check_delimiter(wish)
    return delimiter, delimiter != "\t" or delimited.uses_quotes(text, delimiter)


def check_lines(cells: Sequence[Sequence[str]], path: Path) -> None:
    """Refuse a file of one line with so many columns that it must be something else.

    Raises:
        DataError: it has more than `MOST_COLUMNS_OF_ONE_LINE`.
    """
    if len(cells) != 1 or len(cells[0]) <= MOST_COLUMNS_OF_ONE_LINE:
        return
    is_json = cells[0][0].lstrip("\ufeff \t").startswith(("[", "{"))
    advice = (
        "It looks like JSON: give its name the ending .json"
        if is_json
        else "Put each row on a line of its own, or choose --delimiter"
    )
    raise DataError(f"{path} is one line of {plural(len(cells[0]), 'column')}. {advice}.")


def numbered(count: int) -> list[str]:
    """Names of columns that have none."""
    return [f"column_{number}" for number in range(1, count + 1)]


def column_names(cells: Sequence[str], path: Path) -> list[str]:
    """The names that a first row gives to the columns.

    Raises:
        DataError: two columns have one name.
    """
    names = [cell.strip() or number for cell, number in zip(cells, numbered(len(cells)), strict=True)]
    if len(set(names)) < len(names):
        twice = min(name for name, count in Counter(names).items() if count > 1)
        raise DataError(f"{path} names column {twice!r} more than once. Rename one of them.")
    return names


def to_table(
    path: Path,
    rows: delimited.Rows,
    delimiter: str,
    *,
    named: bool,
    columns: Sequence[str],
    skip: int,
    guesses: tuple[str, ...] = (),
) -> Table:
    """Rows of fields as a table, the first ``skip`` of them left out.

    Raises:
        DataError: there are no rows, or some are of another width; by line.
    """
    body = delimited.Rows(rows.cells[skip:], rows.lines[skip:])
    if not body.cells:
        fault = "has column names but no rows" if rows.cells else "is empty"
        raise DataError(f"{path} {fault}. A data file needs at least one row for each label.")

    delimited.check_widths(body, len(columns), delimiter, str(path))
    values = dict(zip(columns, zip(*body.cells, strict=True), strict=True))
    return Table(str(path), path.name, values, body.lines, guesses=guesses, header=named)
