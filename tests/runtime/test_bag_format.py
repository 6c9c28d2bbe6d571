import hashlib

import numpy as np
import pytest
from bag_cases import bag, words

from understudy.runtime.bag_format import ALIGNED, BagWeights, pack_bag, round_bag_rows
from understudy.runtime.fast_format import LANES, TABLES, Weights, pack
from understudy.runtime.fast_header import HEADER, HEADER_BYTES, WORDS
from understudy.runtime.fast_rule import rule_of
from understudy.tokenization.words import SPECIALS, WordVocabulary

SHA = [
    "f37483b4c7812f2b",
    "408ea3b5c2c3cb1d",
    "fa97ad41138f9c56",
    "37453b1cd79fa53c",
    "c4881c8259aefbb4",
    "1392f8c035a05103",
]
"""Of files of `cbow.v1` and `dan.v1`, in every precision, as they were before there was a version 2."""


def weights():
    def numbers(*shape, start=0):
        return np.arange(start, start + np.prod(shape), dtype=np.float32).reshape(shape)

    return BagWeights(
        rows=numbers(7, 4),
        squares=numbers(7, start=50),
        output_bias=np.array([7, 8], np.float32),
        grams=np.array([[3, 4], [5, 3]], np.int32),
        longest=3,
        hidden=numbers(3, 2, start=100),
        hidden_bias=np.array([1, 2, 3], np.float32),
        output=numbers(2, 3, start=200),
    )


def rows_of(file, table):
    """Each row's numbers ``(n, 2 · LANES)``, and what lies behind them as float32."""
    width = 2 * LANES * np.dtype(table).itemsize
    row = -(-(width + 4 * (3 if table == "i1" else 1)) // ALIGNED) * ALIGNED
    raw = np.frombuffer(file, np.uint8, 7 * row, HEADER.unpack(file[:HEADER_BYTES])[-1]).reshape(7, row)
    return raw[:, :width].copy().view(table), raw[:, width:].copy().view("<f4")


def test_the_file_is_as_it_is_described():
    one = weights()
    file = pack_bag(rule_of(WordVocabulary((*SPECIALS, "a", "b"))), one)
    facts = HEADER.unpack(file[:HEADER_BYTES])
    assert facts[:4] == (b"UNDRSTDY", 6, 128, len(file))
    assert facts[6:16] == (4, WORDS, 5, 2, 3, 2, 0, 2, 3, 0.0)
    table, behind = rows_of(file, "<f4")
    np.testing.assert_array_equal(table[:, :2], one.rows[:, :2])
    np.testing.assert_array_equal(table[:, LANES : LANES + 2], one.rows[:, 2:])
    assert table.sum() == one.rows.sum()
    np.testing.assert_array_equal(behind, np.pad(one.squares[:, None], ((0, 0), (0, 3))))
    rest = np.frombuffer(file, "<f4", offset=facts[-1] + table.nbytes + behind.nbytes).reshape(-1, LANES)
    np.testing.assert_array_equal(rest[:2, :3], one.hidden.T)
    np.testing.assert_array_equal(rest[2, :3], one.hidden_bias)
    np.testing.assert_array_equal(rest[3:6, :2], one.output.T)
    np.testing.assert_array_equal(rest[6, :2], one.output_bias)
    assert rest[7].view("<u4").tolist() == [3, 4, 5, 3] + 12 * [0]
    assert len(rest) == 8


def test_both_parts_of_a_row_have_a_scale_in_int8():
    one = weights()
    rule = rule_of(WordVocabulary((*SPECIALS, "a", "b")))
    file = pack_bag(rule, one, "int8")
    table, behind = rows_of(file, "i1")
    np.testing.assert_array_equal(behind[:, 0], one.squares)
    np.testing.assert_allclose(behind[:, 1:3], one.rows.reshape(7, 2, 2).max(axis=2) / 127, rtol=1e-6)
    assert table[:, [1, LANES + 1]].tolist() == [[127, 127]] * 7
    found = np.concatenate([table[:, :2] * behind[:, 1:2], table[:, 16:18] * behind[:, 2:3]], axis=1)
    np.testing.assert_allclose(round_bag_rows(one.rows, 2, "int8"), found, rtol=1e-6)
    assert file.endswith(pack_bag(rule, one)[-4 * 8 * LANES :])


@pytest.mark.parametrize(("form", "number"), [("linear.v1", 4), ("cbow.v2", 3), ("dan.v2", 4)])
def test_the_three_students_by_their_numbers(form, number):
    one = bag(form, 10, 5)
    facts = HEADER.unpack(pack_bag(rule_of(words()), one)[:HEADER_BYTES])
    assert facts[6] == number
    assert (facts[9] == 0) == (facts[10] == 0) == (form == "linear.v1")
    assert one.is_direct == (form != "cbow.v2")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"hidden": None}, "both layers or none"),
        ({"rows": np.ones((7, 3), np.float32)}, "A row has 3 numbers"),
        ({"squares": np.ones(6, np.float32)}, r"7 rows, but squares \(6,\)"),
        ({"grams": np.ones((2, 3), np.int32)}, r"n-grams \(2, 3\)"),
    ],
)
def test_weights_that_do_not_fit_are_refused(changes, why):
    with pytest.raises(ValueError, match=why):
        BagWeights(**{**vars(weights()), **changes})


def test_rows_that_are_not_those_of_the_vocabulary_are_refused():
    with pytest.raises(ValueError, match="7 rows, but 4 words and 2 n-grams"):
        pack_bag(rule_of(WordVocabulary((*SPECIALS, "a"))), weights())


def test_files_of_the_first_version_are_the_same_bytes_as_ever():
    rule = rule_of(WordVocabulary((*SPECIALS, "a", "é")))
    rows = np.arange(10, dtype=np.float32).reshape(5, 2)
    layers = rows[:3], rows[:3, 0], rows[:3].T, rows[0]
    files = [pack(rule, Weights(rows, *layers), table) for table in TABLES]
    files += [pack(rule, Weights(rows, *layers, rows[:4], 2, 0.5), table) for table in TABLES]
    assert [hashlib.sha256(file).hexdigest()[:16] for file in files] == SHA
