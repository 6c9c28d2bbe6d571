"""`model.fast`, version 3: a convolution over words, folded into their table (`kim-cnn.v1`).

A filter's answer is linear in each word that it sees. So the products of all filters and all words are made
once, when the file is written, and a text is sums of rows, a running maximum, and a linear head::

    answer(f, e) = Σ_o P[id(e - o), o, f]  of the window that ends at word e; o is from 0 to k_f - 1
    feature(f)   = relu(step_f · max_e answer(f, e) + b_f)  over windows that hold a word
    logits       = W · features + b

P[w, o, f] is the product of the embedding of w and the column of filter f that is o places before its last
one. Words before and after the text are zeros, as in torch.

The header is that of version 1 (`fast_format.py`), with the number of filters of each width as *width*,
the least width as *hidden*, the greatest as *longest*, and neither buckets nor a weight of n-grams. Filters
lie by falling width, those of one width in torch's order, padded to a multiple of `ABREAST`. The weights are:

1. a row a word. For each `ABREAST` filters and each o below the width of the first of them, `ABREAST`
   numbers, zero where a filter is narrower: float32, float16, or int8 that count a filter's own steps;
2. int8 alone: the step of each filter;
3. the filters' biases; the head's weights, a row a label; the head's bias, padded to a multiple of 16; all of
   these are float32.

Sums of int8 are exact in 16 bits: they hold at most `MOST_KERNEL` times 127. So only the rounding of P parts
the logits from those of torch, and by no more than `Folded.bound` says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from understudy.core.task import FloatArray
from understudy.runtime.fast_format import STEPS, TABLES, assemble, counted, halves, padded
from understudy.runtime.fast_rule import Rule

CNN = 5
"""A folded convolution by its number in the header."""

CNN_VERSION = 3
"""Version of the file."""

ABREAST = 32
"""Filters whose numbers lie together."""

HALF = 2.0**-11
"""Largest share of a number that float16 loses."""


@dataclass(frozen=True)
class Convolution:
    """The weights of a convolution over words, as torch has them.

    Attributes:
        embedding: ``(v, d)``.
        filters: ``(F, d, k)`` for every width k, from the least on, each one word wider than the last.
        biases: ``(F,)`` for every width.
        output, output_bias: ``(c, n · F)`` with the widths in that order, and ``(c,)``.
    """

    embedding: FloatArray
    filters: Sequence[FloatArray]
    biases: Sequence[FloatArray]
    output: FloatArray
    output_bias: FloatArray

    def __post_init__(self) -> None:
        widths = [each.shape[2] for each in self.filters]
        if widths != list(range(widths[0], widths[0] + len(widths))):
            raise ValueError(f"The filters see {widths} words: each group takes one more than the last.")
        features = sum(len(each) for each in self.filters)
        if len({len(each) for each in self.filters}) > 1 or self.output.shape[1] != features:
            raise ValueError(
                f"There are {[len(each) for each in self.filters]} filters, but the head reads "
                f"{self.output.shape[1]} features: it takes one a filter, as many of every width."
            )

    @property
    def count(self) -> int:
        """Filters of each width, F."""
        return len(self.filters[0])

    @property
    def narrowest(self) -> int:
        """Words that the narrowest filters see."""
        return int(self.filters[0].shape[2])

    @property
    def widest(self) -> int:
        """Words that the widest filters see."""
        return int(self.filters[-1].shape[2])

    @cached_property
    def kernels(self) -> npt.NDArray[np.int64]:
        """Words that each filter sees ``(L,)``, by falling width; 1 for those of padding."""
        return kernels_of(self.count, self.narrowest, self.widest)

    def by_width(self, parts: Sequence[FloatArray]) -> FloatArray:
        """What belongs to the filters of each width ``(F, …)`` as it lies in the file ``(L, …)``."""
        rows = np.concatenate(list(reversed(parts)))
        wide = np.zeros((len(self.kernels), *rows.shape[1:]), dtype=np.float32)
        wide[: len(rows)] = rows
        return wide

    @cached_property
    def products(self) -> FloatArray:
        """P as the file's rows have it ``(v, stride)``."""
        columns, back = columns_of(self.kernels)
        shifted = [
            np.zeros((self.count, *self.embedding.shape[1:], self.widest), np.float32) for _ in self.filters
        ]
        for wide, filters in zip(shifted, self.filters, strict=True):
            wide[:, :, : filters.shape[2]] = filters[:, :, ::-1]
        matrix = self.by_width(shifted)[columns, :, back]  # (stride, d)
        rows: FloatArray = self.embedding @ matrix.T
        return rows


