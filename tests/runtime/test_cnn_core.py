"""Folded convolutions in the C extension: windows by hand, and numpy's answers. `make sanitize` runs it."""

import fast_cases
import numpy as np
import pytest
from bag_cases import NAMES, words
from cnn_cases import answer, convolution, packed
from fast_cases import LEVELS, check_strings, check_ways

from understudy.runtime.cnn_format import Convolution, fold
from understudy.runtime.fast_format import TABLES

extension = pytest.importorskip("understudy._fast", reason="the C extension was not built")
vocabularies = fast_cases.vocabularies  # fixtures


def student(weights, level=2, table="float32", vocabulary=None):
    labels = tuple(f"l{n}" for n in range(len(weights.output_bias)))
    vocabulary = vocabulary or words()
    return extension.Student(packed(weights, table, vocabulary), labels, vocabulary.encode, level)


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("level", LEVELS)
def test_windows_by_hand(level, table):
    """Words of 1 and 10; a filter of two words counts the second one twice, one of three the last one."""
    embedding = np.zeros((10, 1), np.float32)
    embedding[6], embedding[7] = 1, 10  # "good", "bad"
    filters = [np.array([[[1, 2]]], np.float32), np.array([[[0, 0, -1]]], np.float32)]
    biases = [np.zeros(1, np.float32), np.array([100], np.float32)]
    weights = Convolution(
        embedding, filters, biases, np.eye(2, dtype=np.float32), np.array([0, 1000], np.float32)
    )
    one = student(weights, level, table)
    off = {"atol": 20 / 127} if table == "int8" else {"rtol": 1e-6}  # half a step of a filter, twice
    for text, first in (
        ("good", 2),
        ("bad", 20),
        ("good bad", 21),
        ("bad good", 20),  # the first one alone; both together are 12
        ("bad the good", 20),
        ("zebra", 0),
    ):
        np.testing.assert_allclose(one.logits(text), [first, 1100], **off)


@pytest.mark.parametrize("level", LEVELS)
def test_a_window_without_a_word_is_none(level):
    """Filters that answer less than nothing to every word: what lies behind the text must not count."""
    embedding = np.full((10, 1), 1, np.float32)
    filters = [np.full((40, 1, k), -1, np.float32) for k in (2, 3)]
    biases = [np.full(40, 2, np.float32)] * 2
    head = np.full((1, 80), 1, np.float32)
    one = student(Convolution(embedding, filters, biases, head, np.zeros(1, np.float32)), level)
    for text in ("good", "good bad", "good bad good bad the film"):
        np.testing.assert_allclose(one.logits(text), [80], rtol=1e-6)  # 2 - 1: a window with one word


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize(
    "sizes",
    [
        (1, 1, 1, 1),
        (5, 3, 5, 3),
        (100, 3, 5, 64),
        (32, 1, 5, 2),
        (33, 2, 4, 17),
        (70, 1, 8, 130),
        (8, 8, 8, 2),
    ],
)
def test_logits_are_those_of_numpy(level, table, sizes):
    filters, narrowest, widest, labels = sizes
    weights = convolution(filters=filters, narrowest=narrowest, widest=widest, labels=labels)
    rounded, one = fold(weights, table), student(weights, level, table)
    rng = np.random.default_rng(1)
    for length in (1, 2, 3, 4, 5, 8, 9, 40, 700):
        ids = rng.integers(1 if length > 20 else 3, 10, length)
        expected = rounded.logits([ids])[0]
        np.testing.assert_allclose(one.logits_of_ids(ids.tolist()), expected, rtol=1e-4, atol=1e-4)
        if table == "float32":
            np.testing.assert_allclose(expected, answer(weights, ids), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("kind", ["words", "cut", "pieces", "cut pieces", "bert"])
@pytest.mark.parametrize("table", TABLES)
def test_any_string_has_the_logits_of_numpy(vocabularies, kind, table):
    vocabulary = vocabularies[kind]
    weights = convolution(vocabulary=len(vocabulary), filters=20)
    students = [student(weights, level, table, vocabulary) for level in LEVELS]
    rounded = fold(weights, table)
    check_strings(vocabulary, students, lambda ids: rounded.logits([ids])[0], 1e-4, 60)


@pytest.mark.parametrize("table", TABLES)
def test_every_way_to_ask_gives_one_answer(table):
    weights = convolution(filters=40)
    one = student(weights, table=table)
    texts = [" ".join(np.random.default_rng(n).choice(NAMES, n % 40)) for n in range(600)]
    expected = fold(weights, table).logits([np.array(words().encode(text)) for text in texts])
    check_ways(one, texts, expected, 1e-4)
