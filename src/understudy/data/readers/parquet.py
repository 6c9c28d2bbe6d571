"""Parquet files, read at once or block by block, through pyarrow."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from understudy.core.safe_json import JsonError, parse_json
from understudy.data.readers.table import Table
from understudy.errors import DataError, MissingExtraError

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

_ABOUT = b"huggingface"
"""Key under which the ``datasets`` library describes the columns."""

_ODD = (
    "what the `datasets` library wrote about its columns cannot be understood, so labels keep their numbers."
)


def read_parquet(path: Path) -> Table:
    """Read a Parquet file.

    Raises:
        DataError: the file cannot be read, or is empty.
        MissingExtraError: pyarrow is not installed.
    """
    with open_parquet(path) as file:
        content = file.read()
    if content.num_rows == 0:
        raise DataError(f"{path} is empty. A data file needs at least one row for each label.")

    names, guesses = _class_names(content.schema.metadata or {})
    return Table(
        where=str(path),
        name=path.name,
        columns=content.to_pydict(),
        places=range(1, content.num_rows + 1),
        unit="row",
        guesses=guesses,
        class_names=names,
    )


def parquet_blocks(path: Path, rows: int) -> Iterator[Table]:
    """The rows of a Parquet file, ``rows`` of them at a time.

    Raises:
        DataError: the file cannot be read.
        MissingExtraError: pyarrow is not installed.
    """
    start = 1
    with open_parquet(path) as file:
        for batch in file.iter_batches(rows):
            places = range(start, start + batch.num_rows)
            yield Table(str(path), path.name, batch.to_pydict(), places, unit="row")
            start += batch.num_rows


@contextlib.contextmanager
def open_parquet(path: Path) -> Iterator[ParquetFile]:
    """The open file; errors of reading it become sentences.

    Raises:
        DataError: the file cannot be read.
        MissingExtraError: pyarrow is not installed.
    """
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise MissingExtraError(
            f"Reading {path} needs pyarrow. Install it: pip install 'understudy[train]'."
        ) from error

    try:
        with contextlib.closing(parquet.ParquetFile(path)) as file:
            yield file
    except FileNotFoundError as error:
        raise DataError(f"There is no file {path}.") from error
    except (ArrowException, OSError) as error:
        raise DataError(
            f"{path} is not a readable Parquet file: {error}. Write or fetch it again."
        ) from error


def _class_names(metadata: Mapping[bytes, bytes]) -> tuple[dict[str, tuple[str, ...]], tuple[str, ...]]:
    """Label names that the ``datasets`` library wrote beside the columns, and a remark where they are odd."""
    if _ABOUT not in metadata:
        return {}, ()

    try:
        features = parse_json(metadata[_ABOUT]).get("info", {}).get("features", {})
        # a list is described by what it holds, which is of interest here
        inner = {
            column: feature.get("feature", feature)
            for column, feature in features.items()
            if isinstance(feature, dict)
        }
        return {
            column: _names(feature)
            for column, feature in inner.items()
            if isinstance(feature, dict) and feature.get("_type") == "ClassLabel"
        }, ()
    except (JsonError, AttributeError, KeyError, TypeError):
        return {}, (_ODD,)


def _names(feature: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of a class label's numbers.

    Raises:
        TypeError: they are not a list of strings.
    """
    names = feature["names"]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise TypeError(names)
    return tuple(names)
