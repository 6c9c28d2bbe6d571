"""Random strings through stacked LSTMs of the C extension and through numpy: one answer.

    python tools/fuzz_lstm.py [--count 1000000] [--seed 0] [--level 2]

As `fuzz_bags.py`, for LSTMs with random weights, of one to three layers, their tables in float32, float16 and
int8. In int8 a state that lies between two 127ths may be rounded either way, and moves all that follow it:
there logits may differ by `ROUNDED`. `tests/tools/test_fuzz_lstm.py` runs some hundreds of strings.
"""

from __future__ import annotations

import numpy as np
from fuzz_bags import TOLERANCE, Differ, in_every_table, rule_for, tell
from fuzz_fast import LABELS

from understudy.core.task import FloatArray, IntArray
from understudy.runtime.lstm_format import Direction, Recurrent, Stack, pack_recurrent, recur
from understudy.tokenization.ngrams import Vocabulary

WIDTH, UNITS, MOST_LAYERS = 13, 21, 3

ROUNDED = 0.01
"""Most that logits may differ in int8."""


def draw(words: int, generator: np.random.Generator) -> Stack:
    """Random weights, small enough that no gate is always open or shut; padding is zero."""

    def normal(*shape: int) -> FloatArray:
        return (generator.normal(size=shape) / np.sqrt(shape[-1])).astype(np.float32)

    def direction(entering: int) -> Direction:
        return Direction(normal(4 * UNITS, entering), normal(4 * UNITS, UNITS), normal(4 * UNITS))

    embedding = 3 * normal(words, WIDTH)
    embedding[0] = 0
    layers = int(generator.integers(1, MOST_LAYERS + 1))
    entering = [WIDTH, *[2 * UNITS] * (layers - 1)]
    both = [(direction(each), direction(each)) for each in entering]
    return Stack(embedding, both, normal(len(LABELS), 2 * UNITS), normal(len(LABELS)))


class PortableLSTM:
    """Stacked LSTMs in numpy: many texts at once, in float64.

    Args:
        recurrent: As they are in the file.
    """

    def __init__(self, recurrent: Recurrent) -> None:
        self.recurrent = recurrent

    def logits(self, ids: IntArray, lengths: IntArray) -> FloatArray:
        """Logits ``(n, c)`` of texts whose ids lie end to end."""
        return self.recurrent.logits(np.split(ids.astype(np.int64), np.cumsum(lengths)[:-1]))


def make(
    vocabulary: Vocabulary, table: str, generator: np.random.Generator
) -> tuple[bytes, PortableLSTM, float]:
    """LSTMs with random weights, in C and in numpy."""
    recurrent = recur(draw(len(vocabulary), generator), table)
    file = pack_recurrent(rule_for("bilstm.v1", vocabulary), recurrent)
    return file, PortableLSTM(recurrent), ROUNDED if table == "int8" else TOLERANCE


def fuzz(count: int, seed: int, level: int) -> list[Differ]:
    """Compare so many strings; the students, with their largest differences."""
    return in_every_table("bilstm.v1", make, count, seed, level)


if __name__ == "__main__":
    tell(fuzz, __doc__)
