"""Labels of which several may hold, however a table writes them: lists, lists as text, or a column for each.

pandas writes a column of lists to CSV as text, such as ``['a', 'b']``. Many sets have a column of 0 and 1 for
each label instead ("one-hot").
"""

from __future__ import annotations

import ast
import itertools
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from understudy.core.safe_json import JsonError, parse_json
from understudy.data.columns import by_name, likely_labels, plain_name, require_column
from understudy.data.readers.conll import TOKEN_NAMES
from understudy.data.readers.names import LABEL_NAMES, TEXT_NAMES
from understudy.data.readers.problems import bad_rows, described, listed
from understudy.data.readers.table import Cell, Table
from understudy.errors import DataError

SEPARATORS = (",", "|", ";")
"""What may stand between the labels of a cell, the likeliest first."""

_SAMPLE = 1_000
"""Cells among which one begins with a bracket, if a column may hold lists."""

_BITS = {"0": False, "0.0": False, "false": False, "1": True, "1.0": True, "true": True}
_NUMBERS = re.compile(r"[-+\d.\s,]+").fullmatch
_QUOTED = re.compile(r"""("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')(?:\s*,\s*|\s+|$)""")


@dataclass(frozen=True)
class LabelLists:
    """Tables whose labels are lists.

    Attributes:
        tables: The tables of the source.
        label: The column of lists, where it is not to be guessed.
        note: A sentence on what was guessed, or ``None``.
    """

    tables: Mapping[str, Table]
    label: str | None
    note: str | None = None


def with_label_lists(tables: Mapping[str, Table], texts: Sequence[str], label: str | None) -> LabelLists:
    """Turn lists that are written as text, and columns of 0 and 1, into lists of labels.

    Args:
        tables: ``train`` and any of ``dev`` and ``test``.
        texts: Text columns that the user names, or none.
        label: The label column that the user names, or ``None``.

    Raises:
        DataError: a cell does not fit the others of its column; by place.
    """
    train = tables["train"]
    column = label or list_column(train)
    bits = one_hot_columns(train, texts)
    if label is None and len(bits) >= 2 and (column is None or column in bits):
        made = next(name for name in ("labels", "one_hot_labels", "\x1elabels") if name not in train.columns)
        note = f"Read columns {listed(bits)}, which hold 0 and 1, as labels (guessed; use --label-column)."
        return LabelLists({part: _join(table, bits, made) for part, table in tables.items()}, made, note)

    if column is not None and column in train.columns and holds_written_lists(train.columns[column]):
        tables = {part: _parse_lists(table, column) for part, table in tables.items()}
    return LabelLists(tables, label)


def list_column(table: Table) -> str | None:
    """The label column of a usual name; else the only column of lists, if nothing else looks like labels."""
    named = by_name(table.columns, LABEL_NAMES)
    if named is not None:
        return named
    lists = [name for name, cells in table.columns.items() if has_lists(cells) or holds_written_lists(cells)]
    others = likely_labels(table.columns, taken=lists)
    return lists[0] if len(lists) == 1 and not others and plain_name(lists[0]) not in TOKEN_NAMES else None


def has_lists(cells: Sequence[Cell]) -> bool:
    """Whether the first cell that is not empty is a list."""
    first = next((cell for cell in cells if cell is not None), None)
    return isinstance(first, list | tuple)


def holds_written_lists(cells: Sequence[Cell]) -> bool:
    """Whether at least half of the cells that are not blank are lists as text, and one has a label.

    So many are not lists by chance: cells that are not lists are errors, which are raised with their places
    when the column is read.
    """
    start = itertools.islice((cell for cell in cells if not _is_blank(cell)), _SAMPLE)
    if not any(isinstance(cell, str) and cell.lstrip().startswith("[") for cell in start):
        return False

    filled = [cell for cell in cells if not _is_blank(cell)]
    lists = [written_list(cell) if isinstance(cell, str) else None for cell in filled]
    return any(lists) and 2 * sum(labels is not None for labels in lists) >= len(lists)


def _is_blank(cell: Cell) -> bool:
    return cell is None or (isinstance(cell, str) and not cell.strip())


def written_list(cell: str) -> list[Cell] | None:
    """The list that a cell stands for, as JSON, Python or numpy writes it; ``None`` where it is not one.

    >>> written_list('["a", "b"]'), written_list("['a' 'b']"), written_list("[0, 3]"), written_list("[]")
    (['a', 'b'], ['a', 'b'], [0, 3], [])
    """
    text = cell.strip()
    if not (text.startswith("[") and text.endswith("]")):
        return None
    inner = text[1:-1].strip()
    if not inner:
        return []
    if _NUMBERS(inner):
        return [_number(each) for each in re.split(r"[\s,]+", inner) if each]
    try:
        labels = parse_json(text)
    except JsonError:
        return _quoted_entries(inner)
    return labels if all(isinstance(label, str | int) for label in labels) else None


