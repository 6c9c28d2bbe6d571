"""Where synonyms come from: a file, word vectors whose nearest neighbours stand for them, or any callable."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from understudy.core.task import FloatArray, IntArray
from understudy.data.readers.blocks import read_lines
from understudy.errors import DataError

Synonyms = Callable[[Sequence[str]], Sequence[Sequence[str]]]
"""Words → the synonyms of each, possibly none."""

_BATCH = 256  # words compared with all vectors at once
_LOT = 32  # columns of which the maximum is taken first


def read_synonyms(path: str | Path) -> Synonyms:
    """Read a file with a word and its synonyms on each line, between tabs; words are looked up in lower case.

    Raises:
        DataError: The file is missing or not UTF-8, or a line has no synonym.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"There is no file of synonyms {path}.")

    table: dict[str, tuple[str, ...]] = {}
    for number, line in read_lines(path):
        word, *others = (part.strip() for part in line.split("\t"))
        others = [other for other in others if other]
        if word and not others:
            raise DataError(f"{path}, line {number}: {word[:60]!r} has no synonym after a tab.")
        if word:
            table[word.lower()] = (*table.get(word.lower(), ()), *others)

    return lambda words: [table.get(word.lower(), ()) for word in words]


class Neighbours:
    """Synonyms by cosine: the nearest neighbours of a word among words with vectors.

    Neighbours occur in similar contexts, so antonyms are among them; the teacher labels the variants.
    Neighbours that were found once are kept.

    Args:
        words: ``v`` words.
        vectors: ``(v, d)`` Their vectors.
        count: Neighbours of each word.
    """

    def __init__(self, words: Sequence[str], vectors: FloatArray, count: int = 10) -> None:
        self.words = list(words)
        self.rows = {word: row for row, word in enumerate(self.words)}
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        self.vectors = (vectors / np.maximum(norms, 1e-12)).astype(np.float32)
        self.count = min(count, len(self.words) - 1)
        self._known: dict[str, tuple[str, ...]] = {}

    def __call__(self, words: Sequence[str]) -> list[tuple[str, ...]]:
        """The neighbours of each word, nearest first; none for a word without a vector."""
        todo = [w for w in dict.fromkeys(words) if w not in self._known and w.lower() in self.rows]

        for start in range(0, len(todo), _BATCH):
            batch = todo[start : start + _BATCH]
            rows = np.array([self.rows[word.lower()] for word in batch])
            for word, near in zip(batch, self.nearest(self.vectors[rows], rows), strict=True):
                self._known[word] = tuple(self.words[row] for row in near.tolist())

        return [self._known.get(word, ()) for word in words]

    def nearest(self, queries: FloatArray, without: IntArray | None = None) -> IntArray:
        """Rows ``(m, count)`` of the nearest words to unit vectors ``(m, d)``, nearest first.

        Args:
            queries: Unit vectors.
            without: ``(m,)`` For each query a row that is not its neighbour, such as the word's own.
        """
        likeness = queries @ self.vectors.T
        if without is not None:
            likeness[np.arange(len(queries)), without] = -2.0  # less than any cosine
        return largest(likeness, self.count)


def largest(values: FloatArray, count: int) -> IntArray:
    """Columns ``(m, count)`` of the largest of ``values`` ``(m, v)`` in each row, the largest first.

    The largest values are in the lots of columns that have the largest maxima, and finding maxima is many
    times faster than partitioning whole rows.
    """
    lots = values.shape[1] // _LOT
    columns: IntArray = np.tile(np.arange(values.shape[1]), (len(values), 1))

    if lots > count:
        whole = lots * _LOT  # column c is in lot c % lots; the rest is always looked at
        best = _top(values[:, :whole].reshape(len(values), _LOT, lots).max(axis=1), count)
        inside = (best[:, None, :] + lots * np.arange(_LOT)[:, None]).reshape(len(values), -1)
        columns = np.concatenate([inside, columns[:, whole:]], axis=1)
        values = np.take_along_axis(values, columns, axis=1)

    near = _top(values, count)
    order = np.argsort(-np.take_along_axis(values, near, axis=1), axis=1, kind="stable")
    return np.take_along_axis(columns, np.take_along_axis(near, order, axis=1), axis=1)


def _top(values: FloatArray, count: int) -> IntArray:
    """Columns of the largest values in each row, in any order."""
    return np.argpartition(values, values.shape[1] - count, axis=1)[:, values.shape[1] - count :]
