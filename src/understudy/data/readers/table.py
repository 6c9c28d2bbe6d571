"""Read a file of rows, whatever its form, into named columns that know where each row stands."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from understudy.data.readers import conll, delimited
from understudy.data.readers.names import LABEL_NAMES, OTHER_NAMES, PAIR_NAMES, TEXT_NAMES
from understudy.data.readers.problems import bad_rows
from understudy.data.readers.text import read_text, split_lines
from understudy.errors import DataError, MissingExtraError, RecipeError

FORMS = {
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
"""File name endings and the forms they promise; all but Parquet may have ``.gz`` after them."""

_USUAL_DELIMITER = {"csv": ",", "tsv": "\t"}
KNOWN = frozenset((*TEXT_NAMES, *LABEL_NAMES, *OTHER_NAMES, *(name for pair in PAIR_NAMES for name in pair)))


@dataclass(frozen=True)
class Table:
    """Columns of one file or of one split of a hub data set.

    Attributes:
        where: the file, as shown in messages.
        name: its short name, as shown in notes.
        columns: column name → values, all equally many.
        places: ``(rows,)`` number of the line (or row) on which each row begins, counted from 1.
        unit: what ``places`` counts: ``line`` or ``row``.
        guesses: what was guessed in reading, one sentence each.
        class_names: columns whose integers stand for names, and the names in order.
        header: whether the file names its columns.
        lines: where cells are the words of a sentence: the number of each word's line, by row.
        kind: the kind of task that the file's form is made for, if for one.
    """

    where: str
    name: str
    columns: Mapping[str, Sequence[Any]]
    places: Sequence[int]
    unit: str = "line"
    guesses: tuple[str, ...] = ()
    class_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    header: bool = True
    lines: Sequence[Sequence[int]] = ()
    kind: str | None = None

    def __len__(self) -> int:
        return len(self.places)

    def place(self, row: int, word: int | None = None) -> str:
        """Where a row, or a word of it, stands within the file: ``"line 12"``, ``"row 3, word 2"``."""
        if word is None:
            return f"{self.unit} {self.places[row]}"
        if self.lines:
            return f"{self.unit} {self.lines[row][word]}"
        return f"{self.unit} {self.places[row]}, word {word + 1}"

    def rows(self, start: int, stop: int) -> Table:
        """The rows from ``start`` to ``stop``, the last not included."""
        columns = {name: values[start:stop] for name, values in self.columns.items()}
        return replace(self, columns=columns, places=self.places[start:stop], lines=self.lines[start:stop])


def form_of(path: Path) -> str | None:
    """The form that a file's name promises, or ``None``: one of the values of `FORMS`."""
    endings = [ending.lower() for ending in path.suffixes]
    if endings[-1:] != [".gz"]:
        return FORMS.get(endings[-1]) if endings else None
    form = FORMS.get(endings[-2]) if len(endings) > 1 else None
    return None if form == "parquet" else form


def read_table(
    path: Path,
    *,
    delimiter: str | None = None,
    header: bool | None = None,
    like: Table | None = None,
    expected: Sequence[str | None] = (),
    kind: str | None = None,
) -> Table:
    """Read a CSV, TSV, JSON lines, Parquet, CoNLL or CoNLL-U file.

    Args:
        path: the file; the ending of its name tells its form.
        delimiter: separates the fields of CSV, TSV and TXT files; ``None`` guesses.
        header: whether the first line names the columns; ``None`` guesses.
        like: a file read before it, whose header settles the guess.
        expected: column names that the user named; a first line that has one is a header.
        kind: kind of task, where it is known: a TSV or TXT file of a tagging task holds CoNLL columns, and
            otherwise does so where it unmistakably looks like it.

    Raises:
        DataError: the file cannot be read, is empty, or has rows that do not fit; by line.
        RecipeError: ``delimiter`` or ``header`` given for a form that has neither.
    """
    form = form_of(path)
    if form is None:
        endings = ", ".join(FORMS)
        raise DataError(
            f"{path} has an unknown form. Known endings: {endings}, all but the last also with .gz."
        )
    if form in ("tsv", "txt") and _holds_conll(path, kind):
        form = "conll"
    if form in ("conll", "conllu"):
        return _read_conll(path, form, delimiter, header)
    if form in ("csv", "tsv", "txt"):
        return _read_delimited(path, form, delimiter, _Header(header, like, expected))
    if delimiter is not None or header is not None:
        raise RecipeError(f"A delimiter or a header cannot be chosen for {path}: a {form} file has neither.")
    readers: dict[str, Callable[[Path], Table]] = {
        "json": _read_json,
        "jsonl": _read_jsonl,
        "parquet": _read_parquet,
    }
    return readers[form](path)


