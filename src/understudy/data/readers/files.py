"""Read a file of rows, whatever its format, into a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from understudy.data.readers import conll, delimited
from understudy.data.readers.delimited_table import HeaderChoice, column_names, read_delimited, to_table
from understudy.data.readers.json_rows import read_json, read_jsonl
from understudy.data.readers.parquet import read_parquet
from understudy.data.readers.table import Table
from understudy.data.readers.text import read_text
from understudy.errors import DataError, RecipeError

FORMATS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".txt": "txt",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".conll": "conll",
    ".bio": "conll",
    ".iob": "conll",
    ".conllu": "conllu",
    ".parquet": "parquet",
}
"""File name endings and the formats they promise; all but Parquet may have ``.gz`` after them."""

SPREADSHEETS = (".xlsx", ".xls", ".xlsm", ".ods", ".numbers")
"""Endings of files that a spreadsheet program can save as CSV."""


def format_of(path: Path) -> str | None:
    """The format that a file's name promises, or ``None``: one of the values of `FORMATS`."""
    endings = [ending.lower() for ending in path.suffixes]
    if endings[-1:] != [".gz"]:
        return FORMATS.get(endings[-1]) if endings else None
    file_format = FORMATS.get(endings[-2]) if len(endings) > 1 else None
    return None if file_format == "parquet" else file_format


def read_table(
    path: Path,
    *,
    delimiter: str | None = None,
    header: bool | None = None,
    like: Table | None = None,
    expected: Sequence[str | None] = (),
    kind: str | None = None,
) -> Table:
    """Read a CSV, TSV, TXT, JSON, JSON lines, Parquet, CoNLL or CoNLL-U file.

    Args:
        path: The file; the ending of its name tells its format.
        delimiter: What separates the fields of CSV, TSV and TXT files; ``None`` guesses.
        header: Whether the first line names the columns; ``None`` guesses.
        like: A file read before it, whose header settles the guess.
        expected: Column names that the user named; a first line that has one is a header.
        kind: Kind of task, where it is known: a TSV or TXT file of a tagging task holds CoNLL columns, and
            otherwise does so where it unmistakably looks like it.

    Raises:
        DataError: the file cannot be read, is empty, or has rows that do not fit; by line.
        RecipeError: ``delimiter`` or ``header`` given for a format that has neither.
    """
    file_format = format_of(path)
    if file_format is None:
        raise _unknown_format(path)
    if file_format in ("tsv", "txt") and _holds_conll(path, kind):
        file_format = "conll"

    if file_format in ("conll", "conllu"):
        return _read_conll(path, file_format, delimiter, header)
    if file_format in ("csv", "tsv", "txt"):
        return read_delimited(path, file_format, delimiter, HeaderChoice(header, like, expected))
    if delimiter is not None or header is not None:
        raise RecipeError(
            f"A delimiter or a header cannot be chosen for {path}: a {file_format} file has neither."
        )
    readers: dict[str, Callable[[Path], Table]] = {
        "json": read_json,
        "jsonl": read_jsonl,
        "parquet": read_parquet,
    }
    return readers[file_format](path)


def _unknown_format(path: Path) -> DataError:
    if path.suffix.lower() in SPREADSHEETS:
        return DataError(f"{path} is a spreadsheet, which is not read. Save its table as CSV, and give that.")
    endings = ", ".join(FORMATS)
    return DataError(
        f"{path} has an unknown file format. Known endings: {endings}, all but the last also with .gz."
    )


def read_layout(
    path: Path, columns: Sequence[str], *, delimiter: str, header: bool, from_right: bool
) -> Table:
    """Read a file whose layout is known: one row a line, quotes taken as they stand.

    Args:
        path: The file.
        columns: Names of the columns, in order; without any, the first line names them.
        delimiter: The character between them.
        header: Whether the first line is skipped.
        from_right: Cut rows from their end, so that the first field may hold the delimiter.

    Raises:
        DataError: the file cannot be read, is empty, or has rows of another width.
    """
    text = read_text(path)
    rows = delimited.split_plain(text, delimiter, columns=len(columns) if from_right else None)
    if not columns and rows.cells:
        columns = column_names(rows.cells[0], path)
    return to_table(path, rows, delimiter, named=False, columns=columns, skip=int(header))


def read_sentences(path: Path, columns: Sequence[str]) -> Table:
    """Read CoNLL columns whose names are known, or CoNLL-U where the name of the file ends so.

    Raises:
        DataError: the file cannot be read, is empty, or has lines that do not fit; by line.
    """
    text = read_text(path)
    if format_of(path) == "conllu":
        return _of_sentences(path, conll.read_conllu(text, str(path)))
    return _of_sentences(path, conll.read_columns(text, str(path), names=columns))


def _holds_conll(path: Path, kind: str | None) -> bool:
    return kind == "tagging" or (kind is None and conll.looks_like_conll(read_text(path)))


def _read_conll(path: Path, file_format: str, delimiter: str | None, header: bool | None) -> Table:
    if header is not None or (delimiter is not None and file_format == "conllu"):
        option = "header" if header is not None else "delimiter"
        raise RecipeError(
            f"A {option} cannot be chosen for {path}: it holds {file_format} columns. Leave it out."
        )
    text, where = read_text(path), str(path)
    if file_format == "conllu":
        return _of_sentences(path, conll.read_conllu(text, where))
    separator = None if delimiter is None else delimited.check_delimiter(delimiter)
    return _of_sentences(path, conll.read_columns(text, where, separator=separator))


def _of_sentences(path: Path, sentences: conll.TaggedSentences) -> Table:
    return Table(
        where=str(path),
        name=path.name,
        columns=sentences.columns,
        places=[lines[0] for lines in sentences.lines],
        header=False,
        lines=sentences.lines,
        kind="tagging",
    )
