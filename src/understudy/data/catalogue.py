"""Data sets known by name: where the hub has them, how their files lie on disk, what their labels mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

SHARED = "UNDERSTUDY_DATA"
"""Environment variable that names a folder with local copies of the sets below, one folder each."""


@dataclass(frozen=True)
class Layout:
    """How a set's files lie on disk, exactly as its source publishes them.

    Attributes:
        files: split (``train``, ``dev``, ``test``) → path within the set's folder.
        columns: names of the columns, in order.
        delimiter: the character between them; quotes are taken as they stand.
        header: whether the first line is skipped.
        from_right: whether rows are cut from their end, because the first column may hold the delimiter.
        text: the text column.
        label: the label column.
    """

    files: Mapping[str, str]
    columns: tuple[str, ...]
    delimiter: str = "\t"
    header: bool = False
    from_right: bool = False
    text: str = "text"
    label: str = "label"


@dataclass(frozen=True)
class Entry:
    """A named data set.

    Attributes:
        about: one line on what it is.
        hub: its name on the hub, ``owner/name`` or ``owner/name:config``.
        labels: raw label → name, in the order of the logits.
        layout: its files on disk.
        text: the text column on the hub.
        label: the label column on the hub.
        kind: kind of task.
        metric: metric in which results on it are reported.
    """

    about: str
    hub: str
    labels: Mapping[str, str]
    layout: Layout
    text: str = "text"
    label: str = "label"
    kind: str = "classification"
    metric: str = "accuracy"


_EMOTIONS = ("sadness", "joy", "love", "anger", "fear", "surprise")

CATALOGUE: Mapping[str, Entry] = {
    "sst2": Entry(
        about="sentiment of sentences from film reviews, 2 labels",
        hub="SetFit/sst2",
        labels={"0": "negative", "1": "positive"},
        layout=Layout({"train": "train.tsv", "dev": "dev.tsv", "test": "test.tsv"}, ("text", "label")),
    ),
    "emotion": Entry(
        about="emotion of short messages, 6 labels",
        hub="dair-ai/emotion:split",
        labels={name: name for name in _EMOTIONS},
        layout=Layout(
            {"train": "train.txt", "dev": "val.txt", "test": "test.txt"},
            ("text", "label"),
            delimiter=";",
            header=True,
            from_right=True,
        ),
    ),
    "cola": Entry(
        about="grammatical acceptability of sentences, 2 labels; out-of-domain dev is the test split on disk",
        hub="nyu-mll/glue:cola",
        labels={"0": "unacceptable", "1": "acceptable"},
        layout=Layout(
            {"train": "in_domain_train.tsv", "dev": "in_domain_dev.tsv", "test": "out_of_domain_dev.tsv"},
            ("source", "label", "mark", "text"),
        ),
        text="sentence",
        metric="mcc",
    ),
}
"""Name → entry. A new set is one entry here."""
