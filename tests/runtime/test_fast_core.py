"""The C extension alone: ids of every rule, sums by hand, errors. `make sanitize` runs this file, too."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import fast_cases
import numpy as np
import pytest
from fast_cases import LABELS, LEVELS, STRINGS, TEXTS, refuse, weights
from hypothesis import given, settings
from native_cases import first_weights

from understudy.runtime.fast_format import Weights, pack, round_rows
from understudy.runtime.fast_header import BERT, PIECES, WORDS
from understudy.runtime.fast_rule import rule_of
from understudy.tokenization.words import SPECIALS, WordVocabulary
from understudy.training.native import trainer as native

extension = pytest.importorskip("understudy._fast", reason="the C extension was not built")
vocabularies, file = fast_cases.vocabularies, fast_cases.file  # fixtures


def student(vocabulary, level=2, **more):
    made = pack(rule_of(vocabulary), weights(len(vocabulary), **more))
    return extension.Student(made, LABELS, vocabulary.encode, level)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("kind", ["words", "cut", "pieces", "cut pieces", "bert"])
def test_ids_are_those_of_the_reference(vocabularies, kind, level):
    vocabulary = vocabularies[kind]
    one = student(vocabulary, level)
    for text in [*TEXTS, *TEXTS[2], *(t.upper() for t in TEXTS), "ab" * 40, "a b " * 16, "a" * 64]:
        assert one.encode(text) == vocabulary.encode(text), repr(text)
    flat, lengths = one.encode_batch(TEXTS)
    expected = vocabulary.encode_batch(TEXTS)
    np.testing.assert_array_equal(np.frombuffer(flat, np.int64), expected[0])
    np.testing.assert_array_equal(np.frombuffer(lengths, np.int64), expected[1])


@pytest.mark.parametrize("kind", ["words", "pieces", "bert"])
def test_every_code_point_has_the_ids_of_the_reference(vocabularies, kind):
    """All that Unicode assigns now, and some of the rest."""
    vocabulary = vocabularies[kind]
    codes = [*range(0x32400), *range(0xE0000, 0xE0200), *range(0x32400, 0x110000, 997)]
    near = 4 if kind == "bert" else 16  # one that is left to the reference takes its neighbours along
    texts = [" ".join(f"y{chr(c)}e" for c in codes[i : i + near]) for i in range(0, len(codes), near)]
    found = np.frombuffer(student(vocabulary).encode_batch(texts)[0], np.int64)
    np.testing.assert_array_equal(found, vocabulary.encode_batch(texts)[0])


@pytest.mark.parametrize("kind", ["words", "cut", "pieces", "bert"])
def test_any_string_has_the_ids_of_the_reference(vocabularies, kind):
    vocabulary = vocabularies[kind]
    students = [student(vocabulary, level) for level in LEVELS]

    @settings(max_examples=300, deadline=None)
    @given(text=STRINGS)
    def check(text):
        expected = vocabulary.encode(text)
        assert all(one.encode(text) == expected for one in students)

    check()


@pytest.mark.parametrize("level", LEVELS)
def test_a_mean_and_two_layers_by_hand(level):
    vocabulary = WordVocabulary((*SPECIALS, "good", "bad"))
    for width, hidden, labels in ((1, 1, 1), (16, 32, 2), (17, 3, 5), (64, 64, 40)):
        w = weights(5, width, hidden, labels)
        names = tuple(map(str, range(labels)))
        one = extension.Student(pack(rule_of(vocabulary), w), names, refuse, level)
        for ids in ([3], [1], [3, 4, 4], [4] * 1000, [3, 4] * 33 + [1]):
            mean = w.embedding[ids].mean(axis=0, dtype=np.float64)
            expected = w.output @ np.maximum(w.hidden @ mean + w.hidden_bias, 0) + w.output_bias
            np.testing.assert_allclose(one.logits_of_ids(ids), expected, atol=1e-4, rtol=1e-5)
            text = " ".join(vocabulary.words[i] if i > 1 else "zebra" for i in ids)
            # exact: our own kernel adds up one text at a time, always in one order
            np.testing.assert_array_equal(one.logits(text), one.logits_of_ids(ids))
            assert one.column(text) == expected.argmax()
            assert one.label(text) == names[expected.argmax()]


@pytest.mark.parametrize("wrong", [None, 3, b"bytes", ["a list"]])
def test_what_is_no_text_is_refused(file, wrong):
    core = extension.Student(file, LABELS, refuse)
    for call in (core.label, core.column, core.logits, core.probabilities, core.encode):
        with pytest.raises(TypeError, match="A text is a str"):
            call(wrong)
    with pytest.raises(TypeError, match="A text is a str"):
        core.labels(["a", wrong])
    with pytest.raises(TypeError):
        core.labels(3)
    with pytest.raises(TypeError, match="Give a list"):
        core.labels("one text")


def test_a_buffer_of_another_size_is_refused(file):
    core = extension.Student(file, LABELS, refuse)
    for wrong in (np.empty((1, 3), np.float32), np.empty(0, np.float32), bytearray(25)):
        with pytest.raises(ValueError, match="take 24 bytes"):
            core.fill(["a", "b"], wrong)
    with pytest.raises((BufferError, ValueError)):
        core.fill(["a", "b"], b"x" * 24)
    for wrong in (np.empty(1, np.int64), np.empty(2, np.int32), bytearray(15)):
        with pytest.raises(ValueError, match="columns of these texts take 16 bytes"):
            core.columns(["a", "b"], wrong)
    with pytest.raises((BufferError, ValueError)):
        core.columns(["a", "b"], b"x" * 16)


@pytest.mark.parametrize("ids", [[], [-1], [6], [2**40], [1, 2, 99]])
def test_ids_that_are_none_are_refused(file, ids):
    core = extension.Student(file, LABELS, refuse)
    with pytest.raises((ValueError, OverflowError)):
        core.logits_of_ids(ids)


@pytest.mark.parametrize("given", [[], [10**6], [-1], ["a"], None, 3])
def test_a_reference_that_gives_no_ids_is_an_error(vocabularies, given):
    made = pack(rule_of(vocabularies["bert"]), weights(len(vocabularies["bert"])))
    core = extension.Student(made, LABELS, lambda text: given)
    for call in (core.label, lambda text: core.labels([text]), lambda text: core.encode_batch([text])):
        with pytest.raises((ValueError, TypeError, OverflowError)):
            call("한국어")


def test_an_error_of_the_reference_comes_through(vocabularies):
    made = pack(rule_of(vocabularies["bert"]), weights(len(vocabularies["bert"])))
    core = extension.Student(made, LABELS, refuse)
    assert core.label("plain") in LABELS
    for call in (core.label, core.encode, lambda text: core.labels(["a", text])):
        with pytest.raises(LookupError, match="한국어"):
            call("한국어")


def test_a_label_without_number_is_the_first_as_in_numpy(file):
    w = weights(6)
    nan = replace(w, output_bias=np.array([0, np.nan, np.nan], np.float32))
    vocabulary = WordVocabulary((*SPECIALS, "good", "bad", "x"))
    assert extension.Student(pack(rule_of(vocabulary), nan), LABELS, refuse).label("good") == "fair"


def test_the_rules_are_numbered_as_in_c(vocabularies):
    kinds = {kind: rule_of(vocabulary).kind for kind, vocabulary in vocabularies.items()}
    assert kinds == {"words": WORDS, "cut": WORDS, "pieces": PIECES, "cut pieces": PIECES, "bert": BERT}


@pytest.mark.parametrize("kind", ["words", "pieces", "bert"])
def test_every_call_agrees_with_every_other(vocabularies, kind):
    one = student(vocabularies[kind], grams=np.ones((50, 20), np.float32), longest=4, gram_weight=0.25)
    texts = TEXTS * 60
    expected = np.array([one.logits(text) for text in texts], np.float32)
    for threads in (1, 3):
        found = np.empty_like(expected)
        one.fill(texts, found, threads)
        # exact: our own kernel adds up one text at a time, always in one order
        np.testing.assert_array_equal(found, expected)
        assert one.labels(tuple(texts), threads) == [one.label(text) for text in texts]
    assert [one.column(text) for text in texts] == expected.argmax(axis=1).tolist()
    columns = np.empty(len(texts), np.int64)
    one.columns(texts, columns, 3)
    np.testing.assert_array_equal(columns, expected.argmax(axis=1))
    shares = np.exp(expected) / np.exp(expected).sum(axis=1, keepdims=True)
    np.testing.assert_allclose([one.probabilities(text) for text in texts], shares, atol=1e-5)
    with ThreadPoolExecutor(4) as pool:
        # exact: our own kernel adds up one text at a time, always in one order
        assert list(pool.map(one.logits, texts)) == [one.logits(text) for text in texts]


@pytest.mark.parametrize(
    "length", [*range(60, 70), *range(120, 136), 1022, 1023, 1024, 1025, 1026, 1600, 5000]
)
def test_texts_around_every_border_of_memory(vocabularies, length):
    for kind in ("words", "pieces", "bert"):
        one = student(vocabularies[kind])
        for text in (
            "a" * length,
            "a " * (length // 2),
            "!" * length,
            "b" * (length - 1) + "é",
            "ȺȾ" * (length // 2),
        ):
            assert one.encode(text) == vocabularies[kind].encode(text)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("sizes", [(1, 1, 1), (5, 7, 3), (16, 32, 2), (20, 40, 18)])
def test_the_trainer_stays_inside_its_arrays(sizes, level):
    rng = np.random.default_rng(0)
    lengths = [1, 2, 300, 7]
    texts = native.TextIds(rng.integers(0, 9, sum(lengths)).astype(np.int32), np.cumsum(lengths))
    soft, gold = rng.normal(size=(4, sizes[2])).astype(np.float32), np.array([0, -1, sizes[2] - 1, 0])
    first = first_weights(9, *sizes, rng)
    for loss in native.LOSSES:
        targets = native.Targets(loss, soft, gold, alpha=0.5, class_weights=np.ones(sizes[2], np.float32))
        last = native.train(first, texts, targets, epochs=2, learning_rate=0.1, seed=0, level=level)
        assert np.isfinite(last.embedding).all()
        dan = replace(first, grams=rng.normal(size=(6, sizes[0])).astype(np.float32), gram_weight=0.3)
        followed = texts.with_grams(rng.integers(0, 6, (sum(lengths), 3)), 9)
        last = native.train(dan, followed, targets, epochs=2, learning_rate=0.1, seed=0, level=level)
        assert np.isfinite(last.grams).all()
        assert (last.grams[0] == dan.grams[0]).all()


# ------------------------------------------------------------------------------------- rows of fewer bits


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("table", ["float16", "int8"])
@pytest.mark.parametrize("width", [5, 16, 33])
@pytest.mark.parametrize("is_dan", [False, True])
def test_a_smaller_table_answers_as_its_rounded_rows(vocabularies, level, table, width, is_dan):
    vocabulary = vocabularies["words"]
    draw = np.random.default_rng(0).normal
    more = {"grams": draw(size=(50, width)).astype(np.float32), "longest": 3, "gram_weight": 0.3}
    full = weights(len(vocabulary), width, **(more if is_dan else {}))
    full.embedding[5] *= 1e-7  # below what a half holds with all its digits
    full.embedding[6] = 0
    times = np.float32(full.gram_weight)
    grams = round_rows(full.grams * times, table) / times if is_dan else None
    same = replace(full, embedding=round_rows(full.embedding, table), grams=grams)
    rule = rule_of(vocabulary)

    def logits(given, form="float32"):
        found = np.empty((len(TEXTS), 3), np.float32)
        one = extension.Student(pack(rule, given, form), LABELS, vocabulary.encode, level)
        one.fill(TEXTS, found, 1)
        return found

    small = logits(full, table)
    np.testing.assert_allclose(small, logits(same), atol=2e-5)
    assert 0 < np.abs(small - logits(full)).max() < 0.5


@pytest.mark.parametrize("level", LEVELS)
def test_every_half_is_read_as_it_is(level):
    halves = np.arange(2**16, dtype=np.uint16).view(np.float16)
    halves = halves[np.isfinite(halves)].astype(np.float32).reshape(-1, 16)
    size = len(halves) + len(SPECIALS)
    vocabulary = WordVocabulary((*SPECIALS, *(f"w{n}" for n in range(len(halves)))))
    eye = np.eye(16, dtype=np.float32)
    rows = np.concatenate([np.zeros((len(SPECIALS), 16), np.float32), halves])
    both = np.concatenate([eye, -eye])  # the hidden layer keeps what is positive: x = relu(x) - relu(-x)
    w = Weights(rows, both, np.zeros(32, np.float32), both.T.copy(), np.zeros(16, np.float32))
    labels = tuple(f"l{n}" for n in range(16))
    one = extension.Student(pack(rule_of(vocabulary), w, "float16"), labels, refuse, level)
    found = np.empty((len(halves), 16), np.float32)
    one.fill(list(vocabulary.words[len(SPECIALS) : size]), found, 1)
    # exact: the layers only pick numbers, every other term is 0
    np.testing.assert_array_equal(found, halves)
