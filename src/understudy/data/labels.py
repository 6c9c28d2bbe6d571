"""Labels by name, and the label names in the order of the logits."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from understudy.core.task import OUTSIDE, Item
from understudy.data.readers.problems import bad_rows, listed
from understudy.data.readers.table import Table
from understudy.errors import DataError, nearest

Label = str | float | tuple[str, ...]
"""A label name; a value (regression); the names that hold (multilabel); or a name for each word (tagging)."""


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


def names_in(label: Label) -> tuple[str, ...]:
    """The label names of one row; a value has none."""
    if isinstance(label, tuple):
        return label
    return (label,) if isinstance(label, str) else ()


def rename(table: Table, labels: Sequence[Label], names: Mapping[str, str]) -> list[Label]:
    """Labels by their names.

    Args:
        table: Where they come from, for messages.
        labels: Raw labels, or names already.
        names: Raw label → name.

    Raises:
        DataError: a label has no name; by place.
    """
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
        labels: Labels of the train texts.
        given: The order, where a catalogue, a hub data set or the user gives one; else names are sorted, and
            numbers by their value.
        where: The file, for messages.

    Raises:
        DataError: fewer than two labels occur.
    """
    used = {name for label in labels for name in names_in(label)}
    if len(used) < 2:
        one = f"one label only, {next(iter(used))!r}" if used else "no label"
        raise DataError(
            f"{where} has {one}. A task needs at least two; check that --label-column names the right column."
        )
    if given is None:
        return tuple(sorted(used, key=_sort_key)), []
    order = list(dict.fromkeys(given))
    extra = sorted(used.difference(order), key=_sort_key)
    unused = [label for label in order if label not in used]
    return (*(label for label in order if label in used), *extra), unused


def order_tags(train: Iterable[Label], others: Iterable[Label], where: str) -> tuple[str, ...]:
    """The tags in the order of the logits: ``O`` first, then by type, ``B-`` before ``I-``.

    A further tag of a type that train has, such as ``I-X`` where train has but ``B-X``, is taken from dev and
    test: which words continue a span is no secret.

    Args:
        train: Tags of the train sentences.
        others: Tags of the dev and test sentences.
        where: The file, for messages.

    Raises:
        DataError: fewer than two tags occur.
    """
    used, _ = order_labels(train, None, where)
    types = {_type_of(tag) for tag in used if "-" in tag}
    more = {tag for tags in others for tag in names_in(tags) if "-" in tag and _type_of(tag) in types}
    return tuple(sorted({*used, *more}, key=lambda tag: (tag != OUTSIDE, _type_of(tag), tag)))


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
