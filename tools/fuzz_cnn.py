"""Random strings through folded convolutions of the C extension and through numpy: one answer.

    python tools/fuzz_cnn.py [--count 1000000] [--seed 0] [--level 2]

As `fuzz_bags.py`, for convolutions with random weights, their products in float32, float16 and int8. Numpy
adds up the rounded products in float64. `tests/tools/test_fuzz_cnn.py` runs some hundreds of strings.
"""

from __future__ import annotations

import numpy as np
from fuzz_bags import TOLERANCE, Differ, in_every_table, rule_for, tell
from fuzz_fast import LABELS

from understudy.core.task import FloatArray, IntArray
from understudy.runtime.cnn_format import Convolution, Folded, columns_of, fold, pack_folded
from understudy.tokenization.ngrams import Vocabulary

WIDTH, FILTERS, KERNELS = 21, 13, (2, 3, 4, 5)


def draw(words: int, generator: np.random.Generator) -> Convolution:
    """Random weights; padding is zero."""

    def normal(*shape: int) -> FloatArray:
        return generator.normal(size=shape).astype(np.float32)

    embedding = normal(words, WIDTH)
    embedding[0] = 0
    return Convolution(
        embedding,
        [normal(FILTERS, WIDTH, kernel) for kernel in KERNELS],
        [normal(FILTERS) for _ in KERNELS],
        normal(len(LABELS), FILTERS * len(KERNELS)),
        normal(len(LABELS)),
    )


class PortableCNN:
    """A folded convolution in numpy: many texts at once, in float64.

    Args:
        folded: As it is in the file.
    """

    def __init__(self, folded: Folded) -> None:
        w = folded.weights
        self.folded, self.weights = folded, w
        self.columns, self.back = columns_of(w.kernels)
        self.head = np.zeros((len(LABELS), len(w.kernels)))
        self.biases = w.by_width(w.biases).astype(np.float64)
        for i in range(len(w.filters)):  # torch has the narrowest first, the file the widest
            first = w.count * (len(w.filters) - 1 - i)
            self.head[:, first : first + w.count] = w.output[:, w.count * i : w.count * (i + 1)]

    def logits(self, ids: IntArray, lengths: IntArray) -> FloatArray:
        """Logits ``(n, c)`` of texts whose ids lie end to end."""
        w = self.weights
        rows, windows = self.folded.numbers[ids].astype(np.float64), lengths + w.widest - 1
        begins = np.cumsum(windows) - windows
        places = np.arange(len(ids)) + np.repeat(begins - (np.cumsum(lengths) - lengths), lengths)
        sums = np.zeros((int(windows.sum()), len(w.kernels)))
        for o in range(w.widest):
            there = self.back == o
            sums[np.ix_(places + o, self.columns[there])] += rows[:, there]

        ends = np.arange(len(sums)) - np.repeat(begins, windows)
        meets_a_word = ends[:, None] < np.repeat(lengths, windows)[:, None] + w.kernels - 1
        best = np.maximum.reduceat(np.where(meets_a_word, sums, -np.inf), begins) * self.folded.steps
        answers: FloatArray = np.maximum(best + self.biases, 0) @ self.head.T + w.output_bias
        return answers


def make(
    vocabulary: Vocabulary, table: str, generator: np.random.Generator
) -> tuple[bytes, PortableCNN, float]:
    """A convolution with random weights, in C and in numpy."""
    folded = fold(draw(len(vocabulary), generator), table)
    return pack_folded(rule_for("kim-cnn.v1", vocabulary), folded), PortableCNN(folded), TOLERANCE


def fuzz(count: int, seed: int, level: int) -> list[Differ]:
    """Compare so many strings; the students, with their largest differences."""
    return in_every_table("kim-cnn.v1", make, count, seed, level)


if __name__ == "__main__":
    tell(fuzz, __doc__)
