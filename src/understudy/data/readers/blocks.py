"""Files of rows read block by block, for files larger than memory.

What `understudy.data.readers.table` guesses of a file, its delimiter, quotes and header, is guessed here
from its beginning. JSON arrays and CoNLL columns have no blocks, and are read whole.
"""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import itertools
import json
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, cast

from understudy.data.readers import delimited
from understudy.data.readers.problems import bad_rows
from understudy.data.readers.table import (
    KNOWN,
    Table,
    column_names,
    delimiter_of,
    form_of,
    numbered,
    read_table,
    to_table,
)
from understudy.errors import DataError, MissingExtraError

BLOCK_ROWS = 2**16
"""Rows in memory at once."""

HEAD = 2**20
"""Characters from which a file's delimiter and quotes are guessed."""

HEAD_ROWS = 1_000
"""Rows from which it is guessed whether the first one names the columns."""

_PIECE = 2**22


def count_rows(path: Path) -> int:
    """About how many rows a file has: exact for Parquet, else the number of its lines.

    Raises:
        DataError: the file cannot be read.
    """
    if form_of(path) == "parquet":
        with _parquet(path) as file:
            return int(file.metadata.num_rows)
    with _said(path), _open(path) as file:
        return sum(piece.count(b"\n") for piece in iter(lambda: file.read(_PIECE), b"")) + 1


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    r"""The lines of a UTF-8 file and their numbers, from 1; as `plain.split_lines` cuts them.

    Raises:
        DataError: the file cannot be read, or holds a byte that is not UTF-8.
    """
    with _said(path), _open(path) as file:
        for number, raw in enumerate(file, start=1):
            yield number, _decoded(path, number, raw).removesuffix("\n").removesuffix("\r")


def read_blocks(path: Path, expected: Sequence[str] = ()) -> Iterator[Table]:
    """The rows of a table, a block at a time, each a table of its own; the first says what was guessed.

    Args:
        path: the file.
        expected: names of columns; a first line that has one is a header.

    Raises:
        DataError: the file cannot be read, is empty, or has rows that do not fit; by line.
    """
    form = form_of(path)
    if form == "parquet":
        return _parquet_blocks(path)
    if form == "jsonl":
        return _json_blocks(path)
    if form in ("csv", "tsv"):
        return _delimited_blocks(path, form, expected)
    return iter((read_table(path, expected=expected, kind="classification"),))


def _parquet_blocks(path: Path) -> Iterator[Table]:
    with _parquet(path) as file:
        start = 1
        for rows in file.iter_batches(BLOCK_ROWS):
            places = range(start, start + rows.num_rows)
            yield Table(str(path), path.name, rows.to_pydict(), places, unit="row")
            start += rows.num_rows


@contextlib.contextmanager
def _parquet(path: Path) -> Iterator[Any]:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise MissingExtraError(
            f"Reading {path} needs pyarrow. Install it: pip install 'understudy[train]'."
        ) from error
    with _said(path):
        try:
            with contextlib.closing(parquet.ParquetFile(path)) as file:
                yield file
        except ArrowException as error:
            raise DataError(
                f"{path} is not a readable Parquet file: {error}. Write or fetch it again."
            ) from error


def _json_blocks(path: Path) -> Iterator[Table]:
    rows = (row for row in read_lines(path) if row[1].strip())
    while block := list(itertools.islice(rows, BLOCK_ROWS)):
        records, problems = [], []
        for number, line in block:
            try:
                record = json.loads(line)
            except json.JSONDecodeError as error:
                problems.append(f"line {number}: no JSON ({error.msg}, column {error.colno})")
                continue
            if isinstance(record, dict):
                records.append(record)
            else:
                problems.append(f"line {number}: a JSON {type(record).__name__} instead of an object")
        if problems:
            raise bad_rows(str(path), problems, 'Each line holds one object, such as {"text": "…"}.')
        keys = dict.fromkeys(key for record in records for key in record)
        columns = {key: [record.get(key) for record in records] for key in keys}
        yield Table(str(path), path.name, columns, [number for number, _ in block])


def _delimited_blocks(path: Path, form: str, expected: Sequence[str]) -> Iterator[Table]:
    head, promised = delimited.promised(_head(path))
    delimiter, is_quoted = delimiter_of(head, form, promised)
    rows = _quoted(path, delimiter) if is_quoted else _plain(path, delimiter)
    if promised:
        next(rows)
    first = list(itertools.islice(rows, HEAD_ROWS))
    top = first[0][1] if first else []
    named = any(cell.strip() in expected for cell in top) or (
        bool(first) and delimited.has_header([cells for _, cells in first], KNOWN)
    )
    columns = column_names(top, path) if named else numbered(len(top))
    rows, skip = itertools.chain(first, rows), int(named)
    block = list(itertools.islice(rows, BLOCK_ROWS + skip))
    while True:
        found = delimited.Rows([cells for _, cells in block], [number for number, _ in block])
        yield to_table(path, found, delimiter, named=named, columns=columns, skip=skip)
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
    reader = csv.reader(_raw_lines(path), delimiter=delimiter, strict=True)
    start = 1
    try:
        for row in reader:
            if row and (len(row) > 1 or row[0].strip()):
                yield start, row
            start = reader.line_num + 1
    except csv.Error as error:
        raise DataError(
            f"{path}, line {start}: the row that begins here cannot be read: {error}. Close its quotes, or "
            'double each quote inside a quoted field, as in "say ""hello""".'
        ) from error


def _raw_lines(path: Path) -> Iterator[str]:
    with _said(path), _open(path) as file:
        for number, raw in enumerate(file, start=1):
            line = _decoded(path, number, raw)
            # a carriage return alone ends a row here too, as it does in a file that is read at once
            is_cut = "\r" in line.removesuffix("\n").removesuffix("\r")
            yield from io.StringIO(line, newline="") if is_cut else (line,)


def _open(path: Path) -> IO[bytes]:
    if path.suffix.lower() == ".gz":
        return cast("IO[bytes]", gzip.open(path))
    return path.open("rb")


@contextlib.contextmanager
def _said(path: Path) -> Iterator[None]:
    """Say errors of reading a file in sentences."""
    try:
        yield
    except FileNotFoundError as error:
        raise DataError(f"There is no file {path}.") from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path} is no whole gzip file: {error}. Pack or fetch it again.") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error


def _decoded(path: Path, number: int, raw: bytes) -> str:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}, line {number}: byte 0x{raw[error.start]:02x} is not UTF-8. Save the file as UTF-8, for "
            "example with `iconv -f <its encoding> -t utf-8`."
        ) from error
    return text.removeprefix("\ufeff") if number == 1 else text
