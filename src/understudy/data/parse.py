"""Read the tables of a source as a task: its kind, the splits with their labels, the names of the labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from understudy.core.spans import to_bio
from understudy.core.task import OUTSIDE
from understudy.core.wording import plural
from understudy.data.columns import is_numeric
from understudy.data.gold import VALUE
from understudy.data.label_cells import read_labelled
from understudy.data.label_lists import (
    SEPARATORS,
    LabelLists,
    guess_separator,
    joined_labels_note,
    with_label_lists,
)
from understudy.data.labels import Labelled, check_seen, names_in, order_labels, order_tags
from understudy.data.readers.problems import listed
from understudy.data.readers.table import Table
from understudy.data.schema import Roles, choose_roles, infer_kind
from understudy.data.sources import DataSource
from understudy.errors import RecipeError


@dataclass(frozen=True)
class Content:
    """What the tables of a source hold.

    Attributes:
        kind: Kind of task.
        roles: The columns that were read.
        splits: ``train`` and any of ``dev`` and ``test``.
        names: Label names in the order of the logits.
        notes: Sentences on what was guessed.
    """

    kind: str
    roles: Roles
    splits: dict[str, Labelled]
    names: tuple[str, ...]
    notes: list[str]


def read_content(found: DataSource, bins: float | None = None, separator: str | None = None) -> Content:
    """Read every split.

    Args:
        found: The source.
        bins: Width of the bins (regression).
        separator: What stands between the labels of a cell (multilabel); ``None`` guesses.

    Raises:
        DataError: no column looks like what is needed, a cell cannot be read, or a label does not occur in
            train.
        RecipeError: an option is given that this kind of task does not have.
    """
    train, wish = found.tables["train"], found.reading
    kind, inferred = wish.kind, None
    if kind is None:
        kind, inferred = infer_kind(train, wish.texts, wish.label_column)
    _check_options(kind, {"bins": bins, "label_separator": separator, "labels": wish.labels})
    lists = LabelLists(found.tables, wish.label_column)
    if kind == "multilabel" and separator is None:
        lists = with_label_lists(found.tables, wish.texts, wish.label_column)
    train = lists.tables["train"]

    roles, guessed = choose_roles(train, kind, wish.texts, lists.label)
    notes = [note for note in (inferred, lists.note, guessed) if note]
    if kind == "multilabel" and separator is None:
        separator = guess_separator(train.columns[roles.label])
        if separator != SEPARATORS[0]:
            notes.append(
                f"Labels are separated by {separator!r} (guessed; use data.label_separator in a recipe)."
            )

    splits = {
        part: read_labelled(table, roles, kind, wish.labels, separator or SEPARATORS[0])
        for part, table in lists.tables.items()
    }
    if kind == "tagging":
        splits, remarks = _in_bio(splits)
        notes += remarks
    names, remarks = _name_labels(lists.tables, wish.labels, kind, roles, splits)
    notes += remarks
    if wish.kind is None and kind == "classification":
        notes += _other_readings(train, roles.label, names)
    return Content(kind, roles, splits, names, notes)


def _other_readings(train: Table, label: str, names: Sequence[str]) -> list[str]:
    """Sentences on what else the labels may be, where the kind of task was inferred."""
    notes = []
    if is_numeric(train.columns[label]):
        notes.append(
            f"Column {label!r} holds numbers such as {names[0]}, read as names of labels; to learn its "
            "values, use --kind regression."
        )
    joined = joined_labels_note(names)
    return [*notes, joined] if joined else notes


def _check_options(kind: str, options: Mapping[str, object]) -> None:
    """Refuse options of other kinds of task, and values that cannot be used.

    Raises:
        RecipeError: names the option.
    """
    owners = {
        "bins": ("regression",),
        "label_separator": ("multilabel",),
        "labels": ("classification", "pair", "multilabel", "tagging"),
    }
    for option, kinds in owners.items():
        if options[option] is not None and kind not in kinds:
            name = "--bins" if option == "bins" else f"data.{option}"
            raise RecipeError(
                f"{name} belongs to {' or '.join(kinds)}, but the task is {kind}. Leave it out."
            )

    bins = options["bins"]
    if isinstance(bins, int | float) and not 0 < bins < float("inf"):
        raise RecipeError(f"The width of the bins must be more than 0, but is {bins}.")
    if options["label_separator"] == "":
        raise RecipeError(
            "data.label_separator is empty, but labels need something between them, such as ','."
        )


def _in_bio(splits: Mapping[str, Labelled]) -> tuple[dict[str, Labelled], list[str]]:
    """The splits with IOB1 tags rewritten in BIO."""
    kept, notes = {}, []
    for part, split in splits.items():
        kept[part], count = rewrite(split)
        if count:
            sentences = plural(count, f"{part} sentence")
            notes.append(f"Rewrote {sentences} in BIO: an I-X begins a span there, as in IOB1.")
    return kept, notes


def _name_labels(
    tables: Mapping[str, Table],
    renamed: Mapping[str, str] | None,
    kind: str,
    roles: Roles,
    splits: Mapping[str, Labelled],
) -> tuple[tuple[str, ...], list[str]]:
    """The label names in order, checked against dev and test, and notes."""
    train = tables["train"]
    if kind == "regression":
        return (VALUE,), []
    others = [label for part, split in splits.items() if part != "train" for label in split.labels]
    unused: list[str] = []
    if kind == "tagging":
        names = order_tags(splits["train"].labels, others, train.where)
    else:
        order = renamed.values() if renamed is not None else train.class_names.get(roles.label)
        names, unused = order_labels(
            splits["train"].labels, None if order is None else list(order), train.where
        )

    for part, table in tables.items():
        if part != "train":
            check_seen(table, splits[part].labels, names, train.where)
    return names, [f"Left out labels that no train text has: {listed(unused)}."] if unused else []


def rewrite(split: Labelled) -> tuple[Labelled, int]:
    """The split in BIO, and how many sentences were rewritten; tags of other schemes stay as they are."""
    tags = {tag for label in split.labels for tag in names_in(label)}
    if not any(tag.startswith("I-") for tag in tags):
        return split, 0
    if not all(tag == OUTSIDE or tag[:2] in ("B-", "I-") for tag in tags):
        return split, 0
    rows = [row for row, label in enumerate(split.labels) if _is_iob1(names_in(label))]
    labels = list(split.labels)
    for row in rows:
        labels[row] = tuple(to_bio(names_in(labels[row])))
    return Labelled(split.texts, labels), len(rows)


def _is_iob1(tags: tuple[str, ...]) -> bool:
    """Whether an ``I-X`` does not follow a tag of its type."""
    return any(
        tag.startswith("I-") and before[2:] != tag[2:]
        for before, tag in zip((OUTSIDE, *tags), tags, strict=False)
    )
