import numpy as np

from understudy.augment.filters.confidence import by_confidence


def test_confidence_is_the_highest_probability():
    odds = np.log(np.array([[0.5, 0.5], [0.7, 0.3], [0.05, 0.95], [0.9, 0.1]], dtype=np.float32))
    found = by_confidence(odds + 50, 0.6, 0.92)
    assert found.kept.tolist() == [1, 3]
    assert found.removed.tolist() == [0, 2]
    assert found.reason == "the teacher's confidence is not 0.6 to 0.92"


def test_an_empty_pool_stays_empty():
    decided = by_confidence(np.zeros((0, 2), dtype=np.float32), 0.1, 0.9)
    assert (len(decided.kept), len(decided.removed)) == (0, 0)
