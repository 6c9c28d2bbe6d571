import numpy as np
import pytest

from understudy.augment import StepContext
from understudy.augment.merge import MergeConfig, dataset_texts, merge
from understudy.core.task import Task
from understudy.data import Dataset, Split, load_dataset
from understudy.errors import DataError


def test_the_named_parts_are_taken():
    split = [Split((name,), np.zeros(1, dtype=np.int64)) for name in ("one", "two", "three")]
    dataset = Dataset("d", Task(("a", "b")), *split, unlabelled=("four",))
    assert list(dataset_texts(dataset, ("train", "unlabelled"))) == [["one"], ["four"]]
    assert list(dataset_texts(dataset, ("test", "dev"))) == [["three"], ["two"]]


def test_sentences_with_tags_become_texts():
    split = [Split((("one", name),), np.zeros(2, dtype=np.int64)) for name in ("two", "three", "four")]
    dataset = Dataset("d", Task(("O", "B-x"), kind="tagging"), *split)
    assert list(dataset_texts(dataset, ("train", "dev"))) == [["one two"], ["one three"]]


def test_where_sentences_are_tagged_words_are_taken():
    tags, none = Task(("O", "B-x"), kind="tagging"), np.zeros(0, dtype=np.int64)
    words = Split((("Do", "n't"), ("one",)), np.zeros(3, dtype=np.int64))
    tagged = Dataset("d", tags, words, Split((), none), Split((), none), unlabelled=(("a", "b", "c"),))
    assert list(dataset_texts(tagged, ("train", "unlabelled"), are_words=True)) == [
        [("Do", "n't"), ("one",)], [("a", "b", "c")],
    ]  # fmt: skip

    texts = Split(("It isn't, No.", " \u200b "), np.zeros(2, dtype=np.int64))
    plain = Dataset("d", Task(("a", "b")), texts, texts, texts)
    assert list(dataset_texts(plain, ("train",), are_words=True)) == [[("It", "isn't", ",", "No", ".")]]


def test_pairs_are_no_sentences():
    split = Split((("one", "two"),), np.zeros(1, dtype=np.int64))
    pairs = Dataset("d", Task(("a", "b"), "pair", texts=2), split, split, split)
    with pytest.raises(DataError, match="pairs of texts, which are no sentences"):
        list(dataset_texts(pairs, ("train",), are_words=True))


def test_sources_are_loaded(tmp_path):
    path = tmp_path / "more.csv"
    path.write_text("text,label\n" + "".join(f"text {n},{'ab'[n % 2]}\n" for n in range(40)))
    made = [text for texts in merge(MergeConfig((str(path),)), (), StepContext()) for text in texts]
    assert made == list(load_dataset(path).train.texts)
