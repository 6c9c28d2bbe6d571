"""What selects an epoch, for every kind of task."""

import numpy as np
import pytest

from understudy.core.task import Task
from understudy.optim.loop import dev_score

LN3 = float(np.log(3))


@pytest.mark.parametrize(
    ("task", "logits", "gold", "reached", "loss"),
    [
        # softmax: (1/4, 3/4) twice; the second is wrong
        (Task(("a", "b"), kind="pair"), [[0, LN3], [0, LN3]], [1, 0], 0.5, np.log(4 * 4 / 3) / 2),
        # one span of one word, and it is found
        (Task(("O", "B-X"), kind="tagging"), [[0, LN3], [LN3, 0]], [1, 0], 1.0, np.log(4 / 3)),
        # sigmoid: (1/2, 3/4) and (1/4, 1/2). A threshold tells apart a, and not b, which then holds twice,
        # once wrongly: micro F1 = 2 · 2 / (3 + 2)
        (
            Task(("a", "b"), kind="multilabel"),
            [[0, LN3], [-LN3, 0]],
            [[1, 0], [0, 1]],
            0.8,
            (np.log(2) + np.log(4) + np.log(4 / 3) + np.log(2)) / 4,
        ),
        # 0.5 and 0 stand for 3 and 1; gold 5 and 1 for 1 and 0
        (Task(("x",), kind="regression", bounds=(1, 5)), [[0.5], [0.0]], [5, 1], 1.0, 0.125),
        # (1/4, 3/4) of the bins 0 and 4 is 3, twice; gold 4 and 1 are nearest to bins 4 and 0
        (Task(("0", "4"), kind="regression"), [[0, LN3], [0, LN3]], [4, 1], 0.0, np.log(4 * 4 / 3) / 2),
    ],
)
def test_every_kind_by_hand(task, logits, gold, reached, loss):
    gold = np.array(gold, dtype=np.int64 if task.is_exclusive else np.float32)
    found = dev_score(task, np.array(logits, dtype=np.float32), gold, np.array([2]))
    assert found == pytest.approx((reached, -loss), rel=1e-6)
