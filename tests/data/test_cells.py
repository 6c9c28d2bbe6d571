import pytest

from understudy.data.cells import read_items, read_pairs, read_sentences, read_texts
from understudy.data.readers.table import Table
from understudy.errors import DataError


def table(texts, **more):
    return Table("a.csv", "a.csv", {"text": texts, **more}, range(2, len(texts) + 2))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 3: the text is empty"),
        (" \n", "line 3: the text is empty"),
        (None, "line 3: the text is empty"),
        (7, "line 3: the text is a int, 7, instead of a string"),
        ("half \ud83d", "half a surrogate pair"),
    ],
)
def test_bad_texts_are_refused(text, message):
    with pytest.raises(DataError, match=message):
        read_items(table(["fine", text]), ["text"], "classification")


def test_all_empty_texts_are_counted_and_the_first_five_shown():
    with pytest.raises(
        DataError, match=r"(?s)a\.csv has 7 problems:.*line 2.*line 6.*and 2 more.*or delete them"
    ):
        read_texts(table([""] * 7), "text")


def test_blank_texts_can_be_skipped_but_wrong_ones_cannot():
    assert read_texts(table(["a", " ", None]), "text", skip_blank=True) == ["a"]
    with pytest.raises(DataError, match="instead of a string"):
        read_texts(table([3]), "text", skip_blank=True)


def test_a_pair_has_both_texts():
    two = table(["a", "b "], other=["c", "d"])
    assert read_items(two, ["text", "other"], "pair") == [("a", "c"), ("b ", "d")]
    with pytest.raises(
        DataError, match=r"a\.csv, line 3: the text is empty\. Give columns 'text' and 'other'"
    ):
        read_items(table(["a", "b"], other=["c", " "]), ["text", "other"], "regression")
    assert read_pairs(table(["a", "b"], other=["c", " "]), ["text", "other"], skip_blank=True) == [("a", "c")]
    with pytest.raises(DataError, match="has no column 'othr'"):
        read_items(two, ["text", "othr"], "pair")


def test_a_sentence_is_a_tuple_of_its_words():
    assert read_items(table([["a", "b"], ("c",)]), ["text"], "tagging") == [("a", "b"), ("c",)]
    assert read_sentences(table([["a"], [], None]), "text", skip_blank=True) == [("a",)]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "line 3: a sentence without words"),
        (None, "line 3: a sentence without words"),
        ("a b", "line 3: the words are a str, 'a b', instead of a list"),
        (["a", ""], "line 3: word 2: the word is empty"),
        (["a", 7], "line 3: word 2: the word is a int, 7, instead of a string"),
        (["\ud83d"], "line 3: word 1: the word holds half a surrogate pair"),
    ],
)
def test_bad_sentences_are_refused(words, message):
    with pytest.raises(DataError, match=message):
        read_items(table([["fine"], words]), ["text"], "tagging")
