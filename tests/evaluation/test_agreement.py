import numpy as np
import pytest

from understudy.errors import DataError
from understudy.evaluation.agreement import agreement, disagreements
from understudy.task import Task

TASK = Task(("bad", "fair", "good"))


def logs(*rows):
    return np.log(np.array(rows, dtype=np.float32))


TEACHER = logs([0.9, 0.05, 0.05], [0.6, 0.3, 0.1], [0.1, 0.2, 0.7], [0.25, 0.5, 0.25])
STUDENT = logs([0.3, 0.4, 0.3], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8], [0.1, 0.1, 0.8])
TEXTS = ["a", "b", "c", "d"]
GOLD = [0, 1, 2, 2]


def test_agreement_is_the_share_of_equal_answers():
    assert agreement(TEACHER, STUDENT) == 0.25
    assert agreement(TEACHER, TEACHER * 3 + 1) == 1.0


@pytest.mark.parametrize("shape", [(3, 3), (4, 2), (0, 3)])
def test_agreement_of_other_shapes_is_refused(shape):
    with pytest.raises(DataError, match=r"\(n, labels\)"):
        agreement(np.zeros(shape, np.float32), STUDENT if shape[0] else np.zeros(shape, np.float32))


def test_disagreements_come_worst_first():
    found = disagreements(TEXTS, GOLD, TASK, TEACHER, STUDENT)
    # teacher's probability of its answer - student's of the same: a 0.9 - 0.3, b 0.6 - 0.1, d 0.5 - 0.1
    assert [item.text for item in found] == ["a", "b", "d"]
    assert (found[0].gold, found[0].teacher, found[0].student) == ("bad", "bad", "fair")
    assert (found[1].gold, found[1].teacher, found[1].student) == ("fair", "bad", "fair")
    assert found[0].teacher_confidence == pytest.approx(0.9, abs=1e-6)
    assert found[0].student_confidence == pytest.approx(0.4, abs=1e-6)


def test_disagreements_are_limited_and_ties_keep_their_order():
    teacher, student = np.tile(TEACHER[:1], (5, 1)), np.tile(STUDENT[:1], (5, 1))
    found = disagreements("vwxyz", [0] * 5, TASK, teacher, student, limit=3)
    assert [item.text for item in found] == ["v", "w", "x"]


def test_full_agreement_shows_nothing():
    assert disagreements(TEXTS, GOLD, TASK, TEACHER, TEACHER) == []


def test_disagreements_of_what_does_not_belong_together_are_refused():
    with pytest.raises(DataError, match="3 texts and 3 labels"):
        disagreements(TEXTS[:3], GOLD, TASK, TEACHER, STUDENT)
