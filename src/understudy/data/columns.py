"""Which column holds the text, and which the label: as the user says, else by name, else by content."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from understudy.data.readers.names import LABEL_NAMES, PAIR_NAMES, TEXT_NAMES, VALUE_NAMES
from understudy.data.readers.problems import listed
from understudy.data.readers.table import Cell
from understudy.errors import DataError, nearest

_SAMPLE = 1_000


def choose_columns(
    columns: Mapping[str, Sequence[Cell]],
    where: str,
    *,
    text: str | None = None,
    label: str | None = None,
    label_names: Sequence[str] = LABEL_NAMES,
) -> tuple[str, str, str | None]:
    """The text column, the label column, and a sentence on what was guessed of them.

    Args:
        columns: Column name → values.
        where: The file, for messages.
        text: The text column, where the user names it.
        label: The label column, where the user names it.
        label_names: Usual names of the label column.

    Raises:
        DataError: a named column is missing, both are one, or no column looks like text or like labels.
    """
    for name in (text, label):
        if name is not None:
            require_column(columns, name, where)
    if text is not None and text == label:
        raise DataError(f"Column {text!r} of {where} cannot be both the text and the label.")

    found_text = text or _guess_text(columns, where, taken=label or by_name(columns, label_names))
    found_label = label or guess_label(columns, where, (found_text,), label_names)
    return (
        found_text,
        found_label,
        guess_note(found_text if text is None else None, found_label if label is None else None),
    )


def find_pair(columns: Mapping[str, Sequence[Cell]]) -> tuple[str, str] | None:
    """The columns of a pair that have usual names, if they do."""
    for pair in PAIR_NAMES:
        first, second = (by_name(columns, (name,)) for name in pair)
        if first is not None and second is not None:
            return first, second
    return None


def choose_pair(
    columns: Mapping[str, Sequence[Cell]],
    where: str,
    texts: Sequence[str] = (),
    taken: str | None = None,
) -> tuple[tuple[str, str], bool]:
    """The two text columns of a pair, and whether they were guessed.

    Those of usual names go first, then the two of the longest texts on average, in their order in the file.

    Args:
        columns: Column name → values.
        where: The file, for messages.
        texts: Two columns, where the user names them.
        taken: The label column, where it is known.

    Raises:
        DataError: a named column is missing, or there are no two columns of text.
    """
    if texts:
        first, second = texts
        for name in (first, second):
            require_column(columns, name, where)
        if first == second:
            raise DataError(f"Column {first!r} of {where} cannot be both texts of a pair. Name another.")
        return (first, second), False

    usual = find_pair(columns)
    if usual is not None:
        return usual, True

    lengths = _text_lengths(columns, (taken,) if taken else ())
    longest = sorted(lengths, key=lengths.__getitem__)[-2:]
    if len(longest) < 2:
        raise DataError(
            f"{where} has no two columns that look like texts; found {listed(list(columns))}. "
            "Name them both with --text-column."
        )
    first, second = (name for name in columns if name in longest)
    return (first, second), True


def choose_text_column(
    columns: Mapping[str, Sequence[Cell]], where: str, text: str | None = None
) -> tuple[str, str | None]:
    """The text column of an unlabelled file, and a sentence where it was guessed.

    Args:
        columns: Column name → values.
        where: The file, for messages.
        text: A column that is taken if there is one of this name.

    Raises:
        DataError: no column looks like text.
    """
    if text is not None and text in columns:
        return text, None
    label = by_name(columns, LABEL_NAMES) if len(columns) > 1 else None
    guess = _guess_text(columns, where, taken=label)
    return guess, guess_note(guess, None)


def require_column(columns: Mapping[str, Sequence[Cell]], name: str, where: str) -> None:
    """Check that a column is there.

    Raises:
        DataError: it is not; the message lists those that are, and suggests the nearest.
    """
    if name not in columns:
        raise DataError(f"{where} has no column {name!r}. {nearest(name, columns)}")


def guess_note(text: str | None, label: str | None) -> str | None:
    """A sentence on the columns that were guessed, ``None`` for those that were named."""
    if text is not None and label is not None:
        flags = "--text-column / --label-column"
        return f"Read column {text!r} as text and {label!r} as label (guessed; use {flags})."
    if text is not None:
        return f"Read column {text!r} as text (guessed; use --text-column)."
    if label is not None:
        return f"Read column {label!r} as label (guessed; use --label-column)."
    return None


def by_name(
    columns: Mapping[str, Sequence[Cell]], names: Sequence[str], taken: str | None = None
) -> str | None:
    """The column of the first of ``names`` that there is; case, spaces and hyphens aside."""
    plain = {plain_name(column): column for column in columns}
    return next((plain[name] for name in names if name in plain and plain[name] != taken), None)


def plain_name(column: str) -> str:
    """The name of a column as usual names are written: lower case, ``_`` for spaces and hyphens."""
    return column.strip().lower().replace(" ", "_").replace("-", "_")


def _guess_text(columns: Mapping[str, Sequence[Cell]], where: str, taken: str | None) -> str:
    """The column of a usual name, else the one of the longest texts on average."""
    named = by_name(columns, TEXT_NAMES, taken)
    if named is not None:
        return named
    lengths = _text_lengths(columns, (taken,) if taken else ())
    if not lengths:
        raise DataError(
            f"{where} has no column that looks like text; found {listed(list(columns))}. "
            "Name it with --text-column."
        )
    return max(lengths, key=lengths.__getitem__)


def _text_lengths(columns: Mapping[str, Sequence[Cell]], taken: Sequence[str]) -> dict[str, float]:
    """Average number of characters of each column of strings."""
    lengths = {}
    for name, cells in columns.items():
        texts = [cell for cell in cells[:_SAMPLE] if isinstance(cell, str)]
        if name not in taken and len(texts) == len(cells[:_SAMPLE]):
            lengths[name] = sum(map(len, texts)) / len(texts)
    return lengths


def guess_label(
    columns: Mapping[str, Sequence[Cell]],
    where: str,
    taken: Sequence[str],
    names: Sequence[str] = LABEL_NAMES,
) -> str:
    """The column of a usual name, else the one with the fewest distinct values: two or more, no gaps.

    Args:
        columns: Column name → values.
        where: The file, for messages.
        taken: The text columns.
        names: Usual names of the label column.

    Raises:
        DataError: no column looks like labels.
    """
    named = by_name({name: () for name in columns if name not in taken}, names)
    if named is not None:
        return named
    likely = likely_labels(columns, taken)
    if not likely:
        raise DataError(
            f"{where} has no column that looks like labels beside the text in {listed(taken)}; found "
            f"{listed(list(columns))}. {_advice(columns, taken)}"
        )
    return min(likely, key=likely.__getitem__)


def likely_labels(columns: Mapping[str, Sequence[Cell]], taken: Sequence[str]) -> dict[str, int]:
    """The columns that look like labels, and how many they have: two or more, often repeated, no gaps."""
    counts = {
        name: len(set(map(str, cells)))
        for name, cells in columns.items()
        if name not in taken and _has_no_gaps(cells)
    }
    return {name: count for name, count in counts.items() if 2 <= count <= max(2, len(columns[name]) / 2)}


def _has_no_gaps(cells: Sequence[Cell]) -> bool:
    return all(isinstance(cell, int) or (isinstance(cell, str) and cell.strip()) for cell in cells)


def _advice(columns: Mapping[str, Sequence[Cell]], taken: Sequence[str]) -> str:
    """What to do where no column looks like labels: numbers may be the values of a regression."""
    numbers = [name for name, cells in columns.items() if name not in taken and is_numeric(cells)]
    named = by_name(dict.fromkeys(numbers, ()), VALUE_NAMES) or (numbers[0] if len(numbers) == 1 else None)
    if named is not None:
        return (
            f"Column {named!r} holds numbers: to learn its values, use --kind regression; to learn its "
            f"numbers as labels, use --label-column {named}."
        )
    return "Name it with --label-column, or check the delimiter with --delimiter."


def is_numeric(cells: Sequence[Cell]) -> bool:
    """Whether the cells are numbers, and some are written with a fraction."""
    sample = cells[:_SAMPLE]
    return all(map(_is_number, sample)) and any(map(_has_fraction, sample))


def _is_number(cell: Cell) -> bool:
    try:
        return isinstance(cell, str | int | float) and math.isfinite(float(cell))
    except (ValueError, OverflowError):
        return False


def _has_fraction(cell: Cell) -> bool:
    """Whether a number has a fraction; ``0.0`` as text has, but as a number it may be pandas' for 0."""
    return "." in cell if isinstance(cell, str) else isinstance(cell, float) and not cell.is_integer()
