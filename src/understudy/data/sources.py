"""Find what the user means by a source: a folder, a file, a set of the hub, the package or the catalogue."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from understudy.data.catalogue import CATALOGUE, SHARED, Entry
from understudy.data.hub import read_hub
from understudy.data.problems import listed
from understudy.data.table import Table, form_of, read_layout, read_table
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

_FORMS = (
    "A source is a folder with train, dev and test files, one file, 'hub:owner/name' or "
    "'hub:owner/name:config', 'bundled:concierge', or the name of a known set."
)


@dataclass(frozen=True)
class Reading:
    """How files are to be read; ``None`` is guessed.

    Attributes:
        text_column: the text column.
        label_column: the label column.
        labels: raw label → name.
        delimiter: the character between columns.
        header: whether the first line names the columns.
    """

    text_column: str | None = None
    label_column: str | None = None
    labels: Mapping[str, str] | None = None
    delimiter: str | None = None
    header: bool | None = None


@dataclass(frozen=True)
class Found:
    """A source that was found and read, its columns not yet chosen.

    Attributes:
        name: short name of the set.
        tables: ``train`` and any of ``dev`` and ``test``.
        reading: the wishes of the user, completed by what is known of the set.
        pools: files of unlabelled texts that lie with it.
        notes: sentences for the user.
        metric: the set's usual metric, where it has one.
    """

    name: str
    tables: Mapping[str, Table]
    reading: Reading
    pools: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()
    metric: str | None = None


def find(source: str | Path, reading: Reading) -> Found:
    """Find and read a source.

    Args:
        source: see the module; a bare name means the catalogue before it means a path.
        reading: how files are to be read.

    Raises:
        DataError: there is no such source, or it cannot be read.
        RecipeError: an option that the source leaves no choice in.
    """
    if isinstance(source, str):
        kind, _, rest = source.partition(":")
        special: dict[str, Callable[[str, Reading], Found]] = {"hub": _find_hub, "bundled": _find_bundled}
        if rest and kind in special:
            return special[kind](rest, reading)
        if source in CATALOGUE:
            return _find_named(source, CATALOGUE[source], reading)
    path = Path(source).expanduser()
    if path.is_dir():
        return find_folder(path, reading)
    if path.is_file():
        table = _read(path, reading)
        return Found(path.name.split(".")[0], {"train": table}, reading)
    raise _unknown(source, path)


def _unknown(source: str | Path, path: Path) -> DataError:
    looks_like_path = len(path.parts) > 1 or form_of(path) is not None
    if not looks_like_path:
        hint = nearest(str(source), CATALOGUE)
        return DataError(f"There is no data set, file or folder {str(source)!r}. {hint} {_FORMS}")
    beside = sorted(item.name for item in path.parent.iterdir()) if path.parent.is_dir() else []
    close = difflib.get_close_matches(path.name, beside, n=1)
    hint = f" Did you mean {str(path.parent / close[0])!r}?" if close else ""
    return DataError(f"There is no file or folder {str(source)!r}.{hint} {_FORMS}")


def find_folder(folder: Path, reading: Reading) -> Found:
    """Read the train, dev and test files of a folder.

    Raises:
        DataError: it has no train file, or two files for one split.
    """
    files = {part: _file_for(folder, part) for part in STEMS}
    train, pool = files["train"], files.pop("unlabelled")
    if train is None:
        there = listed(sorted(item.name for item in folder.iterdir()))
        raise DataError(
            f"{folder} has no train file; it holds {there}. Name one 'train' with an ending such as .csv, "
            ".tsv, .jsonl or .parquet."
        )
    tables = {"train": _read(train, reading)}
    for part in ("dev", "test"):
        path = files[part]
        if path is not None:
            tables[part] = _read(path, reading, like=tables["train"])
    return Found(folder.resolve().name, tables, reading, pools=(pool,) if pool else ())


def _read(path: Path, reading: Reading, like: Table | None = None) -> Table:
    expected = (reading.text_column, reading.label_column)
    return read_table(path, delimiter=reading.delimiter, header=reading.header, like=like, expected=expected)


def _file_for(folder: Path, part: str) -> Path | None:
    fitting = [
        path
        for path in sorted(folder.iterdir())
        if path.is_file() and path.name.split(".")[0].lower() in STEMS[part] and form_of(path) is not None
    ]
    if len(fitting) > 1:
        names = listed([path.name for path in fitting])
        raise DataError(f"{folder} has more than one {part} file: {names}. Keep one of them.")
    return fitting[0] if fitting else None


def _find_bundled(name: str, reading: Reading) -> Found:
    known = [item.name for item in BUNDLED.iterdir() if item.is_dir()] if BUNDLED.is_dir() else []
    if name not in known:
        raise DataError(f"There is no bundled data set {name!r}. {nearest(name, known)}")
    _refuse_choices(f"bundled:{name}", reading)
    found = find_folder(BUNDLED / name, reading)
    return replace(found, name=name, reading=replace(reading, text_column="text", label_column="label"))


def _find_hub(name: str, reading: Reading) -> Found:
    if reading.delimiter is not None or reading.header is not None:
        raise RecipeError(f"A delimiter or a header cannot be chosen for hub:{name}: it is no text file.")
    short = name.partition(":")[0].rpartition("/")[2]
    return Found(short, read_hub(name, label=reading.label_column), reading)


def _find_named(name: str, entry: Entry, reading: Reading) -> Found:
    """A set of the catalogue: from the shared folder where it lies there, else from the hub."""
    _refuse_choices(name, reading)
    labels = entry.labels if reading.labels is None else reading.labels
    shared = os.environ.get(SHARED)
    folder = Path(shared).expanduser() / name if shared else None
    if folder is not None and folder.is_dir():
        layout = entry.layout
        tables = {
            part: read_layout(
                folder / file,
                layout.columns,
                delimiter=layout.delimiter,
                header=layout.header,
                from_right=layout.from_right,
            )
            for part, file in layout.files.items()
        }
        wanted = replace(reading, text_column=layout.text, label_column=layout.label, labels=labels)
        note = f"Read {name!r} from local files, in the folder that {SHARED} names."
    else:
        tables = read_hub(entry.hub, label=entry.label)
        wanted = replace(reading, text_column=entry.text, label_column=entry.label, labels=labels)
        note = f"Read {name!r} from the hub, hub:{entry.hub}."
    notes = [note]
    if Path(name).exists():
        notes.append(f"There is also a path {name!r} here; for that, say './{name}'.")
    return Found(name, tables, wanted, notes=tuple(notes), metric=entry.metric)


def _refuse_choices(source: str, reading: Reading) -> None:
    for option in ("text_column", "label_column", "delimiter", "header"):
        if getattr(reading, option) is not None:
            flag = "--" + option.replace("_", "-")
            raise RecipeError(f"{flag} cannot be chosen for {source!r}: its layout is known. Leave it out.")
