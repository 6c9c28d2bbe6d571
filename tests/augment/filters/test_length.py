import pytest

from understudy.augment.filters.length import by_length
from understudy.errors import DataError


def text(words):
    return " ".join(["a"] * words)


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


def test_an_empty_pool_stays_empty():
    decided = by_length([], ["a"])
    assert (len(decided.kept), len(decided.removed)) == (0, 0)
