import importlib

import numpy as np
import pytest

from understudy.augment.filter_configs import NearDuplicatesConfig
from understudy.augment.filters.similarity import by_domain, near_duplicates, shingles
from understudy.errors import DataError, MissingExtraError

BASE = "the room was clean and the staff at the desk were kind to all of us on every day"


def test_shingles_are_runs_of_words():
    assert shingles("A b c", 2) == {b"a b", b"b c"}
    assert shingles("a", 2) == {b"a"}
    assert shingles(("a b", "c"), 2) == {b"a b", b"b c"}
    assert shingles("", 2) == {b""}


def test_of_nearly_the_same_texts_the_first_stays():
    pytest.importorskip("datasketch")
    texts = [BASE, "something else stands here now", BASE + " .", BASE.upper(), "the room was dirty"]
    found = near_duplicates(texts, threshold=0.8)
    assert found.kept.tolist() == [0, 1, 4]
    assert found.removed.tolist() == [2, 3]
    assert near_duplicates(texts, threshold=1.0).removed.tolist() == [3]


def test_nothing_less_alike_than_the_threshold_goes():
    pytest.importorskip("datasketch")
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(list("abcd"), 6)) for _ in range(300)]
    found = near_duplicates(texts, threshold=0.6)
    sets = [shingles(text, 2) for text in texts]
    assert len(found.removed) > 20

    def alike(one, other):
        return len(sets[one] & sets[other]) / len(sets[one] | sets[other])

    kept = found.kept.tolist()
    for row in found.removed.tolist():
        assert max(alike(row, other) for other in kept if other < row) >= 0.6


def test_a_missing_library_is_named(monkeypatch):
    def fail(name):
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", fail)
    with pytest.raises(MissingExtraError, match=r"pip install 'understudy\[augment\]'"):
        near_duplicates(["a"])


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


@pytest.mark.parametrize("threshold", [0.01, 0.8, 1.0])
def test_the_shortest_signature_serves_every_threshold(threshold):
    pytest.importorskip("datasketch")
    assert NearDuplicatesConfig(threshold=threshold, permutations=8).permutations == 8
    assert near_duplicates(["a b c", "A b c"], threshold=threshold, permutations=8).kept.tolist() == [0]
