"""Teachers that are no local model: an endpoint, a Python function, a table; what they are to a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from understudy.data.columns import choose_pair, choose_text_column, require_column
from understudy.data.table import Table, read_table
from understudy.data.texts import read_pairs, read_texts
from understudy.errors import RecipeError, TeacherError, nearest
from understudy.folders import digest, file_digest
from understudy.opening import Order
from understudy.recipe import Recipe
from understudy.task import FloatArray, Item, Predictor, Task
from understudy.teachers.functions import (
    Function,
    FunctionTeacher,
    find_function,
)
from understudy.teachers.prompting import Prompt
from understudy.teachers.settings import EndpointConfig, TableConfig
from understudy.teachers.tables import TableTeacher, logits_of_labels, logits_of_values


@dataclass(frozen=True)
class Outside:
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
    order: Order | None = None


def find_outside(recipe: Recipe, task: Task, function: Function | None = None) -> Outside | None:
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
        return Outside(said.endpoint.model, key, key, endpoint=said.endpoint)
    if said.callable is not None:
        found = function or find_function(said.callable)
        teacher = FunctionTeacher(found, task, said.labels)
        order = None if function else Order("callable", said.callable, teacher_labels=said.labels)
        return Outside(said.callable, teacher.fingerprint, teacher.fingerprint, teacher=teacher, order=order)
    if said.table is not None:
        config = said.table
        table = read_table_teacher(config, task)
        key = digest([file_digest(Path(config.path)), asdict(config), task.to_dict()])
        return Outside(table.name, key, table.fingerprint, teacher=table)
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


def read_table_teacher(config: TableConfig, task: Task) -> TableTeacher:
    """A teacher that looks its answers up in a file.

    Raises:
        DataError: the file cannot be read, or lacks a column.
        TeacherError: a cell is no logit, no probability or no label; or a text has two different answers.
    """
    if task.kind not in ("classification", "pair", "multilabel"):
        raise TeacherError(
            f"A table cannot teach a {task.kind} task: it has one row a text, one column a label."
        )
    path = Path(config.path)
    if not path.is_file():
        raise TeacherError(f"teacher.table: there is no file {config.path}.")
    table = read_table(path)
    items = _items(table, config, task)
    rows = _rows(table, config, task)
    places: dict[Item, int] = {}
    for row, item in enumerate(items):
        first = places.setdefault(item, row)
        if (rows[first] != rows[row]).any():
            raise TeacherError(
                f"{table.where}, {table.place(row)}: this text has another answer in {table.place(first)}. "
                "A table has one answer a text."
            )
    return TableTeacher(list(places), rows[list(places.values())], task, path.name)


def _items(table: Table, config: TableConfig, task: Task) -> Sequence[Item]:
    named = config.text_column
    if task.texts == 2:
        columns, _ = choose_pair(table.columns, table.where, () if named is None else tuple(named))
        return read_pairs(table, columns)
    column = named if isinstance(named, str) else (named or (None,))[0]
    if column is not None:
        require_column(table.columns, column, table.where)
    return read_texts(table, choose_text_column(table.columns, table.where, column)[0])


def _rows(table: Table, config: TableConfig, task: Task) -> FloatArray:
    if config.label_column is None:
        missing = [label for label in task.labels if label not in table.columns]
        if missing:
            raise TeacherError(
                f"{table.where} has no column {missing[0]!r}, but a table of soft targets has one for each "
                f"label. {nearest(missing[0], table.columns)} Hard targets are read with "
                "teacher.table.label_column."
            )
        values: dict[str, Sequence[Any]] = {label: table.columns[label] for label in task.labels}
        return logits_of_values(values, task, config.values, table.where)
    require_column(table.columns, config.label_column, table.where)
    columns = [
        _columns(table, row, value, task) for row, value in enumerate(table.columns[config.label_column])
    ]
    return logits_of_labels(columns, task, config.smoothing)


def _columns(table: Table, row: int, value: Any, task: Task) -> list[int]:
    names = value if isinstance(value, list | tuple) else [value]
    unknown = [name for name in names if str(name).strip() not in task.index]
    if unknown or (task.kind != "multilabel" and len(names) != 1):
        raise TeacherError(
            f"{table.where}, {table.place(row)}: the label is {value!r}. "
            f"{nearest(str(unknown[0] if unknown else value), task.labels)}"
        )
    return [task.index[str(name).strip()] for name in names]
