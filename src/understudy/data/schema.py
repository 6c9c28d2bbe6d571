"""What a table is read as: the kind of task, and the columns of its texts and its labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from understudy.data.columns import (
    by_name,
    choose_columns,
    choose_pair,
    find_pair,
    guess_label,
    guess_note,
    plain_name,
    require_column,
)
from understudy.data.label_lists import has_lists, holds_written_lists, list_column, refuse_one_hot
from understudy.data.readers.conll import TAG_NAMES, TOKEN_NAMES
from understudy.data.readers.names import LABEL_NAMES, TEXT_NAMES, VALUE_NAMES
from understudy.data.readers.problems import listed
from understudy.data.readers.table import Table
from understudy.errors import DataError, RecipeError


@dataclass(frozen=True)
class Roles:
    """The columns of a table that a task reads.

    Attributes:
        texts: One column of texts (or of the words of sentences), or the two of a pair.
        label: The column of labels, values or tags.
    """

    texts: tuple[str, ...]
    label: str


def infer_kind(table: Table, texts: Sequence[str], label: str | None) -> tuple[str, str | None]:
    """The kind of task that a table is made for, and a sentence where that is more than the usual one.

    Lists of words with lists of tags make a tagging task, lists of labels a multilabel one, two text columns
    a pair; all else is classification. A regression has to be asked for.

    Args:
        table: The train table.
        texts: Text columns that the user names, or none.
        label: The label column that the user names.

    Raises:
        DataError: several columns of 0 and 1 may be labels.
    """
    kind, reason = _kind_and_reason(table, texts, label)
    return kind, reason and f"The task is {kind}: {reason} (guessed; use --kind)."


def _kind_and_reason(table: Table, texts: Sequence[str], label: str | None) -> tuple[str, str | None]:
    if table.kind is not None:
        return table.kind, f"{table.name} holds one word a line, with its tag"

    words, tags = _words_and_tags(table, texts, label)
    if words and tags:
        return "tagging", f"{words!r} and {tags!r} hold lists of words and tags"
    named = label or list_column(table)
    if named is not None and named in table.columns:
        cells = table.columns[named]
        if has_lists(cells) or holds_written_lists(cells):
            return "multilabel", f"{named!r} holds lists of labels"

    if len(texts) == 2:
        return "pair", f"two text columns are named, {listed(texts)}"
    pair = None if texts else find_pair(table.columns)
    if pair is not None:
        return "pair", f"there are two text columns, {listed(pair)}"

    if label is None:
        refuse_one_hot(table, texts)
    return "classification", None


def _words_and_tags(table: Table, texts: Sequence[str], label: str | None) -> tuple[str | None, str | None]:
    """Columns of lists: as named, else of usual names, unless there are usual ones of text and label too."""
    lists = {name: values for name, values in table.columns.items() if has_lists(values)}
    plain = {name: values for name, values in table.columns.items() if name not in lists}
    words = texts[0] if texts else by_name(lists, TOKEN_NAMES)
    tags = label or by_name(lists, TAG_NAMES, taken=words)
    if not texts and not label and by_name(plain, TEXT_NAMES) and by_name(plain, LABEL_NAMES):
        return None, None
    return (words if words in lists else None), (tags if tags in lists else None)


def choose_roles(
    table: Table, kind: str, texts: Sequence[str], label: str | None
) -> tuple[Roles, str | None]:
    """The columns that a task of this kind reads, and a sentence on what was guessed of them.

    Args:
        table: The train table.
        kind: Kind of task.
        texts: Text columns that the user names, or none.
        label: The label column that the user names.

    Raises:
        DataError: a named column is missing, or none looks like what is needed.
        RecipeError: two text columns for a task whose items are one text, or one for a pair.
    """
    if len(texts) > 2 or (len(texts) == 2 and kind in ("classification", "tagging")):
        raise RecipeError(f"{len(texts)} text columns are named, {listed(texts)}, but the task is {kind}.")
    if len(texts) == 1 and kind == "pair":
        raise RecipeError(f"A pair needs two text columns, but one is named, {texts[0]!r}. Name both.")

    if kind == "tagging":
        return _choose_tagging(table, texts, label)
    names = VALUE_NAMES if kind == "regression" else LABEL_NAMES
    lists = list_column(table) if kind == "multilabel" else None
    if lists is not None:
        names = (*names, plain_name(lists))

    is_pair = kind == "pair" or len(texts) == 2
    if is_pair or (kind != "classification" and not texts and find_pair(table.columns)):
        return _choose_pair(table, texts, label, names)
    text, chosen, note = choose_columns(
        table.columns, table.where, text=texts[0] if texts else None, label=label, label_names=names
    )
    return Roles((text,), chosen), note


def _choose_pair(
    table: Table, texts: Sequence[str], label: str | None, names: Sequence[str]
) -> tuple[Roles, str | None]:
    if label is not None:
        require_column(table.columns, label, table.where)
    taken = label or by_name(table.columns, names)
    pair, is_guessed = choose_pair(table.columns, table.where, texts, taken)
    if label in pair:
        raise DataError(f"Column {label!r} of {table.where} cannot be both the text and the label.")

    chosen = label or guess_label(table.columns, table.where, pair, names)
    if not is_guessed:
        return Roles(pair, chosen), guess_note(None, None if label else chosen)
    and_label = f" and {chosen!r} as label" if label is None else ""
    return Roles(pair, chosen), (
        f"Read columns {pair[0]!r} and {pair[1]!r} as the two texts{and_label} "
        "(guessed; use --text-column, twice, and --label-column)."
    )


def _choose_tagging(table: Table, texts: Sequence[str], label: str | None) -> tuple[Roles, str | None]:
    """The first column of lists is the words, the last the tags, unless names say otherwise."""
    lists = [name for name, values in table.columns.items() if has_lists(values)]
    usual_words = by_name(dict.fromkeys(lists, ()), TOKEN_NAMES) or next(iter(lists), None)
    words = _numbered(table, texts[0]) if texts else usual_words

    others = [name for name in lists if name != words]
    usual_tags = by_name(dict.fromkeys(others, ()), TAG_NAMES) or next(reversed(others), None)
    tags = _numbered(table, label) if label else usual_tags

    if words is None or tags is None:
        raise DataError(
            f"{table.where} has no columns of words and of tags; found {listed(list(table.columns))}. Bring "
            'CoNLL columns, or JSONL or Parquet with lists, such as {"words": […], "tags": […]}; or name '
            "the columns with --text-column and --label-column."
        )
    if words == tags:
        raise DataError(f"Column {words!r} of {table.where} cannot be both the words and the tags.")

    if label or (table.kind and len(lists) == 2):
        return Roles((words,), tags), None
    note = (
        f"Read column {words!r} as words and {tags!r} as tags (guessed; use --text-column / --label-column)."
    )
    return Roles((words,), tags), note


def _numbered(table: Table, name: str) -> str:
    """A column by its name, or, in CoNLL columns, by its number from 1."""
    columns = list(table.columns)
    if name not in columns and table.kind and name.isdecimal() and 1 <= int(name) <= len(columns):
        return columns[int(name) - 1]
    require_column(table.columns, name, table.where)
    return name
