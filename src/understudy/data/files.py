"""Unlabelled items that stay in their files: read block by block, anew at each pass, never all in memory."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from understudy.data.blocks import BLOCK_ROWS, count_rows, read_blocks, read_lines
from understudy.data.columns import choose_pair, choose_text_column
from understudy.data.pools import pairs_of
from understudy.data.table import Table, form_of
from understudy.data.texts import read_pairs, read_texts
from understudy.folders import digest, file_digest
from understudy.task import Item


@dataclass(frozen=True)
class ItemFiles:
    """Texts, or pairs of texts, in files of any form that `understudy.data.pools.read_pool` knows.

    Blank items are left out; repeated ones are not, for that is the work of who reads them.

    Attributes:
        paths: the files, in order.
        text_columns: the text columns of tables that have some of these names; in others they are guessed,
            from the first block.
        is_pair: whether an item is a pair.
    """

    paths: tuple[Path, ...]
    text_columns: tuple[str, ...] = ()
    is_pair: bool = False

    def __iter__(self) -> Iterator[Item]:
        for path in self.paths:
            yield from self._lines(path) if form_of(path) == "txt" else self._rows(path)

    @cached_property
    def rows(self) -> int:
        """About how many rows the files have, blank and repeated ones counted."""
        return sum(map(count_rows, self.paths))

    @cached_property
    def fingerprint(self) -> str:
        """Changes with the files' bytes, their order, and the columns that are read."""
        return digest([list(map(file_digest, self.paths)), list(self.text_columns), self.is_pair])

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
            there = named if all(name in table.columns for name in named) else ()
            return choose_pair(table.columns, table.where, there)[0]
        return (choose_text_column(table.columns, table.where, named[0] if named else None)[0],)

    def _items(self, table: Table, columns: tuple[str, ...]) -> Iterable[Item]:
        if self.is_pair:
            return read_pairs(table, columns, skip_blank=True)
        return read_texts(table, columns[0], skip_blank=True)
