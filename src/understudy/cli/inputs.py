"""What `understudy predict` reads: texts as they come, in batches, with little held in memory."""

from __future__ import annotations

import contextlib
import gzip
import sys
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from understudy.core.task import Task
from understudy.errors import DataError

MOST_ITEMS = 4096
"""Items that are answered at once."""

BLOCK_BYTES = 1 << 20
"""Bytes that are read at once, at most. A pipe gives what it has, so that no answer waits for more."""

TABLES = (".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".parquet")
"""Endings of files whose rows have columns; ``.gz`` may stand behind them."""

_LINE_BREAKS = b"\r\x0b\x0c\x1c\x1d\x1e"
_LONG_LINE_BREAKS = ("\x85".encode(), "\u2028".encode(), "\u2029".encode())
"""What `str.splitlines` takes for the end of a line, next to the newline."""

TextItem = str | tuple[str, str]


@dataclass(frozen=True)
class Batch:
    """Items that are answered together.

    Attributes:
        items: texts, or pairs of texts.
        are_lines: whether each is one line as it stands, without another character that breaks a line.
    """

    items: Sequence[TextItem]
    are_lines: bool = False


def is_table(file: Path) -> bool:
    """Whether the ending of a file's name says that its rows have columns."""
    name = file.name.lower().removesuffix(".gz")
    return name.endswith(TABLES)


def batches_of(items: Iterable[TextItem]) -> Iterator[Batch]:
    """Items in batches of `MOST_ITEMS`."""
    rest = iter(items)
    while some := list(islice(rest, MOST_ITEMS)):
        yield Batch(some)


def read_batches(file: Path | None) -> Iterator[Batch]:
    """The lines of a file, or of standard input, without their ends and without a byte order mark.

    Raises:
        DataError: the file cannot be read, or a line is not UTF-8; by line.
    """
    name, number = ("standard input" if file is None else str(file)), 1
    try:
        with _opened(file) as stream:
            for block in _blocks(stream):
                yield from _batches(block, number, name)
                number += block.count(b"\n")
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{name} cannot be read: {reason}.") from error


def to_items(task: Task, lines: Iterable[str], first: int = 1) -> Iterator[TextItem]:
    """Lines as the task takes them: two texts stand in one line with a tab between.

    Args:
        task: of the model.
        lines: the texts.
        first: number of the first line, for messages.

    Raises:
        DataError: a line does not hold two texts where the task needs them; by line.
    """
    if task.texts == 1:
        yield from lines
        return

    for number, line in enumerate(lines, start=first):
        cells = line.split("\t")
        if len(cells) != 2:
            raise DataError(
                f"Line {number} has {len(cells)} fields, but this model compares two texts: write both in "
                "one line with a tab between."
            )
        yield cells[0], cells[1]


@contextlib.contextmanager
def _opened(file: Path | None) -> Iterator[BinaryIO]:
    """A stream of bytes; standard input stays open afterwards."""
    if file is None:
        yield sys.stdin.buffer
        return
    opened = gzip.open(file, "rb") if file.suffix.lower() == ".gz" else file.open("rb")
    with opened as stream:
        yield stream  # type: ignore[misc]


def _blocks(stream: BinaryIO) -> Iterator[bytes]:
    """Whole lines, as soon as they come: each block but the last ends with a newline."""
    begun: list[bytes] = []  # pieces of a line whose end has not been read
    while block := stream.read1(BLOCK_BYTES):  # type: ignore[attr-defined]
        end = block.rfind(b"\n") + 1
        if end:
            yield b"".join([*begun, block[:end]])
            begun = []
        if end < len(block):
            begun.append(block[end:])
    if begun:
        yield b"".join(begun)


def _batches(block: bytes, first: int, name: str) -> Iterator[Batch]:
    try:
        text = block.decode("utf-8-sig" if first == 1 else "utf-8")
    except UnicodeDecodeError as error:
        line = first + block.count(b"\n", 0, error.start)
        raise DataError(f"{name}, line {line}: byte 0x{error.object[error.start]:02x} is not UTF-8.") from error

    lines = text.split("\n")
    if not lines[-1]:
        lines.pop()  # what is behind the last newline is not a line
    if b"\r" in block:
        lines = [line.rstrip("\r") for line in lines]

    are_lines = not _breaks_lines(block)
    for start in range(0, len(lines), MOST_ITEMS):
        yield Batch(lines[start : start + MOST_ITEMS], are_lines)


def _breaks_lines(block: bytes) -> bool:
    """Whether a block has other line breaks than newlines; deleting them is the fastest way to see it."""
    if len(block.translate(None, _LINE_BREAKS)) != len(block):
        return True
    return any(mark in block for mark in _LONG_LINE_BREAKS)


