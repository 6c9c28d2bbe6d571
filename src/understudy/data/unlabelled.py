"""Unlabelled items: lines, sentences or columns of tables, from any number of files, each item once."""

from __future__ import annotations

import glob
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from understudy.core.manifest import digest, file_digest
from understudy.core.task import Item
from understudy.core.wording import plural
from understudy.data.cells import read_pairs, read_sentences, read_texts
from understudy.data.columns import by_name, choose_pair, choose_text_column
from understudy.data.readers import conll
from understudy.data.readers.blocks import BLOCK_ROWS, count_rows, read_blocks, read_lines
from understudy.data.readers.files import format_of, read_table
from understudy.data.readers.paths import expanded, kind_of, nearest_beside
from understudy.data.readers.problems import bad_rows
from understudy.data.readers.table import Table
from understudy.data.readers.text import read_text, split_lines
from understudy.errors import DataError
from understudy.tokenization import words

FileItems = tuple[Sequence[Item], int, str]
"""The items of a file, the number of blank ones left out, and a remark on its columns."""


@dataclass(frozen=True)
class UnlabelledTexts:
    """Unlabelled items.

    Attributes:
        texts: Distinct items, in the order in which they were read.
        notes: A sentence for each file.
    """

    texts: tuple[Item, ...]
    notes: tuple[str, ...]


def read_pool(
    patterns: Sequence[str | Path],
    text_columns: str | Sequence[str] | None = None,
    *,
    kind: str = "classification",
    texts: int = 1,
) -> UnlabelledTexts:
    r"""Read unlabelled items.

    Of a ``.txt`` file each line is a text, or a pair with a tab between its texts, or (tagging) a text that
    is cut into words as `understudy.tokenization.words.tokens` does; of any other file the text columns are
    taken. Files of CoNLL columns are read as well (tagging).

    Args:
        patterns: Paths or glob patterns.
        text_columns: The text columns of tables that have some of these names; in others they are guessed.
        kind: Kind of task.
        texts: How many texts an item has.

    Raises:
        DataError: a pattern matches no file, or a file cannot be read.
    """
    named = (text_columns,) if isinstance(text_columns, str) else tuple(text_columns or ())
    read: Callable[[Path, Sequence[str]], FileItems] = _read_texts
    if kind == "tagging":
        read = _read_sentences
    elif texts == 2:
        read = _read_pairs

    items: dict[Item, None] = {}
    notes = []
    for path in expand(patterns):
        read_items, blank, remark = read(path, named)
        before = len(items)
        items.update(dict.fromkeys(read_items))
        new = len(items) - before
        notes.append(_note(path, new, len(read_items) - new, blank, remark))
    return UnlabelledTexts(tuple(items), tuple(notes))


def expand(patterns: Sequence[str | Path]) -> list[Path]:
    """The files that paths and glob patterns name, each once.

    Raises:
        DataError: a pattern matches no file.
    """
    paths: dict[Path, None] = {}
    for pattern in patterns:
        path = expanded(pattern)
        kind = kind_of(path)
        if kind == "folder":
            raise DataError(
                f"{path} is a folder. Name the unlabelled files in it, for example '{path}/*.txt'."
            )

        matches = [path] if kind == "file" else map(Path, sorted(glob.glob(str(path), recursive=True)))  # noqa: PTH207
        files = [expanded(match) for match in matches if match.is_file()]
        if not files:
            beside = None if glob.has_magic(str(path)) else nearest_beside(path)
            hint = f"Did you mean {beside!r}?" if beside else "Check the path."
            raise DataError(f"No unlabelled file matches {str(pattern)[:300]!r}. {hint}")
        paths.update(dict.fromkeys(files))
    return list(paths)


def _read_texts(path: Path, named: Sequence[str]) -> FileItems:
    if format_of(path) == "txt":
        lines = split_lines(read_text(path))
        texts = [line for line in lines if line.strip()]
        if not texts:
            raise DataError(f"{path} holds no text. Leave it out, or put one text on each line.")
        return texts, len(lines) - len(texts), ""
    table = read_table(path, expected=named, kind="classification")
    column, guessed = choose_text_column(table.columns, table.where, named[0] if named else None)
    texts = read_texts(table, column, skip_blank=True)
    return texts, len(table) - len(texts), f", column {column!r}" + (" (guessed)" if guessed else "")


def _read_pairs(path: Path, named: Sequence[str]) -> FileItems:
    if format_of(path) == "txt":
        return _split_pairs(path)
    table = read_table(path, expected=named, kind="pair")
    columns, is_guessed = choose_pair(table.columns, table.where, _both(named, table))
    pairs = read_pairs(table, columns, skip_blank=True)
    remark = f", columns {columns[0]!r} and {columns[1]!r}" + (" (guessed)" if is_guessed else "")
    return pairs, len(table) - len(pairs), remark


def _both(named: Sequence[str], table: Table) -> Sequence[str]:
    """The named columns, if the table has them all; else none."""
    return named if all(name in table.columns for name in named) else ()


def _split_pairs(path: Path) -> FileItems:
    lines = split_lines(read_text(path))
    pairs = pairs_of([(number, line) for number, line in enumerate(lines, start=1) if line.strip()], path)
    if not pairs:
        raise DataError(
            f"{path} holds no pair. Leave it out, or put two texts, a tab between them, on a line."
        )
    return pairs, len(lines) - len(pairs), ""


