"""What `understudy predict` reads: texts as they come, in batches, with little held in memory."""

from __future__ import annotations

import codecs
import contextlib
import gzip
import sys
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO, cast

from understudy.core.task import Task
from understudy.errors import DataError

MOST_ITEMS = 4096
"""Items that are answered at once."""

BLOCK_BYTES = 1 << 20
"""Bytes that are read at once, at most. A pipe gives what it has, so that no answer waits for more."""

TABLES = (".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".parquet")
"""Endings of files whose rows have columns; ``.gz`` may follow them."""

LINE_BREAKS = tuple(mark.encode() for mark in "\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029")
"""What `str.splitlines` takes for the end of a line, next to the newline."""

TextItem = str | tuple[str, ...]


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


@dataclass(frozen=True)
class Block:
    """Whole lines of a file or of standard input, as bytes.

    Attributes:
        data: valid UTF-8; each line but perhaps the last ends with a newline.
        task: of the model that answers.
        first: number of its first line, for messages.
    """

    data: bytes
    task: Task
    first: int

    @property
    def are_lines(self) -> bool:
        """Whether each line is one text, without another character that breaks a line."""
        # One byte is looked for 50 times as fast as several, and the last byte of a mark is rare.
        return self.task.texts == 1 and not any(
            mark[-1:] in self.data and mark in self.data for mark in LINE_BREAKS
        )

    def batches(self) -> Iterator[Batch]:
        """The lines as items of the task, without their ends.

        Raises:
            DataError: a line does not fit the task; by line.
        """
        lines = self.data.decode().split("\n")
        if not lines[-1]:
            lines.pop()  # what is behind the last newline is not a line
        if b"\r" in self.data:
            lines = [line.rstrip("\r") for line in lines]

        are_lines = self.are_lines
        for start in range(0, len(lines), MOST_ITEMS):
            some = lines[start : start + MOST_ITEMS]
            yield Batch(to_items(some, self.task, self.first + start), are_lines)


def read_blocks(file: Path | None, task: Task) -> Iterator[Block]:
    """The lines of a file, or of standard input, without a byte order mark.

    Raises:
        DataError: the file cannot be read, or a line is not UTF-8; by line.
    """
    name, number = ("standard input" if file is None else str(file)), 1
    try:
        with _opened(file) as stream:
            for data in _whole_lines(stream):
                if checked := _checked(data, number, name):  # a file may hold nothing but the mark
                    yield Block(checked, task, number)
                number += data.count(b"\n")
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{name} cannot be read: {reason}.") from error


def to_items(lines: list[str], task: Task, first: int = 1) -> Sequence[TextItem]:
    """Lines as the task takes them: two texts are on one line, separated by a tab.

    Args:
        lines: the texts.
        task: of the model.
        first: number of the first line, for messages.

    Raises:
        DataError: a line does not hold two texts where the task needs them; by line.
    """
    if task.texts == 1:
        return lines

    pairs = []
    for number, line in enumerate(lines, start=first):
        cells = line.split("\t")
        if len(cells) != 2:
            fields = "1 field" if len(cells) == 1 else f"{len(cells)} fields"
            raise DataError(
                f"Line {number} has {fields}, but this model compares two texts: put both on one line, "
                "separated by a tab."
            )
        pairs.append((cells[0], cells[1]))
    return pairs


@contextlib.contextmanager
def _opened(file: Path | None) -> Iterator[BinaryIO]:
    """A stream of bytes; standard input stays open afterwards."""
    if file is None:
        _widen_pipe()
        yield sys.stdin.buffer
        return
    with file.open("rb") as plain:
        is_compressed = file.suffix.lower() == ".gz"
        yield cast("BinaryIO", gzip.GzipFile(fileobj=plain)) if is_compressed else plain


def _widen_pipe() -> None:
    """Let a pipe hold a whole block, where the system can: 64 KB at a time cost a tenth of the speed."""
    with contextlib.suppress(ImportError, AttributeError, OSError, ValueError):
        import fcntl

        fcntl.fcntl(sys.stdin.fileno(), fcntl.F_SETPIPE_SZ, BLOCK_BYTES)


def _whole_lines(stream: BinaryIO) -> Iterator[bytes]:
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


def _checked(data: bytes, first: int, name: str) -> bytes:
    """The same bytes, but for a mark of their order at the very beginning."""
    if first == 1:
        data = data.removeprefix(codecs.BOM_UTF8)
    if data.isascii():  # ten times as fast as decoding
        return data

    try:
        data.decode()
    except UnicodeDecodeError as error:
        line, byte = first + data.count(b"\n", 0, error.start), data[error.start]
        raise DataError(f"{name}, line {line}: byte 0x{byte:02x} is not UTF-8.") from error
    return data
