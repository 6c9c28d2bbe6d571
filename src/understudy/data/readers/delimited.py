"""Rows of text with one character between their fields, and the line on which each row begins.

Comma, semicolon and bar files are quoted as RFC 4180 says, and read strictly. Tab files are taken as they
stand, lone quotes and all, unless they plainly quote their fields.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from understudy.core.wording import plural
from understudy.data.readers.problems import bad_rows
from understudy.data.readers.text import split_lines
from understudy.errors import DataError, RecipeError

DELIMITERS = {",": "','", "\t": "tab", ";": "';'", "|": "'|'"}
"""Delimiters that are tried where none is given, and their names in messages."""

_SPELLINGS = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "bar": "|"}
_SAMPLE_CHARACTERS = 65_536
_SAMPLE_ROWS = 1_000
_FIELD_LIMIT = "field limit"
"""Words by which the error of `csv` for a field that is too long is known."""


@dataclass(frozen=True)
class Rows:
    """Fields of text.

    Attributes:
        cells: One list of fields for each row, blank lines left out.
        lines: ``(rows,)`` number of the line on which each row begins, counted from 1.
    """

    cells: list[list[str]]
    lines: list[int]


def check_delimiter(delimiter: str) -> str:
    r"""One character, also spelled ``tab`` or ``\t``, ``comma``, ``semicolon``, ``bar``.

    Raises:
        RecipeError: more or less than one character, or one that cannot separate fields.
    """
    character = _SPELLINGS.get(delimiter.lower(), delimiter)
    if len(character) != 1 or character in '"\r\n':
        raise RecipeError(f"A delimiter is one character, such as ',' or ';' or 'tab', not {delimiter!r}.")
    return character


def promised(text: str) -> tuple[str, str | None]:
    """A text without the line ``sep=;`` with which spreadsheets begin, and the delimiter that it names.

    An empty line takes its place, so that lines keep their numbers.
    """
    match = re.match(r"sep=(.)(?=\r?\n)", text, re.IGNORECASE)
    return (text[match.end() :], check_delimiter(match[1])) if match else (text, None)


def guess_delimiter(text: str, usual: str | None = None) -> str:
    """The character that cuts most rows into as many fields as the first row has, and more than one.

    Args:
        text: The file's text.
        usual: The delimiter that the file's name promises, taken unless it plainly does not fit.
    """
    sample = text[:_SAMPLE_CHARACTERS]
    if len(sample) < len(text):
        sample = sample[: sample.rfind("\n") + 1] or sample
    shares = {delimiter: _even_share(sample, delimiter) for delimiter in DELIMITERS}
    if usual is not None and shares[usual] >= 0.5:
        return usual
    best = max(shares, key=shares.__getitem__)
    return best if shares[best] > 0 else (usual or ",")


def _even_share(sample: str, delimiter: str) -> float:
    """Share of rows that have as many fields as the first row; 0 where that has one field only."""
    if delimiter == "\t":
        widths = [line.count("\t") + 1 for line in split_lines(sample) if line.strip(" ")]
    else:
        reader = csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter)
        widths = [len(row) for row in reader if row]
    if not widths or widths[0] < 2:
        return 0.0
    return sum(width == widths[0] for width in widths) / len(widths)


def uses_quotes(text: str, delimiter: str) -> bool:
    """Whether a file whose quotes are taken as they stand by default plainly quotes its fields.

    It does where strict reading gives rows of one width, and either plain reading does not, or some column is
    quoted from top to bottom (the first row, which may be a header, aside).
    """
    if not re.search(f'(?:^|{re.escape(delimiter)})"', text, re.MULTILINE):
        return False
    try:
        quoted = [
            row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True) if row
        ]
    except csv.Error:
        return False
    if len({len(row) for row in quoted}) != 1:
        return False
    plain = split_plain(text, delimiter).cells
    if len({len(row) for row in plain}) != 1:
        return True
    return any(all(map(_is_quoted, column)) for column in zip(*(plain[1:] or plain), strict=True))


def _is_quoted(cell: str) -> bool:
    return len(cell) >= 2 and cell[0] == cell[-1] == '"'


def split_plain(text: str, delimiter: str, *, columns: int | None = None) -> Rows:
    """One row a line, quotes taken as they stand.

    Args:
        text: The file's text.
        delimiter: One character.
        columns: Where given, a row is cut from its end into at most so many fields, so that the first
            field may hold the delimiter.
    """
    cells, numbers = [], []
    for number, line in enumerate(split_lines(text), start=1):
        if line.strip(" ") == "":
            continue
        cells.append(line.split(delimiter) if columns is None else line.rsplit(delimiter, columns - 1))
        numbers.append(number)
    return Rows(cells, numbers)


def split_quoted(text: str, delimiter: str, where: str) -> Rows:
    """Rows whose fields may be quoted, and may then hold delimiters, doubled quotes and line ends.

    Raises:
        DataError: a quote is not closed, or is followed by more text; names the line on which it opens.
    """
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    cells, numbers = [], []
    start = 1

    try:
        for row in reader:
            if row and (len(row) > 1 or row[0].strip()):
                cells.append(row)
                numbers.append(start)
            start = reader.line_num + 1
    except csv.Error as error:
        if _FIELD_LIMIT in str(error):
            raise broken_row(where, start, error) from error
        opened = _line_of_quote(text, delimiter, start)
        raise DataError(
            f"{where}, line {opened}: the quote that opens here is not closed as it should be (line "
            f"{reader.line_num}: {error}). Close it, or double each quote inside a quoted field, as in "
            '"say ""hello""".'
        ) from error
    return Rows(cells, numbers)


