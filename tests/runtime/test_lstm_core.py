"""Stacked LSTMs in the C extension: gates by hand, and numpy's answers. `make sanitize` runs it."""

import math

import fast_cases
import numpy as np
import pytest
from bag_cases import NAMES, words
from fast_cases import LEVELS, check_strings, check_ways
from lstm_cases import answer, near, packed, stack

from understudy.runtime.fast_format import TABLES
from understudy.runtime.lstm_format import Direction, Stack, recur

extension = pytest.importorskip("understudy._fast", reason="the C extension was not built")
vocabularies = fast_cases.vocabularies  # fixtures


def student(weights, level=2, table="float32", vocabulary=None):
    labels = tuple(f"l{n}" for n in range(len(weights.output_bias)))
    vocabulary = vocabulary or words()
    return extension.Student(packed(weights, table, vocabulary), labels, vocabulary.encode, level)


def one_unit(recurrent=0.0, forget=0.0):
    """Words of 1 and -1 that one unit reads in each direction; it lets all in and all out."""
    embedding = np.zeros((10, 1), np.float32)
    embedding[6], embedding[7] = 1, -1  # "good", "bad"
    each = Direction(
        np.array([[0], [0], [1], [0]], np.float32),
        np.array([[0], [0], [recurrent], [0]], np.float32),
        np.array([100, forget, 0, 100], np.float32),
    )
    return Stack(embedding, [(each, each)], np.eye(2, dtype=np.float32), np.zeros(2, np.float32))


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("level", LEVELS)
def test_gates_by_hand(level, table):
    good = math.tanh(math.tanh(1.0))
    forgets, keeps = one_unit(forget=-100), one_unit(forget=100)
    # Rows of int8 have one step for gates of 100 and of 1: half of it is 0.4.
    off = {"atol": 0.5} if table == "int8" else {"rtol": 1e-5, "atol": 1e-6}
    for text, first, second in (("good", good, good), ("good bad", -good, good), ("bad good", good, -good)):
        np.testing.assert_allclose(student(forgets, level, table).logits(text), [first, second], **off)
    twice = math.tanh(2 * math.tanh(1.0))
    np.testing.assert_allclose(student(keeps, level, table).logits("good good"), [twice, twice], **off)
    np.testing.assert_allclose(student(keeps, level, table).logits("good bad"), [0, 0], atol=1e-5)
    np.testing.assert_allclose(student(keeps, level, table).logits("zebra"), [0, 0], atol=1e-5)


@pytest.mark.parametrize("level", LEVELS)
def test_a_state_meets_the_next_word_in_the_order_of_each_direction(level):
    """Without a cell that remembers, all that a word knows of the one before is the state."""
    weights = one_unit(recurrent=3.0, forget=-100)
    first = math.tanh(math.tanh(1.0))
    ahead, back = (math.tanh(math.tanh(x + 3 * y)) for x, y in ((-1, first), (1, -first)))
    np.testing.assert_allclose(student(weights, level).logits("good bad"), [ahead, back], rtol=1e-5)


@pytest.mark.parametrize("level", LEVELS)
def test_states_are_right_to_a_millionth(level):
    """Every gate over all of its range, one unit each; the head reads one unit a label."""
    units, rng = 256, np.random.default_rng(0)
    bias = rng.uniform(-40, 40, 4 * units).astype(np.float32)
    bias[: units // 2] /= 40
    bias[units // 4 : units] /= 10
    each = Direction(np.zeros((4 * units, 1), np.float32), np.zeros((4 * units, units), np.float32), bias)
    head = np.eye(2 * units, dtype=np.float32)
    weights = Stack(np.zeros((10, 1), np.float32), [(each, each)], head, np.zeros(2 * units, np.float32))
    one = student(weights, level)
    for length in (1, 2):
        ids = np.full(length, 6)
        np.testing.assert_allclose(one.logits_of_ids(ids.tolist()), answer(weights, ids), atol=1e-6, rtol=0)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize(
    "sizes", [(1, 1, 1), (5, 2, 3), (16, 2, 64), (17, 3, 2), (64, 2, 2), (150, 1, 130), (40, 4, 1)]
)
def test_logits_are_those_of_numpy(level, table, sizes):
    units, layers, labels = sizes
    weights = stack(units=units, layers=layers, labels=labels)
    rounded, one = recur(weights, table), student(weights, level, table)
    rng = np.random.default_rng(1)
    for length in (1, 2, 3, 4, 5, 6, 7, 8, 13, 40, 300):
        ids = rng.integers(1 if length > 20 else 3, 10, length)
        expected = rounded.logits([ids])[0]
        np.testing.assert_allclose(
            one.logits_of_ids(ids.tolist()), expected, rtol=near(table), atol=near(table)
        )
        if table == "float32":
            np.testing.assert_allclose(expected, answer(weights, ids), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", ["words", "cut", "pieces", "cut pieces", "bert"])
@pytest.mark.parametrize("table", TABLES)
def test_any_string_has_the_logits_of_numpy(vocabularies, kind, table):
    vocabulary = vocabularies[kind]
    weights = stack(vocabulary=len(vocabulary), units=9)
    students = [student(weights, level, table, vocabulary) for level in LEVELS]
    rounded = recur(weights, table)
    check_strings(vocabulary, students, lambda ids: rounded.logits([ids])[0], near(table), 40)


@pytest.mark.parametrize("table", TABLES)
def test_every_way_to_ask_gives_one_answer(table):
    weights = stack(units=20)
    one = student(weights, table=table)
    texts = [" ".join(np.random.default_rng(n).choice(NAMES, n % 40)) for n in range(600)]
    expected = recur(weights, table).logits([np.array(words().encode(text)) for text in texts])
    check_ways(one, texts, expected, near(table))


def test_a_text_of_more_words_than_the_stack_holds_is_answered():
    weights = stack(units=64, layers=2)
    ids = np.random.default_rng(2).integers(3, 10, 5000)
    np.testing.assert_allclose(
        student(weights).logits_of_ids(ids.tolist()), recur(weights).logits([ids])[0], atol=1e-4
    )
