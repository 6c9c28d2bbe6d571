"""Taggers in the C extension: numpy's answers, and tags in order. `make sanitize` runs it."""

import itertools

import numpy as np
import pytest
from fast_cases import LEVELS, STRINGS
from hypothesis import given, settings
from hypothesis import strategies as st
from window_cases import (
    SENTENCES,
    answer,
    chained,
    folded,
    in_sentences,
    ordered,
    packed,
    spelled,
    tagger,
    words,
)

from understudy.runtime.fast_format import MOST_SEEN, TABLES
from understudy.runtime.window_format import MOST_ENTRY, MOST_ROWS

extension = pytest.importorskip("understudy._fast", reason="the C extension was not built")
NEAR = {"rtol": 1e-4, "atol": 1e-4}
"""Sums in another order, of some hundreds of numbers of a few units each, in float32."""


def opened(weights, level=2, table="float32", spelling=None, vocabulary=None):
    return extension.Tagger(packed(weights, table, spelling, vocabulary), len(weights.output), level)


def logits_of(one, sentences, labels=3, chain=None, threads=1):
    found = np.full((sum(map(len, sentences)), labels), np.nan, np.float32)
    assert one.fill(sentences, found, chain, threads) == []
    return found


@pytest.mark.parametrize("spelling", [None, spelled()])
@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(
    ("hidden", "seen", "labels"), [(9, 5, 3), (1, 1, 1), (64, 3, 17), (33, 15, 72), (256, 5, 2)]
)
def test_logits_are_those_of_numpy(level, table, hidden, seen, labels, spelling):
    weights = tagger(hidden, seen, labels, spelling=spelling)
    one = opened(weights, level, table, spelling)
    expected = folded(weights, table, spelling).logits(SENTENCES)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(logits_of(one, SENTENCES, labels), expected, rtol=1e-4, atol=1e-5 * scale)
    if table == "float32":
        by_definition = np.concatenate([answer(weights, each, spelling) for each in SENTENCES])
        np.testing.assert_allclose(
            logits_of(one, SENTENCES, labels), by_definition, rtol=1e-3, atol=1e-4 * scale
        )


@pytest.mark.parametrize("table", TABLES)
def test_any_word_has_the_rows_and_the_logits_of_numpy(table):
    spelling = spelled()
    weights = tagger(spelling=spelling)
    students = [opened(weights, level, table, spelling) for level in LEVELS]
    rounded = folded(weights, table, spelling)

    def check(sentence):
        sentence = tuple(word.replace("\0", "") for word in sentence)
        expected = rounded.logits([sentence])
        for one in students:
            for word in sentence:
                found, rows = one.rows_of(word), rounded.entries.rows_of(word)
                assert [sorted(place) for place in found] == [sorted(place) for place in rows], word
            np.testing.assert_allclose(logits_of(one, [sentence]), expected, **NEAR)

    for sentence in SENTENCES:
        check(sentence)
    known = st.sampled_from([word for sentence in SENTENCES for word in sentence])
    sentences = st.lists(STRINGS | known | st.tuples(known, STRINGS).map("".join), max_size=6)
    settings(max_examples=120, deadline=None)(given(sentence=sentences)(check))()


