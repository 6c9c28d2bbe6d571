import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.errors import DataError
from understudy.tokenization.windows import Window, windows


def test_a_short_sentence_is_one_window() -> None:
    assert windows(np.array([1, 2, 3]), 6) == [Window(0, 3, 0, 3)]
    assert windows(np.array([1, 2, 3]), None) == [Window(0, 3, 0, 3)]
    assert windows(np.array([], dtype=np.int64), 5) == [Window(0, 0, 0, 0)]


@given(st.lists(st.integers(1, 6), min_size=1, max_size=60), st.integers(6, 20))
def test_every_word_is_answered_once_within_the_limit(sizes: list[int], limit: int) -> None:
    pieces, answered = np.array(sizes), []
    for window in windows(pieces, limit):
        assert pieces[window.start : window.stop].sum() <= limit
        assert window.start <= window.first < window.last <= window.stop
        answered += range(window.first, window.last)
    assert answered == list(range(len(sizes)))


def test_words_in_an_overlap_are_answered_where_they_have_more_context() -> None:
    first, second = windows(np.ones(15, dtype=np.int64), 10)
    assert (first.start, first.stop, second.start, second.stop) == (0, 10, 8, 15)
    assert first.last == second.first == 9


def test_a_word_beyond_the_limit_is_refused() -> None:
    with pytest.raises(DataError, match="Word 2 of a sentence has 9 pieces, but the model reads 8"):
        windows(np.array([1, 9]), 8)
