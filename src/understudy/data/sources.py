"""Find what the user means by a source: a folder, a file, a set of the hub, the package or the catalogue."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from understudy.core.wording import plural
from understudy.data.catalogue import CATALOGUE, SHARED
from understudy.data.catalogue_entry import CatalogueEntry, FileLayout
from understudy.data.readers.files import format_of, read_layout, read_sentences, read_table
from understudy.data.readers.hub import read_hub
from understudy.data.readers.paths import expanded, kind_of, nearest_beside
from understudy.data.readers.problems import listed
from understudy.data.readers.table import Table
from understudy.data.readers.text import read_text, split_lines
from understudy.errors import DataError, RecipeError, nearest

BUNDLED = Path(__file__).parent / "bundled"
"""Folder of the data sets that come with the package."""

STEMS = {
    "train": ("train",),
    "dev": ("dev", "val", "valid", "validation"),
    "test": ("test",),
    "unlabelled": ("unlabelled", "unlabeled"),
}
"""What a file in a folder holds, and the names (before the first dot) that say so."""

LABEL_FILE = "labels.txt"
"""A file in a folder that names labels 0, 1, … , one a line."""

_SOURCES = (
    "A source is a folder with train, dev and test files, one file, 'hub:owner/name' or "
    "'hub:owner/name:config', 'bundled:concierge', or the name of a known set."
)


@dataclass(frozen=True)
class ReadOptions:
    """How files are to be read; ``None`` is guessed.

    Attributes:
        text_column: The text column, or the two of a pair.
        label_column: The label column.
        labels: Raw label → name.
        delimiter: The character between columns.
        header: Whether the first line names the columns.
        kind: Kind of task.
    """

    text_column: str | Sequence[str] | None = None
    label_column: str | None = None
    labels: Mapping[str, str] | None = None
    delimiter: str | None = None
    header: bool | None = None
    kind: str | None = None

    @property
    def texts(self) -> tuple[str, ...]:
        """The text columns that were named: none, one or two."""
        if self.text_column is None:
            return ()
        return (self.text_column,) if isinstance(self.text_column, str) else tuple(self.text_column)


@dataclass(frozen=True)
class DataSource:
    """A source that was found and read, its columns not yet chosen.

    Attributes:
        name: Short name of the set.
        tables: ``train`` and any of ``dev`` and ``test``.
        reading: What the user wishes, completed by what is known of the set.
        pools: Files of unlabelled texts that lie with it.
        notes: Sentences for the user.
        metric: The set's usual metric, where it has one.
    """

    name: str
    tables: Mapping[str, Table]
    reading: ReadOptions
    pools: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()
    metric: str | None = None


def find(source: str | Path, reading: ReadOptions) -> DataSource:
    """Find and read a source.

    Args:
        source: As `_SOURCES` says; a bare name means the catalogue before it means a path.
        reading: How files are to be read.

    Raises:
        DataError: the source is not there, or cannot be read.
        RecipeError: an option is given that the source decides itself.
    """
    if isinstance(source, str):
        prefix, _, rest = source.partition(":")
        finders: dict[str, Callable[[str, ReadOptions], DataSource]] = {
            "hub": _find_hub,
            "bundled": _find_bundled,
        }
        if rest and prefix in finders:
            return finders[prefix](rest, reading)
        if source in CATALOGUE:
            return _find_named(source, CATALOGUE[source], reading)

    path = expanded(source)
    kind = kind_of(path)
    if kind == "folder":
        return find_folder(path, reading)
    if kind == "file":
        table = _read(path, reading)
        return DataSource(path.name.split(".")[0], {"train": table}, reading)
    raise _unknown(source, path)


def _unknown(source: str | Path, path: Path) -> DataError:
    """The error for a source that is not there: it names a neighbour, or else what the catalogue has."""
    beside = nearest_beside(path)
    is_path = len(path.parts) > 1 or bool(path.suffix)
    # a bare name may mean a file here or a set of the catalogue: whichever is spelt more like it
    if not is_path and not (
        beside and not difflib.get_close_matches(str(source), CATALOGUE, n=1, cutoff=0.6)
    ):
        hint = nearest(str(source), CATALOGUE)
        return DataError(f"There is no data set, file or folder {str(source)[:300]!r}. {hint} {_SOURCES}")
    hint = f" Did you mean {beside!r}?" if beside else ""
    return DataError(f"There is no file or folder {str(source)[:300]!r}.{hint} {_SOURCES}")


def find_folder(folder: Path, reading: ReadOptions) -> DataSource:
    """Read the train, dev and test files of a folder.

    Raises:
        DataError: it has no train file, or two files for one split.
    """
    files = {part: _file_for(folder, part) for part in STEMS}
    train, pool = files["train"], files.pop("unlabelled")
    if train is None:
        contents = listed(sorted(item.name for item in folder.iterdir()))
        raise DataError(
            f"{folder} has no train file; it holds {contents}. Name one 'train' with an ending such as .csv, "
            ".tsv, .jsonl or .parquet."
        )

    tables = {"train": _read(train, reading)}
    for part in ("dev", "test"):
        path = files[part]
        if path is not None:
            tables[part] = _read(path, reading, like=tables["train"])

    reading, notes = _name_labels(folder / LABEL_FILE, reading)
    return DataSource(folder.resolve().name, tables, reading, pools=(pool,) if pool else (), notes=notes)


def _name_labels(path: Path, reading: ReadOptions) -> tuple[ReadOptions, tuple[str, ...]]:
    """Label names from a file beside the data, where there is one and the user names none."""
    if reading.labels is not None or reading.kind in ("regression", "tagging") or not path.is_file():
        return reading, ()
    names = [line.strip() for line in split_lines(read_text(path)) if line.strip()]
    labels = {str(number): name for number, name in enumerate(names)}
    return replace(reading, labels=labels), (
        f"Named {plural(len(names), 'label')} by {path.name}, in its order.",
    )


def _read(path: Path, reading: ReadOptions, like: Table | None = None) -> Table:
    return read_table(
        path,
        delimiter=reading.delimiter,
        header=reading.header,
        like=like,
        expected=(*reading.texts, reading.label_column),
        kind=reading.kind,
    )


def _file_for(folder: Path, part: str) -> Path | None:
    fitting = [
        path
        for path in sorted(folder.iterdir())
        if path.is_file() and path.name.split(".")[0].lower() in STEMS[part] and format_of(path) is not None
    ]
    if len(fitting) > 1:
        names = listed([path.name for path in fitting])
        raise DataError(f"{folder} has more than one {part} file: {names}. Keep one of them.")
    return expanded(fitting[0]) if fitting else None


def _find_bundled(name: str, reading: ReadOptions) -> DataSource:
    known = [item.name for item in BUNDLED.iterdir() if item.is_dir()] if BUNDLED.is_dir() else []
    if name not in known:
        raise DataError(f"There is no bundled data set {name!r}. {nearest(name, known)}")
    columns = {None: ("text", "label"), "classification": ("text", "label"), "tagging": ("words", "tags")}
    _refuse_choices(f"bundled:{name}", reading, ("classification", "tagging"))

    text, label = columns[reading.kind]
    known_reading = replace(
        reading, text_column=text, label_column=label, kind=reading.kind or "classification"
    )
    return replace(find_folder(BUNDLED / name, reading), name=name, reading=known_reading)


def _find_hub(name: str, reading: ReadOptions) -> DataSource:
    if reading.delimiter is not None or reading.header is not None:
        raise RecipeError(f"A delimiter or a header cannot be chosen for hub:{name}: it is not a text file.")
    short = name.partition(":")[0].rpartition("/")[2]
    return DataSource(short, read_hub(name, label=reading.label_column), reading)


def _find_named(name: str, entry: CatalogueEntry, reading: ReadOptions) -> DataSource:
    """A set of the catalogue: from the shared folder where it lies there, else from the hub."""
    _refuse_choices(name, reading, (entry.kind,))
    labels = (entry.labels or None) if reading.labels is None else reading.labels
    reading = replace(reading, labels=labels, kind=entry.kind)

    shared = os.environ.get(SHARED)
    folder = expanded(shared) / (entry.folder or name) if shared else None
    if folder is not None and folder.is_dir():
        layout = entry.layout
        tables = {part: _read_part(folder, layout, part) for part in layout.files}
        wanted = replace(reading, text_column=layout.text, label_column=layout.label)
        note = f"Read {name!r} from local files, in the folder that {SHARED} names."
    else:
        tables = read_hub(entry.hub, label=entry.label, splits=entry.hub_splits)
        wanted = replace(reading, text_column=entry.text, label_column=entry.label)
        note = f"Read {name!r} from the hub, hub:{entry.hub}."

    notes = [note, *([entry.note] if entry.note else [])]
    if Path(name).exists():
        notes.append(f"There is also a path {name!r} here; for that, say './{name}'.")
    return DataSource(name, tables, wanted, notes=tuple(notes), metric=entry.metric)


def _read_part(folder: Path, layout: FileLayout, part: str) -> Table:
    """The rows of one split of a set whose layout is known."""
    path = folder / layout.files[part]
    if layout.is_sentences:
        table = read_sentences(path, layout.columns)
    elif layout.is_quoted:
        table = read_table(path, delimiter=layout.delimiter, header=layout.header)
    else:
        table = read_layout(
            path,
            layout.columns,
            delimiter=layout.delimiter,
            header=layout.header,
            from_right=layout.from_right,
        )
    return table.rows(*layout.rows[part]) if part in layout.rows else table


def _refuse_choices(source: str, reading: ReadOptions, kinds: Sequence[str]) -> None:
    for option in ("text_column", "label_column", "delimiter", "header"):
        if getattr(reading, option) is not None:
            flag = "--" + option.replace("_", "-")
            raise RecipeError(f"{flag} cannot be chosen for {source!r}: its layout is known. Leave it out.")
    if reading.kind is not None and reading.kind not in kinds:
        raise RecipeError(
            f"--kind {reading.kind} cannot be chosen for {source!r}: it is {' or '.join(kinds)}."
        )
