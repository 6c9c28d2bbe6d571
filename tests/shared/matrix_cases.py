"""What the tests of students of matrices share: random weights, the answer by definition, and bounds."""

from dataclasses import replace

import numpy as np
from bag_cases import words

from understudy.runtime.fast_rule import rule_of
from understudy.runtime.matrix_format import (
    EPSILON,
    Hidden,
    MatrixWeights,
    pack_matrices,
    round_matrix_rows,
)

NEAR = 1e-4
"""What logits may differ whose sums were made in another order. Layer norm makes features about 1 in size, of
which a product's error is at most some hundreds of float32's steps of 6e-8 in these tests."""


def matrices(vocabulary=10, size=5, directions=1, width=0, hidden=0, labels=3, seed=0, spread=0.1):
    """Random weights, matrices near the identity; padding is zero."""
    rng = np.random.default_rng(seed)

    def normal(*shape):
        return rng.normal(size=shape).astype(np.float32)

    features = directions * size**2 + width
    rows = np.concatenate(
        [normal(vocabulary, features - width) * np.float32(spread), normal(vocabulary, width)], axis=1
    )
    rows[0] = 0
    read = hidden or features
    layer = Hidden(normal(hidden, features) / np.sqrt(features, dtype=np.float32), normal(hidden))
    output = normal(labels, read) / np.sqrt(read, dtype=np.float32)
    return MatrixWeights(
        *(rows, size, directions, 1 + normal(read) / 4, normal(read) / 4, output, normal(labels)),
        layer if hidden else None,
    )


def features(weights, ids):
    """Features ``(f,)`` in float64: one word after the other."""
    found = []
    for way in range(weights.directions):
        running = np.eye(weights.size)
        for number in ids[::-1] if way else ids:
            running = running @ matrix(weights, number, way)
        found.append(running.ravel())
    vectors = weights.rows[ids, weights.features - weights.width :].astype(np.float64)
    return np.concatenate([*found, vectors.mean(axis=0)])


def matrix(weights, number, way, is_positive=False):
    """A word's matrix in float64; or what its entries are at most, each part of a sum taken as positive."""
    square = weights.size**2
    deviation = weights.rows[number, way * square : (way + 1) * square].astype(np.float64)
    deviation = deviation.reshape(weights.size, weights.size)
    return np.eye(weights.size) + (np.abs(deviation) if is_positive else deviation)


def bounds(weights, ids):
    """By how much a feature ``(f,)`` of float32 may differ from `features`.

    A product of n matrices, made one after the other by sums of d + 1 terms, is off by at most
    n (d + 2) u |M1| … |Mn|, but for terms in u² (Higham 2002, section 3.5); a sum of n numbers by n u times
    that of their sizes. Half as much again is allowed for the rest.
    """
    unit, found = 2.0**-24, []
    for way in range(weights.directions):
        most = np.eye(weights.size)
        for number in ids[::-1] if way else ids:
            most = most @ matrix(weights, number, way, is_positive=True)
        found.append((len(ids) * (weights.size + 2) * most).ravel())
    sizes = np.abs(weights.rows[ids, weights.features - weights.width :]).mean(axis=0)
    return 1.5 * unit * np.concatenate([*found, (len(ids) + 1) * sizes])


def normalised(x):
    """Layer norm (Ba et al. 2016) without scales and shifts."""
    apart = x - x.mean()
    return apart / np.sqrt((apart**2).mean() + EPSILON)


def answer(weights, ids):
    """Logits ``(c,)`` in float64."""
    read = features(weights, ids)
    if weights.hidden is not None:
        read = weights.hidden.weight @ read + weights.hidden.bias
    read = normalised(read) * weights.scales + weights.shifts
    if weights.hidden is not None:
        read = np.maximum(read, 0)
    return weights.output @ read + weights.output_bias


def rounded(weights, table):
    """The same weights with rows as a table of this precision has them."""
    rows = round_matrix_rows(weights.rows, weights.size, weights.directions, table)
    return replace(weights, rows=rows)


def packed(weights, table="float32", vocabulary=None):
    return pack_matrices(rule_of(vocabulary or words()), weights, table)
