"""Texts as flat arrays of word numbers, so that rules work on all words of many texts at once.

Words are those of `understudy.tokenization.words`, but keep their case, and remember whether a space was
before them: what no rule touches comes back as it was (runs of white space become one space). Two words that
a rule brought together get a space between them, unless one of them is a single sign.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain

import numpy as np
import numpy.typing as npt

from understudy.core.task import IntArray
from understudy.tokenization.words import SINGLE, SPACE

BoolArray = npt.NDArray[np.bool_]

_FIND = re.compile(f"[{SPACE}]*(?:[{SINGLE}]|[^{SPACE}{SINGLE}]+)").findall
_IS_SINGLE = re.compile(f"[{SINGLE}]").fullmatch
_TOGETHER = 4096  # texts whose pieces are in memory at once
_LEADING = re.compile(f"^[{SPACE}]+")


@dataclass(frozen=True)
class WordArrays:
    """``n`` texts of ``w`` words together; texts without words have length 0.

    Attributes:
        words: The distinct words; the numbers below are places in it.
        flat: ``(w,)`` Number of each word, text after text.
        glued: ``(w,)`` Whether there is no space before the word; False for the first of a text.
        lengths: ``(n,)``. Number of words of each text.
    """

    words: tuple[str, ...]
    flat: IntArray
    glued: BoolArray
    lengths: IntArray

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def starts(self) -> IntArray:
        """Place of each text's first word in ``flat``: ``(n,)``."""
        return np.cumsum(self.lengths) - self.lengths

    @property
    def owners(self) -> IntArray:
        """Text that each word belongs to: ``(w,)``."""
        return np.repeat(np.arange(len(self.lengths)), self.lengths)

    def with_words(self, more: Sequence[str]) -> WordArrays:
        """The same texts; ``more`` words have the numbers from ``len(self.words)`` on."""
        return replace(self, words=(*self.words, *more))

    def keep(self, mask: BoolArray) -> WordArrays:
        """The texts with only the words of ``mask`` ``(w,)``."""
        lengths = np.bincount(self.owners[mask], minlength=len(self))
        return replace(self, flat=self.flat[mask], glued=self.glued[mask], lengths=lengths)

    def word_lists(self) -> list[list[str]]:
        """The words of each text."""
        flat = np.array(self.words, dtype=object)[self.flat].tolist()
        starts, sizes = self.starts.tolist(), self.lengths.tolist()
        return [flat[start : start + size] for start, size in zip(starts, sizes, strict=True)]

    def texts(self, rows: IntArray) -> list[str]:
        """The texts of these numbers, as strings."""
        table, is_single = _spellings(self.words)
        single = is_single[self.flat]
        glued = self.glued & (single | np.concatenate([[False], single])[: len(single)])
        pieces = table[2 * self.flat + glued].tolist()
        starts, ends = self.starts[rows], (self.starts + self.lengths)[rows]
        join = "".join
        return [join(pieces[a:b]).lstrip() for a, b in zip(starts.tolist(), ends.tolist(), strict=True)]


@lru_cache(maxsize=8)
def _spellings(words: tuple[str, ...]) -> tuple[npt.NDArray[np.object_], BoolArray]:
    """Each word with and without a space before it ``(2v,)``, and which are single code points ``(v,)``."""
    table = np.array([spelling for word in words for spelling in (f" {word}", word)], dtype=object)
    return table, np.array([bool(_IS_SINGLE(word)) for word in words], dtype=np.bool_)


def read_sentences(texts: Sequence[str]) -> WordArrays:
    """Split texts into words."""
    numbers: defaultdict[str, int] = defaultdict()
    numbers.default_factory = numbers.__len__
    counts, parts = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)]

    for start in range(0, len(texts), _TOGETHER):
        rows = list(map(_FIND, texts[start : start + _TOGETHER]))
        counts.append(np.fromiter(map(len, rows), dtype=np.int64, count=len(rows)))
        parts.append(np.fromiter(map(numbers.__getitem__, chain.from_iterable(rows)), dtype=np.int64))
    lengths, flat = np.concatenate(counts), np.concatenate(parts)

    # So far a word with white space before it and the same without are two.
    words: dict[str, int] = {}
    bare = [_LEADING.sub("", piece) for piece in numbers]
    word_of = np.array([words.setdefault(word, len(words)) for word in bare], dtype=np.int64)
    glued_of = np.array(
        [len(word) == len(piece) for word, piece in zip(bare, numbers, strict=True)], np.bool_
    )

    glued = glued_of[flat]
    glued[(np.cumsum(lengths) - lengths)[lengths > 0]] = False
    return WordArrays(tuple(words), word_of[flat], glued, lengths)
