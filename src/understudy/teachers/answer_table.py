"""Answers that stand in a table, by text, as a teacher."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from understudy.core.items import key, shown
from understudy.core.manifest import digest
from understudy.core.task import FloatArray, Item, Task
from understudy.data.cells import read_pairs, read_texts
from understudy.data.columns import choose_pair, choose_text_column, require_column
from understudy.data.readers.files import read_table
from understudy.data.readers.table import Table
from understudy.errors import TeacherError, nearest
from understudy.teachers.answers import hard_row
from understudy.teachers.configs import TableConfig

TINY = 1e-6
"""A probability of 0 or 1 is taken to be this far from it, so that its logit is finite."""


class TableTeacher:
    """A Predictor that looks answers up.

    Args:
        items: distinct.
        rows: their logits, ``(items, labels)``.
        task: the label names.
        name: what reports call it.
    """

    def __init__(self, items: Sequence[Item], rows: FloatArray, task: Task, name: str) -> None:
        self.task, self.name = task, name
        self._rows = rows
        self._places = {item: place for place, item in enumerate(items)}

    @cached_property
    def fingerprint(self) -> str:
        """Changes with any of its answers."""
        rows = [[key(item), self._rows[place].tolist()] for item, place in self._places.items()]
        return digest(["table", self.task.to_dict(), rows])

    def logits(self, texts: Sequence[Item]) -> FloatArray:
        """Logits ``(texts, labels)``.

        Raises:
            TeacherError: some texts do not stand in the table; the first ones are named.
        """
        missing = list(dict.fromkeys(text for text in texts if text not in self._places))
        if missing:
            first = "; ".join(repr(shown(text)[:80]) for text in missing[:5])
            raise TeacherError(
                f"{self.name} has no answer for {len(missing):,} of {len(texts):,} texts, the first: "
                f"{first}. Add rows for them, or leave them out of the data."
            )
        return self._rows[[self._places[text] for text in texts]]


def logits_of_values(values: Mapping[str, Sequence[Any]], task: Task, form: str, where: str) -> FloatArray:
    """One column a label → logits ``(rows, labels)``.

    Args:
        values: label name → its values.
        task: the label names.
        form: ``logits``, or ``probabilities``, whose centred logarithms (multilabel: log-odds) are taken.
        where: they stand, for the message.

    Raises:
        TeacherError: a value is no finite number; or no probability.
    """
    try:
        found = np.array([[float(value) for value in values[label]] for label in task.labels]).T
    except (TypeError, ValueError) as error:
        raise TeacherError(
            f"{where}: a column of logits holds something that is no number: {error}."
        ) from error
    faults = np.argwhere(~np.isfinite(found) | ((form == "probabilities") & ((found < 0) | (found > 1))))
    if len(faults):
        row, column = faults[0]
        what = "a probability" if form == "probabilities" else "a finite number"
        raise TeacherError(
            f"{where}, row {row + 1}, column {task.labels[column]!r}: {found[row, column]} is not {what}."
        )
    if form == "probabilities":
        found = np.clip(found, TINY, 1 - TINY)
        logs = np.log(found)
        rest = np.log1p(-found) if task.kind == "multilabel" else logs.mean(axis=1, keepdims=True)
        found = logs - rest
    return np.asarray(found, dtype=np.float32)


def logits_of_labels(columns: Sequence[Sequence[int]], task: Task, smoothing: float) -> FloatArray:
    """The columns of each row's labels → smoothed logits ``(rows, labels)``; see `answering.hard_row`."""
    return np.stack([hard_row(each, task, smoothing) for each in columns])


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
