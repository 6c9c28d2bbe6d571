import numpy as np
import pytest
from bag_cases import words
from cnn_cases import answer, convolution, packed

from understudy.runtime.cnn_format import ABREAST, Convolution, columns_of, fold, kernels_of, pack_folded
from understudy.runtime.fast_format import TABLES
from understudy.runtime.fast_header import HEADER, HEADER_BYTES
from understudy.runtime.fast_rule import rule_of

TEXTS = [
    np.array(ids) for ids in ([3], [3, 9], [4, 5, 6], [9, 8, 7, 6, 5, 4, 3], [1, 1, 3, 3, 3, 9, 9, 1, 2, 8])
]


def test_filters_lie_by_falling_width():
    assert kernels_of(3, 2, 4).tolist() == [4, 4, 4, 3, 3, 3, 2, 2, 2] + [1] * (ABREAST - 9)
    columns, back = columns_of(
        kernels_of(20, 2, 3)
    )  # 40 filters: the second block begins with one of 2 words
    assert len(columns) == len(back) == ABREAST * (3 + 2)
    assert columns[: ABREAST * 3].tolist() == list(range(ABREAST)) * 3
    assert back.tolist() == [o for o in (0, 1, 2, 0, 1) for _ in range(ABREAST)]


@pytest.mark.parametrize("sizes", [(5, 3, 5), (1, 1, 1), (40, 2, 3), (33, 1, 5), (100, 3, 5), (3, 7, 8)])
def test_products_answer_as_filters_do(sizes):
    filters, narrowest, widest = sizes
    weights = convolution(filters=filters, narrowest=narrowest, widest=widest)
    expected = np.array([answer(weights, ids) for ids in TEXTS])
    np.testing.assert_allclose(fold(weights).logits(TEXTS), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("seed", range(5))
def test_rounding_moves_no_logit_further_than_its_bound(table, seed):
    weights = convolution(vocabulary=10, filters=40, seed=seed)
    one = fold(weights, table)
    rng = np.random.default_rng(seed)
    texts = [rng.integers(1, 10, n) for n in (1, 2, 5, 30, 100)]
    moved = np.abs(one.logits(texts) - [answer(weights, ids) for ids in texts]).max()
    assert moved <= one.bound + 1e-4
    assert (one.bound > 0) == (table != "float32")
    if table == "int8":
        assert moved > one.bound / 100


def test_a_filter_that_answers_nothing_has_no_step():
    weights = convolution()
    weights.filters[0][:] = 0
    one = fold(weights, "int8")
    assert (one.steps[10:15] == 0).all()  # the widest lie first
    assert np.abs(one.logits(TEXTS)).min(axis=1).max() > 0
    assert np.isfinite(one.logits(TEXTS)).all()


def test_the_file_is_as_it_is_described():
    weights = convolution(filters=5)
    file = packed(weights, "int8")
    facts = HEADER.unpack(file[:HEADER_BYTES])
    assert facts[:4] == (b"UNDRSTDY", 3, 128, len(file))
    assert facts[6:16] == (5, 1, 10, 5, 3, 3, 0, 0, 5, 0.0)
    rows = np.frombuffer(file, "i1", 10 * ABREAST * 5, facts[-1]).reshape(10, 5, ABREAST)
    np.testing.assert_array_equal(rows.reshape(10, -1), fold(weights, "int8").numbers)
    assert (rows[:, :, 15:] == 0).all()  # padding
    assert (rows[:, 3, 10:15] == 0).all()  # filters of 3 words see none that is 3 before the last
    rest = np.frombuffer(file, "<f4", offset=facts[-1] + rows.size).reshape(-1)
    steps, biases, head, bias = np.split(rest, [ABREAST, 2 * ABREAST, 5 * ABREAST])
    np.testing.assert_array_equal(steps, fold(weights, "int8").steps)
    np.testing.assert_array_equal(biases[:15], np.concatenate(weights.biases[::-1]))
    np.testing.assert_array_equal(head.reshape(3, ABREAST)[:, :5], weights.output[:, 10:])
    assert bias.tolist() == [*weights.output_bias, *[0] * 13]


def test_weights_that_do_not_fit_are_refused():
    weights = convolution()
    with pytest.raises(ValueError, match="one more than the last"):
        Convolution(
            weights.embedding, weights.filters[::-1], weights.biases, weights.output, weights.output_bias
        )
    with pytest.raises(ValueError, match="the head reads 14 features"):
        Convolution(
            weights.embedding, weights.filters, weights.biases, weights.output[:, 1:], weights.output_bias
        )
    with pytest.raises(ValueError, match="9 rows in float32, but 10 words"):
        pack_folded(rule_of(words()), fold(convolution(vocabulary=9)))
