import numpy as np
import pytest

from understudy.core.task import Task
from understudy.errors import DataError, StoreError
from understudy.targets.store import LogitStore
from understudy.training.transfer_set import TransferSet, labelled_only, with_soft_targets

TASK = Task(("bad", "good"))


@pytest.fixture
def store(tmp_path):
    made = LogitStore(tmp_path / "store", teacher="t", labels=("bad", "good"))
    made.append(["c", "a", "b"], np.array([[5.0, 6.0], [1.0, 2.0], [3.0, 4.0]], dtype=np.float32))
    return made


def test_labelled_texts_alone():
    made = labelled_only(TASK, ["a", "b"], np.array([1, 0]))
    assert made.texts == ("a", "b")
    assert made.gold.tolist() == [1, 0]
    assert made.gold.dtype == np.int64
    assert made.soft is None
    assert len(made) == 2


def test_every_text_gets_its_own_soft_targets(store):
    made = with_soft_targets(TASK, ["a", "b"], np.array([1, 0]), ["c"], store)
    assert made.texts == ("a", "b", "c")
    assert made.gold.tolist() == [1, 0, -1]
    assert made.gold.dtype == np.int64
    assert made.soft.tolist() == [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]
    assert made.soft.dtype == np.float32


def test_a_text_that_stands_twice_keeps_both_its_labels(store):
    made = with_soft_targets(TASK, ["a", "b", "a"], np.array([0, 1, 1]), [], store)
    assert made.texts == ("a", "b", "a")
    assert made.gold.tolist() == [0, 1, 1]
    assert made.soft.tolist() == [[1.0, 2.0], [3.0, 4.0], [1.0, 2.0]]
    assert labelled_only(TASK, ["a", "a"], np.array([0, 1])).gold.tolist() == [0, 1]


def test_unlabelled_texts_alone(store):
    made = with_soft_targets(TASK, [], np.zeros(0, dtype=np.int64), ["b", "c"], store)
    assert made.gold.tolist() == [-1, -1]
    assert made.soft.tolist() == [[3.0, 4.0], [5.0, 6.0]]


def test_a_text_without_soft_targets_is_named(store):
    with pytest.raises(StoreError, match="2 of 3 texts, the first: 'new'"):
        with_soft_targets(TASK, ["a", "new"], np.array([1, 0]), ["newer"], store)


def test_an_empty_transfer_set_is_refused(store):
    with pytest.raises(DataError, match="empty"):
        labelled_only(TASK, [], np.array([]))
    with pytest.raises(DataError, match="empty"):
        with_soft_targets(TASK, [], np.zeros(0, dtype=np.int64), [], store)


def test_columns_of_different_lengths_are_refused(store):
    with pytest.raises(DataError):
        labelled_only(TASK, ["a", "b"], np.array([0]))
    with pytest.raises(DataError):  # else "c" would silently get the third label
        with_soft_targets(TASK, ["a", "b"], np.array([1, 0, 1]), ["c"], store)
    with pytest.raises(DataError):
        TransferSet(("a", "b"), np.array([0, 1]), np.zeros((1, 2), dtype=np.float32))


def test_words_have_a_row_each(tmp_path):
    task = Task(("O", "B-X"), "tagging")
    made = LogitStore(tmp_path / "store", teacher="t", labels=task.labels)
    items = [("a", "b"), ("c",)]
    made.append(items, np.arange(6, dtype=np.float32).reshape(3, 2), task.rows(items))
    found = with_soft_targets(task, [("c",)], np.array([1]), [("a", "b")], made)
    assert found.gold.tolist() == [1, -1, -1]
    assert found.soft.tolist() == [[4.0, 5.0], [0.0, 1.0], [2.0, 3.0]]
    with pytest.raises(DataError, match="2 rows to answer, but 1 gold"):
        labelled_only(task, [("a", "b")], np.array([1]))
