"""`model.fast`, version 5: stacked bidirectional LSTMs over words, folded into their table (`bilstm.v1`).

What a word adds to the first layer's gates depends on the word alone. So these products are made once, when
the file is written, and of the weights only those are left that meet states (Hochreiter & Schmidhuber 1997,
with the forget gate of Gers et al. 2000; gates as in torch)::

    first layer     gates_t = P[word_t] + W_hh · h_t-1,   P[w] = W_ih · embedding[w] + b_ih + b_hh
    further layers  gates_t = W_ih · [forward_t, backward_t] + b_ih + b_hh + W_hh · h_t-1
    i, f, g, o      = gates_t
    c_t             = sigmoid(f) · c_t-1 + sigmoid(i) · tanh(g)
    h_t             = sigmoid(o) · tanh(c_t)
    logits          = W · [forward_last, backward_first] + b

The header is that of version 1 (`fast_format.py`), with the units of a direction as *hidden*, the number of
layers as *longest*, a *width* of 0, and neither buckets nor a weight of n-grams. Units are padded to a
multiple of 16, U. The gates of 16 units lie together, i of all of them, then f, g and o: `GATED` numbers. The
weights are:

1. a row a word, what it adds to the forward gates and to the backward ones ``(2, U / 16, GATED)``: float32,
   float16, or int8 and the step of each row (float32, padded to a multiple of 16);
2. for each layer, forward then backward: but for the first layer W_ih, whose states are U forward ones and U
   backward ones, and the sum of both biases (float32); then W_hh;
3. the head's weights, a row a label, with U numbers for each direction; its bias, padded to a multiple of 16.

A matrix is ``(U / 16, states, GATED)`` of float32. Where the table is int8, it is ``(U / 16, states / 4,
GATED, 4)`` of int8 from -127 to 127, and a 127th of the step of each gate follows (float32). States are then
rounded to 127ths before they are multiplied, except in the head. So sums of products are whole numbers, the
same in any order; but a state that lies between two 127ths may be rounded either way, as floats before it
were added up.

How far rounding moves a logit has no useful bound, since each state moves those after it. Export measures it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from understudy.core.task import FloatArray
from understudy.runtime.fast_format import (
    LANES,
    STEPS,
    TABLES,
    assemble,
    in_steps,
    pad,
    padded,
    round_rows,
    table_bytes,
)
from understudy.runtime.fast_rule import Rule

LSTM = 7
"""Stacked bidirectional LSTMs by their number in the header."""

LSTM_VERSION = 5
"""Version of the file."""

GATES = 4
"""Gates of a unit: those that let in, forget, update and let out."""

GATED = GATES * LANES
"""Numbers that the gates of `LANES` units need."""

TOGETHER = 64
"""Texts that numpy answers at once."""


@dataclass(frozen=True)
class Direction:
    """One direction of a layer, as torch has it.

    Attributes:
        entering: W_ih ``(4h, d)``, of the first layer, or ``(4h, 2h)``.
        recurrent: W_hh ``(4h, h)``.
        bias: b_ih + b_hh ``(4h,)``.
    """

    entering: FloatArray
    recurrent: FloatArray
    bias: FloatArray


@dataclass(frozen=True)
class Stack:
    """The weights of stacked bidirectional LSTMs over words, as torch has them.

    Attributes:
        embedding: ``(v, d)``.
        layers: From the first one on, forward and backward.
        output, output_bias: ``(c, 2h)`` and ``(c,)``.
    """

    embedding: FloatArray
    layers: Sequence[tuple[Direction, Direction]]
    output: FloatArray
    output_bias: FloatArray

    def __post_init__(self) -> None:
        entering, h = self.embedding.shape[1], self.units
        for layer in self.layers:
            for each in layer:
                shapes = each.entering.shape, each.recurrent.shape, each.bias.shape
                if shapes != ((4 * h, entering), (4 * h, h), (4 * h,)):
                    raise ValueError(
                        f"A layer has weights {shapes}: it takes ((4h, {entering}), (4h, h), (4h,)), h = {h}."
                    )
            entering = 2 * h
        if self.output.shape[1:] != (2 * h,):
            raise ValueError(f"The head reads {self.output.shape[1:]} features: it takes ({2 * h},).")

    @property
    def units(self) -> int:
        """Units of a direction, h."""
        return int(self.layers[0][0].recurrent.shape[1])

    @cached_property
    def rows(self) -> FloatArray:
        """P of both directions ``(v, 8h)``, gates as in torch."""
        parts = [self.embedding @ each.entering.T + each.bias for each in self.layers[0]]
        return np.concatenate(parts, axis=1)


@dataclass(frozen=True)
class Recurrent:
    """Stacked LSTMs in one precision: what the file says, and how it answers.

    Attributes:
        stack: Weights, rounded to what the file has.
        rows: P ``(v, 8h)``, rounded likewise.
        table: One of `understudy.runtime.fast_format.TABLES`; with ``int8`` states are rounded, too.
    """

    stack: Stack
    rows: FloatArray
    table: str

    def logits(self, texts: Sequence[npt.NDArray[np.int64]]) -> FloatArray:
        """Logits ``(n, c)`` of texts that are given as ids, each of at least one; made in float64."""
        order = np.argsort([len(ids) for ids in texts], kind="stable")
        answers = np.empty((len(texts), len(self.stack.output)), dtype=np.float32)
        for some in np.split(order, range(TOGETHER, len(texts), TOGETHER)):  # of similar length
            answers[some] = self._logits([texts[number] for number in some])
        return answers

    def _logits(self, texts: Sequence[npt.NDArray[np.int64]]) -> FloatArray:
        lengths = np.array([len(ids) for ids in texts])
        ids = np.zeros((len(texts), lengths.max()), dtype=np.int64)
        ids[np.arange(ids.shape[1]) < lengths[:, None]] = np.concatenate(list(texts))
        h = self.stack.units
        entered = self.rows[ids].astype(np.float64)
        forward, backward = self._layer(0, [entered[:, :, : 4 * h], entered[:, :, 4 * h :]], lengths)
        for number, layer in enumerate(self.stack.layers[1:], 1):
            below = self._rounded(np.concatenate([forward, backward], axis=2))
            gates = [below @ each.entering.T + each.bias for each in layer]
            forward, backward = self._layer(number, gates, lengths)
        last = np.concatenate([forward[np.arange(len(texts)), lengths - 1], backward[:, 0]], axis=1)
        answers: FloatArray = last @ self.stack.output.T + self.stack.output_bias
        return answers

    def _layer(
        self, number: int, gates: Sequence[npt.NDArray[Any]], lengths: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """Both directions' states ``(n, t, h)``, of what enters their gates ``(n, t, 4h)``."""
        forward, backward = self.stack.layers[number]
        return self._read(forward, gates[0], lengths, 0), self._read(backward, gates[1], lengths, 1)

    def _read(
        self, direction: Direction, gates: npt.NDArray[Any], lengths: npt.NDArray[np.int64], way: int
    ) -> npt.NDArray[Any]:
        """One direction's states; behind a text's end, zeros."""
        n, t, _ = gates.shape
        h = cells = np.zeros((n, self.stack.units))
        states = np.zeros((n, t, self.stack.units))
        for at in reversed(range(t)) if way else range(t):
            i, f, g, o = np.split(gates[:, at] + self._rounded(h) @ direction.recurrent.T, GATES, axis=1)
            cells = _sigmoid(f) * cells + _sigmoid(i) * np.tanh(g)
            h = _sigmoid(o) * np.tanh(cells)
            is_there = (at < lengths)[:, None]  # before its last word the backward direction has no state
            h, cells = np.where(is_there, h, 0.0), np.where(is_there, cells, 0.0)
            states[:, at] = h
        return states

    def _rounded(self, states: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """States as they are multiplied."""
        return np.rint(states * STEPS) / STEPS if self.table == "int8" else states


def recur(stack: Stack, table: str = "float32") -> Recurrent:
    """Stacked LSTMs with their numbers in one of `understudy.runtime.fast_format.TABLES`.

    Rows of words are rounded in each; weights that meet states only in ``int8``, a step for each gate.
    """
    rows = round_rows(stack.rows, table)
    if table != "int8":
        return Recurrent(stack, rows, table)
    first, *further = [(_in_bytes(forward), _in_bytes(backward)) for forward, backward in stack.layers]
    exact = [replace(each, entering=own.entering) for each, own in zip(first, stack.layers[0], strict=True)]
    layers = [(exact[0], exact[1]), *further]  # the first layer's products with words are rounded as rows
    return Recurrent(replace(stack, layers=layers), rows, table)


def pack_recurrent(rule: Rule, recurrent: Recurrent) -> bytes:
    """The file's bytes.

    Raises:
        ValueError: There are not as many rows as words, or the table has an unknown precision.
    """
    stack, table = recurrent.stack, recurrent.table
    words, labels = len(rule.words), len(stack.output)
    if len(recurrent.rows) != words or table not in TABLES:
        raise ValueError(f"There are {len(recurrent.rows)} rows in {table}, but {words} words.")

    h = stack.units
    rows = _by_block(recurrent.rows.reshape(words, 2, GATES * h)).reshape(words, -1)
    parts = [table_bytes(rows, table)]
    for number, layer in enumerate(stack.layers):
        for each in layer:
            if number:
                parts += [_matrix_bytes(each.entering, h, table), padded(_by_block(each.bias)[None])]
            parts.append(_matrix_bytes(each.recurrent, h, table))
    head = pad(stack.output.reshape(labels, 2, h)).reshape(labels, -1)
    parts += [padded(head), padded(stack.output_bias[None])]
    sizes = (words, 0, h, labels, rule.max_words, 0, len(stack.layers), 0.0)
    return assemble(rule, LSTM, sizes, table, b"".join(parts), version=LSTM_VERSION)


def _in_bytes(direction: Direction) -> Direction:
    """A direction with each gate's weights rounded to its own step."""
    entering, recurrent = (round_rows(each, "int8") for each in (direction.entering, direction.recurrent))
    return replace(direction, entering=entering, recurrent=recurrent)


def _matrix_bytes(matrix: FloatArray, h: int, table: str) -> bytes:
    """Weights ``(4h, h)`` or ``(4h, 2h)`` as they lie in the file, the steps of int8 behind them."""
    states = pad(matrix.reshape(len(matrix), -1, h)).reshape(len(matrix), -1)
    if table != "int8":
        return _blocks(states, 1).astype("<f4").tobytes()
    numbers, steps = in_steps(states)
    return _blocks(numbers, 4).tobytes() + padded(_by_block(steps / STEPS)[None])  # states are 127ths


def _blocks(matrix: npt.NDArray[Any], together: int) -> npt.NDArray[Any]:
    """Weights ``(4h, k)`` by blocks of gates ``(U / 16, k / together, GATED, together)``."""
    columns = _by_block(matrix.T)
    split = columns.reshape(len(columns) // together, together, -1, GATED)
    return np.ascontiguousarray(split.transpose(2, 0, 3, 1))


def _by_block(gates: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Numbers of gates ``(…, 4h)``, in torch's order, as they lie in the file ``(…, 4U)``."""
    units = pad(gates.reshape(*gates.shape[:-1], GATES, -1), gates.dtype)
    blocks = units.reshape(*units.shape[:-1], -1, LANES)  # (…, 4, U / 16, 16)
    return np.swapaxes(blocks, -3, -2).reshape(*gates.shape[:-1], -1)


def _sigmoid(x: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return 0.5 + 0.5 * np.tanh(0.5 * x)
