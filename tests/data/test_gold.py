import numpy as np
import pytest

from understudy.core.task import Task
from understudy.data.gold import bins_of, bounds_of, count, decode, encode
from understudy.errors import DataError, RecipeError

TASKS = [
    (Task(("b", "a")), ["x", "y"], ["a", "b"], [1, 0]),
    (Task(("b", "a"), "pair"), [("x", "y"), ("y", "x")], ["a", "b"], [1, 0]),
    (Task(("a", "b", "c"), "multilabel"), ["x", "y"], [("a", "c"), ()], [[1, 0, 1], [0, 0, 0]]),
    (Task(("v",), "regression", bounds=(0, 5)), ["x", "y"], [3.8, 0.1], [3.8, 0.1]),
    (Task(("O", "B-X"), "tagging"), [("x", "y"), ("z",)], [("O", "B-X"), ("O",)], [0, 1, 0]),
]


@pytest.mark.parametrize(("task", "items", "labels", "gold"), TASKS)
def test_gold_labels_of_every_kind_and_back(task, items, labels, gold):
    found = encode(labels, task)
    assert found.dtype == (np.int64 if task.is_exclusive else np.float32)
    np.testing.assert_allclose(found, gold, rtol=1e-6)
    assert list(decode(found, task, items)) == labels
    assert len(found) == task.rows(items).sum()
    assert list(decode(encode([], task), task, [])) == []


def test_counts_of_every_kind():
    assert [count(encode(labels, task), task) for task, _, labels, _ in TASKS] == [
        {"b": 1, "a": 1},
        {"b": 1, "a": 1},
        {"a": 1, "b": 0, "c": 1},
        {"0 to 1.25": 1, "1.25 to 2.5": 0, "2.5 to 3.75": 0, "3.75 to 5": 1},
        {"O": 2, "B-X": 1},
    ]
    binned = Task(("0", "0.5", "1"), "regression")
    assert count(np.array([0.2, 0.6, 9.0, np.nan]), binned) == {"0": 1, "0.5": 1, "1": 1}
    beyond = count(np.array([-9.0, 9.0, 5.0, 1.25]), TASKS[3][0])
    assert list(beyond.values()) == [1, 1, 0, 2]


def test_bins_are_multiples_of_the_width_around_the_values():
    found = bins_of([0.0, 5.0], 0.25, "a")
    assert len(found) == 21
    assert (found[0], found[1], found[4], found[-1]) == ("0", "0.25", "1", "5")
    assert bins_of([0.05, 0.31], 0.1, "a") == ("0", "0.1", "0.2", "0.3", "0.4")
    assert bins_of([-0.7, 0.2], 0.5, "a") == ("-1", "-0.5", "0", "0.5")
    assert bins_of([0.1, 0.7], 0.1, "a")[0] == "0.1"


def test_values_that_make_no_task_are_refused():
    assert bounds_of([2.0, 1.0, 3.5], "a") == (1.0, 3.5)
    with pytest.raises(
        DataError, match=r"Every value of a\.csv is 2\. A regression needs values that differ"
    ):
        bounds_of([2.0, 2.0], "a.csv")
    with pytest.raises(DataError, match="Every value"):
        bins_of([2.0, 2.0], 1, "a.csv")
    with pytest.raises(
        RecipeError, match=r"Bins of 0\.001 over values from 0 to 5 are 5,001; between 2 and 1,000"
    ):
        bins_of([0.0, 5.0], 0.001, "a")
