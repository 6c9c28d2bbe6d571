"""What the catalogue says of a data set: where the hub has it, how its files lie, what its labels mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

SHARED = "UNDERSTUDY_DATA"
"""Environment variable that names a folder with local copies of the sets of the catalogue."""


@dataclass(frozen=True)
class Layout:
    """How a set's files lie on disk, exactly as its source publishes them.

    Attributes:
        files: split (``train``, ``dev``, ``test``) → path within the set's folder.
        columns: names of the columns, in order.
        delimiter: the character between them; quotes are taken as they stand unless ``is_quoted``.
        header: whether the first line is skipped.
        from_right: whether rows are cut from their end, because the first column may hold the delimiter.
        is_quoted: whether fields are quoted, as RFC 4180 says.
        is_sentences: whether files are CoNLL columns, or CoNLL-U where their name says so.
        rows: split → first row and the row after its last, where it is not the whole file.
        text: the text column, or the two of a pair.
        label: the label column.
    """

    files: Mapping[str, str]
    columns: tuple[str, ...]
    delimiter: str = "\t"
    header: bool = False
    from_right: bool = False
    is_quoted: bool = False
    is_sentences: bool = False
    rows: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    text: str | tuple[str, str] = "text"
    label: str = "label"


@dataclass(frozen=True)
class Entry:
    """A named data set.

    Attributes:
        about: one line on what it is.
        hub: its name on the hub, ``owner/name`` or ``owner/name:config``.
        labels: raw label → name, in the order of the logits; empty where the data says it.
        layout: its files on disk.
        folder: its folder on disk; empty where that has the set's name.
        text: the text column on the hub, or the two of a pair.
        label: the label column on the hub.
        hub_splits: our split name → the hub's, where they are not the usual ones.
        kind: kind of task.
        metric: metric in which results on it are reported.
        note: a sentence for the user on what is special about its splits.
    """

    about: str
    hub: str
    labels: Mapping[str, str]
    layout: Layout
    folder: str = ""
    text: str | tuple[str, str] = "text"
    label: str = "label"
    hub_splits: Mapping[str, str] | None = None
    kind: str = "classification"
    metric: str = "accuracy"
    note: str = ""
