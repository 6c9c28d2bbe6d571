import numpy as np

from understudy.augment.filters.balance import BalanceConfig, by_balance


def logits_of(labels, columns=3):
    return np.eye(columns, dtype=np.float32)[labels]


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


def test_an_empty_pool_stays_empty():
    decided = by_balance(np.zeros((0, 2), dtype=np.float32))
    assert (len(decided.kept), len(decided.removed)) == (0, 0)


def test_oversampling_goes_with_the_mean_unless_said():
    assert [BalanceConfig("median").is_oversampling, BalanceConfig("mean").is_oversampling] == [False, True]
    assert not BalanceConfig("mean", oversample=False).is_oversampling
