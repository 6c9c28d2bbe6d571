"""Students of matrices in the C extension: products by hand, and numpy's answers. `make sanitize` runs it."""

import mmap
from contextlib import suppress
from dataclasses import replace

import fast_cases
import numpy as np
import pytest
from bag_cases import NAMES, words
from fast_cases import LEVELS, check_strings, check_ways
from matrix_cases import NEAR, answer, bounds, features, matrices, normalised, packed, rounded

from understudy.runtime.fast_format import TABLES
from understudy.runtime.matrix_format import Hidden, MatrixWeights
from understudy.tokenization.words import SPECIALS, WordVocabulary

extension = pytest.importorskip("understudy._fast", reason="the C extension was not built")
vocabularies = fast_cases.vocabularies  # fixtures

SIZES = [1, 2, 3, 4, 7, 8, 9, 12, 15, 16, 17, 20, 24, 25, 28, 31, 32, 33, 40, 48, 50, 64]


def student(weights, level=2, table="float32", vocabulary=None):
    labels = tuple(f"l{n}" for n in range(len(weights.output_bias)))
    vocabulary = vocabulary or words()
    return extension.Student(packed(weights, table, vocabulary), labels, vocabulary.encode, level)


def found(weights, texts, level=2):
    """Features of texts, straight from a table of float32."""
    out = np.full((len(texts), weights.features), np.nan, np.float32)
    ids, ends = np.concatenate(texts).astype(np.int32), np.cumsum([len(text) for text in texts])
    sizes = weights.size, weights.directions, weights.width
    extension.find_products((weights.rows, ids, ends, out), *sizes, level)
    return out


def shear_and_swap():
    """Two words whose product depends on their order, and a vector each; the head shows features."""
    rows = np.zeros((10, 5), np.float32)
    rows[6] = [0, 2, 0, 0, 3]  # "good": [[1, 2], [0, 1]]
    rows[7] = [-1, 1, 1, -1, 5]  # "bad": [[0, 1], [1, 0]]
    ones, eye = np.ones(5, np.float32), np.eye(5, dtype=np.float32)
    return MatrixWeights(rows, 2, 1, ones, 0 * ones, eye, 0 * ones)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("table", TABLES)
