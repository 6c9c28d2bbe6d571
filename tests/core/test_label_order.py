"""Columns are matched by label name, exactly or else ignoring case."""

import numpy as np
import pytest

from understudy.core.label_order import Relabelled, column_order
from understudy.core.task import Predictor, Task
from understudy.errors import TeacherError


class Fixed:
    """Answers every text with 0, 1, 2, …"""

    fingerprint, parameters = "f", 7

    def __init__(self, *labels):
        self.task = Task(labels)

    def logits(self, texts):
        return np.tile(np.arange(len(self.task.labels), dtype=np.float32), (len(texts), 1))


@pytest.mark.parametrize(
    ("held", "wanted", "expected"),
    [
        (("a", "b"), ("a", "b"), [0, 1]),
        (("a", "b", "c"), ("c", "a", "b"), [2, 0, 1]),
        (("NEG", "POS"), ("pos", "neg"), [1, 0]),
        (
            ("A", "a"),
            ("a", "A"),
            [1, 0],
        ),  # exact names decide, where there are two that case alone tells apart
        (("A", "a"), ("A", "b"), None),
        (("A", "a"), ("a", "a"), None),
        (("a", "b"), ("a",), None),
        (("a",), ("a", "b"), None),
    ],
)
def test_columns_are_found_by_name(held, wanted, expected):
    assert column_order(held, wanted) == expected


def test_a_predictor_answers_in_the_order_of_another_task():
    turned = Relabelled(Fixed("bad", "good", "so-so"), Task(("Good", "so-so", "Bad")))
    assert isinstance(turned, Predictor)
    # exact: no matrix product, columns are only put in another order
    np.testing.assert_array_equal(turned.logits(["x", "y"]), [[1, 2, 0]] * 2)
    assert turned.parameters == 7
    assert (
        turned.fingerprint
        != Relabelled(Fixed("bad", "good", "so-so"), Task(("bad", "good", "so-so"))).fingerprint
    )


@pytest.mark.parametrize("task", [Task(("bad", "poor")), Task(("bad", "good"), "multilabel")])
def test_another_task_is_refused(task):
    with pytest.raises(TeacherError, match="does not answer the task"):
        Relabelled(Fixed("bad", "good"), task)
