"""Rows in JSON: an object on each line, or one array of objects."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from understudy.core.safe_json import JsonError, parse_json
from understudy.core.wording import with_article
from understudy.data.readers.problems import bad_rows
from understudy.data.readers.table import Cell, Table
from understudy.data.readers.text import read_text, split_lines
from understudy.errors import DataError

Record = dict[str, Cell]


def read_jsonl(path: Path) -> Table:
    """Read a file with an object on each line; blank lines are left out.

    Raises:
        DataError: the file cannot be read, is empty, or a line is not an object; by line.
    """
    lines = enumerate(split_lines(read_text(path)), start=1)
    records, places = parse_lines(((number, line) for number, line in lines if line.strip()), path)
    return _from_records(path, records, places, unit="line")


def read_json(path: Path) -> Table:
    """Read an array of objects, or a file with an object on each line.

    Raises:
        DataError: the file cannot be read, is empty, is not JSON, or a row is not an object.
    """
    text = read_text(path)
    if not text.lstrip().startswith("["):
        return read_jsonl(path)
    try:
        records = parse_json(text)
    except JsonError as error:
        place = f", line {error.line}" if error.line else ""
        raise DataError(f"{path}{place}: {error}. Mend the file there.") from error

    problems = [
        f"row {number}: {_instead(record)}"
        for number, record in enumerate(records, start=1)
        if not isinstance(record, dict)
    ]
    if problems:
        raise bad_rows(str(path), problems, 'Each row is one object, such as {"text": "…", "label": "…"}.')
    return _from_records(path, records, range(1, len(records) + 1), unit="row")


def parse_lines(lines: Iterable[tuple[int, str]], path: Path) -> tuple[list[Record], list[int]]:
    """The objects on numbered lines, and the numbers of their lines.

    Raises:
        DataError: a line is not JSON, or not an object; by line.
    """
    records: list[Record] = []
    places: list[int] = []
    problems: list[str] = []
    for number, line in lines:
        try:
            record = parse_json(line)
        except JsonError as error:
            problems.append(f"line {number}: {error}")
            continue
        if not isinstance(record, dict):
            problems.append(f"line {number}: {_instead(record)}")
            continue
        records.append(record)
        places.append(number)

    if problems:
        raise bad_rows(
            str(path), problems, 'Each line holds one object, such as {"text": "…", "label": "…"}.'
        )
    return records, places


def to_columns(records: Sequence[Record]) -> dict[str, list[Cell]]:
    """Column name → values; ``None`` where a record has no such key."""
    keys = dict.fromkeys(key for record in records for key in record)
    return {key: [record.get(key) for record in records] for key in keys}


def _from_records(path: Path, records: Sequence[Record], places: Sequence[int], unit: str) -> Table:
    if not records:
        raise DataError(f"{path} is empty. A data file needs at least one row for each label.")
    return Table(str(path), path.name, to_columns(records), places, unit=unit)


def _instead(value: object) -> str:
    return f"{with_article(f'JSON {type(value).__name__}')} instead of an object"
