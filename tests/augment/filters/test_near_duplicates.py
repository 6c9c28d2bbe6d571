import importlib

import numpy as np
import pytest

from understudy.augment.filters.near_duplicates import NearDuplicatesConfig, by_shingles, shingles
from understudy.errors import MissingExtraError

BASE = "the room was clean and the staff at the desk were kind to all of us on every day"


def test_shingles_are_runs_of_words():
    assert shingles("A b c", 2) == {b"a b", b"b c"}
    assert shingles("a", 2) == {b"a"}
    assert shingles(("a b", "c"), 2) == {b"a b", b"b c"}
    assert shingles("", 2) == {b""}


def test_of_nearly_the_same_texts_the_first_stays():
    pytest.importorskip("datasketch")
    texts = [BASE, "something else stands here now", BASE + " .", BASE.upper(), "the room was dirty"]
    found = by_shingles(texts, threshold=0.8)
    assert found.kept.tolist() == [0, 1, 4]
    assert found.removed.tolist() == [2, 3]
    assert by_shingles(texts, threshold=1.0).removed.tolist() == [3]


def test_nothing_less_alike_than_the_threshold_goes():
    pytest.importorskip("datasketch")
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(list("abcd"), 6)) for _ in range(300)]
    found = by_shingles(texts, threshold=0.6)
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
        by_shingles(["a"])


@pytest.mark.parametrize("threshold", [0.01, 0.8, 1.0])
def test_the_shortest_signature_serves_every_threshold(threshold):
    pytest.importorskip("datasketch")
    assert NearDuplicatesConfig(threshold=threshold, permutations=8).permutations == 8
    assert by_shingles(["a b c", "A b c"], threshold=threshold, permutations=8).kept.tolist() == [0]
