"""What `understudy predict` reads and writes: a line an item; text, JSON lines or CSV for the answers."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from understudy.cli.quick import text_line
from understudy.errors import DataError, RecipeError

if TYPE_CHECKING:
    from understudy.runtime.model import Model

CHUNK = 4096
"""Lines that are answered at once."""

TABLES = (".csv", ".tsv", ".jsonl", ".ndjson")
"""Endings of files whose rows have columns."""


def read_lines(file: Path | None) -> Iterator[str]:
    """The lines of a file, or of standard input, without their ends and without a byte order mark.

    Raises:
        DataError: the file cannot be read, or a line is no UTF-8; by line.
    """
    name = "standard input" if file is None else str(file)
    try:
        with io.open(sys.stdin.fileno() if file is None else file, "rb", closefd=file is not None) as stream:  # noqa: UP020
            for number, raw in enumerate(stream, start=1):
                try:
                    yield raw.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
                except UnicodeDecodeError as error:
                    byte = raw[error.start]
                    raise DataError(f"{name}, line {number}: byte 0x{byte:02x} is not UTF-8.") from error
    except OSError as error:
        raise DataError(f"{name} cannot be read: {error.strerror}.") from error


def read_table(file: Path, columns: Sequence[str]) -> Iterator[str]:
    """The texts of a CSV, TSV or JSON lines file, two of a row with a tab between, as they come.

    Args:
        file: its ending says what it is.
        columns: names of the columns of texts: one, or two for pairs.

    Raises:
        DataError: the file cannot be read, a column is not there, or a row does not hold it as text; by line.
    """
    rows = _objects(file) if file.suffix.lower() in (".jsonl", ".ndjson") else _cells(file, columns)
    for number, row in rows:
        texts = [_text(row, column, f"{file}, line {number}") for column in columns]
        yield texts[0] if len(texts) == 1 else "\t".join(" ".join(text.split("\t")) for text in texts)


def _text(row: Mapping[str, Any], column: str, where: str) -> str:
    text = row.get(column)
    if not isinstance(text, str):
        what = "nothing" if text is None else f"{text!r}, which is no text,"
        raise DataError(f"{where}: there is {what} in the column {column!r}.")
    return text


def _objects(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(read_lines(file), start=1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except ValueError as error:
            raise DataError(f"{file}, line {number}: this is no JSON: {error}.") from error
        if not isinstance(found, dict):
            raise DataError(f"{file}, line {number}: a JSON {type(found).__name__} instead of an object.")
        yield number, found


def _cells(file: Path, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Rows of a file whose first line names the columns; the delimiter is one that it fits."""
    from understudy.data.readers.delimited import DELIMITERS, promised  # numpy comes with it

    lines = (f"{line}\n" for line in read_lines(file))
    head = next(lines, "")
    skipped = int(promised(head)[1] is not None)
    head = next(lines, "") if skipped else head
    usual = max(DELIMITERS, key=head.count)
    delimiter = next((each for each in DELIMITERS if set(columns) <= set(_names(head, each))), usual)
    names = _names(head, delimiter)
    if not set(columns) <= set(names):
        missing = next(column for column in columns if column not in names)
        raise DataError(f"{file} has no column {missing!r}. Its first line names: {', '.join(names)}.")
    is_plain = delimiter == "\t"  # tabs stand between fields as they are, quotes and all
    reader = csv.reader(
        lines, delimiter=delimiter, quoting=csv.QUOTE_NONE if is_plain else csv.QUOTE_MINIMAL, strict=True
    )
    number = 2 + skipped
    try:
        for row in reader:
            if row:
                yield number, dict(zip(names, row, strict=False))
            number = reader.line_num + 2 + skipped
    except csv.Error as error:
        raise DataError(
            f"{file}, line {number}: the row that begins here cannot be read: {error}."
        ) from error


def _names(head: str, delimiter: str) -> list[str]:
    return [name.strip() for name in next(csv.reader([head], delimiter=delimiter), [])]


