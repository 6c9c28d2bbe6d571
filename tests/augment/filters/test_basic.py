import numpy as np
import pytest

from understudy.augment.filters.basic import by_balance, by_confidence, by_length, keep_rows, word_counts
from understudy.errors import DataError


def text(words):
    return " ".join(["a"] * words)


def logits_of(labels, columns=3):
    return np.eye(columns, dtype=np.float32)[labels]


def test_words_of_a_text_or_a_pair_are_counted_and_a_mask_is_one():
    assert word_counts(["Don't stop, now!", "", ("a b", "c."), "a [MASK] b", "<mask> b"]).tolist() == [
        5,
        0,
        4,
        3,
        2,
    ]


def test_length_by_min_max():
    found = by_length([text(n) for n in range(8)], [text(n) for n in (2, 3, 3, 5)])
    assert found.kept.tolist() == [2, 3, 4, 5]
    assert found.removed.tolist() == [0, 1, 6, 7]
    assert found.reason == "not 2 to 5 words long"


def test_length_by_quartiles():
    found = by_length([text(n) for n in range(12)], [text(n) for n in (1, 2, 4, 6, 11)], "quartiles")
    assert found.kept.tolist() == [2, 3, 4, 5, 6]


def test_length_needs_labelled_texts():
    with pytest.raises(DataError, match="there are none"):
        by_length(["a"], [])


def test_balance_by_median_cuts_what_is_above():
    labels = [0] * 10 + [1] * 4 + [2] * 2
    found = by_balance(logits_of(labels), by="median", seed=1)
    assert np.bincount(np.array(labels)[found.kept]).tolist() == [4, 4, 2]
    assert sorted([*found.kept.tolist(), *found.removed.tolist()]) == list(range(16))
    assert "more than 4 texts, the median" in found.reason
    other = by_balance(logits_of(labels), by="median", seed=2)
    assert other.kept.tolist() != found.kept.tolist()


def test_balance_by_mean_repeats_what_is_below_evenly():
    labels = np.array([0] * 12 + [1] * 7 + [2] * 2)
    found = by_balance(logits_of(labels), by="mean", oversample=True)
    assert np.bincount(labels[found.kept]).tolist() == [7, 7, 7]
    repeats = np.bincount(found.kept, minlength=21)
    assert set(repeats[labels == 2].tolist()) == {3, 4}
    assert set(repeats[labels == 1].tolist()) == {1}
    # exact: numbers of rows
    assert found.removed.tolist() == np.flatnonzero(repeats == 0).tolist()


def test_balance_by_mean_without_oversampling():
    labels = np.array([0] * 9 + [1] * 3)
    assert np.bincount(labels[by_balance(logits_of(labels), by="mean").kept]).tolist() == [6, 3]


def test_labels_that_no_text_has_do_not_count():
    labels = np.array([0] * 6 + [2] * 2)
    found = by_balance(logits_of(labels, columns=5), by="median", oversample=True)
    assert np.bincount(labels[found.kept]).tolist() == [4, 0, 4]


def test_confidence_is_the_highest_probability():
    odds = np.log(np.array([[0.5, 0.5], [0.7, 0.3], [0.05, 0.95], [0.9, 0.1]], dtype=np.float32))
    found = by_confidence(odds + 50, 0.6, 0.92)
    assert found.kept.tolist() == [1, 3]
    assert found.removed.tolist() == [0, 2]
    assert found.reason == "the teacher's confidence is not 0.6 to 0.92"


def test_empty_pools_stay_empty():
    nothing = np.zeros((0, 2), dtype=np.float32)
    found = (by_balance(nothing), by_confidence(nothing, 0.1, 0.9), by_length([], ["a"]))
    assert [len(f.kept) + len(f.removed) for f in found] == [0, 0, 0]


def test_rows_are_kept_in_order():
    found = keep_rows(np.array([3, 1, 1]), 5, "why")
    assert (found.kept.tolist(), found.removed.tolist()) == ([1, 1, 3], [0, 2, 4])