@dataclass(frozen=True)
class Folded:
    """A folded convolution with its rows in one precision: what the file says, and how it answers.

    Attributes:
        weights: What was folded.
        table: One of `understudy.runtime.fast_format.TABLES`.
        numbers: The rows ``(v, stride)`` in that precision.
        steps: What one step of each filter's numbers is ``(L,)``; 1 unless the rows are int8.
    """

    weights: Convolution
    table: str
    numbers: npt.NDArray[np.float32 | np.float16 | np.int8]
    steps: FloatArray

    def logits(self, texts: Sequence[npt.NDArray[np.int64]]) -> FloatArray:
        """Logits ``(n, c)`` of texts that are given as ids, each of at least one."""
        return np.stack([self._logits(ids) for ids in texts])

    def _logits(self, ids: npt.NDArray[np.int64]) -> FloatArray:
        kernels, w = self.weights.kernels, self.weights
        columns, back = columns_of(kernels)
        rows = self.numbers[ids].astype(np.float32)
        windows = np.zeros((len(ids) + w.widest - 1, len(kernels)), dtype=np.float32)
        for o in range(w.widest):
            there = back == o
            windows[o : o + len(ids), columns[there]] += rows[:, there]
        meets_a_word = np.arange(len(windows))[:, None] < len(ids) + kernels - 1
        best = np.where(meets_a_word, windows, -np.inf).max(axis=0) * self.steps
        features = np.maximum(best + w.by_width(w.biases), 0)
        answer: FloatArray = _output(w) @ features + w.output_bias
        return answer

    @property
    def bound(self) -> float:
        """Most by which a logit differs from one of unrounded rows, beside what float32 loses in any order.

        A rounded number is off by half a step (int8) or by `HALF` of itself (float16), an answer by that of
        each word in the window; neither the maximum nor the ReLU makes two answers differ by more.
        """
        if self.table == "float32":
            return 0.0
        kernels = self.weights.kernels
        is_int8 = self.table == "int8"
        off: FloatArray = self.steps * 0.5 if is_int8 else _largest(self.weights.products, kernels) * HALF
        return float((np.abs(_output(self.weights)) @ (off * kernels)).max())


def kernels_of(count: int, narrowest: int, widest: int) -> npt.NDArray[np.int64]:
    """Words that each filter sees, by falling width, padded with ones to a multiple of `ABREAST`."""
    kernels = np.repeat(np.arange(widest, narrowest - 1, -1), count)
    return np.concatenate([kernels, np.ones(-len(kernels) % ABREAST, dtype=np.int64)])


def columns_of(kernels: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Of every number of a row ``(stride,)`` its filter, and how many words it is before a window's last."""
    filters = np.arange(len(kernels)).reshape(-1, ABREAST)
    depths = kernels[::ABREAST]
    columns = [np.tile(block, depth) for block, depth in zip(filters, depths, strict=True)]
    return np.concatenate(columns), np.concatenate([np.repeat(np.arange(depth), ABREAST) for depth in depths])


def fold(weights: Convolution, table: str = "float32") -> Folded:
    """A convolution with its rows in one of `understudy.runtime.fast_format.TABLES`."""
    rows, kernels = weights.products, weights.kernels
    ones = np.ones(len(kernels), dtype=np.float32)
    if table == "float32":
        return Folded(weights, table, rows, ones)
    if table == "float16":
        return Folded(weights, table, halves(rows), ones)
    steps = (_largest(rows, kernels) / STEPS).astype(np.float32)
    return Folded(weights, table, counted(rows, steps[columns_of(kernels)[0]]), steps)


def pack_folded(rule: Rule, folded: Folded) -> bytes:
    """The file's bytes.

    Raises:
        ValueError: There are not as many rows as words, or the table has an unknown precision.
    """
    w = folded.weights
    if len(folded.numbers) != len(rule.words) or folded.table not in TABLES:
        raise ValueError(
            f"There are {len(folded.numbers)} rows in {folded.table}, but {len(rule.words)} words."
        )
    layers = [w.by_width(w.biases)[None], _output(w), w.output_bias[None]]
    steps = [folded.steps[None]] if folded.table == "int8" else []
    little = folded.numbers.astype(folded.numbers.dtype.newbyteorder("<"))
    floats = b"".join((little.tobytes(), *map(padded, (*steps, *layers))))
    sizes = (len(rule.words), w.count, w.narrowest, len(w.output), rule.max_words, 0, w.widest, 0.0)
    return assemble(rule, CNN, sizes, folded.table, floats, version=CNN_VERSION)


def _output(weights: Convolution) -> FloatArray:
    """The head's weights as they lie in the file ``(c, L)``."""
    count, groups = weights.count, len(weights.filters)
    parts = [weights.output[:, count * i : count * (i + 1)].T for i in range(groups)]
    return np.ascontiguousarray(weights.by_width(parts).T)


def _largest(rows: FloatArray, kernels: npt.NDArray[np.int64]) -> FloatArray:
    """The largest of each filter's numbers, of either sign ``(L,)``."""
    columns, _ = columns_of(kernels)
    found = np.zeros(len(kernels), dtype=np.float32)
    np.maximum.at(found, columns, np.abs(rows).max(axis=0, initial=0.0))
    return found