def broken_row(where: str, line: int, error: csv.Error) -> DataError:
    """The error to raise for the row that begins on a line and cannot be read."""
    if _FIELD_LIMIT in str(error):
        return DataError(
            f"{where}, line {line}: a field in the row that begins here has more than "
            f"{csv.field_size_limit():,} characters. Cut it, or close the quote that makes it so long."
        )
    return DataError(
        f"{where}, line {line}: the row that begins here cannot be read: {error}. Close its quotes, or "
        'double each quote inside a quoted field, as in "say ""hello""".'
    )


def _line_of_quote(text: str, delimiter: str, start: int) -> int:
    """The line of the first quote, from line ``start`` on, that opens a field and is not closed rightly."""
    rest = "".join(_lines(text)[start - 1 :])
    mark = re.escape(delimiter)
    # a field that is quoted and closed, or not quoted, or empty; and what ends it
    field = re.compile(rf'(?:"(?:[^"]|"")*"|[^"{mark}\r\n][^{mark}\r\n]*|)(?:{mark}|\r\n|\r|\n|$)')
    position = 0
    while (match := field.match(rest, position)) and match.end() > position:
        position = match.end()

    is_line_start = position == 0 or rest[position - 1] in "\r\n"
    return start + len(_lines(rest[:position])) - (0 if is_line_start else 1)


def _lines(text: str) -> list[str]:
    r"""Lines with their ends, where ``\r`` alone ends one too, as `csv` counts them."""
    return list(io.StringIO(text, newline=""))


def check_widths(rows: Rows, columns: int, delimiter: str, where: str) -> None:
    """Every row has as many fields as there are columns.

    Raises:
        DataError: some have more or fewer, by line.
    """
    problems = [
        f"line {line}: {plural(len(row), 'column')} instead of {columns}"
        for row, line in zip(rows.cells, rows.lines, strict=True)
        if len(row) != columns
    ]
    if problems:
        name = DELIMITERS.get(delimiter, repr(delimiter))
        raise bad_rows(
            where,
            problems,
            f"Columns are separated by {name} here; quote a field that holds it, or see --delimiter.",
        )


def has_header(cells: Sequence[Sequence[str]], known: frozenset[str]) -> bool:
    """Whether the first row looks like column names.

    It does where its fields are short, and one of them is a usual column name (``known``, lower case), or
    where all are distinct single words and one stands above a column of few, often repeated values without
    being one of them. Fields without a name, which spreadsheets add, speak neither for nor against it.
    """
    first = [cell.strip() for cell in cells[0]]
    if not all(re.fullmatch(r"[^\W\d][\w .-]{0,39}", cell) or not cell for cell in first):
        return False
    rest = [row for row in cells[1:_SAMPLE_ROWS] if len(row) == len(first)]
    tallies = [Counter(row[column].strip() for row in rest) for column in range(len(first))]
    fresh = [cell != "" and cell not in tally for cell, tally in zip(first, tallies, strict=True)]
    if any(new and cell.lower().replace(" ", "_") in known for cell, new in zip(first, fresh, strict=True)):
        return True
    names = [cell for cell in first if cell]
    if len(first) < 2 or len(set(names)) != len(names) or any(" " in cell for cell in names):
        return False
    return any(new and 0 < len(tally) <= len(rest) / 2 for new, tally in zip(fresh, tallies, strict=True))
