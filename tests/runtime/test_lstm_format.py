from dataclasses import replace

import numpy as np
import pytest
from bag_cases import words
from lstm_cases import answer, packed, stack

from understudy.runtime.fast_format import TABLES
from understudy.runtime.fast_header import HEADER, HEADER_BYTES
from understudy.runtime.fast_rule import rule_of
from understudy.runtime.lstm_format import TOGETHER, Stack, pack_recurrent, recur

TEXTS = [
    np.array(ids) for ids in ([3], [3, 9], [4, 5, 6], [9, 8, 7, 6, 5, 4, 3], [1, 1, 3, 3, 3, 9, 9, 1, 2, 8])
]


@pytest.mark.parametrize("sizes", [(1, 1), (5, 2), (16, 3), (17, 1)])
def test_a_batch_answers_as_its_texts_do_word_by_word(sizes):
    units, layers = sizes
    weights = stack(units=units, layers=layers)
    expected = np.array([answer(weights, ids) for ids in TEXTS])
    np.testing.assert_allclose(recur(weights).logits(TEXTS), expected, atol=1e-5)
    many = recur(weights).logits(TEXTS * TOGETHER)
    np.testing.assert_allclose(many, np.concatenate([expected] * TOGETHER), atol=1e-5)


@pytest.mark.parametrize("table", TABLES)
def test_rounding_again_changes_nothing(table):
    once = recur(stack(units=20), table)
    again = recur(once.stack, table)
    for one, other in zip(once.stack.layers, again.stack.layers, strict=True):
        for way in (0, 1):
            np.testing.assert_allclose(one[way].recurrent, other[way].recurrent, rtol=1e-6)
            np.testing.assert_allclose(one[way].entering, other[way].entering, rtol=1e-6)
    assert pack_recurrent(rule_of(words()), once)[:24] == pack_recurrent(rule_of(words()), again)[:24]


@pytest.mark.parametrize("seed", range(3))
def test_fewer_bits_move_logits_more_but_little(seed):
    weights = stack(units=20, seed=seed)
    moved = {
        table: np.abs(recur(weights, table).logits(TEXTS) - [answer(weights, ids) for ids in TEXTS]).max()
        for table in TABLES
    }
    assert moved["float32"] < 1e-5 < moved["float16"] < 5e-3
    assert moved["float16"] < moved["int8"] < 0.1


def test_the_file_is_as_it_is_described():
    weights = stack(units=5)
    file = packed(weights)
    facts = HEADER.unpack(file[:HEADER_BYTES])
    assert facts[:4] == (b"UNDRSTDY", 5, 128, len(file))
    assert facts[6:16] == (7, 1, 10, 0, 5, 3, 0, 0, 2, 0.0)
    floats = np.frombuffer(file, "<f4", offset=facts[-1])
    rows, rest = floats[: 10 * 128].reshape(10, 2, 4, 16), floats[10 * 128 :]
    first = weights.embedding[6] @ weights.layers[0][1].entering.T + weights.layers[0][1].bias
    np.testing.assert_allclose(rows[6, 1, :, :5], first.reshape(4, 5), rtol=1e-5)
    assert (rows[..., 5:] == 0).all()  # padding

    matrix = 16 * 64
    sizes = [matrix, matrix, *[2 * matrix, 64, matrix] * 2, 3 * 32, 16]
    parts = np.split(rest, np.cumsum(sizes)[:-1])
    np.testing.assert_array_equal(
        parts[1].reshape(16, 4, 16)[:5, :, :5], weights.layers[0][1].recurrent.T.reshape(5, 4, 5)
    )
    entering = parts[5].reshape(2, 16, 4, 16)[:, :5, :, :5]  # of the second layer's backward direction
    np.testing.assert_array_equal(entering, weights.layers[1][1].entering.T.reshape(2, 5, 4, 5))
    np.testing.assert_array_equal(parts[6].reshape(4, 16)[:, :5].reshape(-1), weights.layers[1][1].bias)
    np.testing.assert_array_equal(parts[-2].reshape(3, 2, 16)[:, :, :5].reshape(3, 10), weights.output)
    assert parts[-1].tolist() == [*weights.output_bias, *[0] * 13]


def test_four_states_of_a_file_in_bytes_lie_together():
    weights = stack(units=17, layers=1)
    file = packed(weights, "int8")
    at = HEADER.unpack(file[:HEADER_BYTES])[-1] + 10 * 256 + 4 * 16
    matrix = np.frombuffer(file, "i1", 32 * 128, at).reshape(2, 8, 64, 4)
    steps = np.frombuffer(file, "<f4", 128, at + matrix.size).reshape(2, 4, 16) * 127
    back = matrix.transpose(1, 3, 0, 2).reshape(32, 2, 4, 16) * steps  # (states, blocks, gates, units)
    found = back.swapaxes(1, 2).reshape(32, 4, 32)[:17, :, :17].reshape(17, 68)
    np.testing.assert_allclose(found, recur(weights, "int8").stack.layers[0][0].recurrent.T, rtol=1e-5)
    assert np.abs(found).max() > 0.1


def test_weights_that_do_not_fit_are_refused():
    weights = stack()
    with pytest.raises(ValueError, match=r"takes \(\(4h, 10\)"):
        Stack(weights.embedding, weights.layers[:1] * 2, weights.output, weights.output_bias)
    with pytest.raises(ValueError, match=r"reads \(9,\) features: it takes \(10,\)"):
        replace(weights, output=weights.output[:, 1:])
    with pytest.raises(ValueError, match="9 rows in float32, but 10 words"):
        pack_recurrent(rule_of(words()), recur(stack(vocabulary=9)))
