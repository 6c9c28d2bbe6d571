"""What `understudy predict` writes: one answer for each item, as text, JSON lines or CSV."""

from __future__ import annotations

import codecs
import csv
import io
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, TypedDict

import numpy as np
import numpy.typing as npt

from understudy.cli.answer_format import escaped, joined, one_line, text_line
from understudy.cli.inputs import Batch, Block, TextItem
from understudy.cli.streams import REPLACE, write_data
from understudy.core.task import FloatArray
from understudy.errors import RecipeError
from understudy.runtime.fast import FastStudent

if TYPE_CHECKING:
    from understudy.runtime.model import Model

STEPS = 10_000
"""Steps of a probability that has four decimals."""


class Record(TypedDict, total=False):
    """One answer, as JSON lines hold it; a task's kind decides which keys it has."""

    text: str | Sequence[str]
    label: str
    labels: Sequence[str]
    probabilities: Mapping[str, float]
    value: float
    words: Sequence[str]
    tags: Sequence[str]
    spans: Sequence[Mapping[str, object]]


def write_answers(
    model: Model, source: Iterable[Batch | Block], file_format: str, output: Path | None
) -> None:
    """Answer what comes, and write the answers before more is read.

    Args:
        model: an exported student.
        source: items of its task.
        file_format: ``text``, ``jsonl`` or ``csv``.
        output: file; ``None`` is standard output.

    Raises:
        RecipeError: sentences to be tagged have no form as CSV.
    """
    if model.task.kind == "tagging" and file_format == "csv":
        raise RecipeError("Tagged sentences cannot be written as CSV. Choose --format text or jsonl.")

    if output is None:
        write_data()
        _write(model, source, file_format, sys.stdout)
        return
    with output.open("w", encoding="utf-8", errors=REPLACE, newline="") as file:
        _write(model, source, file_format, file)


def _write(model: Model, source: Iterable[Batch | Block], file_format: str, out: TextIO) -> None:
    if file_format == "csv":
        out.write(_csv_head(model))
    written = _text_writer(model) if file_format == "text" else _record_writer(model, _FORMATS[file_format])
    answered = _line_writer(model, file_format, out)

    for piece in source:
        if isinstance(piece, Batch):
            out.write(written(piece))
        elif (lines := answered(piece)) is not None:
            out.flush()  # what was written as text stands before what is written as bytes
            out.buffer.write(lines)
        else:
            out.writelines(map(written, piece.batches()))
        out.flush()  # who reads a pipe sees an answer as soon as there is one


def _line_writer(model: Model, file_format: str, out: TextIO) -> Callable[[Block], bytes | None]:
    """Whole lines to whole lines in one call of the C extension, where that can serve.

    Splitting lines and joining answers in Python would take twice as long as answering.
    """
    fast = model.fast
    is_utf8 = codecs.lookup(out.encoding or "utf-8").name == "utf-8"
    has_labels = model.task.kind == "classification"
    if not isinstance(fast, FastStudent) or file_format != "text" or not has_labels or not is_utf8:
        return lambda block: None  # noqa: ARG005

    heads = tuple(f"{escaped(label)}\t".encode() for label in model.task.labels)

    def answered(block: Block) -> bytes | None:
        if not block.are_lines:
            return None
        end = b"" if block.data.endswith(b"\n") else b"\n"
        return fast.answer_lines(block.data + end, heads)

    return answered


def _text_writer(model: Model) -> Callable[[Batch], str]:
    """Labels alone need no record an answer, which would take ten times as long."""
    if model.task.is_exclusive and model.task.kind != "tagging":
        return _LabelWriter(model)
    return _record_writer(model, _as_text)


def _record_writer(model: Model, form: Callable[[Record], str]) -> Callable[[Batch], str]:
    return lambda batch: "".join(map(form, _records(model, batch.items)))


