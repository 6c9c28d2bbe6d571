"""Weighted bags in the C extension: sums by hand, and the same answers as numpy. `make sanitize` runs it."""

from dataclasses import replace

import fast_cases
import numpy as np
import pytest
from bag_cases import FORMS, NAMES, answer, bag, features, packed, words
from fast_cases import LABELS, LEVELS, STRINGS, TEXTS, refuse
from hypothesis import given, settings

from understudy.runtime.bag_format import BagWeights, round_bag_rows

extension = pytest.importorskip("understudy._fast", reason="the C extension was not built")
vocabularies = fast_cases.vocabularies  # fixtures


def student(vocabulary, weights, level=2, table="float32"):
    labels = tuple(f"l{n}" for n in range(len(weights.output_bias)))
    return extension.Student(packed(vocabulary, weights, table), labels, vocabulary.encode, level)


@pytest.mark.parametrize("level", LEVELS)
def test_a_linear_student_by_hand(level):
    """Weights 3 and 4 of two words, 12 of their bigram: the text's length is 13."""
    rows = np.zeros((len(words()) + 1, 2), np.float32)
    rows[6], rows[7], rows[-1] = (3, 0), (4, 8), (12, -12)  # "good", "bad", "good bad", times their weights
    squares = np.zeros(len(rows), np.float32)
    squares[[6, 7, -1]] = 9, 16, 144
    weights = BagWeights(rows, squares, np.array([1, 2], np.float32), np.array([[6, 7]], np.int32), longest=2)
    one = student(words(), weights, level)
    np.testing.assert_allclose(one.logits("Good bad"), [1 + 19 / 13, 2 - 4 / 13], rtol=1e-6)
    np.testing.assert_allclose(one.logits("bad good"), [1 + 7 / 5, 2 + 8 / 5], rtol=1e-6)
    np.testing.assert_allclose(one.logits("good , bad"), [1 + 7 / 5, 2 + 8 / 5], rtol=1e-6)
    root = np.sqrt(9 * 3 + 16 * 2 + 144 * 2)
    np.testing.assert_allclose(one.logits("good good bad good bad"), [1 + 41 / root, 2 - 8 / root], rtol=1e-6)
    assert one.logits("") == one.logits("zebra zebra") == [1, 2]  # no weight: the text's length is not 0
    assert one.label("good bad") == "l0"


@pytest.mark.parametrize("level", LEVELS)
def test_a_dan_by_hand(level):
    """One number of embedding: relu(2 x - 1) times (10, -10), with the direct path on top."""
    rows = np.zeros((len(words()), 3), np.float32)
    rows[6], rows[7] = (2, 6, 0), (-2, 0, 4)
    squares = np.zeros(len(rows), np.float32)
    squares[[6, 7]] = 4
    layer = np.full((1, 1), 2, np.float32), np.array([-1], np.float32), np.array([[10], [-10]], np.float32)
    none = np.zeros((0, 2), np.int32)
    weights = BagWeights(rows, squares, np.array([0.5, 0], np.float32), none, 1, *layer)
    one = student(words(), weights, level)
    np.testing.assert_allclose(one.logits("good"), [0.5 + 10 + 3, -10], rtol=1e-6)  # x = 1
    np.testing.assert_allclose(one.logits("bad"), [0.5, 2], rtol=1e-6)  # x = -1
    root = 12**0.5
    active = 2 * 2 / root - 1  # of two of the first and one of the other
    expected = [0.5 + 12 / root + 10 * active, 4 / root - 10 * active]
    np.testing.assert_allclose(one.logits("good good bad"), expected, rtol=1e-5)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("sizes", [(1, 1, 1), (16, 32, 2), (17, 3, 5), (64, 64, 64), (33, 20, 130)])
def test_logits_are_those_of_numpy(level, form, sizes):
    rng = np.random.default_rng(1)
    for grams, longest in ((0, 2), (30, 2), (90, 4), (300, 16)):
        weights = bag(form, 10, min(grams, 40) if longest == 2 else grams, longest, *sizes, seed=longest)
        one = student(words(), weights, level)
        for length in (1, 2, 3, 20, 255, 256, 257, 700):
            ids = rng.integers(1 if length > 20 else 3, 10, length).tolist()
            expected = answer(weights, ids)
            size = max(1, np.abs(expected).max() / 20)  # sums of hundreds of products, of up to some hundreds
            np.testing.assert_allclose(one.logits_of_ids(ids), expected, atol=1e-4 * size, rtol=1e-5)
            text = " ".join(NAMES[i - 3] if i > 2 else "zebra" for i in ids if i != 2)
            read = [i for i in ids if i != 2] or [1]
            np.testing.assert_allclose(one.logits(text), answer(weights, read), atol=1e-4 * size, rtol=1e-5)


