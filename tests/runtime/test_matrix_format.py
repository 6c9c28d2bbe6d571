from dataclasses import replace

import numpy as np
import pytest
from bag_cases import words
from matrix_cases import answer, matrices, packed, rounded

from understudy.runtime.fast_format import TABLES
from understudy.runtime.fast_header import HEADER, HEADER_BYTES
from understudy.runtime.fast_rule import rule_of
from understudy.runtime.matrix_format import pack_matrices, parts_of


@pytest.mark.parametrize("table", TABLES)
def test_rounding_again_changes_nothing(table):
    once = rounded(matrices(size=20, directions=2, width=9), table)
    np.testing.assert_allclose(rounded(once, table).rows, once.rows, rtol=1e-6)


@pytest.mark.parametrize("table", TABLES)
def test_padding_stays_the_identity(table):
    assert (rounded(matrices(size=20, directions=2, width=9), table).rows[0] == 0).all()


def test_matrices_and_vectors_have_steps_of_their_own():
    weights = matrices(size=4, directions=2, width=9)
    off = np.abs(rounded(weights, "int8").rows - weights.rows)
    for part, errors in zip(parts_of(weights.rows, 4, 2), parts_of(off, 4, 2), strict=True):
        steps = np.abs(part).max(axis=1) / 127
        assert (errors.max(axis=1) <= steps * 0.5001).all()


@pytest.mark.parametrize("seed", range(3))
def test_fewer_bits_move_logits_more_but_little(seed):
    weights, rng = matrices(size=20, width=30, spread=0.02, seed=seed), np.random.default_rng(seed)
    texts = [rng.integers(1, 10, 20) for _ in range(10)]
    moved = [
        max(np.abs(answer(rounded(weights, table), ids) - answer(weights, ids)).max() for ids in texts)
        for table in TABLES
    ]
    assert moved[0] == 0 < moved[1] < moved[2] < 0.1
    assert moved[1] < 2e-3


def test_the_file_is_as_it_is_described():
    weights = matrices(size=5, directions=2, width=6)
    file = packed(weights)
    facts = HEADER.unpack(file[:HEADER_BYTES])
    assert facts[:4] == (b"UNDRSTDY", 7, 128, len(file))
    assert facts[6:16] == (8, 1, 10, 6, 0, 3, 0, 5, 2, 0.0)
    floats = np.frombuffer(file, "<f4", offset=facts[-1])
    table, head, bias = np.split(floats, [10 * 64, 10 * 64 + 3 * 64])
    assert (table.reshape(10, 64)[:, :56] == weights.rows).all()
    assert (table.reshape(10, 64)[:, 56:] == 0).all()
    np.testing.assert_allclose(head.reshape(3, 64)[:, :56], weights.output * weights.scales, rtol=1e-6)
    expected = weights.output @ weights.shifts + weights.output_bias
    np.testing.assert_allclose(bias, [*expected, *[0] * 13], atol=1e-5)


def test_the_file_of_a_hidden_layer_is_as_it_is_described():
    weights = matrices(size=5, width=6, hidden=7)
    file = packed(weights)
    facts = HEADER.unpack(file[:HEADER_BYTES])
    assert facts[6:16] == (8, 1, 10, 6, 7, 3, 0, 5, 1, 0.0)
    floats = np.frombuffer(file, "<f4", offset=facts[-1])[10 * 32 :].reshape(-1, 16)
    layer, rest = floats[:31], floats[31:]
    assert (layer[:, :7] == weights.hidden.weight.T).all()
    for row, each in zip(rest[:3], (weights.hidden.bias, weights.scales, weights.shifts), strict=True):
        assert (row[:7] == each).all()
    assert (rest[3:10, :3] == weights.output.T).all()
    assert rest[10].tolist() == [*weights.output_bias, *[0] * 13]
    assert len(rest) == 11


def test_bytes_lie_before_the_steps_of_each_part():
    weights = matrices(size=5, directions=2, width=6)
    file = packed(weights, "int8")
    at = HEADER.unpack(file[:HEADER_BYTES])[-1]
    numbers = np.frombuffer(file, "i1", 10 * 64, at).reshape(10, 64)[:, :56]
    steps = np.frombuffer(file, "<f4", 3 * 16, at + 10 * 64).reshape(3, 16)[:, :10]
    back = numbers * np.repeat(steps.T, [25, 25, 6], axis=1)
    np.testing.assert_allclose(back, rounded(weights, "int8").rows, rtol=1e-6)
    assert np.abs(numbers).max() == 127


def test_weights_that_do_not_fit_are_refused():
    weights, layered = matrices(), matrices(hidden=4)
    with pytest.raises(ValueError, match="Rows of 25 numbers do not hold 2 matrices"):
        replace(weights, directions=2)
    with pytest.raises(ValueError, match=r"The head reads .* it takes \(25,\) three times"):
        replace(weights, output=weights.output[:, 1:])
    with pytest.raises(ValueError, match=r"A layer has weights \(4, 25\): not \(4, 24\)"):
        replace(layered, rows=layered.rows[:, 1:], size=4)
    with pytest.raises(ValueError, match="9 rows in float32, but 10 words"):
        pack_matrices(rule_of(words()), matrices(vocabulary=9))
    with pytest.raises(ValueError, match="10 rows in float8"):
        pack_matrices(rule_of(words()), weights, "float8")