def pairs_of(lines: Sequence[tuple[int, str]], path: Path) -> list[tuple[str, ...]]:
    """The pairs of numbered lines, a tab between their texts.

    Raises:
        DataError: a line is not a pair; by line.
    """
    rows = [(number, tuple(line.split("\t"))) for number, line in lines]
    problems = [
        f"line {number}: {plural(len(row), 'text')} instead of a pair"
        for number, row in rows
        if len(row) != 2 or not all(text.strip() for text in row)
    ]
    if problems:
        raise bad_rows(str(path), problems, "Each line holds two texts, with a tab between them.")
    return [row for _, row in rows]


def _read_sentences(path: Path, named: Sequence[str]) -> FileItems:
    if format_of(path) == "txt":
        text = read_text(path)
        if conll.looks_like_conll(text):
            columns = conll.read_columns(text, str(path)).columns
            return next(iter(columns.values())), 0, ", its words"
        return _cut(split_lines(text), path, "")

    table = read_table(path, expected=named)
    usual = by_name(table.columns, conll.TOKEN_NAMES)
    if table.kind == "tagging":
        return read_sentences(table, usual or next(iter(table.columns))), 0, ", its words"

    wanted = next((name for name in named if name in table.columns), usual)
    if wanted and isinstance(table.columns[wanted][0], list | tuple):
        sentences = read_sentences(table, wanted, skip_blank=True)
        return sentences, len(table) - len(sentences), f", column {wanted!r}"

    column, guessed = choose_text_column(table.columns, table.where, wanted)
    texts = read_texts(table, column, skip_blank=True)
    remark = f", column {column!r}" + (" (guessed)" if guessed else "")
    items, blank, remark = _cut(texts, path, remark)
    return items, blank + len(table) - len(texts), remark


def _cut(texts: Sequence[str], path: Path, remark: str) -> FileItems:
    """Texts cut into words as they stand; those without words are left out."""
    sentences = [tuple(word for word, _, _ in words.tokens(text)) for text in texts]
    kept = [sentence for sentence in sentences if sentence]
    if not kept:
        raise DataError(f"{path} holds no words. Leave it out, or put one text on each line.")
    return kept, len(sentences) - len(kept), f"{remark}, cut into words"


def _note(path: Path, new: int, repeats: int, blank: int, remark: str) -> str:
    counts = [plural(new, "unlabelled text")]
    if repeats:
        counts.append(f"{plural(repeats, 'repeated one')} left out")
    if blank:
        counts.append(f"{plural(blank, 'blank one')} left out")
    return f"Read {', '.join(counts)} from {path.name}{remark}."


@dataclass(frozen=True)
class ItemFiles:
    """Texts, or pairs of texts, in files of any format that `understudy.data.unlabelled.read_pool` knows.

    Blank items are left out; repeated ones are not: the reader does that.

    Attributes:
        paths: The files, in order.
        text_columns: The text columns of tables that have some of these names; in others they are guessed,
            from the first block.
        is_pair: Whether an item is a pair.
    """

    paths: tuple[Path, ...]
    text_columns: tuple[str, ...] = ()
    is_pair: bool = False

    def __iter__(self) -> Iterator[Item]:
        for path in self.paths:
            yield from self._lines(path) if format_of(path) == "txt" else self._rows(path)

    @cached_property
    def rows(self) -> int:
        """About how many rows the files have, blank and repeated ones counted."""
        return sum(map(count_rows, self.paths))

    @cached_property
    def fingerprint(self) -> str:
        """Changes with the files' bytes, their order, and the columns that are read."""
        return digest([list(map(file_digest, self.paths)), list(self.text_columns), self.is_pair])

    @property
    def is_on_disk(self) -> bool:
        """Files are."""
        return True

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the files, without their folders."""
        return tuple(path.name for path in self.paths)

    @property
    def facts(self) -> dict[str, object]:
        """The files, and how they are read."""
        return {
            "files": {
                "paths": [str(path.resolve()) for path in self.paths],
                "text_columns": list(self.text_columns),
                "is_pair": self.is_pair,
            }
        }

    def _lines(self, path: Path) -> Iterator[Item]:
        lines = (each for each in read_lines(path) if each[1].strip())
        if not self.is_pair:
            yield from (line for _, line in lines)
            return
        while block := list(itertools.islice(lines, BLOCK_ROWS)):
            yield from pairs_of(block, path)

    def _rows(self, path: Path) -> Iterator[Item]:
        columns: tuple[str, ...] = ()
        for table in read_blocks(path, self.text_columns):
            columns = columns or self._choose(table)
            if all(column in table.columns for column in columns):  # in JSON lines, a block may lack one
                yield from self._items(table, columns)

    def _choose(self, table: Table) -> tuple[str, ...]:
        named = self.text_columns
        if self.is_pair:
            return choose_pair(table.columns, table.where, _both(named, table))[0]
        return (choose_text_column(table.columns, table.where, named[0] if named else None)[0],)

    def _items(self, table: Table, columns: tuple[str, ...]) -> Iterable[Item]:
        if self.is_pair:
            return read_pairs(table, columns, skip_blank=True)
        return read_texts(table, columns[0], skip_blank=True)