def read_layout(
    path: Path, columns: Sequence[str], *, delimiter: str, header: bool, from_right: bool
) -> Table:
    """Read a file whose layout is known: one row a line, quotes taken as they stand.

    Args:
        path: the file.
        columns: their names, in order.
        delimiter: one character.
        header: whether the first line is skipped.
        from_right: cut rows from their end, so that the first field may hold the delimiter.

    Raises:
        DataError: the file cannot be read, is empty, or has rows of another width.
    """
    text = read_text(path)
    rows = delimited.split_plain(text, delimiter, columns=len(columns) if from_right else None)
    return to_table(path, rows, delimiter, named=False, columns=columns, skip=int(header))


def read_sentences(path: Path, columns: Sequence[str]) -> Table:
    """Read CoNLL columns whose names are known, or CoNLL-U where the name of the file ends so.

    Raises:
        DataError: the file cannot be read, is empty, or has lines that do not fit; by line.
    """
    text = read_text(path)
    if form_of(path) == "conllu":
        return _of_sentences(path, conll.read_conllu(text, str(path)))
    return _of_sentences(path, conll.read_columns(text, str(path), names=columns))


def _holds_conll(path: Path, kind: str | None) -> bool:
    return kind == "tagging" or (kind is None and conll.looks_like_conll(read_text(path)))


def _read_conll(path: Path, form: str, delimiter: str | None, header: bool | None) -> Table:
    if header is not None or (delimiter is not None and form == "conllu"):
        option = "header" if header is not None else "delimiter"
        raise RecipeError(f"A {option} cannot be chosen for {path}: it holds {form} columns. Leave it out.")
    text, where = read_text(path), str(path)
    if form == "conllu":
        return _of_sentences(path, conll.read_conllu(text, where))
    separator = None if delimiter is None else delimited.check_delimiter(delimiter)
    return _of_sentences(path, conll.read_columns(text, where, separator=separator))


def _of_sentences(path: Path, found: conll.TaggedSentences) -> Table:
    places = [lines[0] for lines in found.lines]
    return Table(str(path), path.name, found.columns, places, header=False, lines=found.lines, kind="tagging")


@dataclass(frozen=True)
class _Header:
    """What is known of the first line beforehand."""

    given: bool | None
    like: Table | None
    expected: Sequence[str | None]

    def decide(self, rows: delimited.Rows) -> tuple[bool, bool]:
        """Whether the first line names the columns, and whether that is a guess."""
        first = [cell.strip() for cell in rows.cells[0]]
        if self.given is not None:
            return self.given, False
        if any(name in first for name in self.expected):
            return True, False
        if self.like is not None and (not self.like.header or first == list(self.like.columns)):
            return self.like.header, True
        return delimited.has_header(rows.cells, KNOWN), True


def _read_delimited(path: Path, form: str, given: str | None, header: _Header) -> Table:
    text, promised = delimited.promised(read_text(path))
    given = given or promised
    guesses = []
    delimiter, is_quoted = delimiter_of(text, form, given)
    if given is None and delimiter != _USUAL_DELIMITER.get(form):
        name = delimited.DELIMITERS[delimiter]
        guesses.append(f"columns are separated by {name} (guessed; use --delimiter).")
    if is_quoted:
        rows = delimited.split_quoted(text, delimiter, str(path))
    else:
        rows = delimited.split_plain(text, delimiter)
    if not rows.cells:
        raise DataError(f"{path} is empty. A data file needs at least one row for each label.")
    named, guessed = header.decide(rows)
    if guessed:
        what = "names the columns" if named else "is a row, not column names"
        guesses.append(f"the first line {what} (guessed; use --header / --no-header).")
    columns = column_names(rows.cells[0], path) if named else numbered(len(rows.cells[0]))
    return to_table(
        path, rows, delimiter, named=named, columns=columns, skip=int(named), guesses=tuple(guesses)
    )


