import pytest

from understudy.core.task import Task
from understudy.errors import RecipeError
from understudy.teachers.methods import FEW_LABELS, WAYS, check_method, check_unused, ways_for

TASK = Task(("bad", "good"))
PAIR = Task(("no", "yes"), kind="pair")
OTHERS = [
    Task(("a", "b"), kind="multilabel"),
    Task(("value",), kind="regression", bounds=(0.0, 1.0)),
    Task(("1", "2"), kind="regression"),
    Task(("O", "B-X", "I-X"), kind="tagging"),
]


@pytest.mark.parametrize("task", [TASK, PAIR])
def test_few_labels_are_compared_and_many_are_not(task):
    assert ways_for("auto", task, "auto", FEW_LABELS) == WAYS
    assert ways_for("auto", task, "mean", 10) == WAYS
    assert ways_for("auto", task, "auto", FEW_LABELS + 1) == ("finetune",)
    assert ways_for("auto", task, "cls", 10) == ("finetune",)


@pytest.mark.parametrize("task", OTHERS)
def test_other_kinds_of_task_are_fine_tuned(task):
    assert ways_for("auto", task, "auto", 10) == ("finetune",)
    check_method("auto", task)
    check_method("finetune", task)
    with pytest.raises(RecipeError, match=f"does not fit a task of kind {task.kind}"):
        check_method("contrastive", task)


@pytest.mark.parametrize("way", WAYS)
def test_a_named_way_is_the_only_one(way):
    assert ways_for(way, TASK, "auto", 10) == ways_for(way, TASK, "auto", 10**6) == (way,)
    check_method(way, TASK)


def test_options_of_fine_tuning_are_refused_where_nothing_is_fine_tuned():
    check_unused("auto", ["epochs"])
    check_unused("finetune", ["epochs"])
    check_unused("frozen", ["precision", "class_weights"])
    with pytest.raises(RecipeError, match=r"finetune\.epochs has no effect with teacher\.method: frozen"):
        check_unused("frozen", ["epochs"])
