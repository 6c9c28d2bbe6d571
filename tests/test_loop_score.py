"""What selects an epoch, for every kind of task."""

import numpy as np
import pytest

from understudy import loop
from understudy.loop import dev_score
from understudy.task import Task

LN3 = float(np.log(3))


@pytest.fixture
def decided(monkeypatch):
    """The decisions that the metric is given; it answers one half."""
    given = []

    def score(_, labels, decisions, *more):
        given.append((labels, decisions))
        return 0.5

    monkeypatch.setattr(loop, "metric_score", score)
    return given


@pytest.mark.parametrize(
    ("task", "logits", "gold", "decisions", "loss"),
    [
        # softmax: (1/4, 3/4) twice
        (Task(("a", "b"), kind="pair"), [[0, LN3], [0, LN3]], [1, 0], [1, 1], np.log(4 * 4 / 3) / 2),
        (Task(("O", "B-X"), kind="tagging"), [[0, LN3], [LN3, 0]], [1, 0], [1, 0], np.log(4 / 3)),
        # sigmoid: (1/2, 3/4) and (1/4, 1/2); the threshold of the second label is higher
        (
            Task(("a", "b"), kind="multilabel", thresholds=(0.5, 0.7)),
            [[0, LN3], [-LN3, 0]],
            [[1, 0], [0, 1]],
            [[1, 1], [0, 0]],
            (np.log(2) + np.log(4) + np.log(4 / 3) + np.log(2)) / 4,
        ),
        # 0.5 and 0 stand for 3 and 1; gold 5 and 1 for 1 and 0
        (Task(("x",), kind="regression", bounds=(1, 5)), [[0.5], [0.0]], [5, 1], [3, 1], 0.125),
        # (1/4, 3/4) of the bins 0 and 4 is 3; gold 4 and 1 are nearest to bins 4 and 0
        (Task(("0", "4"), kind="regression"), [[0, LN3], [0, LN3]], [4, 1], [3, 3], np.log(4 * 4 / 3) / 2),
    ],
)
def test_every_kind_by_hand(decided, task, logits, gold, decisions, loss):
    gold = np.array(gold, dtype=np.int64 if task.is_exclusive else np.float32)
    reached, minus_loss = dev_score(task, np.array(logits, dtype=np.float32), gold, np.array([2]))
    assert (reached, minus_loss) == (0.5, pytest.approx(-loss, rel=1e-6))
    ((labels, given),) = decided
    np.testing.assert_array_equal(labels, gold)
    np.testing.assert_allclose(given, decisions, rtol=1e-6)
