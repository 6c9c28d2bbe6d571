import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.augment.rules.word_arrays import read_sentences
from understudy.tokenization.words import split

TEXTS = ["Don’t wait: 2 rooms, please!", "", "  The film\twas\n(very)  good ", "…", "很好 ok", "the The"]


def test_texts_come_back_with_single_spaces():
    found = read_sentences(TEXTS).texts(np.arange(len(TEXTS)))
    assert found == [" ".join(text.split()) for text in TEXTS]


@given(st.lists(st.text(max_size=30), max_size=5))
def test_words_are_those_of_the_vocabulary_rule_in_their_own_case(texts):
    sentences = read_sentences(texts)
    lists = sentences.word_lists()
    assert [[part for word in words for part in split(word)] for words in lists] == list(map(split, texts))
    assert sentences.lengths.tolist() == [len(split(text)) for text in texts]
    again = sentences.texts(np.arange(len(texts)))
    assert [split(text) for text in again] == [split(text) for text in texts]


def test_words_that_differ_in_case_are_two():
    assert read_sentences(["the The the"]).flat.tolist() == [0, 1, 0]


def test_kept_words_keep_their_spaces():
    sentences = read_sentences(["a b,c d", "e"])
    kept = sentences.keep(np.array([False, True, True, False, True, False]))
    assert kept.texts(np.arange(2)) == ["b, d", ""]
    assert kept.lengths.tolist() == [3, 0]


@pytest.mark.parametrize("rows", [[], [1], [1, 0, 1]])
def test_any_rows_can_be_written(rows):
    sentences = read_sentences(["a b", "c"])
    assert sentences.texts(np.array(rows, dtype=np.int64)) == [["a b", "c"][row] for row in rows]


def test_words_never_grow_together():
    sentences = read_sentences(["so (very good", "a,b"])
    kept = sentences.keep(np.array([True, False, True, True, True, False, True]))
    assert kept.texts(np.arange(2)) == ["so very good", "a b"]
