"""What callers give to a model: items in any usual container as a list, or a refusal with the cure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import cast

from understudy.core.task import Item
from understudy.errors import DataError
from understudy.runtime.arrow import LISTED_BY, arrow_texts


def as_sequence(items: object) -> Sequence[Item]:
    """The items of a list, a tuple, an array, a column of a table, or whatever else yields them in order.

    The items themselves are not looked at: their reader reports which of them it cannot read.

    Raises:
        DataError: the argument is a table, a mapping, a set, bytes, or nothing that holds items.
    """
    found = as_texts(items)
    return found if isinstance(found, list | tuple) else list(found)


def as_texts(items: object) -> Sequence[Item]:
    """As `as_sequence`, but the strings of an Arrow array stay where they are, for a student in C.

    Such a sequence has a number of items, and gives each by its number: ``None`` where it is null, and bytes
    where it is not UTF-8.

    Raises:
        DataError: as for `as_sequence`; or an Arrow array is damaged.
    """
    if isinstance(items, list | tuple):
        return cast("Sequence[Item]", items)
    _refuse(items)
    if (texts := arrow_texts(items)) is not None:
        return cast("Sequence[Item]", texts)

    for name in LISTED_BY:  # numpy's arrays, Arrow's, and columns of tables
        if hasattr(items, name):
            items = getattr(items, name)()
            break
    if isinstance(items, str) or not isinstance(items, Iterable):
        raise DataError(f"A text or a list of texts is needed, but {_named(items)} was given.")
    return list(items)


def _refuse(items: object) -> None:
    """Refuse what yields something else than its texts, or yields them in no order."""
    kind = type(items).__name__

    if items is None:
        raise DataError("A text or a list of texts is needed, but None was given.")
    if isinstance(items, bytes | bytearray | memoryview):
        raise DataError(f"A text is needed, but {_named(items)} was given. Decode it, such as data.decode().")
    if isinstance(items, Mapping):
        raise DataError(
            f"A list of texts is needed, but a {kind} was given. Give one of its values, or "
            "list(texts.values())."
        )
    if isinstance(items, set | frozenset):
        raise DataError(
            f"A list of texts is needed, but a {kind} was given, which has no order. Give sorted(texts)."
        )
    if hasattr(items, "columns") or hasattr(items, "column_names"):
        raise DataError(
            f"A list of texts is needed, but a {kind} was given. Give its column of texts, such as "
            'frame["text"].tolist(); for two texts list(zip(frame["first"], frame["second"])).'
        )


def _named(items: object) -> str:
    """An object and its type, short enough for a message."""
    return f"{items!r:.40} ({type(items).__name__})"