def delimiter_of(text: str, form: str, given: str | None = None) -> tuple[str, bool]:
    """The delimiter of a file's text, guessed where none is given, and whether its fields may be quoted."""
    usual = _USUAL_DELIMITER.get(form)
    delimiter = delimited.check_delimiter(given) if given else delimited.guess_delimiter(text, usual)
    return delimiter, delimiter != "\t" or delimited.uses_quotes(text, delimiter)


def numbered(count: int) -> list[str]:
    """Names of columns that have none."""
    return [f"column_{number}" for number in range(1, count + 1)]


def column_names(cells: Sequence[str], path: Path) -> list[str]:
    """The names that a first row gives to the columns.

    Raises:
        DataError: two columns have one name.
    """
    names = [cell.strip() or number for cell, number in zip(cells, numbered(len(cells)), strict=True)]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"{path} names column {twice[0]!r} more than once. Rename one of them.")
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
        found = "has column names but no rows" if rows.cells else "is empty"
        raise DataError(f"{path} {found}. A data file needs at least one row for each label.")
    delimited.check_widths(body, len(columns), delimiter, str(path))
    values = dict(zip(columns, zip(*body.cells, strict=True), strict=True))
    return Table(str(path), path.name, values, body.lines, guesses=guesses, header=named)


def _read_jsonl(path: Path) -> Table:
    records, places, problems = [], [], []
    for number, line in enumerate(split_lines(read_text(path)), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            problems.append(f"line {number}: no JSON ({error.msg}, column {error.colno})")
            continue
        if not isinstance(record, dict):
            problems.append(f"line {number}: a JSON {type(record).__name__} instead of an object")
            continue
        records.append(record)
        places.append(number)
    if problems:
        raise bad_rows(
            str(path), problems, 'Each line holds one object, such as {"text": "…", "label": "…"}.'
        )
    return _from_records(path, records, places, unit="line")


def _read_json(path: Path) -> Table:
    text = read_text(path)
    if not text.lstrip().startswith("["):
        return _read_jsonl(path)
    try:
        records = json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(
            f"{path}, line {error.lineno}: no JSON ({error.msg}, column {error.colno}). Mend the file there."
        ) from error
    problems = [
        f"row {number}: a JSON {type(record).__name__} instead of an object"
        for number, record in enumerate(records, start=1)
        if not isinstance(record, dict)
    ]
    if problems:
        raise bad_rows(str(path), problems, 'Each row is one object, such as {"text": "…", "label": "…"}.')
    return _from_records(path, records, range(1, len(records) + 1), unit="row")


def _from_records(path: Path, records: Sequence[dict[str, Any]], places: Sequence[int], unit: str) -> Table:
    if not records:
        raise DataError(f"{path} is empty. A data file needs at least one row for each label.")
    keys = dict.fromkeys(key for record in records for key in record)
    columns = {key: [record.get(key) for record in records] for key in keys}
    return Table(str(path), path.name, columns, places, unit=unit)


def _read_parquet(path: Path) -> Table:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise MissingExtraError(
            f"Reading {path} needs pyarrow. Install it: pip install 'understudy[train]'."
        ) from error
    try:
        content = parquet.read_table(path)
    except FileNotFoundError as error:
        raise DataError(f"There is no file {path}.") from error
    except (ArrowException, OSError) as error:
        raise DataError(
            f"{path} is not a readable Parquet file: {error}. Write or fetch it again."
        ) from error
    if content.num_rows == 0:
        raise DataError(f"{path} is empty. A data file needs at least one row for each label.")
    places = range(1, content.num_rows + 1)
    names = _class_names(content.schema.metadata or {})
    return Table(str(path), path.name, content.to_pydict(), places, unit="row", class_names=names)


def _class_names(metadata: Mapping[bytes, bytes]) -> dict[str, tuple[str, ...]]:
    """Label names that the ``datasets`` library wrote beside the columns, where it did."""
    about = json.loads(metadata.get(b"huggingface", b"{}"))
    features = about.get("info", {}).get("features", {})
    inner = {
        name: feature.get("feature", feature)
        for name, feature in features.items()
        if isinstance(feature, dict)
    }
    return {
        name: tuple(feature["names"])
        for name, feature in inner.items()
        if isinstance(feature, dict) and feature.get("_type") == "ClassLabel"
    }
