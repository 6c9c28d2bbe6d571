import json
from typing import Any

import numpy as np
import pytest

from understudy.core.task import METRICS, Predictor, Task
from understudy.errors import RecipeError

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


PAIR = Task(("no", "yes"), "pair")
SEVERAL = Task(("a", "b", "c"), "multilabel", thresholds=(0.5, 0.2, 0.9))
SCORE = Task(("score",), "regression", texts=2, bounds=(0.0, 5.0))
BINS = Task(("0", "0.5", "1"), "regression")
TAGS = Task(("O", "B-X", "I-X"), "tagging")


@pytest.mark.parametrize("task", [TASK, PAIR, SEVERAL, SCORE, BINS, TAGS])
def test_every_kind_survives_json(task: Task) -> None:
    assert Task.from_dict(json.loads(json.dumps(task.to_dict()))) == task


def test_defaults_of_the_kinds() -> None:
    assert [task.metric for task in (PAIR, SEVERAL, SCORE, TAGS)] == [
        "accuracy", "micro_f1", "pearson", "span_f1",
    ]  # fmt: skip
    assert Task(("ADJ", "X"), "tagging").metric == "accuracy"
    assert PAIR.texts == 2
    assert TAGS.rows([("a", "b"), ("c",), ()]).tolist() == [2, 1, 0]
    assert PAIR.rows([("a", "b"), ("c", "d")]).tolist() == [1, 1]


def test_multilabel_answers_with_the_labels_over_their_thresholds() -> None:
    logits = np.log(np.array([[0.6, 0.3, 0.8], [0.4, 0.1, 0.95], [0.1, 0.1, 0.1]]))
    logits = (logits - np.log(1 - np.exp(logits))).astype(np.float32)
    assert SEVERAL.answers(logits) == [("a", "b"), ("c",), ()]
    assert SEVERAL.probabilities(logits)[0] == pytest.approx([0.6, 0.3, 0.8], abs=1e-6)


def test_a_direct_value_lies_between_its_bounds() -> None:
    assert SCORE.answers(np.array([[0.0], [1.0], [0.5]], dtype=np.float32)) == [0.0, 5.0, 2.5]
    gold = np.array([5.0, 2.5, np.nan], dtype=np.float32)
    assert SCORE.targets(gold).tolist()[:2] == [1.0, 0.5]
    assert np.isnan(SCORE.targets(gold)[2])
    with pytest.raises(RecipeError, match="values, not probabilities"):
        SCORE.probabilities(np.zeros((1, 1), dtype=np.float32))


def test_bins_answer_with_the_expected_value() -> None:
    logits = np.log(np.array([[0.5, 0.5, 1e-30], [0.25, 0.5, 0.25]])).astype(np.float32)
    assert BINS.answers(logits) == pytest.approx([0.25, 0.5])
    assert BINS.targets(np.array([0.3, 0.9, np.nan])).tolist() == [1, 2, -1]


def test_no_gold_has_the_form_of_the_kind() -> None:
    assert TAGS.no_gold(2).tolist() == [-1, -1]
    assert np.isnan(SEVERAL.no_gold(2)).all()
    assert SEVERAL.no_gold(2).shape == (2, 3)
    assert SCORE.no_gold(2).shape == (2,)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"labels": ("a", "b"), "kind": "tagging", "metric": "span_f1"}, "span_f1' needs tags"),
        ({"labels": ("a", "b"), "kind": "pair", "metric": "pearson"}, "Unknown metric 'pearson' of a pair"),
        ({"labels": ("a",), "kind": "multilabel"}, "at least two labels"),
        ({"labels": ("v",), "kind": "regression"}, "Bounds belong"),
        ({"labels": ("v",), "kind": "regression", "bounds": (1.0, 1.0)}, "must be less"),
        ({"labels": ("1", "x"), "kind": "regression"}, "named by numbers"),
        ({"labels": ("a", "b"), "texts": 2}, "cannot have 2 texts"),
        ({"labels": ("a", "b"), "kind": "multilabel", "thresholds": (0.5,)}, "one per label"),
        ({"labels": ("a", "b"), "thresholds": (0.5, 0.5)}, "Only multilabel tasks have thresholds"),
    ],
)
def test_fields_that_do_not_fit_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        Task(**arguments)