@pytest.mark.parametrize("length", [*range(14, 18), MOST_ENTRY - 2, MOST_ENTRY - 1, MOST_ENTRY, 400])
def test_words_of_any_length_are_found(length):
    from understudy.tokenization.spelling import Spelling

    name = "".join(itertools.islice(itertools.cycle("abcdefg"), length))
    known = [(8, name), (8, name[:-1]), (7, ",x" * (length // 4)), (6, name[-4:])]
    spelling = Spelling([pair for pair in known if len(pair[1]) < MOST_ENTRY])
    weights = tagger(spelling=spelling)
    one, entries = opened(weights, spelling=spelling), folded(weights, spelling=spelling).entries
    for word in (
        name,
        name[:-1],
        name[1:],
        name.upper(),
        ",x" * (length // 4),
        f"{name}\0",
        f"{name[:-1]}\0",
    ):
        expected = None if "\0" in word else entries.rows_of(word)
        found = one.rows_of(word)
        assert found == expected or [set(place) for place in found] == [set(place) for place in expected]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("limit", [4, 5, 8, 30])
def test_long_sentences_are_read_in_the_same_windows(level, limit):
    spelling, vocabulary = spelled(), words(limit)
    weights, task = tagger(spelling=spelling), ordered(3)
    one = opened(weights, level, spelling=spelling, vocabulary=vocabulary)
    rng = np.random.default_rng(0)
    some = ["the", "U.S.", "film", "3.5", "x"]
    sentences = [tuple(rng.choice(some, n)) for n in (*range(1, 40), 700)]
    rounded = folded(weights, spelling=spelling, vocabulary=vocabulary)
    np.testing.assert_allclose(logits_of(one, sentences), rounded.logits(sentences), **NEAR)
    np.testing.assert_allclose(
        logits_of(one, sentences, chain=chained(task)), rounded.logits(sentences, task), **NEAR
    )


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("labels", [1, 2, 7, 8, 9, 17, 33, 72, 130])
def test_tags_are_weighed_in_their_order(level, labels):
    weights = tagger(labels=labels)
    one = opened(weights, level)
    rng = np.random.default_rng(1)
    sentences = [
        tuple(rng.choice(["the", "film", "good", "zebra"], n)) for n in (1, 2, 3, 4, 5, 8, 9, 40, 600, 0, 1)
    ]
    plain = logits_of(one, sentences, labels)
    if labels == 1:
        chain, expected = np.zeros((3, 8)), np.zeros_like(plain)
        chain[:, 0] = 1
    else:
        task = ordered(labels)
        chain, expected = chained(task), in_sentences(task, plain, sentences)
    found = logits_of(one, sentences, labels, chain)
    np.testing.assert_allclose(found, expected, atol=1e-5, rtol=1e-5)  # the rest is float32's own rounding
    columns = np.empty(len(plain), np.int64)
    assert one.columns(sentences, columns, chain) == []
    best = found[np.arange(len(found)), columns]
    np.testing.assert_allclose(best, found.max(axis=1), atol=1e-6)


@pytest.mark.parametrize("level", LEVELS)
def test_a_chain_holds_tags_that_are_nearly_impossible(level):
    weights, task = tagger(), ordered(3)
    weights.output[:] *= 200  # shares far below what a float can hold
    one = opened(weights, level)
    sentences = [("the", "film", "was", "good") * 20, ("zebra",)]
    plain = logits_of(one, sentences)
    found = logits_of(one, sentences, chain=chained(task))
    np.testing.assert_allclose(found, in_sentences(task, plain, sentences), atol=1e-4, rtol=1e-4)


def test_every_way_to_ask_gives_one_answer():
    spelling, task = spelled(), ordered(3)
    weights = tagger(40, spelling=spelling)
    one = opened(weights, table="int8", spelling=spelling)
    rng = np.random.default_rng(0)
    some = [word for sentence in SENTENCES[:2] for word in sentence] + ["U.S.", "walks", "É"]
    sentences = [tuple(map(str, rng.choice(some, n % 31))) for n in range(900)]
    for chain in (None, chained(task)):
        expected = np.concatenate([logits_of(one, [sentence], chain=chain) for sentence in sentences])
        for threads in (1, 3, 1000):
            found = logits_of(one, sentences, chain=chain, threads=threads)
            np.testing.assert_allclose(found, expected, **NEAR)
            columns = np.empty(len(found), np.int64)
            assert one.columns([list(each) for each in sentences], columns, chain, threads) == []
            np.testing.assert_allclose(found[np.arange(len(found)), columns], found.max(axis=1), atol=1e-6)


@pytest.mark.parametrize("chain", [None, chained(ordered(3))])
def test_what_c_does_not_read_is_left_and_others_are_answered(chain):
    one = opened(tagger(spelling=spelled()), spelling=spelled(), vocabulary=words(3))
    sentences = [("the", "film"), ("a\0b", "good"), (), ("film", "u.s."), ("good",)]
    found = np.full((7, 3), 7, np.float32)
    assert one.fill(sentences, found, chain) == [1, 3]
    assert (found[[0, 1, 6]] != 7).all()
    expected = logits_of(one, [("the", "film"), ("good",)], chain=chain)
    np.testing.assert_allclose(found[[0, 1, 6]], expected, **NEAR)
    columns = np.full(7, -1)
    assert one.columns(sentences, columns, chain) == [1, 3]
    assert columns[[0, 1, 6]].tolist() == expected.argmax(axis=1).tolist()
    assert one.rows_of("a\0b") is None


def test_a_number_that_is_none_comes_before_all():
    weights = tagger(labels=4)
    weights.output_bias[2] = np.nan
    columns = np.empty(2, np.int64)
    opened(weights).columns([("good", "bad")], columns, None)
    assert columns.tolist() == [2, 2]


def test_what_is_no_sentence_or_no_buffer_is_refused():
    one, out = opened(tagger()), np.empty((1, 3), np.float32)
    for given_ in (["the"], [(1,)], [None], [b"the"], None):
        with pytest.raises(TypeError):
            one.fill(given_, out, None)
    with pytest.raises(ValueError, match="take 24 bytes, but there are 12"):
        one.fill([("the", "film")], out, None)
    with pytest.raises(ValueError, match="A chain of 3 tags takes 448 bytes, but there are 8"):
        one.fill([("the",)], out, np.zeros(1))
    with pytest.raises(BufferError):
        one.fill([("the",)], bytes(12), None)
    with pytest.raises(ValueError, match="it has 3 labels, but the task names 4"):
        extension.Tagger(packed(tagger()), 4)


def test_c_and_python_have_the_same_limits():
    found = extension.MOST_SEEN, extension.MOST_ROWS, extension.MOST_ENTRY
    assert found == (MOST_SEEN, MOST_ROWS, MOST_ENTRY)