def to_items(model: Model, lines: Iterable[str]) -> Iterator[Any]:
    """Lines as the model's task takes them: two texts stand in one line with a tab between.

    Raises:
        DataError: a line does not hold two texts where the task needs them; by line.
    """
    if model.task.texts == 1:
        yield from lines
        return
    for number, line in enumerate(lines, start=1):
        cells = line.split("\t")
        if len(cells) != 2:
            raise DataError(
                f"Line {number} has {len(cells)} fields, but this model compares two texts: write both in "
                "one line with a tab between."
            )
        yield cells[0], cells[1]


def write_answers(model: Model, lines: Iterable[str], form: str, output: Path | None) -> None:
    """Answer lines, and write the answers as they come.

    Args:
        model: an exported student.
        lines: see `to_items`.
        form: ``text``, ``jsonl`` or ``csv``.
        output: file; ``None`` is standard output.

    Raises:
        RecipeError: sentences to be tagged have no form as CSV.
    """
    if model.task.kind == "tagging" and form == "csv":
        raise RecipeError("Tagged sentences cannot be written as CSV. Choose --format text or jsonl.")
    written = _written(model, lines, form)
    if output is None:
        sys.stdout.writelines(written)
    else:
        with output.open("w", encoding="utf-8", newline="") as out:
            out.writelines(written)


def _written(model: Model, lines: Iterable[str], form: str) -> Iterator[str]:
    if form == "csv":
        names = ["text"] if model.task.texts == 1 else ["text_1", "text_2"]
        answer = {"regression": "value", "multilabel": "labels"}.get(model.task.kind, "label")
        yield _csv_line([*names, answer, *(() if answer == "value" else model.task.labels)])
    for chunk in _chunks(to_items(model, lines)):
        for record in _records(model, chunk):
            yield _FORMS[form](record)


def _records(model: Model, items: Sequence[Any]) -> list[dict[str, Any]]:
    """One JSON-ready record an item."""
    kind = model.task.kind
    if kind == "tagging":
        return [asdict(sentence) for sentence in model.predict(items)]
    logits = model.logits(items)
    if kind == "regression":
        values = [round(float(value), 6) for value in model.task.decisions(logits)]
        return [{"text": item, "value": value} for item, value in zip(items, values, strict=True)]
    answers, rows = model.task.answers(logits), model.task.probabilities(logits).tolist()
    return [
        {"text": item, "labels" if kind == "multilabel" else "label": answer, "probabilities": row}
        for item, answer, row in zip(items, answers, _named(model, rows), strict=True)
    ]


def _named(model: Model, rows: Iterable[Sequence[float]]) -> Iterator[dict[str, float]]:
    for row in rows:
        yield {label: round(share, 6) for label, share in zip(model.task.labels, row, strict=True)}


def _as_text(record: dict[str, Any]) -> str:
    if "tags" in record:
        return (
            "".join(f"{word}\t{tag}\n" for word, tag in zip(record["words"], record["tags"], strict=True))
            + "\n"
        )
    item = record["text"] if isinstance(record["text"], str) else "\t".join(record["text"])
    item = " ".join(item.splitlines())
    if "value" in record:
        return f"{record['value']:.4f}\t{item}\n"
    shares = record["probabilities"]
    if "labels" in record:
        return ",".join(record["labels"]) + f"\t{max(shares.values()):.4f}\t{item}\n"
    return text_line(item, list(shares), list(shares.values()))


def _as_json(record: dict[str, Any]) -> str:
    return json.dumps(record, ensure_ascii=False) + "\n"


def _as_csv(record: dict[str, Any]) -> str:
    item = [record["text"]] if isinstance(record["text"], str) else list(record["text"])
    if "value" in record:
        return _csv_line([*item, f"{record['value']:.6f}"])
    answer = ",".join(record["labels"]) if "labels" in record else record["label"]
    return _csv_line([*item, answer, *(f"{share:.6f}" for share in record["probabilities"].values())])


_FORMS = {"text": _as_text, "jsonl": _as_json, "csv": _as_csv}


def _csv_line(cells: Sequence[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue()


def _chunks(items: Iterable[Any]) -> Iterator[list[Any]]:
    chunk: list[Any] = []
    for item in items:
        chunk.append(item)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
