import numpy as np

from understudy.augment import StepContext
from understudy.augment.merge import MergeConfig, dataset_texts, merge
from understudy.core.task import Task
from understudy.data import Dataset, Split, load_dataset


def test_the_named_parts_are_taken():
    split = [Split((name,), np.zeros(1, dtype=np.int64)) for name in ("one", "two", "three")]
    dataset = Dataset("d", Task(("a", "b")), *split, unlabelled=("four",))
    assert list(dataset_texts(dataset, ("train", "unlabelled"))) == [["one"], ["four"]]
    assert list(dataset_texts(dataset, ("test", "dev"))) == [["three"], ["two"]]


def test_sentences_with_tags_become_texts():
    split = [Split((("one", name),), np.zeros(2, dtype=np.int64)) for name in ("two", "three", "four")]
    dataset = Dataset("d", Task(("O", "B-x"), kind="tagging"), *split)
    assert list(dataset_texts(dataset, ("train", "dev"))) == [["one two"], ["one three"]]


def test_sources_are_loaded(tmp_path):
    path = tmp_path / "more.csv"
    path.write_text("text,label\n" + "".join(f"text {n},{'ab'[n % 2]}\n" for n in range(40)))
    made = [text for texts in merge(MergeConfig((str(path),)), (), StepContext()) for text in texts]
    assert made == list(load_dataset(path).train.texts)
