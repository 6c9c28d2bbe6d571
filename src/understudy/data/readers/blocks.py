"""Files of rows read block by block, for files larger than memory.

What `understudy.data.readers.delimited_table` guesses of a file, its delimiter, quotes and header, is guessed
here from its beginning. JSON arrays and CoNLL columns have no blocks, and are read whole.
"""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import itertools
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from understudy.data.readers import delimited
from understudy.data.readers.content import START, check_is_text
from understudy.data.readers.delimited_table import (
    HeaderChoice,
    check_lines,
    column_names,
    delimiter_of,
    numbered,
    to_table,
)
from understudy.data.readers.files import format_of, read_table
from understudy.data.readers.json_rows import parse_lines, to_columns
from understudy.data.readers.parquet import open_parquet, parquet_blocks
from understudy.data.readers.table import Table
from understudy.data.readers.text import not_utf8
from understudy.errors import DataError

BLOCK_ROWS = 2**16
"""Rows in memory at once."""

HEAD = 2**20
"""Characters from which a file's delimiter and quotes are guessed."""

HEAD_ROWS = 1_000
"""Rows from which it is guessed whether the first one names the columns."""

_PIECE = 2**22
"""Bytes that are read at once where only lines are counted."""


def count_rows(path: Path) -> int:
    """About how many rows a file has: exact for Parquet, else the number of its lines.

    Raises:
        DataError: the file cannot be read.
    """
    if format_of(path) == "parquet":
        with open_parquet(path) as file:
            return int(file.metadata.num_rows)
    with _open(path) as file:
        return sum(piece.count(b"\n") for piece in iter(lambda: file.read(_PIECE), b"")) + 1


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    r"""The lines of a UTF-8 file and their numbers, from 1; as `text.split_lines` cuts them.

    Raises:
        DataError: the file cannot be read, or holds a byte that is not UTF-8.
    """
    for number, line in _raw_lines(path):
        yield number, line.removesuffix("\n").removesuffix("\r")


def read_blocks(path: Path, expected: Sequence[str] = ()) -> Iterator[Table]:
    """The rows of a table, a block at a time, each a table of its own; the first says what was guessed.

    Args:
        path: The file.
        expected: Names of columns; a first line that has one is a header.

    Raises:
        DataError: the file cannot be read, is empty, or has rows that do not fit; by line.
        MissingExtraError: a Parquet file is to be read without pyarrow.
    """
    file_format = format_of(path)
    if file_format == "parquet":
        return parquet_blocks(path, BLOCK_ROWS)
    if file_format == "jsonl":
        return _json_blocks(path)
    if file_format in ("csv", "tsv"):
        return _delimited_blocks(path, file_format, expected)
    return iter((read_table(path, expected=expected, kind="classification"),))


def _json_blocks(path: Path) -> Iterator[Table]:
    rows = (row for row in read_lines(path) if row[1].strip())
    while block := list(itertools.islice(rows, BLOCK_ROWS)):
        records, places = parse_lines(block, path)
        yield Table(str(path), path.name, to_columns(records), places)


def _delimited_blocks(path: Path, file_format: str, expected: Sequence[str]) -> Iterator[Table]:
    head, promised = delimited.promised(_head(path))
    delimiter, is_quoted = delimiter_of(head, file_format, promised)
    rows = _quoted(path, delimiter) if is_quoted else _plain(path, delimiter)
    if promised is not None:
        next(rows)

    first = list(itertools.islice(rows, HEAD_ROWS))
    cells = [row for _, row in first]
    check_lines(cells, path)
    named = bool(first) and HeaderChoice(expected=expected).decide(cells)[0]
    top = cells[0] if cells else []
    columns = column_names(top, path) if named else numbered(len(top))

    rows, skip = itertools.chain(first, rows), int(named)
    block = list(itertools.islice(rows, BLOCK_ROWS + skip))
    while True:
        fields = delimited.Rows([row for _, row in block], [number for number, _ in block])
        yield to_table(path, fields, delimiter, named=named, columns=columns, skip=skip)
        skip = 0
        if not (block := list(itertools.islice(rows, BLOCK_ROWS))):
            return


def _head(path: Path) -> str:
    """The beginning of a file, up to the end of a line where there is more."""
    kept, size = [], 0
    for _, line in read_lines(path):
        kept.append(line)
        size += len(line) + 1
        if size > HEAD:
            break
    return "\n".join(kept) + "\n"


def _plain(path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    return ((number, line.split(delimiter)) for number, line in read_lines(path) if line.strip(" "))


def _quoted(path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(_ends_of_rows(path), delimiter=delimiter, strict=True)
    start = 1
    try:
        for row in reader:
            if row and (len(row) > 1 or row[0].strip()):
                yield start, row
            start = reader.line_num + 1
    except csv.Error as error:
        raise delimited.broken_row(str(path), start, error) from error


def _ends_of_rows(path: Path) -> Iterator[str]:
    """The lines of a file with their ends; a carriage return alone ends one too, as `csv` has it."""
    for _, line in _raw_lines(path):
        is_cut = "\r" in line.removesuffix("\n").removesuffix("\r")
        yield from io.StringIO(line, newline="") if is_cut else (line,)


def _raw_lines(path: Path) -> Iterator[tuple[int, str]]:
    with _open(path) as file:
        for number, raw in enumerate(file, start=1):
            yield number, _decoded(path, number, raw)


@contextlib.contextmanager
def _open(path: Path) -> Iterator[io.BufferedIOBase]:
    """The open file, unpacked; errors of reading it become sentences."""
    try:
        with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as file:
            check_is_text(path, file.peek(START)[:START])
            yield file
    except FileNotFoundError as error:
        raise DataError(f"There is no file {path}.") from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(
            f"{path} is not a whole gzip file: {error}. Compress or download it again."
        ) from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error


def _decoded(path: Path, number: int, raw: bytes) -> str:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise not_utf8(path, number, raw[error.start]) from error
    return text.removeprefix("\ufeff") if number == 1 else text
