"""Which texts to pay for: the unsure, the diverse, or any."""

import math

import numpy as np
import pytest

from understudy.core.task import Task
from understudy.errors import RecipeError
from understudy.training.acquisition import WAYS, entropy, select


class Fixed:
    """Answers by the number that a text is."""

    def __init__(self, task, rows):
        self.task, self.rows = task, rows

    def logits(self, items):
        return np.array([self.rows[item] for item in items], dtype=np.float32)


TWO = Task(("a", "b"))


def test_entropy_of_answers_by_hand():
    student = Fixed(TWO, {"sure": [20.0, -20.0], "even": [1.0, 1.0], "odds": [math.log(3), 0.0]})
    found = entropy(student, ["sure", "even", "odds"])
    expected = [0.0, math.log(2), -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_entropy_of_several_labels_and_of_words():
    many = Fixed(Task(("a", "b"), "multilabel"), {"x": [0.0, 0.0], "y": [20.0, -20.0]})
    np.testing.assert_allclose(entropy(many, ["x", "y"]), [2 * math.log(2), 0.0], atol=1e-5)

    class Tagger:
        task = Task(("O", "B-A"), "tagging", metric="accuracy")

        def logits(self, items):
            return np.array([[0, 0], [20, -20], [0, 0]], dtype=np.float32)

    np.testing.assert_allclose(
        entropy(Tagger(), [("a", "b"), ("c",)]), [math.log(2) / 2, math.log(2)], atol=1e-5
    )


def test_values_have_no_entropy():
    task = Task(("score",), "regression", bounds=(0.0, 1.0))
    with pytest.raises(RecipeError, match="no uncertainty"):
        select(["a"], Fixed(task, {"a": [0.5]}), "uncertainty", 1, 0)


def test_the_unsure_come_first():
    items = [f"text {n}" for n in range(50)]
    student = Fixed(TWO, {item: [abs(n - 30.0), 0.0] for n, item in enumerate(items)})
    assert set(select(items, student, "uncertainty", 3, 0)) == {"text 29", "text 30", "text 31"}
    assert select(items, student, "uncertainty", 1, 0) == ["text 30"]


def test_the_diverse_come_from_every_cluster():
    items = [f"{word} {word} {word} {n}" for word in ("film", "room", "food", "staff") for n in range(25)]
    for seed in range(5):
        picked = select(items, None, "diversity", 4, seed)
        assert len({item.split()[0] for item in picked}) >= 3


@pytest.mark.parametrize("how", WAYS)
def test_picks_are_distinct_seeded_and_no_more_than_there_are(how):
    items = [f"word{n % 7} text" for n in range(7)] + ["", "!"]
    student = Fixed(TWO, {item: [float(len(item)), 0.0] for item in items})
    picked = select(items, student, how, 5, (1, 2))
    assert len(set(picked)) == len(picked) == 5
    assert picked == select(items, student, how, 5, (1, 2))
    assert sorted(select(items, student, how, 50, 0)) == sorted(items)
    assert select([], student, how, 5, 0) == []


def test_without_a_student_uncertainty_is_random():
    items = list(map(str, range(30)))
    assert select(items, None, "uncertainty", 5, 3) == select(items, None, "random", 5, 3)


def test_an_unknown_way_is_said():
    with pytest.raises(RecipeError, match="Did you mean 'uncertainty'"):
        select(["a"], None, "uncertain", 1, 0)
