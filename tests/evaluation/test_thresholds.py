import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from understudy.core.task import THRESHOLD, Task
from understudy.errors import DataError
from understudy.evaluation.thresholds import tune_thresholds

MACRO = Task(("a", "b"), "multilabel", "macro_f1")
MICRO = Task(("a", "b"), "multilabel", "micro_f1")


def f1(held, answered):
    total = held.sum() + answered.sum()
    return 2 * (held & answered).sum() / total if total else 0.0


def test_macro_f1_gets_the_best_threshold_of_each_label():
    gold = np.array([[1, 0], [1, 1], [0, 0], [0, 1]], dtype=np.float32)
    shares = np.array([[0.9, 0.1], [0.6, 0.3], [0.2, 0.2], [0.1, 0.7]], dtype=np.float32)
    assert tune_thresholds(MACRO, gold, shares) == pytest.approx((0.4, 0.25))


def test_micro_f1_gets_one_threshold_for_all_labels():
    gold = np.array([[1, 0], [1, 1], [0, 0], [0, 1]], dtype=np.float32)
    shares = np.array([[0.9, 0.1], [0.6, 0.3], [0.2, 0.2], [0.1, 0.7]], dtype=np.float32)
    assert tune_thresholds(MICRO, gold, shares) == pytest.approx((0.25, 0.25))


def test_equal_probabilities_hold_together():
    gold = np.array([[1, 1], [0, 1], [0, 0]], dtype=np.float32)
    shares = np.array([[0.5, 0.5], [0.5, 0.5], [0.1, 0.5]], dtype=np.float32)
    first, second = tune_thresholds(MACRO, gold, shares)
    assert first == pytest.approx(0.3)
    assert second == pytest.approx(0.25)


def test_a_label_of_no_text_and_texts_without_gold():
    gold = np.array([[1, 0], [np.nan, np.nan], [0, 0]], dtype=np.float32)
    shares = np.array([[0.8, 0.9], [0.7, 0.7], [0.4, 0.3]], dtype=np.float32)
    assert tune_thresholds(MACRO, gold, shares) == pytest.approx((0.6, THRESHOLD))
    nothing = tune_thresholds(MACRO, gold[1:2], shares[1:2])
    assert nothing == tune_thresholds(MICRO, gold[1:2], shares[1:2]) == (THRESHOLD, THRESHOLD)


def test_neighbouring_floats_are_told_apart():
    low = np.float32(0.3)
    high = np.nextafter(low, np.float32(1))
    gold = np.array([[1, 0], [0, 1]], dtype=np.float32)
    shares = np.array([[high, low], [low, high]])
    thresholds = np.array(tune_thresholds(MACRO, gold, shares), dtype=np.float32)
    assert np.array_equal(shares >= thresholds, gold > 0)


@settings(deadline=None, max_examples=60)
@given(st.data(), st.integers(1, 12), st.sampled_from([MACRO, MICRO]))
def test_no_other_threshold_is_better(data, n, task):
    gold = data.draw(arrays(np.float32, (n, 2), elements=st.sampled_from([0.0, 1.0])))
    shares = data.draw(arrays(np.float32, (n, 2), elements=st.sampled_from([0.0, 0.1, 0.2, 0.25, 0.8, 1.0])))
    thresholds = np.array(tune_thresholds(task, gold, shares), dtype=np.float32)
    held, columns = gold > 0, [slice(None)] if task is MICRO else [0, 1]
    for column in columns:
        found = f1(held[:, column], (shares >= thresholds)[:, column])
        others = [f1(held[:, column], (shares >= t)[:, column]) for t in (0, 0.05, 0.15, 0.22, 0.5, 0.9)]
        assert found >= max(others) - 1e-9 or not held[:, column].any()


@pytest.mark.parametrize(
    ("task", "gold", "shares"),
    [
        (Task(("a", "b")), (3, 2), (3, 2)),
        (MACRO, (3, 1), (3, 2)),
        (MACRO, (3, 2), (2, 2)),
        (MACRO, (3,), (3,)),
    ],
)
def test_what_is_not_multilabel_is_refused(task, gold, shares):
    with pytest.raises(DataError, match="multilabel task"):
        tune_thresholds(task, np.zeros(gold), np.zeros(shares))
