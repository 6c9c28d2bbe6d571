"""What the tests of stacked LSTMs share: random weights, and the answer by definition."""

import numpy as np
from bag_cases import words

from understudy.runtime.fast_rule import rule_of
from understudy.runtime.lstm_format import Direction, Stack, pack_recurrent, recur

NEAR = 1e-4
"""What floats may differ that were added up in another order, or made by another exponential."""

BYTES_NEAR = 0.02
"""The same where states are rounded: one that lies between two 127ths may be rounded either way, and moves
all that follow it."""


def near(table):
    """How far two answers may lie apart."""
    return BYTES_NEAR if table == "int8" else NEAR


def stack(vocabulary=10, width=6, units=5, layers=2, labels=3, seed=0):
    """Random weights, small enough that cells remember but do not saturate; padding is zero."""
    rng = np.random.default_rng(seed)

    def normal(*shape):
        return (rng.normal(size=shape) / np.sqrt(shape[-1])).astype(np.float32)

    def direction(entering):
        return Direction(normal(4 * units, entering), normal(4 * units, units), normal(4 * units))

    embedding = 3 * normal(vocabulary, width)
    embedding[0] = 0
    entering = [width, *[2 * units] * (layers - 1)]
    both = [(direction(each), direction(each)) for each in entering]
    return Stack(embedding, both, 2 * normal(labels, 2 * units), normal(labels))


def answer(weights, ids):
    """Logits ``(c,)`` in float64: one word after the other."""
    below = weights.embedding[ids].astype(np.float64)
    for layer in weights.layers:
        forward, backward = read(layer[0], below), read(layer[1], below[::-1])
        below = np.concatenate([forward, backward[::-1]], axis=1)
    return weights.output @ np.concatenate([forward[-1], backward[-1]]) + weights.output_bias


def read(direction, inputs):
    """States ``(t, h)``, as Hochreiter & Schmidhuber 1997 and Gers et al. 2000 define them."""
    h = cell = np.zeros(direction.recurrent.shape[1])
    states = []
    for each in inputs:
        gates = direction.entering @ each + direction.recurrent @ h + direction.bias
        enter, forget, update, leave = np.split(gates, 4)
        cell = sigmoid(forget) * cell + sigmoid(enter) * np.tanh(update)
        h = sigmoid(leave) * np.tanh(cell)
        states.append(h)
    return np.array(states)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def packed(weights, table="float32", vocabulary=None):
    return pack_recurrent(rule_of(vocabulary or words()), recur(weights, table))
