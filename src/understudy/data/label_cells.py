"""Turn a table's cells into labels, every cell checked: names, values, lists of names, or tags of words."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from understudy.core.task import Item
from understudy.core.wording import plural, with_article
from understudy.data.cells import is_broken, read_items
from understudy.data.columns import require_column
from understudy.data.label_lists import SEPARATORS
from understudy.data.labels import Label, Labelled, rename
from understudy.data.readers.problems import bad_rows, described
from understudy.data.readers.table import Cell, Table
from understudy.data.schema import Roles

LARGEST = float(np.finfo(np.float32).max)
"""The greatest value that a regression can learn: values are kept as float32."""

_Faults = list[str]


def read_labelled(
    table: Table,
    roles: Roles,
    kind: str = "classification",
    names: Mapping[str, str] | None = None,
    separator: str = SEPARATORS[0],
) -> Labelled:
    """Items and labels of a table, every cell checked.

    Args:
        table: The table to read.
        roles: Its columns.
        kind: Kind of task.
        names: Raw label → name; a label that is a name already stays.
        separator: What stands between the labels of a cell of text (multilabel).

    Raises:
        DataError: a column is missing; an item or a label is empty or of the wrong type; a label has no name.
    """
    items = read_items(table, roles.texts, kind)
    require_column(table.columns, roles.label, table.where)
    if kind == "regression":
        return Labelled(items, _read_values(table, roles.label))
    if kind == "multilabel":
        labels = _read_lists(table, roles.label, separator)
    elif kind == "tagging":
        labels = _read_tags(table, roles.label, items)
    else:
        labels = _read_names(table, roles.label)
    return Labelled(items, labels if names is None else rename(table, labels, names))


def _read_each(
    table: Table, column: str, read: Callable[[int, Cell], tuple[Label, _Faults]], advice: str
) -> list[Label]:
    """The label of every row.

    Args:
        table: The table to read.
        column: The label column.
        read: Gives the label of a row and its cell, and what is wrong with it, by place.
        advice: What to do about faults.

    Raises:
        DataError: there are faults.
    """
    labels: list[Label] = []
    problems: _Faults = []
    for row, cell in enumerate(table.columns[column]):
        label, faults = read(row, cell)
        labels.append(label)
        problems += faults

    if problems:
        raise bad_rows(table.where, problems, advice)
    return labels


def _read_names(table: Table, column: str) -> list[Label]:
    names = table.class_names.get(column)

    def read(row: int, cell: Cell) -> tuple[Label, _Faults]:
        label, fault = _label_of(cell, names)
        return label, [f"{table.place(row)}: {fault}"] if fault else []

    advice = f"A label in column {column!r} is a name, an integer, true or false; mend or delete these rows."
    return _read_each(table, column, read, advice)


def _read_lists(table: Table, column: str, separator: str) -> list[Label]:
    """The labels that hold; a cell may be a list or text, and an empty one says that none does."""
    names = table.class_names.get(column)

    def read(row: int, cell: Cell) -> tuple[Label, _Faults]:
        cells: Sequence[Cell] = (cell,)
        if isinstance(cell, str):
            cells = cell.split(separator) if cell.strip() else ()
        elif isinstance(cell, list | tuple):
            cells = cell
        pairs = [_label_of(each, names) for each in cells]
        faults = [f"{table.place(row)}: {fault}" for _, fault in pairs if fault]
        return tuple(dict.fromkeys(label for label, _ in pairs)), faults

    advice = (
        f"Column {column!r} holds a list of labels, or labels separated by {separator!r} (see "
        "`data.label_separator` of the recipe); mend or delete these rows."
    )
    return _read_each(table, column, read, advice)


def _read_tags(table: Table, column: str, items: Sequence[Item]) -> list[Label]:
    """A tag for each word."""
    names = table.class_names.get(column)

    def read(row: int, cell: Cell) -> tuple[Label, _Faults]:
        words = items[row]
        if not isinstance(cell, list | tuple):
            instead = with_article(type(cell).__name__)
            return (), [f"{table.place(row)}: the tags are {instead} instead of a list"]
        if len(cell) != len(words):
            counts = f"{plural(len(words), 'word')}, but {plural(len(cell), 'tag')}"
            return (), [f"{table.place(row)}: {counts}"]
        pairs = [_tag_of(tag, names) for tag in cell]
        faults = [
            f"{table.place(row, word)}: the word {words[word]!r}: {fault}"
            for word, (_, fault) in enumerate(pairs)
            if fault
        ]
        return tuple(tag for tag, _ in pairs), faults

    advice = f"Each word needs a tag in column {column!r}; mend these, or choose another --label-column."
    return _read_each(table, column, read, advice)


def _tag_of(value: Cell, names: tuple[str, ...] | None) -> tuple[str, str | None]:
    if isinstance(value, str) and value not in ("", "_") and not value.isspace():
        return value, "the tag is not valid Unicode" if is_broken(value) else None
    return ("", "it has no tag") if value in ("_", None) else _label_of(value, names)


def _read_values(table: Table, column: str) -> list[Label]:
    def read(row: int, cell: Cell) -> tuple[Label, _Faults]:
        value, fault = _value_of(cell)
        return value, [f"{table.place(row)}: {fault}"] if fault else []

    advice = f"A value in column {column!r} is a number such as 2.5; mend or delete these rows."
    return _read_each(table, column, read, advice)


def _value_of(cell: Cell) -> tuple[float, str | None]:
    """The value of one cell, and what is wrong with it."""
    if cell is None or (isinstance(cell, str) and not cell.strip()):
        return math.nan, "the value is missing"
    try:
        is_number = isinstance(cell, str | int | float) and not isinstance(cell, bool)
        value = float(cell) if is_number else math.nan  # type: ignore[arg-type]
    except (ValueError, OverflowError):  # words; an integer beyond what a float can be
        value = math.nan
    if not math.isfinite(value):
        return value, f"{shown(cell)} is not a finite number"
    if abs(value) > LARGEST:
        return value, f"{shown(cell)} is too large: values up to {LARGEST:.2g} can be learnt"
    return value, None


def shown(cell: Cell) -> str:
    """A cell as it stands in a message."""
    return described(cell).partition(", ")[2]


def _label_of(value: Cell, names: tuple[str, ...] | None) -> tuple[str, str | None]:
    """The label of one cell, and what is wrong with it."""
    if isinstance(value, str):
        label = value.strip()
        if is_broken(label):
            return label, f"the label {label!r} holds half a surrogate pair, which is not valid Unicode"
        return label, None if label else "the label is empty"
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "", "the label is missing"
    if isinstance(value, bool):
        return str(value).lower(), None
    # pandas makes 1.0 of 1 in a column of which a row is empty
    if isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
        return _name_of(int(value), names)
    hint = " (values need --kind regression)" if isinstance(value, float) else ""
    return "", f"the label is {described(value)}{hint}"


def _name_of(value: int, names: tuple[str, ...] | None) -> tuple[str, str | None]:
    if names is None:
        return str(value), None
    if 0 <= value < len(names):
        return names[value], None
    return "", f"the label is {value}, but only 0 to {len(names) - 1} have names"