class _LabelWriter:
    """Writes a batch as lines of label, probability and text, from tables of what is written for each.

    It serves the students that the C extension does not, and texts that do not come as lines.
    """

    def __init__(self, model: Model) -> None:
        self.logits = model.logits
        # The newline stands before each answer, so that no line is copied to put one behind it.
        self.labels = [f"\n{escaped(label)}\t" for label in model.task.labels]
        self.shares = [f"{step / STEPS:.4f}\t" for step in range(STEPS + 1)]

    def __call__(self, batch: Batch) -> str:
        """The answers to a batch, a line each."""
        logits = self.logits(batch.items)  # pairs have no fast path
        columns = logits.argmax(axis=1).tolist()
        steps = np.rint(_highest_shares(logits) * STEPS).astype(np.int64).tolist()

        pieces = [""] * (3 * len(batch.items) + 1)
        pieces[0:-1:3] = [self.labels[column] for column in columns]
        pieces[1::3] = [self.shares[step] for step in steps]
        pieces[2::3] = batch.items if batch.are_lines else map(_shown, batch.items)  # type: ignore[assignment]
        pieces[0] = pieces[0][1:]
        pieces[-1] = "\n"
        return "".join(pieces)


def _highest_shares(logits: FloatArray) -> npt.NDArray[np.float64]:
    """The highest probability of each row, ``(rows,)``.

    Label by label, as numpy is several times slower along rows that are as short as these.
    """
    by_label = np.ascontiguousarray(logits.T)
    weights = np.exp(by_label - by_label.max(axis=0))
    shares: npt.NDArray[np.float64] = 1.0 / weights.sum(axis=0, dtype=np.float64)
    return shares


def _shown(item: TextItem) -> str:
    """An item as the last field of a line; two texts have a tab between."""
    return one_line(item if isinstance(item, str) else "\t".join(item))


def _records(model: Model, items: Sequence[TextItem]) -> Iterator[Record]:
    """One JSON-ready record an item."""
    kind = model.task.kind
    if kind == "tagging":
        for sentence in model.predict(items):
            yield asdict(sentence)  # type: ignore[misc]
        return

    logits = model.logits(items)
    if kind == "regression":
        for item, value in zip(items, model.task.decisions(logits), strict=True):
            yield {"text": item, "value": round(float(value), 6)}
        return

    key = "labels" if kind == "multilabel" else "label"
    answers, rows = model.task.answers(logits), model.task.probabilities(logits).tolist()
    for item, answer, row in zip(items, answers, rows, strict=True):
        shares = {label: round(share, 6) for label, share in zip(model.task.labels, row, strict=True)}
        yield {"text": item, key: answer, "probabilities": shares}  # type: ignore[misc]


def _as_text(record: Record) -> str:
    if "tags" in record:
        words = zip(record["words"], record["tags"], strict=True)
        return "".join(f"{word}\t{escaped(tag)}\n" for word, tag in words) + "\n"

    text = record["text"]
    item = _shown(text if isinstance(text, str) else (text[0], text[1]))
    if "value" in record:
        return f"{record['value']:.4f}\t{item}\n"
    shares = record["probabilities"]
    if "labels" in record:
        return f"{joined(record['labels'])}\t{max(shares.values()):.4f}\t{item}\n"
    return text_line(record["label"], shares[record["label"]], item)


def _as_json(record: Record) -> str:
    return json.dumps(record, ensure_ascii=False) + "\n"


def _as_csv(record: Record) -> str:
    item = [record["text"]] if isinstance(record["text"], str) else [*record["text"]]
    if "value" in record:
        return _csv_line([*item, f"{record['value']:.6f}"])
    answer = joined(record["labels"]) if "labels" in record else record["label"]
    return _csv_line([*item, answer, *(f"{share:.6f}" for share in record["probabilities"].values())])


_FORMATS: dict[str, Callable[[Record], str]] = {"text": _as_text, "jsonl": _as_json, "csv": _as_csv}


def _csv_head(model: Model) -> str:
    names = ["text"] if model.task.texts == 1 else ["text_1", "text_2"]
    answer = {"regression": "value", "multilabel": "labels"}.get(model.task.kind, "label")
    return _csv_line([*names, answer, *(() if answer == "value" else model.task.labels)])


def _csv_line(cells: Sequence[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue()
