import numpy as np
import pytest

from understudy.errors import DataError, StoreError
from understudy.logits import LogitStore
from understudy.training.transfer import NO_LABEL, TransferSet, labelled_only, with_soft_targets


@pytest.fixture
def store(tmp_path):
    made = LogitStore(tmp_path / "store", teacher="t", labels=("bad", "good"))
    made.append(["c", "a", "b"], np.array([[5.0, 6.0], [1.0, 2.0], [3.0, 4.0]], dtype=np.float32))
    return made


def test_labelled_texts_alone():
    made = labelled_only(["a", "b"], [1, 0])
    assert made.texts == ("a", "b")
    assert made.gold.tolist() == [1, 0]
    assert made.gold.dtype == np.int64
    assert made.soft is None
    assert len(made) == 2


def test_every_text_gets_its_own_soft_targets(store):
    made = with_soft_targets(["a", "b"], np.array([1, 0]), ["c"], store)
    assert made.texts == ("a", "b", "c")
    assert made.gold.tolist() == [1, 0, NO_LABEL]
    assert made.gold.dtype == np.int64
    assert made.soft.tolist() == [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]
    assert made.soft.dtype == np.float32


def test_a_text_that_stands_twice_keeps_both_its_labels(store):
    made = with_soft_targets(["a", "b", "a"], np.array([0, 1, 1]), [], store)
    assert made.texts == ("a", "b", "a")
    assert made.gold.tolist() == [0, 1, 1]
    assert made.soft.tolist() == [[1.0, 2.0], [3.0, 4.0], [1.0, 2.0]]
    assert labelled_only(["a", "a"], np.array([0, 1])).gold.tolist() == [0, 1]


def test_unlabelled_texts_alone(store):
    made = with_soft_targets([], np.zeros(0, dtype=np.int64), ["b", "c"], store)
    assert made.gold.tolist() == [NO_LABEL, NO_LABEL]
    assert made.soft.tolist() == [[3.0, 4.0], [5.0, 6.0]]


def test_a_text_without_soft_targets_is_named(store):
    with pytest.raises(StoreError, match="2 of 3 texts, the first: 'new'"):
        with_soft_targets(["a", "new"], np.array([1, 0]), ["newer"], store)


def test_an_empty_transfer_set_is_refused(store):
    with pytest.raises(DataError, match="empty"):
        labelled_only([], [])
    with pytest.raises(DataError, match="empty"):
        with_soft_targets([], np.zeros(0, dtype=np.int64), [], store)


def test_columns_of_different_lengths_are_refused(store):
    with pytest.raises(DataError):
        labelled_only(["a", "b"], [0])
    with pytest.raises(DataError):  # else "c" would silently get the third label
        with_soft_targets(["a", "b"], np.array([1, 0, 1]), ["c"], store)
    with pytest.raises(DataError):
        TransferSet(("a", "b"), np.array([0, 1]), np.zeros((1, 2), dtype=np.float32))
