"""Sentences in columns: one word a line, its tag beside it, a blank line after each sentence.

Two formats are read: the plain columns of the CoNLL shared tasks, separated by tabs or spaces, and CoNLL-U,
the ten columns of Universal Dependencies.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from understudy.core.task import OUTSIDE
from understudy.core.wording import plural
from understudy.data.readers.problems import bad_rows
from understudy.data.readers.text import split_lines
from understudy.errors import DataError

TOKEN_NAMES = ("tokens", "words", "token", "word", "form")
"""Usual names of the column of words, the likeliest first."""

TAG_NAMES = ("tags", "ner_tags", "labels", "upos", "pos_tags", "tag", "ner", "pos", "label", "seq_label")
"""Usual names of the column of tags, the likeliest first."""

CONLLU = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")
"""The columns of CoNLL-U."""

_DOCUMENT = "-DOCSTART-"
_SAMPLE_CHARACTERS = 65_536
_IS_TAG = re.compile(rf"{OUTSIDE}|[BIES]-\S+").fullmatch
_IS_SKIPPED = re.compile(r"\d+[-.]\d+\t").match
_SEPARATORS = {"\t": "tabs", " ": "spaces"}

Line = tuple[int, str]


@dataclass(frozen=True)
class TaggedSentences:
    """Columns of sentences.

    Attributes:
        columns: Column name → one tuple for each sentence, of one cell for each of its words.
        lines: For each sentence the number of each word's line, counted from 1.
    """

    columns: dict[str, list[tuple[str, ...]]]
    lines: list[tuple[int, ...]]

    def add(self, numbers: Sequence[int], rows: Sequence[Sequence[str]]) -> list[str]:
        """Add a sentence, one row of cells a word, and return what is wrong with it, by line."""
        width = len(self.columns)
        if any(len(cells) != width or "" in cells for cells in rows):
            faults = [_fault(cells, width) for cells in rows]
            return [f"line {n}: {fault}" for n, fault in zip(numbers, faults, strict=True) if fault]
        for column, cells in zip(self.columns.values(), zip(*rows, strict=True), strict=True):
            column.append(cells)
        self.lines.append(tuple(numbers))
        return []


def looks_like_conll(text: str) -> bool:
    """Whether a file unmistakably holds words with tags: blocks of lines that end in tags such as B-X."""
    lines = split_lines(text[:_SAMPLE_CHARACTERS])[: None if len(text) <= _SAMPLE_CHARACTERS else -1]
    blocks = list(_blocks([line for line in enumerate(lines) if not line[1].startswith(_DOCUMENT)]))
    body = [line for block in blocks for _, line in block]
    if len(blocks) < 2 or len(body) < 2 * len(blocks):
        return False
    separator = _separator(body[0])
    rows = [_cut(line, separator) for line in body]
    return len({len(row) for row in rows}) == 1 and len(rows[0]) > 1 and all(_IS_TAG(row[-1]) for row in rows)


def read_columns(
    text: str, where: str, *, separator: str | None = None, names: Sequence[str] = ()
) -> TaggedSentences:
    """Read plain columns.

    A line ``-DOCSTART-`` is skipped. A first line that names the columns, such as ``word`` and ``tag``, names
    them; else they are ``words`` and ``tags``, or, where there are more, ``column_1`` and so on.

    Args:
        text: The file's text.
        where: The file's name, for messages.
        separator: Tab or space; ``None`` takes the tab where the first line has one.
        names: Names of the columns, where they are known.

    Raises:
        DataError: no words, a line of another width than the first, or an empty cell; by line.
    """
    lines = [line for line in enumerate(split_lines(text), start=1) if not line[1].startswith(_DOCUMENT)]
    first = next((line for _, line in lines if line.strip()), None)
    if first is None:
        raise _empty(where)

    separator = separator or _separator(first)
    names = list(names)
    if not names and _is_header(_cut(first, separator)):
        names = _cut(first, separator)
        lines = lines[[line for _, line in lines].index(first) + 1 :]
    names = names or _usual_names(len(_cut(first, separator)))

    sentences, problems = TaggedSentences({name: [] for name in names}, []), []
    for block in _blocks(lines):
        numbers = [number for number, _ in block]
        problems += sentences.add(numbers, [_cut(line, separator) for _, line in block])
    if problems:
        raise bad_rows(
            where,
            problems,
            f"Each line holds one word and what belongs to it, {len(names)} columns separated by "
            f"{_SEPARATORS.get(separator, repr(separator))}.",
        )
    return _filled(sentences, where)


def read_conllu(text: str, where: str) -> TaggedSentences:
    """Read CoNLL-U; multiword ranges (``1-2``) and empty nodes (``1.1``) are skipped, comments too.

    Raises:
        DataError: no words, a comment block without a sentence, or a line that has not ten columns; by line.
    """
    sentences, problems = TaggedSentences({name: [] for name in CONLLU}, []), []
    for block in _blocks(enumerate(split_lines(text), start=1)):
        words = [(number, line) for number, line in block if line[0] != "#" and not _IS_SKIPPED(line)]
        if not words:
            problems.append(f"line {block[0][0]}: a sentence without words")
            continue
        problems += sentences.add([number for number, _ in words], [line.split("\t") for _, line in words])
    if problems:
        raise bad_rows(
            where, problems, "CoNLL-U has ten columns, separated by tabs, none empty; `_` stands for nothing."
        )
    return _filled(sentences, where)


def _blocks(lines: Iterable[Line]) -> Iterator[list[Line]]:
    """Runs of lines that are not blank."""
    block: list[Line] = []
    for number, line in lines:
        if line and not line.isspace():
            block.append((number, line))
        elif block:
            yield block
            block = []
    if block:
        yield block


def _separator(line: str) -> str:
    return "\t" if "\t" in line else " "


def _cut(line: str, separator: str) -> list[str]:
    """The cells of a line; several spaces separate like one."""
    cells = line.split(separator)
    return [cell for cell in cells if cell] if separator == " " else cells


def _is_header(cells: Sequence[str]) -> bool:
    return len(cells) > 1 and cells[0].lower() in TOKEN_NAMES and cells[-1].lower() in TAG_NAMES


def _usual_names(columns: int) -> list[str]:
    if columns <= 2:
        return ["words", "tags"][:columns]
    return [f"column_{number}" for number in range(1, columns + 1)]


def _fault(cells: Sequence[str], columns: int) -> str | None:
    if len(cells) != columns:
        missing = f": the word {cells[0]!r} has no tag" if len(cells) == 1 else ""
        return f"{plural(len(cells), 'column')} instead of {columns}{missing}"
    return f"column {cells.index('') + 1} is empty" if "" in cells else None


def _filled(sentences: TaggedSentences, where: str) -> TaggedSentences:
    if not sentences.lines:
        raise _empty(where)
    return sentences


def _empty(where: str) -> DataError:
    return DataError(f"{where} is empty. A file of tagged words needs at least one sentence.")
