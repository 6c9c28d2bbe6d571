"""Unlabelled texts: plain lines or a column of a table, from any number of files, each text once."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from understudy.data.columns import choose_text_column
from understudy.data.labels import read_texts
from understudy.data.plain import read_text, split_lines
from understudy.data.table import Table, form_of, read_table
from understudy.errors import DataError


@dataclass(frozen=True)
class Pool:
    """Unlabelled texts.

    Attributes:
        texts: distinct texts, in the order in which they were read.
        notes: a sentence for each file.
    """

    texts: tuple[str, ...]
    notes: tuple[str, ...]


def read_pool(patterns: Sequence[str | Path], text_column: str | None = None) -> Pool:
    """Read unlabelled texts.

    A ``.txt`` file is one text a line; of any other file the text column is taken.

    Args:
        patterns: paths or glob patterns.
        text_column: the text column of tables that have one of this name; in others it is guessed.

    Raises:
        DataError: a pattern matches no file, or a file cannot be read.
    """
    texts: dict[str, None] = {}
    notes = []
    for path in _expand(patterns):
        found, blank, remark = _read_file(path, text_column)
        before = len(texts)
        texts.update(dict.fromkeys(found))
        notes.append(_note(path, len(texts) - before, len(found) - (len(texts) - before), blank, remark))
    return Pool(tuple(texts), tuple(notes))


def _expand(patterns: Sequence[str | Path]) -> list[Path]:
    paths: dict[Path, None] = {}
    for pattern in patterns:
        path = Path(pattern).expanduser()
        if path.is_dir():
            raise DataError(
                f"{path} is a folder. Name the unlabelled files in it, for example '{path}/*.txt'."
            )
        matches = [path] if path.is_file() else map(Path, sorted(glob.glob(str(path), recursive=True)))  # noqa: PTH207
        files = [match for match in matches if match.is_file()]
        if not files:
            raise DataError(f"No unlabelled file matches {str(pattern)!r}. Check the path.")
        paths.update(dict.fromkeys(files))
    return list(paths)


def _read_file(path: Path, text_column: str | None) -> tuple[list[str], int, str]:
    """The texts of a file, the number of blank ones left out, and a remark on the column."""
    if form_of(path) == "txt":
        lines = split_lines(read_text(path))
        texts = [line for line in lines if line.strip()]
        if not texts:
            raise DataError(f"{path} holds no text. Leave it out, or put one text on each line.")
        return texts, len(lines) - len(texts), ""
    table: Table = read_table(path)
    column, guessed = choose_text_column(table.columns, table.where, text_column)
    texts = read_texts(table, column, skip_blank=True)
    return texts, len(table) - len(texts), f", column {column!r}" + (" (guessed)" if guessed else "")


def _note(path: Path, new: int, repeats: int, blank: int, remark: str) -> str:
    counts = [f"{new:,} unlabelled texts"]
    if repeats:
        counts.append(f"{repeats:,} repeated ones left out")
    if blank:
        counts.append(f"{blank:,} blank ones left out")
    return f"Read {', '.join(counts)} from {path.name}{remark}."
