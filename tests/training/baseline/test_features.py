import doctest

import numpy as np
import pytest

from understudy.core.task import Task
from understudy.errors import ArtifactError, DataError
from understudy.tokenization.words import split
from understudy.training.baseline import features
from understudy.training.baseline.features import (
    OVERLAP,
    PairFeatures,
    TextFeatures,
    WordFeatures,
    features_of,
    traits,
)

TEXTS = ["Don’t stop!", "stop now, stop here", "", "now and then and now"]


def test_examples_in_the_docstrings():
    found = doctest.testmod(features)
    assert (found.failed, found.attempted) == (0, 2)


def test_each_kind_of_item_has_its_features():
    assert features_of(Task(("a", "b"))) is TextFeatures
    assert features_of(Task(("a", "b"), "pair")) is PairFeatures
    assert features_of(Task(("a", "b"), "multilabel", texts=2)) is PairFeatures
    assert features_of(Task(("s",), "regression", bounds=(0, 5))) is TextFeatures
    assert features_of(Task(("a", "b"), "tagging", "accuracy")) is WordFeatures


def test_text_features_equal_those_of_scikit_learn():
    from sklearn.feature_extraction.text import TfidfVectorizer

    theirs = TfidfVectorizer(
        tokenizer=split, token_pattern=None, lowercase=False, ngram_range=(1, 2), sublinear_tf=True
    )
    expected = theirs.fit_transform(TEXTS).toarray()
    ours = TextFeatures.fit(TEXTS)
    assert list(ours.terms) == theirs.get_feature_names_out().tolist()
    assert np.allclose(ours.matrix(TEXTS).toarray(), expected, atol=1e-6)
    unseen = ["stop the unseen", "zzz"]
    assert np.allclose(ours.matrix(unseen).toarray(), theirs.transform(unseen).toarray(), atol=1e-6)
    assert ours.matrix([]).shape == (0, ours.width)


def test_terms_of_one_text_are_left_out_of_many(monkeypatch):
    monkeypatch.setattr(features, "MANY_TEXTS", 3)
    assert set(TextFeatures.fit(TEXTS).terms) == {"stop", "now"}


def test_pairs_tell_the_sides_apart_and_say_what_is_shared():
    pairs = [("a b", "b c"), ("c", "a a"), ("b", "b")]
    made = PairFeatures.fit(pairs)
    v = len(made.terms)
    rows = made.matrix(pairs).toarray()
    assert rows.shape == (3, made.width) == (3, 3 * v + len(OVERLAP))
    first, second, both = rows[:, :v], rows[:, v : 2 * v], rows[:, 2 * v : 3 * v]
    assert np.allclose(both, first * second)
    assert set(np.array(made.terms)[both[0] > 0]) == {"b"}
    assert np.allclose(rows[:, 3 * v :].mean(axis=0), 0, atol=1e-6)
    assert np.allclose(rows[:, 3 * v :].std(axis=0), 1, atol=1e-5)


def test_overlap_by_hand():
    made = PairFeatures(("a", "b", "c"), [1, 1, 1], np.zeros(7), np.ones(7))
    shared = made.matrix([("a b", "b c d b"), ("", "")]).toarray()[:, 9:]
    # tf-idf: (1, 1)/√2 and (1 + ln 2, 1)/|…|; words {a, b}, {b, c, d}; trigrams of " a b " and " b c d b "
    twice = 1 + np.log(2)
    cosine = twice / np.sqrt(2) / np.hypot(twice, 1)
    trigrams = 1 / (3 + 7 - 1 - 1)  # " b " is shared; it stands twice in the second
    expected = [cosine, 1 / 2, 1 / 3, 1 / 4, trigrams, np.log(3 / 5), np.log(5 / 3)]
    assert np.allclose(shared[0], expected, atol=1e-6)
    assert np.allclose(shared[1], 0)


def test_pairs_that_share_alike_do_not_divide_by_zero():
    made = PairFeatures.fit([("a", "a"), ("b", "b")])
    assert np.isfinite(made.matrix([("a", "b"), ("", "c d")]).toarray()).all()


def test_words_see_themselves_and_their_neighbours_but_no_other_sentence():
    sentences = [("The", "cat"), ("cat",), ("the", "2nd", "cat")]
    made = WordFeatures.fit(sentences)
    rows, v = made.matrix(sentences).toarray(), len(made.terms)
    assert rows.shape == (6, 3 * v)

    def seen(row, part):
        return set(np.array(made.terms)[rows[row, part * v : (part + 1) * v] > 0])

    edge = {"=", "~", "shape "}
    assert seen(0, 0) == set(traits("The")) >= {"=The", "~the", "^t", "$he", "shape Xx", "has X"}
    assert seen(0, 1) == seen(1, 2) == seen(2, 1) == seen(2, 2) == edge
    assert seen(0, 2) == set(traits("cat"))
    assert seen(4, 1) == set(traits("the"))
    assert "has 0" in seen(4, 0)
    assert made.matrix([]).shape == (0, 3 * v)
    assert made.matrix([("unseen",), ()]).shape == (1, 3 * v)


def test_traits_of_one_word_are_left_out_of_many(monkeypatch):
    monkeypatch.setattr(features, "MANY_WORDS", 4)
    made = WordFeatures.fit([("the", "cat", "the", "dog")])
    assert "=the" in made.terms
    assert "=dog" not in made.terms


def test_what_is_no_features_is_refused():
    with pytest.raises(ArtifactError, match="2 terms must be distinct"):
        TextFeatures(("a", "a"), [1, 1])
    with pytest.raises(ArtifactError, match="must be distinct"):
        WordFeatures(("a", "a"))
    with pytest.raises(ArtifactError, match="2 terms need as many idf"):
        TextFeatures(("a", "b"), [1])
    with pytest.raises(ArtifactError, match="share 7 numbers"):
        PairFeatures(("a",), [1], [0], [1])
    with pytest.raises(DataError, match="no words"):
        TextFeatures.fit([" ", ""])
    with pytest.raises(DataError, match="no words"):
        WordFeatures.fit([(), ()])
