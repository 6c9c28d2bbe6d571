"""Columns of values that know where each row stands: what every reader of files gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

Cell = object
"""What stands in a row of a column: text, a number, a list, or ``None``."""


@dataclass(frozen=True)
class Table:
    """Columns of one file or of one split of a hub data set.

    Attributes:
        where: The file, as shown in messages.
        name: Its short name, as shown in notes.
        columns: Column name → values, all equally many.
        places: ``(rows,)`` number of the line (or row) on which each row begins, counted from 1.
        unit: What ``places`` counts: ``line`` or ``row``.
        guesses: What was guessed in reading, one sentence each.
        class_names: Columns whose integers stand for names, and the names in order.
        header: Whether the file names its columns.
        lines: Numbers of the words' lines, by row, where cells are the words of a sentence.
        kind: The kind of task that the file's format is made for, if for one.
    """

    where: str
    name: str
    columns: Mapping[str, Sequence[Cell]]
    places: Sequence[int]
    unit: str = "line"
    guesses: tuple[str, ...] = ()
    class_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    header: bool = True
    lines: Sequence[Sequence[int]] = ()
    kind: str | None = None

    def __len__(self) -> int:
        return len(self.places)

    def place(self, row: int, word: int | None = None) -> str:
        """Where a row, or a word of it, stands within the file: ``"line 12"``, ``"row 3, word 2"``."""
        if word is None:
            return f"{self.unit} {self.places[row]}"
        if self.lines:
            return f"{self.unit} {self.lines[row][word]}"
        return f"{self.unit} {self.places[row]}, word {word + 1}"

    def rows(self, start: int, stop: int) -> Table:
        """The rows from ``start`` to ``stop``, the last not included."""
        columns = {name: values[start:stop] for name, values in self.columns.items()}
        return replace(self, columns=columns, places=self.places[start:stop], lines=self.lines[start:stop])
