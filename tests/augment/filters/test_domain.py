import numpy as np
import pytest

from understudy.augment.filters.domain import by_domain
from understudy.errors import DataError

LABELLED = ["the film was good", "a dull film", "the plot of the film"]
POOL = ["stocks fell again", "the film was dull", "a good plot", "rain all day", ("a film", "of no plot")]


def test_the_most_alike_by_tfidf_stay():
    found = by_domain(POOL, LABELLED, 3)
    assert found.kept.tolist() == [1, 2, 4]
    assert "not among the 3 most like" in found.reason
    assert by_domain(POOL, LABELLED, 99).kept.tolist() == [0, 1, 2, 3, 4]


def test_the_most_alike_by_word_vectors_stay():
    words = ["film", "cinema", "plot", "rain", "stocks"]
    vectors = np.array([[1, 0], [0.9, 0.1], [0.8, 0.3], [0, 1], [-1, 0.2]], dtype=np.float32)
    found = by_domain(["stocks", "Cinema", "rain", "unknown", "film plot"], LABELLED, 2, (words, vectors))
    assert found.kept.tolist() == [1, 4]


def test_likeness_needs_labelled_texts_and_no_pool():
    with pytest.raises(DataError, match="there are none"):
        by_domain(POOL, [], 2)
    assert len(by_domain([], LABELLED, 2).kept) == 0
