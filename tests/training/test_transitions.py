import numpy as np

from understudy.core.task import Task
from understudy.training.transitions import with_transitions

TASK = Task(("O", "B-X", "I-X"), kind="tagging")


def sentences(count, seed):
    """Spans of two words among others; a word says that it is in a span, hardly whether it begins it."""
    rng = np.random.default_rng(seed)
    tags = np.concatenate([np.concatenate([[0] * rng.integers(1, 4), [1, 2], [0]]) for _ in range(count)])
    logits = rng.normal(size=(len(tags), 3)).astype(np.float32) * 0.5
    logits[tags > 0, 1:] += 3
    logits[tags == 0, 0] += 3
    ends = np.flatnonzero((tags == 0) & (np.roll(tags, 1) == 2)) + 1  # each sentence ends behind its span
    return logits, tags, np.diff(np.concatenate([[0], ends]))


def test_transitions_are_kept_where_dev_is_better():
    _, tags, lengths = sentences(200, 0)
    task, facts = with_transitions(TASK, (tags, lengths), sentences(100, 1))
    assert task.transitions is not None
    assert facts["weight"] > 0
    assert facts["dev_after"] > facts["dev_before"] + 0.1


def test_transitions_are_left_where_they_are_of_no_use():
    """Tags in random order say nothing of each other; the words say all."""
    rng = np.random.default_rng(0)
    tags, lengths = rng.integers(0, 3, 300), np.full(30, 10)
    logits = np.eye(3, dtype=np.float32)[tags] * 20
    task, facts = with_transitions(TASK, (tags, lengths), (logits, tags, lengths))
    assert task is TASK
    assert facts["weight"] == 0


def test_without_tags_or_for_another_task_nothing_changes():
    logits, tags, lengths = sentences(20, 0)
    assert with_transitions(TASK, (np.full(5, -1), np.array([5])), (logits, tags, lengths)) == (TASK, None)
    other = Task(("a", "b", "c"))
    assert with_transitions(other, (tags, lengths), (logits, tags, lengths)) == (other, None)
