"""Turn a table's cells into label names, and put the label names in order."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from understudy.core.task import OUTSIDE, Item
from understudy.core.wording import with_article
from understudy.data.cells import read_items
from understudy.data.columns import require_column
from understudy.data.readers.problems import bad_rows, described, listed
from understudy.data.readers.table import Table
from understudy.data.schema import Roles
from understudy.errors import DataError, nearest

Label = str | float | tuple[str, ...]
"""A label name; a value (regression); the names that hold (multilabel); or a name for each word (tagging)."""

SEPARATORS = (",", "|", ";")
"""What may stand between the labels of a cell, the likeliest first (multilabel)."""


@dataclass(frozen=True)
class Labelled:
    """Items and their labels, equally many.

    Attributes:
        texts: ``n`` texts, pairs of texts, or sentences as tuples of words, none empty.
        labels: ``n`` labels.
    """

    texts: list[Item]
    labels: list[Label]

    def __len__(self) -> int:
        return len(self.texts)

    def pick(self, rows: Sequence[int]) -> Labelled:
        """The given rows, in the given order."""
        return Labelled([self.texts[row] for row in rows], [self.labels[row] for row in rows])


def read_labelled(
    table: Table,
    roles: Roles,
    kind: str = "classification",
    names: Mapping[str, str] | None = None,
    separator: str = SEPARATORS[0],
) -> Labelled:
    """Items and labels of a table, every cell checked.

    Args:
        table: where from.
        roles: its columns.
        kind: kind of task.
        names: raw label → name; a label that is a name already stays.
        separator: what stands between the labels of a cell of text (multilabel).

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
    return Labelled(items, labels if names is None else _rename(table, labels, names))


def guess_separator(cells: Sequence[Any]) -> str:
    """The first of `SEPARATORS` that stands in a cell of text, else a comma."""
    for separator in SEPARATORS:
        if any(isinstance(cell, str) and separator in cell for cell in cells):
            return separator
    return SEPARATORS[0]


def _read_names(table: Table, column: str) -> list[Label]:
    names = table.class_names.get(column)
    labels: list[Label] = []
    problems = []
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


def _read_lists(table: Table, column: str, separator: str) -> list[Label]:
    """The labels that hold; a cell may be a list or text, and an empty one says that none does."""
    names = table.class_names.get(column)
    labels: list[Label] = []
    problems = []
    for row, value in enumerate(table.columns[column]):
        cells = value
        if isinstance(value, str):
            cells = value.split(separator) if value.strip() else ()
        elif not isinstance(value, list | tuple):
            cells = (value,)
        found = [_label_of(cell, names) for cell in cells]
        labels.append(tuple(dict.fromkeys(label for label, _ in found)))
        problems += [f"{table.place(row)}: {fault}" for _, fault in found if fault]
    if problems:
        advice = (
            f"Column {column!r} holds a list of labels, or labels separated by {separator!r} (see "
            "--label-separator); mend or delete these rows."
        )
        raise bad_rows(table.where, problems, advice)
    return labels


def _read_tags(table: Table, column: str, items: Sequence[Item]) -> list[Label]:
    """A tag for each word."""
    names = table.class_names.get(column)
    labels: list[Label] = []
    problems = []
    for row, (value, words) in enumerate(zip(table.columns[column], items, strict=True)):
        if not isinstance(value, list | tuple):
            problems.append(
                f"{table.place(row)}: the tags are {with_article(type(value).__name__)} instead of a list"
            )
            continue
        if len(value) != len(words):
            problems.append(f"{table.place(row)}: {len(words)} words, but {len(value)} tags")
            continue
        found = [_tag_of(tag, names) for tag in value]
        labels.append(tuple(tag for tag, _ in found))
        problems += [
            f"{table.place(row, word)}: the word {words[word]!r}: {fault}"
            for word, (_, fault) in enumerate(found)
            if fault
        ]
    if problems:
        advice = f"Each word needs a tag in column {column!r}; mend these, or choose another --label-column."
        raise bad_rows(table.where, problems, advice)
    return labels


def _tag_of(value: Any, names: tuple[str, ...] | None) -> tuple[str, str | None]:
    if isinstance(value, str) and value not in ("", "_") and not value.isspace():
        return value, None
    return ("", "it has no tag") if value in ("_", None) else _label_of(value, names)


