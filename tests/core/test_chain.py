"""Tags in their order: sums over all sequences, by hand and by brute force."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from understudy.core.chain import count_transitions, in_order
from understudy.core.task import Task
from understudy.errors import RecipeError

TAGS = ("O", "B-X", "I-X")


def task(transitions=None, labels=TAGS):
    rows = None if transitions is None else tuple(map(tuple, np.asarray(transitions).tolist()))
    return Task(labels, kind="tagging", transitions=rows)


def by_brute_force(logits, transitions):
    """Probabilities ``(t, c)`` of each tag: the sum over all sequences of one sentence."""
    words, labels = logits.shape
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    total = np.zeros((words, labels))
    for tags in product(range(labels), repeat=words):
        weight = np.prod(shares[range(words), tags])
        weight *= np.exp(sum(transitions[a, b] for a, b in zip((labels, *tags), tags, strict=False)))
        total[range(words), tags] += weight
    return total / total.sum(axis=1, keepdims=True)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=6), st.integers(0, 10_000))
def test_probabilities_are_sums_over_all_sequences(lengths, seed):
    rng = np.random.default_rng(seed)
    lengths = np.array(lengths)
    logits, transitions = rng.normal(size=(lengths.sum(), 3)) * 3, rng.normal(size=(4, 3))
    found = in_order(task(transitions), logits.astype(np.float32), lengths)
    assert found.dtype == np.float32
    for start, length in zip(np.cumsum(lengths) - lengths, lengths, strict=True):
        some = logits[start : start + length].astype(np.float32)
        alone = in_order(task(transitions), some, np.array([length]))
        np.testing.assert_allclose(np.exp(alone), np.exp(found[start : start + length]), atol=1e-5)
        expected = by_brute_force(logits[start : start + length], transitions)
        np.testing.assert_allclose(np.exp(found[start : start + length]), expected, atol=1e-5)


def test_without_transitions_logits_stay_as_they_are():
    logits = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    assert in_order(task(), logits, np.array([2, 3])) is logits
    zeros = in_order(task(np.zeros((4, 3))), logits, np.array([2, 3]))
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(np.exp(zeros), shares, rtol=1e-5)


def test_no_words_have_no_logits():
    found = in_order(task(np.zeros((4, 3))), np.zeros((0, 3), np.float32), np.array([0, 0]))
    assert found.shape == (0, 3)


def test_what_cannot_follow_is_not_answered():
    """Alone the second word is rather I-X; behind O it cannot be."""
    transitions = np.zeros((4, 3))
    transitions[[0, 3], 2] = -50
    logits = np.array([[2, 1, 0], [0, 1, 1.5]], np.float32)
    assert in_order(task(transitions), logits, np.array([2])).argmax(axis=1).tolist() == [0, 1]
    assert in_order(task(transitions), logits, np.array([1, 1])).argmax(axis=1).tolist() == [0, 1]


def test_scores_of_any_size_have_logarithms():
    transitions = np.full((4, 3), -30.0)
    logits = np.array([[1e4, -1e4, 0], [0, 1e4, -1e4], [-1e4, 0, 1e4]] * 200, np.float32)
    for lengths in ([600], [300, 300]):
        found = in_order(task(transitions), logits, np.array(lengths))
        np.testing.assert_allclose(np.exp(found).sum(axis=1), 1, rtol=1e-4)


def test_transitions_say_how_much_likelier_a_tag_is():
    tags, lengths = np.array([0, 1, 2, 0, 0, 1, 2, 2]), np.array([4, 4])
    found = count_transitions(tags, lengths, 3)
    assert found.shape == (4, 3)
    assert found[1, 2] > 0.5  # I behind B
    assert found[0, 2] < -1  # I behind O
    assert found[3, 0] > 0.5  # O first
    again = count_transitions(np.array([0, 1, 2, 0, -1, 0, 1, 2, 2]), np.array([4, 0, 5]), 3)
    np.testing.assert_allclose(again[:3], found[:3], atol=0.3)  # a word without a tag links nothing
    np.testing.assert_allclose(
        count_transitions(np.full(4, -1), np.array([4]), 3), np.zeros((4, 3)), atol=1e-6
    )


@pytest.mark.parametrize("wrong", [np.zeros((3, 3)), np.zeros((4, 2)), np.zeros((5, 3))])
def test_transitions_of_another_size_are_refused(wrong):
    with pytest.raises(RecipeError, match="a number a tag"):
        task(wrong)
    with pytest.raises(RecipeError, match="Only tagging"):
        Task(("a", "b"), transitions=((0.0, 0.0),) * 3)


def test_a_task_with_transitions_is_written_and_read():
    one = task(np.arange(12).reshape(4, 3) / 7)
    assert Task.from_dict(one.to_dict()) == one
