"""How a student reads a task's items: which ids, which of them are answered; in training and at run time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

import numpy as np

from understudy.core.items import rows_of
from understudy.core.task import IntArray, Item, Task
from understudy.errors import DataError
from understudy.tokenization.ngrams import Vocabulary
from understudy.tokenization.spelling import Spelling
from understudy.tokenization.windows import windows
from understudy.tokenization.words import PAD_ID

INPUTS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "text": (("ids", "lengths"),),
    "diffcat": (("ids", "lengths"), ("ids_2", "lengths_2")),
    "compare": (("ids", "lengths"), ("ids_2", "lengths_2")),
    "tokens": (("ids", "lengths"),),
}
"""Input mode → names of a graph's inputs for each text that is read.

A student reads one text (or two in one, with a separator), two texts apart (``diffcat``), two texts whose
features and words it compares (``compare``), or every token of a text.
"""

SPELLING = "spelling"
"""Name of the further input of a graph that reads how words are spelled: ``(b, t, kinds)``."""


def inputs_of(input_mode: str, *, is_spelled: bool) -> tuple[str, ...]:
    """Names of a graph's inputs, in order."""
    return (*(name for side in INPUTS[input_mode] for name in side), *((SPELLING,) if is_spelled else ()))


APART = ("diffcat", "compare")
"""Input modes in which two texts are read apart."""


def input_mode_of(task: Task, pair: str) -> str:
    """The input mode for a task; ``pair`` is one of ``joint``, ``diffcat``, ``compare``, for two texts."""
    if task.kind == "tagging":
        return "tokens"
    return pair if task.texts == 2 and pair in APART else "text"


class Side(NamedTuple):
    """Ids end to end ``(sum of lengths,)``, the lengths ``(units,)``, and the spelling of each id's word.

    The latter is ``(sum of lengths, kinds)``, or ``None`` where a student does not read it.
    """

    ids: IntArray
    lengths: IntArray
    spelling: IntArray | None = None


@dataclass(frozen=True)
class ItemIds:
    """Items as ids, in units that are read at once: an item, or a window of a long sentence.

    Attributes:
        sides: One, or one for each of two texts that are read apart.
        counts: ``(units,)`` rows that each unit answers.
        places: ``(rows,)`` in tagging: the place within its unit of each answered word's first id.
    """

    sides: tuple[Side, ...]
    counts: IntArray
    places: IntArray | None = None

    @property
    def lengths(self) -> IntArray:
        """Ids of each unit, both sides together: ``(units,)``."""
        return self.sides[0].lengths + (self.sides[1].lengths if len(self.sides) == 2 else 0)

    def rows(self, units: IntArray) -> IntArray:
        """Numbers of the rows that the given units answer, in order."""
        return units if self.places is None else rows_of(units, self.counts)

    def feeds(self, input_mode: str, units: IntArray) -> dict[str, IntArray]:
        """The graph's inputs for some units: for each side, ids ``(b, t)`` and lengths ``(b,)``.

        Where words are spelled, ``(b, t, kinds)`` too.
        """
        made: dict[str, IntArray] = {}
        for (ids, lengths), side in zip(INPUTS[input_mode], self.sides, strict=True):
            made[ids], made[lengths] = _padded(side.ids, side.lengths, units), side.lengths[units]
            if side.spelling is not None:
                made[SPELLING] = _padded(side.spelling, side.lengths, units)
        return made

    def answered(self, units: IntArray) -> tuple[IntArray, IntArray]:
        """Tagging: row and column, in a padded batch of these units, of each answered word."""
        places = cast("IntArray", self.places)[self.rows(units)]
        return np.repeat(np.arange(len(units)), self.counts[units]), places


def encode(
    task: Task,
    input_mode: str,
    vocabulary: Vocabulary,
    items: Sequence[Item],
    spelling: Spelling | None = None,
) -> ItemIds:
    """Items as a student with this input mode reads them; in tagging, with the spelling of words if asked.

    Raises:
        DataError: an item is not what the task is asked about; by its number.
    """
    check_items(task, items)
    if task.kind == "tagging":
        return _encode_words(vocabulary, cast("Sequence[tuple[str, ...]]", items), spelling)
    counts = np.ones(len(items), dtype=np.int64)
    if task.texts == 1:
        return ItemIds((Side(*vocabulary.encode_batch(cast("Sequence[str]", items))),), counts)
    first, second = ([item[side] for item in items] for side in (0, 1))
    if input_mode in APART:
        sides = tuple(Side(*vocabulary.encode_batch(texts)) for texts in (first, second))
        return ItemIds(sides, counts)
    return ItemIds((Side(*vocabulary.encode_pairs(first, second)),), counts)


def check_items(task: Task, items: Sequence[Item]) -> None:
    """Refuse items that the task cannot read.

    Raises:
        DataError: an item is not of the task's kind; by its number, from 1.
    """
    if task.kind != "tagging" and task.texts == 1:
        wanted, fits = "a text", _is_text
    else:
        wanted, fits = ("words", _are_texts) if task.kind == "tagging" else ("two texts", _are_two_texts)

    for number, item in enumerate(items, start=1):
        if not fits(item):
            raise DataError(f"Item {number} must be {wanted} for this {task.kind} task, but is {item!r:.80}.")


def _is_text(item: object) -> bool:
    return isinstance(item, str)


def _are_texts(item: object) -> bool:
    return isinstance(item, list | tuple) and all(isinstance(part, str) for part in item)


def _are_two_texts(item: object) -> bool:
    return isinstance(item, list | tuple) and len(item) == 2 and _is_text(item[0]) and _is_text(item[1])


def _encode_words(
    vocabulary: Vocabulary, items: Sequence[tuple[str, ...]], spelling: Spelling | None
) -> ItemIds:
    """Each word by itself: its first id answers for it. Long sentences become several units."""
    every = [word for words in items for word in words]
    flat, sizes = vocabulary.encode_words(every)
    starts = np.cumsum(sizes) - sizes
    parts, lengths, counts, places = [], [], [], []
    offset = 0  # number of the sentence's first word among all words
    for words in items:
        pieces = sizes[offset : offset + len(words)]
        for window in windows(pieces, vocabulary.max_words) if len(pieces) else ():
            begin = starts[offset + window.start]
            length = int(pieces[window.start : window.stop].sum())
            parts.append(np.arange(begin, begin + length))
            lengths.append(length)
            counts.append(window.last - window.first)
            places.append(starts[offset + window.first : offset + window.last] - begin)
        offset += len(words)

    none = [np.zeros(0, dtype=np.int64)]
    read = np.concatenate(parts or none)  # numbers of the ids, those where windows overlap twice
    spelled = None
    if spelling is not None:  # every id of a word has the spelling of the whole word
        spelled = spelling.encode(every)[np.repeat(np.arange(len(every)), sizes)[read]]
    side = Side(flat[read], np.array(lengths, dtype=np.int64), spelled)
    return ItemIds((side,), np.array(counts, dtype=np.int64), np.concatenate(places or none))


def _padded(values: IntArray, lengths: IntArray, units: IntArray) -> IntArray:
    """Values ``(sum of lengths, …)`` of some units, one unit a row, filled up: ``(b, t, …)``."""
    starts, lengths = (np.cumsum(lengths) - lengths)[units], lengths[units]
    columns = np.arange(int(lengths.max()))
    inside = columns < lengths[:, None]
    block = np.full((*inside.shape, *values.shape[1:]), PAD_ID, dtype=np.int64)
    block[inside] = values[(starts[:, None] + columns)[inside]]
    return block
