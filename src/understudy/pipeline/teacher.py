"""Teachers that are no local model: an endpoint, a Python function, a table; what they are to a run."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from understudy.core.manifest import digest, file_digest
from understudy.core.task import Predictor, Task
from understudy.errors import RecipeError
from understudy.pipeline.predictors import PredictorSpec
from understudy.pipeline.recipe import Recipe
from understudy.teachers.answer_table import (
    read_table_teacher,
)
from understudy.teachers.configs import EndpointConfig
from understudy.teachers.function import Function, FunctionTeacher, find_function
from understudy.teachers.prompt import Prompt


@dataclass(frozen=True)
class ExternalTeacher:
    """The teacher of a run, where it is none of ours.

    Attributes:
        name: what the report calls it.
        key: changes when its answers may change.
        fingerprint: of its logit store.
        endpoint: whose answers are bought; ``None`` for the other forms.
        teacher: that answers at once; ``None`` for an endpoint.
        order: how another process opens it for its cost to be measured; ``None`` where that cannot be, as of
            a function that was handed over.
    """

    name: str
    key: str
    fingerprint: str
    endpoint: EndpointConfig | None = None
    teacher: Predictor | None = None
    order: PredictorSpec | None = None


def find_outside(recipe: Recipe, task: Task, function: Function | None = None) -> ExternalTeacher | None:
    """The recipe's teacher where it is an endpoint, a function or a table, else ``None``.

    Args:
        recipe: says which.
        task: that it shall answer.
        function: handed over in Python, in the place of the one that the recipe names.

    Raises:
        TeacherError: it cannot be opened, or does not fit the task.
    """
    said = recipe.teacher
    if said.endpoint is not None:
        key = Prompt(said.endpoint, task).fingerprint
        return ExternalTeacher(said.endpoint.model, key, key, endpoint=said.endpoint)
    if said.callable is not None:
        found = function or find_function(said.callable)
        teacher = FunctionTeacher(found, task, said.labels)
        order = None if function else PredictorSpec("callable", said.callable, teacher_labels=said.labels)
        return ExternalTeacher(
            said.callable, teacher.fingerprint, teacher.fingerprint, teacher=teacher, order=order
        )
    if said.table is not None:
        config = said.table
        table = read_table_teacher(config, task)
        key = digest([file_digest(Path(config.path)), asdict(config), task.to_dict()])
        return ExternalTeacher(table.name, key, table.fingerprint, teacher=table)
    return None


def label_names(recipe: Recipe, function: Function | None = None) -> tuple[str, ...]:
    """The label names that the teacher's own part of the recipe gives, for runs without labelled data.

    Raises:
        RecipeError: it gives none.
    """
    if recipe.teacher.endpoint is not None:
        return tuple(recipe.teacher.endpoint.labels)
    names = recipe.teacher.labels or getattr(function, "labels", None)
    if names is None:
        raise RecipeError(
            "There is no labelled data (data.source), and the teacher does not name its labels. Give one of "
            "both: data, or teacher.labels (of an endpoint: teacher.endpoint.labels)."
        )
    return tuple(names)
