"""What `understudy predict` reads and writes: a line an item; text, JSON lines or CSV for the answers."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from understudy.errors import DataError, RecipeError
from understudy.quick import text_line

if TYPE_CHECKING:
    from understudy.runtime.model import Model

CHUNK = 4096
"""Lines that are answered at once."""


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