def _read_values(table: Table, column: str) -> list[Label]:
    values: list[Label] = []
    problems = []
    for row, cell in enumerate(table.columns[column]):
        try:
            value = math.nan if isinstance(cell, bool) else float(cell)
        except (TypeError, ValueError):
            value = math.nan
        values.append(value)
        if not math.isfinite(value):
            is_missing = cell is None or (isinstance(cell, str) and not cell.strip())
            fault = "the value is missing" if is_missing else f"{cell!r} is no finite number"
            problems.append(f"{table.place(row)}: {fault}")
    if problems:
        advice = f"A value in column {column!r} is a number such as 2.5; mend or delete these rows."
        raise bad_rows(table.where, problems, advice)
    return values


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
    hint = " (values need --kind regression)" if isinstance(value, float) else ""
    return "", f"the label is {described(value)}{hint}"


def _name_of(value: int, names: tuple[str, ...] | None) -> tuple[str, str | None]:
    if names is None:
        return str(value), None
    if 0 <= value < len(names):
        return names[value], None
    return "", f"the label is {value}, but only 0 to {len(names) - 1} have names"


def names_in(label: Label) -> tuple[str, ...]:
    """The label names of one row; a value has none."""
    if isinstance(label, tuple):
        return label
    return (label,) if isinstance(label, str) else ()


def _rename(table: Table, labels: Sequence[Label], names: Mapping[str, str]) -> list[Label]:
    known = {**{name: name for name in names.values()}, **names}
    problems = [
        f"{table.place(row)}: label {name!r} has no name"
        for row, label in enumerate(labels)
        for name in names_in(label)
        if name not in known
    ]
    if problems:
        raise bad_rows(
            table.where, problems, f"Labels are renamed from {listed(list(names))}; add the missing ones."
        )
    return [
        known[label] if isinstance(label, str) else tuple(known[name] for name in names_in(label))
        for label in labels
    ]


def order_labels(
    labels: Iterable[Label], given: Sequence[str] | None, where: str
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
    found = {name for label in labels for name in names_in(label)}
    if len(found) < 2:
        one = f"one label only, {next(iter(found))!r}" if found else "no label"
        raise DataError(
            f"{where} has {one}. A task needs at least two; check that --label-column names the right column."
        )
    if given is None:
        return tuple(sorted(found, key=_sort_key)), []
    order = list(dict.fromkeys(given))
    extra = sorted(found.difference(order), key=_sort_key)
    return tuple([label for label in order if label in found] + extra), [
        label for label in order if label not in found
    ]


def order_tags(train: Iterable[Label], others: Iterable[Label], where: str) -> tuple[str, ...]:
    """The tags in the order of the logits: ``O`` first, then by type, ``B-`` before ``I-``.

    A further tag of a type that train has, such as ``I-X`` where train has but ``B-X``, is taken from dev and
    test: which words continue a span is no secret.

    Args:
        train: tags of the train sentences.
        others: tags of the dev and test sentences.
        where: the file, for messages.

    Raises:
        DataError: fewer than two tags occur.
    """
    found, _ = order_labels(train, None, where)
    types = {_type_of(tag) for tag in found if "-" in tag}
    more = {tag for tags in others for tag in names_in(tags) if "-" in tag and _type_of(tag) in types}
    return tuple(sorted({*found, *more}, key=lambda tag: (tag != OUTSIDE, _type_of(tag), tag)))


def _type_of(tag: str) -> str:
    prefix, dash, name = tag.partition("-")
    return name if dash and prefix in ("B", "I", "E", "S") else tag


def _sort_key(label: str) -> tuple[int, float, str]:
    try:
        value = float(label)
    except ValueError:
        return 1, 0.0, label
    return (0, value, label) if math.isfinite(value) else (1, 0.0, label)


def check_seen(table: Table, labels: Sequence[Label], known: Sequence[str], train: str) -> None:
    """Every label of a dev or test file occurs in train.

    Raises:
        DataError: some do not; each named once, with the place where it first stands.
    """
    seen = set(known)
    first: dict[str, str] = {}
    for row, label in enumerate(labels):
        for number, name in enumerate(names_in(label)):
            if name not in seen and name not in first:
                first[name] = table.place(row, number if table.kind else None)
    if first:
        problems = [f"{place}: label {label!r} does not occur in {train}" for label, place in first.items()]
        raise bad_rows(
            table.where, problems, f"{nearest(next(iter(first)), known)} Correct it, or add train texts."
        )
