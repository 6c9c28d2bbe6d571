"""Turn a table's cells into items: texts, pairs of texts, or the words of sentences, every cell checked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar, cast

from understudy.core.task import Item
from understudy.data.columns import require_column
from understudy.data.readers.blocks import read_blocks
from understudy.data.readers.problems import bad_rows, described
from understudy.data.readers.table import Cell, Table

_EMPTY_TEXT = "the text is empty"
_NO_WORDS = "a sentence without words"

_Checked = TypeVar("_Checked")


def read_items(table: Table, columns: Sequence[str], kind: str) -> list[Item]:
    """The items of a table.

    Args:
        table: The table to read.
        columns: One column of texts, or of lists of words; or two columns of texts.
        kind: Kind of task.

    Raises:
        DataError: a column is missing; a text, a word or a sentence is empty, or of the wrong type; by place.
    """
    for column in columns:
        require_column(table.columns, column, table.where)
    if kind == "tagging":
        return list(read_sentences(table, columns[0]))
    if len(columns) == 2:
        return list(read_pairs(table, columns))
    return list(read_texts(table, columns[0]))


def read_texts(table: Table, column: str, *, skip_blank: bool = False) -> list[str]:
    """The texts of a column, exactly as they stand.

    Args:
        table: The table to read.
        column: The text column.
        skip_blank: Leave blank texts out instead of refusing them.

    Raises:
        DataError: a text is empty (unless skipped), is not text, or is not valid Unicode; by place.
    """
    advice = f"Give column {column!r} a text in these rows, or delete them."
    kept = _check(table, table.columns[column], _text_fault, advice, {_EMPTY_TEXT} if skip_blank else set())
    return cast("list[str]", kept)


def read_pairs(table: Table, columns: Sequence[str], *, skip_blank: bool = False) -> list[tuple[str, ...]]:
    """The pairs of texts of two columns, exactly as they stand.

    Args:
        table: The table to read.
        columns: The two text columns.
        skip_blank: Leave pairs out of which a text is blank, instead of refusing them.

    Raises:
        DataError: a text is empty (unless skipped), is not text, or is not valid Unicode; by place.
    """
    pairs = list(zip(*(table.columns[column] for column in columns), strict=True))
    advice = f"Give columns {columns[0]!r} and {columns[1]!r} a text in these rows, or delete them."
    kept = _check(table, pairs, _pair_fault, advice, {_EMPTY_TEXT} if skip_blank else set())
    return cast("list[tuple[str, ...]]", kept)


def read_sentences(table: Table, column: str, *, skip_blank: bool = False) -> list[tuple[str, ...]]:
    """The sentences of a column, each the tuple of its words, exactly as they stand.

    Args:
        table: The table to read.
        column: A column of lists of words.
        skip_blank: Leave sentences without words out instead of refusing them.

    Raises:
        DataError: a cell is not a list, a sentence or a word is empty or not text; by place.
    """
    advice = f"A sentence in column {column!r} is a list of words; mend or delete these rows."
    kept = _check(table, table.columns[column], _sentence_fault, advice, {_NO_WORDS} if skip_blank else set())
    return [tuple(words) for words in cast("list[Sequence[str]]", kept)]


def stream_items(path: Path, columns: Sequence[str]) -> Iterator[Item]:
    """The texts of a file's rows, exactly as training reads them, a block of rows at a time.

    Rows are not left out: a text that is missing or empty is ``""``, so that answers stay beside their rows.
    Blank lines of the file are not rows.

    Args:
        path: CSV, TSV, TXT, JSON, JSON lines or Parquet; all but Parquet may have ``.gz`` after them.
        columns: One column of texts, or two, whose texts make a pair.

    Yields:
        A text; or, where there are two columns, a tuple of two.

    Raises:
        DataError: the file cannot be read, two columns have one name, a column is missing, or a cell is not
            text; by place.
        MissingExtraError: a Parquet file is to be read without pyarrow.
    """
    advice = f"Give {' and '.join(map(repr, columns))} texts in these rows."

    for number, table in enumerate(read_blocks(path, columns)):
        if number == 0:  # in JSON lines, a later block may lack a column
            for column in columns:
                require_column(table.columns, column, table.where)

        missing: Sequence[Cell] = [None] * len(table)
        texts = []
        for column in columns:
            cells = table.columns.get(column, missing)
            _check(table, cells, _text_fault, advice, {_EMPTY_TEXT})
            texts.append(["" if cell is None else cast("str", cell) for cell in cells])
        yield from texts[0] if len(texts) == 1 else zip(*texts, strict=True)


def _check(
    table: Table,
    values: Sequence[_Checked],
    fault_of: Callable[[_Checked], str | None],
    advice: str,
    skipped: set[str],
) -> list[_Checked]:
    """The values without faults; those whose fault is to be skipped are left out, others are an error."""
    faults = list(map(fault_of, values))
    problems = [
        f"{table.place(row)}: {fault}"
        for row, fault in enumerate(faults)
        if fault is not None and fault not in skipped
    ]
    if problems:
        raise bad_rows(table.where, problems, advice)
    return [value for value, fault in zip(values, faults, strict=True) if fault is None]


def is_broken(text: str) -> bool:
    """Whether a text holds half a surrogate pair, which is not valid Unicode."""
    return not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text)


def _text_fault(value: Cell) -> str | None:
    if value is None:
        return _EMPTY_TEXT
    if not isinstance(value, str):
        return f"the text is {described(value)}, instead of a string"
    if not value.strip():
        return _EMPTY_TEXT
    if is_broken(value):
        return "the text holds half a surrogate pair, which is not valid Unicode"
    return None


def _pair_fault(values: Sequence[Cell]) -> str | None:
    return next((fault for value in values if (fault := _text_fault(value))), None)


def _sentence_fault(value: Cell) -> str | None:
    if value is None or (isinstance(value, list | tuple) and not value):
        return _NO_WORDS
    if not isinstance(value, list | tuple):
        return f"the words are {described(value)}, instead of a list"
    for number, word in enumerate(value, start=1):
        if fault := _text_fault(word):
            return f"word {number}: {fault.replace('the text', 'the word')}"
    return None
