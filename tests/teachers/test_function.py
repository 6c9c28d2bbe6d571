"""Any Python function as a teacher."""

import numpy as np
import pytest

from understudy.core.task import Predictor, Task
from understudy.errors import TeacherError
from understudy.teachers.function import FunctionTeacher, find_function

TASK = Task(("bad", "good"))


def score(texts):
    return [[0.0, float(len(text))] for text in texts]


class Scorer:
    labels = ("good", "bad")

    def __call__(self, texts):
        return np.array(score(texts))


def test_a_function_is_a_predictor():
    teacher = FunctionTeacher(score, TASK)
    assert isinstance(teacher, Predictor)
    np.testing.assert_array_equal(teacher.logits(["a", "bcd"]), [[0, 1], [0, 3]])
    assert teacher.logits(["a"]).dtype == np.float32


def test_columns_are_matched_by_name():
    np.testing.assert_array_equal(FunctionTeacher(Scorer(), TASK).logits(["abc"]), [[3, 0]])
    turned = FunctionTeacher(score, TASK, ("good", "bad"))
    np.testing.assert_array_equal(turned.logits(["abc"]), [[3, 0]])
    assert turned.fingerprint != FunctionTeacher(score, TASK).fingerprint
    with pytest.raises(TeacherError, match=r"teacher.labels"):
        FunctionTeacher(score, TASK, ("good", "poor"))


def test_functions_are_found_by_name():
    assert find_function("math:sqrt")(4) == 2
    assert find_function("collections:OrderedDict.fromkeys")("a")
    for wrong, said in (
        ("math", "'module:function'"),
        ("no_such_module:f", "cannot be imported"),
        ("math:nothing", "has no 'nothing'"),
        ("math:pi", "cannot be called"),
    ):
        with pytest.raises(TeacherError, match=said):
            find_function(wrong)


def test_an_attribute_of_the_object_is_its_fingerprint():
    named = Scorer()
    named.fingerprint = "weights 7"
    assert FunctionTeacher(named, TASK).fingerprint != FunctionTeacher(Scorer(), TASK).fingerprint


def test_columns_are_matched_ignoring_case_where_nothing_else_tells_them_apart():
    turned = FunctionTeacher(score, TASK, ("GOOD", "BAD"))
    np.testing.assert_array_equal(turned.logits(["abc"]), [[3, 0]])


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda texts: [[0.0] * 3 for _ in texts], r"the shape \(2, 3\)"),
        (lambda texts: [[0.0, np.nan] for _ in texts], "not finite"),
        (lambda texts: [[0.0], [1.0, 2.0]], "shape"),
        (lambda texts: "no", "was to give logits"),
    ],
)
def test_answers_are_checked(wrong, said):
    with pytest.raises(TeacherError, match=said):
        FunctionTeacher(wrong, TASK).logits(["a", "b"])
