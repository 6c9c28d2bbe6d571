"""What is known of a data set that has a name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class FileLayout:
    """How a set's files lie on disk, exactly as its source publishes them.

    Attributes:
        files: Split (``train``, ``dev``, ``test``) → path within the set's folder.
        columns: Names of the columns, in order; none where the first line of each file names them.
        delimiter: The character between them; quotes are taken as they stand unless ``is_quoted``.
        header: Whether the first line is no row.
        from_right: Whether rows are cut from their end, because the first column may hold the delimiter.
        is_quoted: Whether fields are quoted, as RFC 4180 says.
        is_sentences: Whether files are CoNLL columns, or CoNLL-U where their name says so.
        rows: Split → first row and the row after its last, where it is not the whole file.
        text: The text column, or the two of a pair.
        label: The label column.
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
class CatalogueEntry:
    """A named data set.

    Attributes:
        about: One line on what it is.
        hub: Its name on the hub, ``owner/name`` or ``owner/name:config``.
        labels: Raw label → name, in the order of the logits; empty where the data has the names.
        layout: Its files on disk.
        folder: Its folder on disk; empty where that has the set's name.
        text: The text column on the hub, or the two of a pair.
        label: The label column on the hub.
        hub_splits: Our split name → the hub's, where they are not the usual ones.
        kind: Kind of task.
        metric: Metric in which results on it are reported.
        note: A sentence for the user on what is special about its splits.
    """

    about: str
    hub: str
    labels: Mapping[str, str]
    layout: FileLayout
    folder: str = ""
    text: str | tuple[str, str] = "text"
    label: str = "label"
    hub_splits: Mapping[str, str] | None = None
    kind: str = "classification"
    metric: str = "accuracy"
    note: str = ""