def _number(text: str) -> Cell:
    return int(text) if text.lstrip("+-").isdecimal() and len(text) < 20 else text


def _quoted_entries(inner: str) -> list[Cell] | None:
    """Strings in Python's quotes, between them commas or (numpy) white space."""
    entries: list[Cell] = []
    position = 0
    while position < len(inner):
        match = _QUOTED.match(inner, position)
        if match is None:
            return None
        try:
            entries.append(ast.literal_eval(match[1]))
        except (ValueError, SyntaxError):  # an escape that Python does not know how to read
            return None
        position = match.end()
    return entries


def _parse_lists(table: Table, column: str) -> Table:
    """The table with the lists of a column that are written as text.

    Raises:
        DataError: a cell is not such a list; by place.
    """
    require_column(table.columns, column, table.where)
    cells: list[Cell] = []
    problems = []
    for row, cell in enumerate(table.columns[column]):
        labels = written_list(cell) if isinstance(cell, str) and cell.strip() else cell
        if labels is None and cell is not None:
            problems.append(f"{table.place(row)}: {described(cell)}, is not a list such as the others")
        cells.append(labels)

    if problems:
        advice = (
            f'Write the labels in column {column!r} as ["one", "two"], and [] for none, in these rows, too.'
        )
        raise bad_rows(table.where, problems, advice)
    return replace(table, columns={**table.columns, column: cells})


def one_hot_columns(table: Table, texts: Collection[str]) -> tuple[str, ...]:
    """The columns that hold nothing but 0 and 1, the text columns aside."""
    return tuple(
        name
        for name, cells in table.columns.items()
        if name not in texts
        and plain_name(name) not in TEXT_NAMES
        and all(_bit(cell) is not None for cell in cells)
    )


def refuse_one_hot(table: Table, texts: Collection[str]) -> None:
    """Refuse to guess a label where several columns hold nothing but 0 and 1, and none has a usual name.

    Raises:
        DataError: says how to name the kind of task, or the label.
    """
    if not table.header or by_name(table.columns, LABEL_NAMES):
        return
    bits = one_hot_columns(table, texts)
    if len(bits) >= 2:
        raise DataError(
            f"{table.where} has {len(bits)} columns that hold 0 and 1 alone: {listed(bits)}. If they are "
            "labels of which several may hold, use --kind multilabel; if one of them is the label, name it "
            "with --label-column."
        )


def _bit(cell: Cell) -> bool | None:
    return _BITS.get(str(cell).strip().lower()) if isinstance(cell, str | int | float) else None


def _join(table: Table, columns: Sequence[str], made: str) -> Table:
    """The table with one column of lists in the place of these: the names of those that hold 1.

    Raises:
        DataError: a column is missing, or holds something other than 0 and 1; by place.
    """
    for column in columns:
        require_column(table.columns, column, table.where)
    rows = list(zip(*(table.columns[column] for column in columns), strict=True))
    bits = [[_bit(cell) for cell in row] for row in rows]
    problems = [
        f"{table.place(row)}: column {column!r} holds {described(rows[row][place])}"
        for row, values in enumerate(bits)
        for place, column in enumerate(columns)
        if values[place] is None
    ]
    if problems:
        raise bad_rows(table.where, problems, f"Each of the columns {listed(columns)} holds 0 or 1.")

    lists = [[column for column, holds in zip(columns, values, strict=True) if holds] for values in bits]
    # naming the classes gives the labels the order of their columns
    others = {name: cells for name, cells in table.columns.items() if name not in columns}
    return replace(
        table,
        columns={**others, made: lists},
        class_names={**table.class_names, made: tuple(columns)},
    )


def guess_separator(cells: Iterable[Cell]) -> str:
    """The first of `SEPARATORS` that stands in a cell of text, else a comma."""
    texts = [cell for cell in cells if isinstance(cell, str)]
    return next((mark for mark in SEPARATORS if any(mark in text for text in texts)), SEPARATORS[0])


def joined_labels_note(labels: Collection[str]) -> str | None:
    """A sentence where labels of a classification look like several in one cell, or ``None``.

    They do where every part of one, cut at a separator, is a label or is part of another, too.
    """
    for mark in SEPARATORS:
        parts = {label: [part.strip() for part in label.split(mark)] for label in labels if mark in label}
        times = Counter(part for each in parts.values() for part in set(each))
        joined = [
            label
            for label, each in parts.items()
            if all(part and (part in labels or times[part] > 1) for part in each)
        ]
        if joined:
            return (
                f"Labels such as {min(joined)!r} hold {mark!r}, and count as one label each; where a text "
                "may have several labels, use --kind multilabel."
            )
    return None
