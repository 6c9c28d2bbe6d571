"""`model.fast`, versions 2 and 6: a weighted bag of words and exact n-grams.

It is `linear.v1`, `cbow.v2` and `dan.v2`. Its n features are the v words of the vocabulary, then g n-grams.
A text's features, each as often as it is found, are added up and divided by their length::

    pooled = Σ w_i · row_i / sqrt(max(Σ w_i², 1e-12))
    logits = W2 · relu(W1 · pooled[:d] + b1) + b2 + pooled[d:]

d is 0 in `linear.v1`, which has no layers but b2, and nothing is behind d in `cbow.v2`.

The header is that of version 1 (`fast_format.py`); the weights are, all padded with zeros:

1. the rows, already times their weights: d numbers, padded to a multiple of 16; then, with a direct path,
   one number a label, padded likewise. In int8 the scales of the rows' first parts follow, where d > 0, then
   those of the second parts (float32, each padded to a multiple of 16);
2. weights (in, out) and bias of the hidden layer, and weights of the output layer; nothing where d is 0;
3. the bias of the output layer, padded to a multiple of 16;
4. the squares of the weights (float32, padded to a multiple of 16);
5. the n-grams, two u32 each: the id of what is prolonged, and that of the word it is prolonged by; padded
   to a multiple of 8 n-grams.

In version 6, which is written where there are n-grams, the square of a feature's weight and its scales lie
behind its row, in this order, with zeros up to a multiple of 16 bytes; neither scales nor squares stand by
themselves then. N-grams are many and each is rare, so that not all of them can be near the processor: a
feature of 64 numbers and two labels in int8 is then in two lines of a cache instead of five. Without n-grams
this is no gain: words are few, and the scales of the frequent ones lie close together.

What is prolonged is a word, or an n-gram that stands earlier in the table: the id of n-gram k is v + k. So an
n-gram is in the table only if its own beginning is, and C stops at the first one that is not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from understudy.core.task import FloatArray
from understudy.runtime.fast_format import LANES, assemble, pad, padded, round_rows, table_parts
from understudy.runtime.fast_rule import Rule

BAG, DIRECT_BAG = 3, 4
"""Weighted bags by their number in the header: without a direct path, and with one."""

APART, TOGETHER = 2, 6
"""Versions of the file: scales and squares behind all rows, or each behind its own row."""

ALIGNED = 16
"""Bytes of a row in version 6, with what lies behind it, are a multiple of this."""

TINY = 1e-12
"""Least sum of squares that a text is divided by the root of."""


@dataclass(frozen=True)
class BagWeights:
    """The weights of a weighted bag; the layers' matrices are ``(out, in)``, as in torch.

    Attributes:
        rows: ``(n, d)`` or ``(n, d + c)``, already times their weights.
        squares: ``(n,)``, the squares of the weights.
        output_bias: ``(c,)``.
        grams: ``(g, 2)`` of int32: what each n-gram prolongs, and by which word; n = v + g.
        longest: Words in the longest n-grams, 1 where there are none.
        hidden, hidden_bias: ``(h, d)`` and ``(h,)``; ``None`` where d is 0.
        output: ``(c, h)``; ``None`` where d is 0.
    """

    rows: FloatArray
    squares: FloatArray
    output_bias: FloatArray
    grams: npt.NDArray[np.int32]
    longest: int = 1
    hidden: FloatArray | None = None
    hidden_bias: FloatArray | None = None
    output: FloatArray | None = None

    def __post_init__(self) -> None:
        n, wide = self.rows.shape
        given = [layer is not None for layer in (self.hidden, self.hidden_bias, self.output)]
        if any(given) != all(given):
            raise ValueError("A weighted bag has both layers or none: give hidden, hidden_bias and output.")
        if wide not in (self.width, self.width + len(self.output_bias)):
            raise ValueError(
                f"A row has {wide} numbers, but its embedding has {self.width} and there are "
                f"{len(self.output_bias)} labels: it takes the first, or the sum of both."
            )
        if self.squares.shape != (n,) or self.grams.ndim != 2 or self.grams.shape[1] != 2:
            raise ValueError(
                f"There are {n} rows, but squares {self.squares.shape} and n-grams {self.grams.shape}: "
                f"they take ({n},) and (g, 2)."
            )

    @property
    def width(self) -> int:
        """Numbers of an embedding, d; 0 where there is none."""
        return 0 if self.hidden is None else self.hidden.shape[1]

    @property
    def is_direct(self) -> bool:
        """Whether rows hold what their features add to the logits."""
        return bool(self.rows.shape[1] > self.width)


def round_bag_rows(rows: FloatArray, width: int, table: str) -> FloatArray:
    """Rows ``(n, d + c)`` as a table of this precision returns them; both parts have a scale of their own.

    Args:
        rows: The rows times their weights, as they are in the file.
        width: Numbers of an embedding, d.
        table: One of `understudy.runtime.fast_format.TABLES`.
    """
    return np.concatenate([round_rows(part, table) for part in (rows[:, :width], rows[:, width:])], axis=1)


def pack_bag(rule: Rule, weights: BagWeights, table: str = "float32", version: int | None = None) -> bytes:
    """The file's bytes, the rows in one of `understudy.runtime.fast_format.TABLES`.

    Args:
        rule: How text becomes ids.
        weights: What it holds.
        table: Precision of the rows.
        version: `APART` or `TOGETHER`; ``None`` takes the second where there are n-grams.

    Raises:
        ValueError: There are not as many rows as words and n-grams.
    """
    n, words, grams = len(weights.rows), len(rule.words), len(weights.grams)
    if n != words + grams:
        raise ValueError(f"There are {n} rows, but {words} words and {grams} n-grams.")

    version = version or (TOGETHER if grams else APART)
    floats = _apart(weights, table) if version == APART else _together(weights, table)
    sizes = (
        *(words, weights.width, 0 if weights.hidden is None else len(weights.hidden)),
        *(len(weights.output_bias), rule.max_words, grams, weights.longest, 0.0),
    )
    return assemble(rule, DIRECT_BAG if weights.is_direct else BAG, sizes, table, floats, version=version)


def _apart(weights: BagWeights, table: str) -> bytes:
    """All weights of version 2."""
    numbers, scales = _parts(weights, table)
    rows = np.concatenate(numbers, axis=1).tobytes()
    squares = padded(weights.squares[None])
    return b"".join(
        (rows, *(padded(each[None]) for each in scales), *_layers(weights), squares, _grams(weights))
    )


def _together(weights: BagWeights, table: str) -> bytes:
    """All weights of version 6."""
    numbers, scales = _parts(weights, table)
    behind = np.stack([weights.squares.astype("<f4"), *scales], axis=1)

    bare = np.concatenate([np.ascontiguousarray(each).view(np.uint8) for each in (*numbers, behind)], axis=1)
    return b"".join((pad(bare, "u1", ALIGNED).tobytes(), *_layers(weights), _grams(weights)))


def _parts(weights: BagWeights, table: str) -> tuple[list[npt.NDArray[Any]], list[FloatArray]]:
    """The two parts of all rows, where they are there, and the scales of int8."""
    parts = [weights.rows[:, : weights.width], weights.rows[:, weights.width :]]
    made = [table_parts(part, table) for part in parts if part.shape[1]]
    return [numbers for numbers, _ in made], [scales for _, scales in made if scales is not None]


def _layers(weights: BagWeights) -> list[bytes]:
    """Both layers, or the bias alone."""
    layers = []
    if weights.hidden is not None and weights.hidden_bias is not None and weights.output is not None:
        layers = [weights.hidden.T, weights.hidden_bias[None], weights.output.T]
    return [*map(padded, (*layers, weights.output_bias[None]))]


def _grams(weights: BagWeights) -> bytes:
    """The n-grams."""
    pairs = np.zeros((-(-len(weights.grams) // (LANES // 2)) * (LANES // 2), 2), dtype="<u4")
    pairs[: len(weights.grams)] = weights.grams
    return pairs.tobytes()