@pytest.mark.parametrize("form", FORMS)
def test_very_long_texts_keep_their_precision(form):
    weights = bag(form, 10, 30, 3)
    ids = np.random.default_rng(0).integers(3, 10, 100_000).tolist()
    expected = answer(weights, ids)
    far = 2e-5 * np.abs(expected).max()
    np.testing.assert_allclose(student(words(), weights).logits_of_ids(ids), expected, atol=far)


def test_long_ngrams_are_found_one_by_one():
    """A longer n-gram counts only behind its own beginning, wherever it stands in the text."""
    grams = np.array([[6, 7], [10, 6], [11, 7], [3, 3]], np.int32)  # ab, aba, abab, and another bigram
    assert features(grams, 4, 10, [6, 7, 6, 7]) == [6, 7, 6, 7, 10, 11, 12, 10]
    rows = np.concatenate([np.zeros((10, 4)), np.eye(4)]).astype(np.float32)
    squares = np.concatenate([np.zeros(10), np.ones(4)]).astype(np.float32)
    for longest, counts in ((4, [2, 1, 1, 0]), (3, [2, 1, 0, 0]), (2, [2, 0, 0, 1])):
        some = grams if longest == 4 else grams[:2] if longest == 3 else grams[[0, 3]]
        kept = 10 + len(some)
        own = rows[:kept].copy()
        if longest == 2:
            own[11] = rows[13]
        weights = BagWeights(own, squares[:kept], np.zeros(4, np.float32), some, longest)
        text = "good bad good bad" + (" the the" if longest == 2 else "")
        expected = np.array(counts) / np.sqrt(np.sum(counts))
        np.testing.assert_allclose(student(words(), weights).logits(text), expected, rtol=1e-6)


@pytest.mark.parametrize("kind", ["words", "cut", "pieces", "cut pieces", "bert"])
@pytest.mark.parametrize("form", FORMS)
def test_any_string_has_the_logits_of_numpy(vocabularies, kind, form):
    vocabulary = vocabularies[kind]
    weights = bag(form, len(vocabulary), 400, 3, seed=2)
    students = [student(vocabulary, weights, level) for level in LEVELS]

    def check(text):
        ids = vocabulary.encode(text)
        expected = answer(weights, ids)
        for one in students:
            assert one.encode(text) == ids
            np.testing.assert_allclose(one.logits(text), expected, atol=1e-4, rtol=1e-5)

    for text in TEXTS:
        check(text)
    settings(max_examples=60, deadline=None)(given(text=STRINGS)(check))()


@pytest.mark.parametrize("form", FORMS)
def test_every_way_to_ask_gives_one_answer(form):
    weights = bag(form, 10, 30, 3)
    one = student(words(), weights)
    texts = [" ".join(np.random.default_rng(n).choice(NAMES, n % 40)) for n in range(600)]
    expected = np.array([answer(weights, words().encode(text)) for text in texts])
    found = np.empty((len(texts), 3), np.float32)
    for threads in (1, 3):
        one.fill(texts, found, threads)
        np.testing.assert_allclose(found, expected, atol=1e-4)
        assert one.labels(texts, threads) == [f"l{n}" for n in found.argmax(axis=1)]
    answers = one.answer_lines("".join(f"{text}\n" for text in texts).encode(), (b"0 ", b"1 ", b"2 "), 2)
    assert [int(line[:1]) for line in answers.splitlines()] == found.argmax(axis=1).tolist()
    shares = np.exp(expected[5]) / np.exp(expected[5]).sum()
    np.testing.assert_allclose(one.probabilities(texts[5]), shares, atol=1e-5)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("table", ["float16", "int8"])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("width", "labels"), [(5, 3), (33, 18)])
def test_a_smaller_table_answers_as_its_rounded_rows(level, table, form, width, labels):
    full = bag(form, 10, 40, 3, width, labels=labels)
    same = replace(full, rows=round_bag_rows(full.rows, full.width, table))
    texts = ["the film was good", "bad , bad film film the good", "zebra", ""]
    for text in texts:
        found = student(words(), full, level, table).logits(text)
        np.testing.assert_allclose(found, student(words(), same, level).logits(text), atol=2e-5)
        np.testing.assert_allclose(found, answer(same, words().encode(text)), atol=2e-5)
    assert np.abs(same.rows - full.rows).max() > 0


def test_a_text_of_the_reference_path_has_its_ngrams_too(vocabularies):
    vocabulary, text = vocabularies["bert"], "the film [MASK] 한국어 good"
    ids = vocabulary.encode(text)
    weights = bag("dan.v2", len(vocabulary), 1, 2)
    weights = replace(weights, grams=np.array([ids[1:3]], np.int32))
    file = packed(vocabulary, weights)
    found = extension.Student(file, LABELS, vocabulary.encode).logits(text)
    np.testing.assert_allclose(found, answer(weights, ids), atol=1e-4)
    assert np.abs(answer(weights, ids) - answer(replace(weights, longest=1), ids)).max() > 0.01
    with pytest.raises(LookupError):
        extension.Student(file, LABELS, refuse).logits(text)
