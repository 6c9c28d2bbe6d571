"""Answers that stand in a table, by text, as a teacher."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt

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

ROUNDED, WORST = 0.005, 0.1
"""How far the sum of a row's probabilities may be from one: per label (two decimals do), and in all."""


class TableTeacher:
    """A Predictor that looks answers up.

    Args:
        items: Distinct items.
        rows: Their logits, ``(items, labels)``.
        task: The label names.
        name: What reports call it.
        notes: Sentences for whoever watches the teacher at work.
    """

    def __init__(
        self,
        items: Sequence[Item],
        rows: FloatArray,
        task: Task,
        name: str,
        *,
        notes: tuple[str, ...] = (),
    ) -> None:
        self.task, self.name, self.notes = task, name, notes
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
            TeacherError: Some texts are not in the table; the first ones are named.
        """
        missing = list(dict.fromkeys(text for text in texts if text not in self._places))
        if missing:
            first = "; ".join(repr(shown(text)[:80]) for text in missing[:5])
            raise TeacherError(
                f"{self.name} has no answer for {len(missing):,} of {len(texts):,} texts, the first: "
                f"{first}. Add rows for them, or leave them out of the data."
            )
        return self._rows[[self._places[text] for text in texts]]


def logits_of_values(
    values: Mapping[str, Sequence[float | str]], task: Task, form: str, where: str
) -> FloatArray:
    """One column a label → logits ``(rows, labels)``.

    Args:
        values: Label name → its values.
        task: The label names.
        form: ``logits``, or ``probabilities``, whose centred logarithms (multilabel: log-odds) are taken.
        where: The file, for the message.

    Raises:
        TeacherError: A value is not a finite number, or not a probability; or the probabilities of a row do
            not add up to one.
    """
    try:
        numbers = np.array([[float(value) for value in values[label]] for label in task.labels]).T
    except (TypeError, ValueError) as error:
        raise TeacherError(
            f"{where}: a column of logits holds something that is not a number: {error}."
        ) from error

    is_share = form == "probabilities"
    faults = np.argwhere(~np.isfinite(numbers) | (is_share & ((numbers < 0) | (numbers > 1))))
    if len(faults):
        row, column = faults[0]
        what = "a probability" if is_share else "a finite number"
        raise TeacherError(
            f"{where}, row {row + 1}, column {task.labels[column]!r}: {numbers[row, column]} is not {what}."
        )

    if is_share:
        _check_sums(numbers, task, where)
        numbers = np.clip(numbers, TINY, 1 - TINY)
        logs = np.log(numbers)
        rest = np.log1p(-numbers) if task.kind == "multilabel" else logs.mean(axis=1, keepdims=True)
        numbers = logs - rest
    return np.asarray(numbers, dtype=np.float32)


def _check_sums(shares: npt.NDArray[np.float64], task: Task, where: str) -> None:
    """Refuse rows of probabilities that do not add up to one, where labels exclude each other."""
    if task.kind == "multilabel":
        return
    sums = shares.sum(axis=1)
    faults = np.flatnonzero(np.abs(sums - 1) > min(WORST, 0.01 + ROUNDED * len(task.labels)))
    if len(faults):
        raise TeacherError(
            f"{where}, row {faults[0] + 1}: the probabilities add up to {sums[faults[0]]:.4g} instead of 1 "
            f"({len(faults):,} of {len(sums):,} rows are like this). Are they logits (values: logits), or is "
            "a label missing?"
        )


def logits_of_labels(columns: Sequence[Sequence[int]], task: Task, smoothing: float) -> FloatArray:
    """The columns of each row's labels → smoothed logits ``(rows, labels)``; see `answers.hard_row`."""
    return np.stack([hard_row(each, task, smoothing) for each in columns])


def read_table_teacher(config: TableConfig, task: Task) -> TableTeacher:
    """A teacher that looks its answers up in a file.

    Raises:
        DataError: The file cannot be read, or lacks a column.
        TeacherError: A cell is not a logit, a probability or a label; the probabilities of a row do not add
            up to one; or a text has two different answers.
    """
    if task.kind not in ("classification", "pair", "multilabel"):
        raise TeacherError(
            f"A table cannot teach a {task.kind} task: it has one row per text and one column per label."
        )
    path = Path(config.path)
    if not path.is_file():
        raise TeacherError(f"teacher.table: there is no file {config.path}.")

    table = read_table(path)
    columns = _text_columns(table, config, task)
    items: Sequence[Item] = (
        read_pairs(table, (columns[0], columns[1])) if task.texts == 2 else read_texts(table, columns[0])
    )
    rows = _rows(table, config, task)

    places: dict[Item, int] = {}
    for row, item in enumerate(items):
        first = places.setdefault(item, row)
        if (rows[first] != rows[row]).any():
            raise TeacherError(
                f"{table.where}, {table.place(row)}: this text has another answer in {table.place(first)}. "
                "A table has one answer for each text."
            )
    notes = _unread_columns(table, columns, config, task)
    return TableTeacher(list(places), rows[list(places.values())], task, path.name, notes=notes)


def _text_columns(table: Table, config: TableConfig, task: Task) -> tuple[str, ...]:
    named = config.text_column
    if task.texts == 2:
        pair, _ = choose_pair(table.columns, table.where, () if named is None else tuple(named))
        return tuple(pair)
    column = named if isinstance(named, str) else (named or (None,))[0]
    if column is not None:
        require_column(table.columns, column, table.where)
    return (choose_text_column(table.columns, table.where, column)[0],)


def _unread_columns(table: Table, texts: Sequence[str], config: TableConfig, task: Task) -> tuple[str, ...]:
    """A sentence on the columns of a table of soft targets that are neither texts nor labels of the task."""
    if config.label_column is not None:
        return ()
    others = [name for name in table.columns if name not in (*texts, *task.labels)]
    if not others:
        return ()
    names = ", ".join(repr(name) for name in others[:5]) + (", …" if len(others) > 5 else "")
    return (f"{table.where}: not read, for the task has no such label: {names}.",)


def _rows(table: Table, config: TableConfig, task: Task) -> FloatArray:
    if config.label_column is None:
        missing = [label for label in task.labels if label not in table.columns]
        if missing:
            raise TeacherError(
                f"{table.where} has no column {missing[0]!r}, but a table of soft targets has one for each "
                f"label. {nearest(missing[0], table.columns)} Hard targets are read with "
                "teacher.table.label_column."
            )
        values = {label: table.columns[label] for label in task.labels}
        numbers = cast("Mapping[str, Sequence[float | str]]", values)  # what is not one is told there
        return logits_of_values(numbers, task, config.values, table.where)

    require_column(table.columns, config.label_column, table.where)
    columns = [
        _columns(table, row, value, task) for row, value in enumerate(table.columns[config.label_column])
    ]
    return logits_of_labels(columns, task, config.smoothing)


def _columns(table: Table, row: int, value: object, task: Task) -> list[int]:
    names = value if isinstance(value, list | tuple) else [value]
    unknown = [name for name in names if str(name).strip() not in task.index]
    if unknown or (task.kind != "multilabel" and len(names) != 1):
        raise TeacherError(
            f"{table.where}, {table.place(row)}: the label is {value!r}. "
            f"{nearest(str(unknown[0] if unknown else value), task.labels)}"
        )
    return [task.index[str(name).strip()] for name in names]
