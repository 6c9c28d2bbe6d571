"""`model.fast`, version 7: texts as products of word matrices (`cmow.v1`, `hybrid.v1`, `bihybrid.v1`).

A word is a matrix of d rows, in each direction one, and perhaps a vector. A text is the product of its words'
matrices, and the mean of their vectors (Galke et al. 2022)::

    features  = [M(word_1) · … · M(word_t), M'(word_t) · … · M'(word_1), mean of vectors]
    linear    = W · norm(features) + b
    mlp       = W · relu(norm(H · features + a)) + b

Layer norm's own scale and shift are part of W and b where they stand directly behind it (`linear`).

The header is that of version 1 (`fast_format.py`), with the width of the vectors as *width* (0: none), the
layer of the head as *hidden* (0: `linear`), d as *buckets*, the number of directions as *longest*, and no
weight of n-grams. The weights are:

1. a row a word: M - I of each direction, row by row, then the vector; padded to a multiple of 16, in float32,
   float16, or int8. There the steps follow (float32): one for each part of a row, those of the first part of
   all words first, each part padded to a multiple of 16;
2. of `linear`: the head's weights, a row a label, padded to a multiple of `ABREAST`; its bias. Of `mlp`:
   weights (in, out) and bias of the layer, scales and shifts of its norm, weights (in, out) and bias of the
   output; float32, every row padded with zeros to a multiple of 16.

A step counts for a matrix or a vector alone, since vectors are about ten times as large. M - I is rounded,
not M: near the identity its numbers are small, and a zero, which padding has, stays zero. The student's rows
are rounded before any file is written, as those of bags are, so all files of a folder hold one student.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from understudy.core.task import FloatArray
from understudy.runtime.cnn_format import ABREAST
from understudy.runtime.fast_format import (
    TABLES,
    assemble,
    in_steps,
    pad,
    padded,
    round_rows,
    table_parts,
)
from understudy.runtime.fast_rule import Rule

MATRIX = 8
"""Students of matrices by their number in the header."""

MATRIX_VERSION = 7
"""Version of the file."""

HEADS = ("linear", "mlp")
"""Heads that C has."""

EPSILON = 1e-5
"""What layer norm adds to the variance."""


@dataclass(frozen=True)
class Hidden:
    """The layer of the head `mlp`, as torch has it.

    Attributes:
        weight, bias: ``(h, f)`` and ``(h,)``, of f features.
    """

    weight: FloatArray
    bias: FloatArray


@dataclass(frozen=True)
class MatrixWeights:
    """The weights of a student of matrices, as torch has them.

    Attributes:
        rows: M - I of each direction, and vectors ``(v, f)``, f = directions · d² + width.
        size: D, rows and columns of a matrix.
        directions: Matrices of a word: 1, or 2.
        scales, shifts: Of layer norm, ``(f,)``, or with a layer ``(h,)``.
        output, output_bias: ``(c, f)``, or with a layer ``(c, h)``; ``(c,)``.
        hidden: The head's layer, or ``None``.
    """

    rows: FloatArray
    size: int
    directions: int
    scales: FloatArray
    shifts: FloatArray
    output: FloatArray
    output_bias: FloatArray
    hidden: Hidden | None = None

    def __post_init__(self) -> None:
        read = self.features if self.hidden is None else len(self.hidden.bias)
        if self.width < 0:
            raise ValueError(f"Rows of {self.features} numbers do not hold {self.directions} matrices.")
        if self.hidden is not None and self.hidden.weight.shape != (read, self.features):
            raise ValueError(f"A layer has weights {self.hidden.weight.shape}: not {(read, self.features)}.")
        shapes = self.scales.shape, self.shifts.shape, self.output.shape[1:]
        if shapes != ((read,),) * 3:
            raise ValueError(f"The head reads {shapes} numbers: it takes ({read},) three times.")

    @property
    def features(self) -> int:
        """Numbers of a row, and of a text's features, f."""
        return int(self.rows.shape[1])

    @property
    def width(self) -> int:
        """Numbers of a vector, or 0."""
        return self.features - self.directions * self.size**2


def parts_of(rows: FloatArray, size: int, directions: int) -> list[FloatArray]:
    """The parts of rows ``(v, f)`` that have a step of their own: matrices, then vectors if there are any."""
    parts = np.split(rows, [size**2 * number for number in range(1, directions + 1)], axis=1)
    return [part for part in parts if part.shape[1]]


def round_matrix_rows(rows: FloatArray, size: int, directions: int, table: str) -> FloatArray:
    """Rows ``(v, f)`` as a table of this precision returns them; rounding them again changes nothing."""
    return np.concatenate([round_rows(part, table) for part in parts_of(rows, size, directions)], axis=1)


def pack_matrices(rule: Rule, weights: MatrixWeights, table: str = "float32") -> bytes:
    """The file's bytes.

    Raises:
        ValueError: There are not as many rows as words, or the table has an unknown precision.
    """
    words, labels, hidden = len(rule.words), len(weights.output), weights.hidden
    if len(weights.rows) != words or table not in TABLES:
        raise ValueError(f"There are {len(weights.rows)} rows in {table}, but {words} words.")

    floats = b"".join(
        (_rows(weights, table), *(_linear(weights) if hidden is None else _mlp(weights, hidden)))
    )
    sizes = (
        *(words, weights.width, 0 if hidden is None else len(hidden.bias), labels),
        *(rule.max_words, weights.size, weights.directions, 0.0),
    )
    return assemble(rule, MATRIX, sizes, table, floats, version=MATRIX_VERSION)


def _rows(weights: MatrixWeights, table: str) -> bytes:
    parts = parts_of(weights.rows, weights.size, weights.directions)
    if table != "int8":
        return table_parts(weights.rows, table)[0].tobytes()
    made = [in_steps(part) for part in parts]
    numbers = np.concatenate([part for part, _ in made], axis=1)
    return pad(numbers, "i1").tobytes() + b"".join(padded(steps[None]) for _, steps in made)


def _linear(weights: MatrixWeights) -> Sequence[bytes]:
    output = weights.output.astype(np.float64)
    bias = output @ weights.shifts.astype(np.float64) + weights.output_bias
    return pad(output * weights.scales, multiple=ABREAST).tobytes(), padded(bias[None])


def _mlp(weights: MatrixWeights, hidden: Hidden) -> Sequence[bytes]:
    layers = (hidden.weight.T, hidden.bias[None], weights.scales[None], weights.shifts[None])
    return tuple(map(padded, (*layers, weights.output.T, weights.output_bias[None])))
