"""Which column holds the text, and which the label: as told, else by its name, else by its content."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from understudy.data.problems import listed
from understudy.errors import DataError, nearest

TEXT_NAMES = (
    "text", "sentence", "message", "content", "review", "utterance", "tweet", "query", "comment", "body",
    "document", "question", "post", "description", "headline", "review_text", "clean_text", "prompt", "input",
    "title", "subject",
)  # fmt: skip
"""Usual names of the text column, the likeliest first."""

LABEL_NAMES = (
    "label_name", "label_text", "label", "labels", "intent", "class", "category", "sentiment", "target",
    "emotion", "topic", "class_name", "tag", "coarse_label", "gold", "gold_label", "rating", "polarity", "y",
)  # fmt: skip
"""Usual names of the label column, names before numbers, the likeliest first."""

OTHER_NAMES = ("id", "idx", "index", "split", "sentence1", "sentence2", "uid")
"""Further names that only a header has."""

_SAMPLE = 1_000


def choose_columns(
    columns: Mapping[str, Sequence[Any]], where: str, *, text: str | None = None, label: str | None = None
) -> tuple[str, str, str | None]:
    """The text column, the label column, and a sentence on what was guessed of them.

    Args:
        columns: column name → values.
        where: the file, for messages.
        text: the text column, where the user names it.
        label: the label column, where the user names it.

    Raises:
        DataError: a named column is missing, both are one, or no column looks like text or like labels.
    """
    for name in (text, label):
        if name is not None:
            require_column(columns, name, where)
    if text is not None and text == label:
        raise DataError(f"Column {text!r} of {where} cannot be both the text and the label.")
    found_text = text or _guess_text(columns, where, taken=label or _by_name(columns, LABEL_NAMES))
    found_label = label or _guess_label(columns, where, taken=found_text)
    return (
        found_text,
        found_label,
        _guess_note(found_text if text is None else None, found_label if label is None else None),
    )


def choose_text_column(
    columns: Mapping[str, Sequence[Any]], where: str, text: str | None = None
) -> tuple[str, str | None]:
    """The text column of an unlabelled file, and a sentence where it was guessed.

    Args:
        columns: column name → values.
        where: the file, for messages.
        text: a column that is taken if there is one of this name.

    Raises:
        DataError: no column looks like text.
    """
    if text is not None and text in columns:
        return text, None
    found = _guess_text(columns, where, taken=_by_name(columns, LABEL_NAMES) if len(columns) > 1 else None)
    return found, _guess_note(found, None)


def require_column(columns: Mapping[str, Sequence[Any]], name: str, where: str) -> None:
    """Check that a column is there.

    Raises:
        DataError: it is not; lists those that are, and suggests the nearest.
    """
    if name not in columns:
        raise DataError(f"{where} has no column {name!r}. {nearest(name, columns)}")


def _guess_note(text: str | None, label: str | None) -> str | None:
    if text is not None and label is not None:
        flags = "--text-column / --label-column"
        return f"Read column {text!r} as text and {label!r} as label (guessed; use {flags})."
    if text is not None:
        return f"Read column {text!r} as text (guessed; use --text-column)."
    if label is not None:
        return f"Read column {label!r} as label (guessed; use --label-column)."
    return None


def _by_name(
    columns: Mapping[str, Sequence[Any]], names: Sequence[str], taken: str | None = None
) -> str | None:
    plain = {column.strip().lower().replace(" ", "_").replace("-", "_"): column for column in columns}
    found = (plain[name] for name in names if name in plain and plain[name] != taken)
    return next(found, None)


def _guess_text(columns: Mapping[str, Sequence[Any]], where: str, taken: str | None) -> str:
    """The column of a usual name, else the one of the longest texts on average."""
    named = _by_name(columns, TEXT_NAMES, taken)
    if named is not None:
        return named
    lengths = {
        name: sum(map(len, values[:_SAMPLE])) / len(values[:_SAMPLE])
        for name, values in columns.items()
        if name != taken and all(isinstance(value, str) for value in values[:_SAMPLE])
    }
    if not lengths:
        raise DataError(
            f"{where} has no column that looks like text; found {listed(list(columns))}. "
            "Name it with --text-column."
        )
    return max(lengths, key=lengths.__getitem__)


def _guess_label(columns: Mapping[str, Sequence[Any]], where: str, taken: str) -> str:
    """The column of a usual name, else the one with the fewest distinct values: two or more, no gaps."""
    named = _by_name(columns, LABEL_NAMES, taken)
    if named is not None:
        return named
    kinds = {
        name: len(set(map(str, values)))
        for name, values in columns.items()
        if name != taken and _whole(values)
    }
    likely = {name: count for name, count in kinds.items() if 2 <= count <= max(2, len(columns[name]) / 2)}
    if not likely:
        raise DataError(
            f"{where} has no column that looks like labels beside the text in {taken!r}; found "
            f"{listed(list(columns))}. Name it with --label-column, or check the delimiter with --delimiter."
        )
    return min(likely, key=likely.__getitem__)


def _whole(values: Sequence[Any]) -> bool:
    return all(isinstance(value, int) or (isinstance(value, str) and value.strip()) for value in values)
