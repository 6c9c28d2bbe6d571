"""Predictors are opened from their descriptions, and answer in the order of the task's labels."""

from dataclasses import asdict, dataclass

import numpy as np
import pytest

from understudy.core.task import Task
from understudy.errors import TeacherError
from understudy.pipeline.predictors import PredictorSpec, Relabelled, open_predictor


@dataclass
class Student:
    """Column c of row r is ``10 r + c``."""

    task: Task
    fingerprint: str = "weights"
    parameters: int = 7

    def logits(self, texts):
        return np.array([[10.0 * row + column for column in range(3)] for row in range(len(texts))])


TASK = Task(("bad", "fair", "good"))


def test_columns_follow_the_names_of_the_other_task():
    student = Relabelled(Student(TASK), Task(("good", "bad", "fair")))
    np.testing.assert_array_equal(student.logits(["a", "b"]), [[2, 0, 1], [12, 10, 11]])
    assert student.parameters == 7


def test_the_fingerprint_changes_with_the_order():
    orders = [("bad", "fair", "good"), ("good", "bad", "fair")]
    first, second = (Relabelled(Student(TASK), Task(order)).fingerprint for order in orders)
    assert first != second
    assert first == Relabelled(Student(TASK), Task(orders[0])).fingerprint
    assert first != Relabelled(Student(TASK, "other weights"), Task(orders[0])).fingerprint


@pytest.mark.parametrize(
    "task", [Task(("bad", "good")), Task(("bad", "fair", "best")), Task(TASK.labels, "multilabel")]
)
def test_a_student_of_another_task_is_refused(task):
    with pytest.raises(TeacherError, match="does not answer the task"):
        Relabelled(Student(TASK), task)


def test_a_spec_is_rebuilt_from_its_fields():
    members = (PredictorSpec("teacher", "one", "bfloat16", ("bad", "good")), PredictorSpec("student", "two"))
    spec = PredictorSpec("ensemble", "one + two", members=members, mean="probabilities")
    assert PredictorSpec.from_dict(asdict(spec)) == spec


def lengths(texts):
    return [[float(len(text)), 0.0] for text in texts]


def test_a_function_is_opened_by_its_name():
    task = Task(("long", "short"))
    opened = open_predictor(PredictorSpec("callable", f"{__name__}:lengths"), task)
    np.testing.assert_array_equal(opened.predictor.logits(["abc", ""]), [[3, 0], [0, 0]])
    assert opened.parameters is opened.size_bytes is None
