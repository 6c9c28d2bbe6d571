"""Random strings through students of matrices of the C extension and through numpy: one answer.

    python tools/fuzz_matrix.py [--count 1000000] [--seed 0] [--level 2]

As `fuzz_bags.py`, for students with random weights, of one direction or two, with vectors or without, with
either head, their tables in float32, float16 and int8. Matrices are so near the identity that texts of
thousands of words have products, too. `tests/tools/test_fuzz_matrix.py` runs some hundreds of strings.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from fuzz_bags import TOLERANCE, Differ, in_every_table, rule_for, tell
from fuzz_fast import LABELS

from understudy.core.task import FloatArray, IntArray
from understudy.runtime.matrix_format import (
    EPSILON,
    Hidden,
    MatrixWeights,
    pack_matrices,
    round_matrix_rows,
)
from understudy.tokenization.ngrams import Vocabulary

SPREAD = 0.003
"""Of the numbers of M - I."""


def draw(words: int, generator: np.random.Generator) -> MatrixWeights:
    """Random weights of random sizes; padding is zero."""

    def normal(*shape: int) -> FloatArray:
        return (generator.normal(size=shape) / np.sqrt(shape[-1])).astype(np.float32)

    size, directions, width = (int(generator.integers(*bounds)) for bounds in ((2, 33), (1, 3), (0, 30)))
    hidden = int(generator.integers(2) * generator.integers(2, 9))  # layer norm makes 0 of a single number
    features = directions * size**2 + width
    rows = generator.normal(size=(words, features)).astype(np.float32)
    rows[:, : features - width] *= np.float32(SPREAD)
    rows[0] = 0
    read = hidden or features
    layer = Hidden(normal(hidden, features), normal(hidden)) if hidden else None
    scales, shifts = 1 + normal(read), normal(read)
    return MatrixWeights(
        rows, size, directions, scales, shifts, normal(len(LABELS), read), normal(len(LABELS)), layer
    )


class PortableMatrices:
    """A student of matrices in numpy, in float64.

    Args:
        weights: As they are in the file.
    """

    def __init__(self, weights: MatrixWeights) -> None:
        self.weights = weights

    def logits(self, ids: IntArray, lengths: IntArray) -> FloatArray:
        """Logits ``(n, c)`` of texts whose ids lie end to end."""
        texts = np.split(ids.astype(np.int64), np.cumsum(lengths)[:-1])
        weights, read = self.weights, np.stack([self._features(text) for text in texts])
        if weights.hidden is not None:
            read = read @ weights.hidden.weight.T + weights.hidden.bias
        read = read - read.mean(axis=1, keepdims=True)
        read /= np.sqrt((read**2).mean(axis=1, keepdims=True) + EPSILON)
        read = read * weights.scales + weights.shifts
        read = read if weights.hidden is None else np.maximum(read, 0)
        answers: FloatArray = read @ weights.output.T + weights.output_bias
        return answers

    def _features(self, ids: IntArray) -> FloatArray:
        size, directions = self.weights.size, self.weights.directions
        rows = self.weights.rows[ids].astype(np.float64)
        found = []
        for way in range(directions):
            running = np.eye(size)
            parts = rows[:, way * size**2 : (way + 1) * size**2].reshape(-1, size, size)
            for part in parts[::-1] if way else parts:
                running += running @ part
            found.append(running.ravel())
        return np.concatenate([*found, rows[:, directions * size**2 :].mean(axis=0)])


def make(
    vocabulary: Vocabulary, table: str, generator: np.random.Generator
) -> tuple[bytes, PortableMatrices, float]:
    """A student with random weights, in C and in numpy."""
    weights = draw(len(vocabulary), generator)
    rows = round_matrix_rows(weights.rows, weights.size, weights.directions, table)
    weights = replace(weights, rows=rows)
    file = pack_matrices(rule_for("hybrid.v1", vocabulary), weights, table)
    return file, PortableMatrices(weights), TOLERANCE


def fuzz(count: int, seed: int, level: int) -> list[Differ]:
    """Compare so many strings; the students, with their largest differences."""
    return in_every_table("hybrid.v1", make, count, seed, level)


if __name__ == "__main__":
    tell(fuzz, __doc__)
