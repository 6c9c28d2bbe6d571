import json

import numpy as np
import pytest

from understudy.errors import RecipeError
from understudy.task import METRICS, Predictor, Task

TASK = Task(("no", "maybe", "yes"))


def test_defaults_and_index():
    assert (TASK.kind, TASK.metric) == ("classification", METRICS["classification"][0])
    assert TASK.index == {"no": 0, "maybe": 1, "yes": 2}


def test_labels_become_a_tuple_in_their_order():
    assert Task(["b", "a"]).labels == ("b", "a")
    assert hash(Task(["b", "a"])) == hash(Task(("b", "a")))
    assert Task(("a", "b")) != Task(("b", "a"))


def test_answers_are_names_of_the_highest_logits():
    logits = np.array([[0.0, 2.0, 1.0], [5.0, -1.0, 0.0], [-3.0, -2.0, -1.0]], dtype=np.float32)
    assert TASK.answers(logits) == ["maybe", "no", "yes"]


def test_probabilities_by_hand():
    # softmax(0, 0, ln 2) = (1, 1, 2) / 4
    found = TASK.probabilities(np.array([[0.0, 0.0, np.log(2.0)]], dtype=np.float32))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, [[0.25, 0.25, 0.5]], rtol=1e-6)


def test_probabilities_of_huge_logits_are_finite():
    found = TASK.probabilities(np.array([[1e4, 0.0, -1e4], [3e38, 3e38, 3e38]], dtype=np.float32))
    np.testing.assert_allclose(found, [[1, 0, 0], [1 / 3, 1 / 3, 1 / 3]], rtol=1e-6)


def test_to_dict_and_back():
    task = Task(("b", "a"), metric="macro_f1")
    assert Task.from_dict(json.loads(json.dumps(task.to_dict()))) == task


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels": ("a", "b"), "kind": "clasification"}, "Did you mean 'classification'"),
        ({"labels": ("a", "b"), "metric": "acuracy"}, "Did you mean 'accuracy'"),
        ({"labels": ("a",)}, "at least two labels"),
        ({"labels": ()}, "at least two labels"),
        ({"labels": ("a", "b", "a")}, "named twice"),
    ],
)
def test_refuses_what_it_cannot_do(options, message):
    with pytest.raises(RecipeError, match=message):
        Task(**options)


def test_a_predictor_is_anything_with_a_task_and_logits():
    class Constant:
        task = TASK

        def logits(self, texts):
            return np.zeros((len(texts), 3), dtype=np.float32)

    assert isinstance(Constant(), Predictor)
    assert not isinstance(TASK, Predictor)