def test_products_by_hand(level, table):
    one = student(shear_and_swap(), level, table)
    for text, read in (
        ("good", [1, 2, 0, 1, 3]),
        ("good bad", [2, 1, 1, 0, 4]),
        ("bad good", [0, 1, 1, 2, 4]),
        ("good good good", [1, 6, 0, 1, 3]),
        ("zebra", [1, 0, 0, 1, 0]),
        ("", [1, 0, 0, 1, 0]),
    ):
        np.testing.assert_allclose(one.logits(text), normalised(np.array(read)), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("level", LEVELS)
def test_the_second_direction_reads_backward(level):
    one = shear_and_swap()
    rows = np.concatenate([np.zeros((10, 4), np.float32), one.rows], axis=1)
    both = MatrixWeights(rows, 2, 2, *(np.zeros(9, np.float32),) * 2, np.eye(9, dtype=np.float32), np.ones(9))
    features = found(both, [np.array([6, 7]), np.array([7, 6])], level)
    assert features.tolist() == [[1, 0, 0, 1, 0, 1, 1, 2, 4], [1, 0, 0, 1, 2, 1, 1, 0, 4]]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("size", SIZES)
def test_features_are_within_what_float32_can_be_off(level, size):
    rng = np.random.default_rng(size)
    for directions, width, spread in ((1, 0, 0.1), (2, 5, 0.02), (1, 33, 0.02)):
        weights = matrices(size=size, directions=directions, width=width, spread=spread)
        texts = [rng.integers(1, 10, length) for length in (1, 2, 3, 17, 1, 40)] + [np.array([9])]
        for text, each in zip(texts, found(weights, texts, level), strict=True):
            assert (np.abs(each - features(weights, text)) <= bounds(weights, text) + 1e-30).all()


@pytest.mark.parametrize("level", LEVELS)
def test_nothing_is_read_or_written_beside_the_arrays(level):
    """A table and features in the middle of larger arrays, whose other numbers are not numbers."""
    for size, width in ((1, 0), (3, 0), (17, 0), (20, 3), (31, 1)):
        weights = matrices(size=size, width=width, vocabulary=3)
        wide = np.full(weights.rows.size + 64, np.nan, np.float32)
        table = wide[32:-32].reshape(weights.rows.shape)
        table[:] = weights.rows
        out = np.full((4, weights.features), -7, np.float32)
        ids, ends = np.array([2, 1, 2, 2], np.int32), np.array([3, 4])
        extension.find_products((table, ids, ends, out[1:3]), size, 1, width, level)
        np.testing.assert_allclose(out[1], features(weights, [2, 1, 2]), atol=1e-4)
        np.testing.assert_allclose(out[2], features(weights, [2]), atol=1e-4)
        assert (out[[0, 3]] == -7).all()


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize(
    "sizes",
    [
        {"size": 20, "width": 40},
        {"size": 28},
        {"size": 20, "width": 7, "directions": 2, "labels": 33},
        {"size": 5, "hidden": 9, "directions": 2},
        {"size": 20, "width": 400, "hidden": 130, "labels": 17},
        {"size": 1, "labels": 1},
        {"size": 1, "hidden": 1, "labels": 1},
        {"size": 64, "directions": 2, "width": 2048, "hidden": 20},
    ],
)
def test_logits_are_those_of_numpy(level, table, sizes):
    weights = matrices(**sizes, spread=0.02)
    exact, one = rounded(weights, table), student(weights, level, table)
    rng = np.random.default_rng(1)
    for length in (1, 2, 3, 7, 40, 300):
        ids = rng.integers(1, 10, length)
        np.testing.assert_allclose(one.logits_of_ids(ids.tolist()), answer(exact, ids), rtol=NEAR, atol=NEAR)


@pytest.mark.parametrize("kind", ["words", "cut", "pieces", "cut pieces", "bert"])
@pytest.mark.parametrize("hidden", [0, 6])
def test_any_string_has_the_logits_of_numpy(vocabularies, kind, hidden):
    """Some of these texts have thousands of words: matrices are so near the identity as to allow it."""
    vocabulary = vocabularies[kind]
    weights = matrices(len(vocabulary), width=3, directions=2, hidden=hidden, spread=1e-3)
    students = [student(weights, level, "float16", vocabulary) for level in LEVELS]
    exact = rounded(weights, "float16")
    check_strings(vocabulary, students, lambda ids: answer(exact, ids), 10 * NEAR, 40)


@pytest.mark.parametrize("hidden", [0, 20])
@pytest.mark.parametrize("table", TABLES)
def test_every_way_to_ask_gives_one_answer(table, hidden):
    weights = matrices(size=20, width=9, hidden=hidden, spread=0.02)
    one, exact = student(weights, table=table), rounded(weights, table)
    texts = [" ".join(np.random.default_rng(n).choice(NAMES, n % 40)) for n in range(600)]
    expected = [answer(exact, np.array(words().encode(text))) for text in texts]
    check_ways(one, texts, np.array(expected), NEAR)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize(("size", "width"), [(1, 0), (1, 1), (20, 0), (17, 2)])
def test_the_last_word_of_many_is_read_within_the_file(level, table, size, width):
    """The file ends with a page, and what lay behind it was given back: reading there ends the process."""
    vocabulary = WordVocabulary((*SPECIALS, *(f"w{n}" for n in range(4000))))
    weights = matrices(len(vocabulary), size, width=width, labels=1, spread=0.01)
    file = packed(weights, table, vocabulary)
    whole = -(-len(file) // mmap.PAGESIZE) * mmap.PAGESIZE
    pages = mmap.mmap(-1, whole + 2**22)
    start = whole - len(file)
    pages[start:whole] = file
    with suppress(SystemError):  # systems without mremap cannot
        pages.resize(whole)
    one = extension.Student(memoryview(pages)[start:whole], ("l0",), vocabulary.encode, level)
    ids = np.array(vocabulary.encode("w3999 w1 w3999"))
    np.testing.assert_allclose(one.logits("w3999 w1 w3999"), answer(rounded(weights, table), ids), atol=NEAR)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("hidden", [0, 3])
def test_a_product_beyond_floats_is_no_crash(level, hidden):
    """As in torch: what overflows is not a number."""
    weights = matrices(hidden=hidden)
    weights = replace(weights, rows=weights.rows + np.float32(50))
    logits = student(weights, level).logits("good " * 300)
    assert np.isnan(logits).all()


def test_a_negative_number_of_the_layer_is_left_out():
    weights = matrices(size=2, hidden=4, labels=1)
    flat = Hidden(0 * weights.hidden.weight, np.array([1, -1, 1, -1], np.float32))
    ones = np.ones(4, np.float32)
    head = replace(
        weights, hidden=flat, scales=ones, shifts=0 * ones, output=ones[None], output_bias=0 * ones[:1]
    )
    np.testing.assert_allclose(student(head).logits("good"), [2], rtol=1e-4)


def arrays():
    table, ids, ends = np.zeros((4, 7), np.float32), np.array([0, 1, 3, 3, 2], np.int32), np.array([2, 5])
    return [table, ids, ends, np.zeros((2, 7), np.float32)]


def test_arrays_that_do_not_fit_are_refused():
    extension.find_products(tuple(arrays()), 2, 1, 3, 2)
    for at, wrong, why in (
        (0, np.zeros((4, 8), np.float32), "bytes"),
        (1, np.array([0, 1, 3, 4, 2], np.int32), "row that is not there"),
        (1, np.array([0, -1, 3, 3, 2], np.int32), "row that is not there"),
        (2, np.array([2, 6]), "after the last id"),
        (2, np.array([0, 5]), "ends before it begins"),
        (2, np.array([3, 3]), "ends before it begins"),
        (2, np.array([2, 4, 5]), "bytes"),
        (3, np.zeros((2, 8), np.float32), "bytes"),
    ):
        given = arrays()
        given[at] = wrong
        with pytest.raises(ValueError, match=why):
            extension.find_products(tuple(given), 2, 1, 3, 2)
    for sizes in ((0, 1, 3), (65, 1, 3), (2, 0, 3), (2, 3, 3), (2, 1, 2049)):
        with pytest.raises(ValueError, match="impossible"):
            extension.find_products(tuple(arrays()), *sizes, 2)
    with pytest.raises(TypeError, match="tuple of"):
        extension.find_products(tuple(arrays()[:-1]), 2, 1, 3, 2)
