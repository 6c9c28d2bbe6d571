"""Turn a table's cells into texts and label names, and put the label names in order."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from understudy.data.columns import require_column
from understudy.data.problems import bad_rows, listed
from understudy.data.table import Table
from understudy.errors import DataError, nearest


@dataclass(frozen=True)
class Labelled:
    """Texts and their label names, equally many.

    Attributes:
        texts: ``n`` texts, none empty.
        labels: ``n`` label names.
    """

    texts: list[str]
    labels: list[str]

    def __len__(self) -> int:
        return len(self.texts)

    def pick(self, rows: Sequence[int]) -> Labelled:
        """The given rows, in the given order."""
        return Labelled([self.texts[row] for row in rows], [self.labels[row] for row in rows])


def read_labelled(table: Table, text: str, label: str, names: Mapping[str, str] | None = None) -> Labelled:
    """Texts and labels of a table, every cell checked.

    Args:
        table: where from.
        text: the text column.
        label: the label column.
        names: raw label → name; a label that is a name already stays.

    Raises:
        DataError: a column is missing; a text or a label is empty or of the wrong type; a label has no name.
    """
    require_column(table.columns, text, table.where)
    require_column(table.columns, label, table.where)
    texts = read_texts(table, text)
    labels = _read_labels(table, label)
    return Labelled(texts, labels if names is None else _rename(table, labels, names))


def read_texts(table: Table, column: str, *, skip_blank: bool = False) -> list[str]:
    """The texts of a column, exactly as they stand.

    Args:
        table: where from.
        column: the text column.
        skip_blank: leave blank texts out instead of refusing them.

    Raises:
        DataError: a text is empty (unless skipped), is not text, or is not valid Unicode; by place.
    """
    values = table.columns[column]
    faults = (_text_fault(value) for value in values)
    problems = [
        f"{table.place(row)}: {fault}"
        for row, fault in enumerate(faults)
        if fault is not None and not (skip_blank and fault == _EMPTY_TEXT)
    ]
    if problems:
        advice = f"Give column {column!r} a text in these rows, or delete them."
        raise bad_rows(table.where, problems, advice)
    return [value for value in values if value is not None and value.strip()] if skip_blank else list(values)


_EMPTY_TEXT = "the text is empty"


def _text_fault(value: Any) -> str | None:
    if value is None:
        return _EMPTY_TEXT
    if not isinstance(value, str):
        return f"the text is a {type(value).__name__}, {value!r}, instead of a string"
    if not value.strip():
        return _EMPTY_TEXT
    if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
        return "the text holds half a surrogate pair, which is no valid Unicode"
    return None


def _read_labels(table: Table, column: str) -> list[str]:
    names = table.class_names.get(column)
    labels, problems = [], []
    for row, value in enumerate(table.columns[column]):
        label, fault = _label_of(value, names)
        labels.append(label)
        if fault:
            problems.append(f"{table.place(row)}: {fault}")
    if problems:
        advice = (
            f"A label in column {column!r} is a name, an integer, true or false; mend or delete these rows."
        )
        raise bad_rows(table.where, problems, advice)
    return labels


def _label_of(value: Any, names: tuple[str, ...] | None) -> tuple[str, str | None]:
    """The label of one cell, and what is wrong with it."""
    if isinstance(value, str):
        label = value.strip()
        return label, None if label else "the label is empty"
    if isinstance(value, bool):
        return str(value).lower(), None
    if isinstance(value, int):
        return _name_of(value, names)
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "", "the label is missing"
    return "", f"the label is a {type(value).__name__}, {value!r}"


def _name_of(value: int, names: tuple[str, ...] | None) -> tuple[str, str | None]:
    if names is None:
        return str(value), None
    if 0 <= value < len(names):
        return names[value], None
    return "", f"the label is {value}, but only 0 to {len(names) - 1} have names"


def _rename(table: Table, labels: Sequence[str], names: Mapping[str, str]) -> list[str]:
    known = {**{name: name for name in names.values()}, **names}
    problems = [
        f"{table.place(row)}: label {label!r} has no name"
        for row, label in enumerate(labels)
        if label not in known
    ]
    if problems:
        raise bad_rows(
            table.where, problems, f"Labels are renamed from {listed(list(names))}; add the missing ones."
        )
    return [known[label] for label in labels]


def order_labels(
    labels: Sequence[str], given: Sequence[str] | None, where: str
) -> tuple[tuple[str, ...], list[str]]:
    """The label names in the order of the logits, and those of ``given`` that no train text has.

    Args:
        labels: labels of the train texts.
        given: the order, where a catalogue, a hub data set or the user gives one; else names are sorted, and
            numbers by their value.
        where: the file, for messages.

    Raises:
        DataError: fewer than two labels occur.
    """
    found = set(labels)
    if len(found) < 2:
        raise DataError(
            f"{where} has one label only, {next(iter(found))!r}. A task needs at least two; "
            "check that --label-column names the right column."
        )
    if given is None:
        return tuple(sorted(found, key=_sort_key)), []
    order = list(dict.fromkeys(given))
    extra = sorted(found.difference(order), key=_sort_key)
    return tuple([label for label in order if label in found] + extra), [
        label for label in order if label not in found
    ]


def _sort_key(label: str) -> tuple[int, float, str]:
    try:
        value = float(label)
    except ValueError:
        return 1, 0.0, label
    return (0, value, label) if math.isfinite(value) else (1, 0.0, label)


def check_seen(table: Table, labels: Sequence[str], known: Sequence[str], train: str) -> None:
    """Every label of a dev or test file occurs in train.

    Raises:
        DataError: some do not; each named once, with the place where it first stands.
    """
    first: dict[str, int] = {}
    for row, label in enumerate(labels):
        if label not in known:
            first.setdefault(label, row)
    if first:
        problems = [
            f"{table.place(row)}: label {label!r} does not occur in {train}" for label, row in first.items()
        ]
        raise bad_rows(
            table.where, problems, f"{nearest(next(iter(first)), known)} Correct it, or add train texts."
        )
