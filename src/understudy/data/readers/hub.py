"""Data sets from the Hugging Face hub, through the ``datasets`` library."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from understudy.data.readers.problems import listed
from understudy.data.readers.table import Table
from understudy.errors import DataError, MissingExtraError

SPLIT_NAMES = {"train": ("train",), "dev": ("validation", "dev", "valid", "val"), "test": ("test",)}
"""Our split names, and what the hub calls them."""

_PLAIN = ("Value", "ClassLabel")
_LISTS = ("Sequence", "List", "LargeList")


def read_hub(
    name: str, *, label: str | None = None, splits: Mapping[str, str] | None = None
) -> dict[str, Table]:
    """The splits of a hub data set that have labels.

    Args:
        name: ``owner/name`` or ``owner/name:config``.
        label: The label column, where it is known.
        splits: Our split name → the hub's, where they are not the usual ones; others are left alone.

    Returns:
        ``train`` and any of ``dev`` and ``test``; a split whose labels are all -1 counts as missing.

    Raises:
        DataError: the set cannot be fetched, or has no train split.
        MissingExtraError: the ``datasets`` library is not installed.
    """
    path, _, config = name.partition(":")
    loaded = _fetch(path, config or None)

    tables = {}
    names = SPLIT_NAMES if splits is None else {ours: (theirs,) for ours, theirs in splits.items()}
    for ours, theirs in names.items():
        split = next((each for each in theirs if each in loaded), None)
        if split is None:
            continue
        table = _to_table(loaded[split], f"hub:{name}, split {split!r}", split)
        if ours == "train" or not _unlabelled(table, label):
            tables[ours] = table

    if "train" not in tables:
        raise DataError(
            f"hub:{name} has no split 'train'; found {listed(sorted(loaded))}. Choose another config."
        )
    return tables


def _fetch(path: str, config: str | None) -> Mapping[str, Any]:
    try:
        import datasets
    except ImportError as error:
        raise MissingExtraError(
            "Reading from the hub needs the datasets library. Install it: pip install 'understudy[train]'."
        ) from error

    try:
        loaded: Mapping[str, Any] = datasets.load_dataset(path, config)
    except (OSError, ValueError, RuntimeError) as error:  # offline, no such set or config, a script
        whole = f"{path}:{config}" if config else path
        reason = str(error).strip().split("\n")[0].rstrip(".")
        raise DataError(
            f"hub:{whole} cannot be fetched: {reason}. Check the name, the config and "
            "the connection (hub:owner/name:config), or fetch the files elsewhere and give their folder."
        ) from error
    return loaded


def _to_table(split: Any, where: str, name: str) -> Table:
    features = split.features
    plain = {column: _inner(feature) for column, feature in features.items() if _is_plain(_inner(feature))}
    columns: dict[str, Any] = split.select_columns(list(plain)).with_format(None)[:]
    if len(split) == 0:
        raise DataError(f"{where} is empty. A data set needs at least one row for each label.")
    names = {column: tuple(feature.names) for column, feature in plain.items() if hasattr(feature, "names")}
    return Table(where, name, columns, range(1, len(split) + 1), unit="row", class_names=names)


def _inner(feature: Any) -> Any:
    """What a list holds, or the feature itself."""
    return feature.feature if type(feature).__name__ in _LISTS else feature


def _is_plain(feature: Any) -> bool:
    return type(feature).__name__ in _PLAIN


def _unlabelled(table: Table, label: str | None) -> bool:
    """Whether the labels of a split are withheld: -1 throughout."""
    columns = [label] if label is not None else list(table.class_names) or ["label"]
    values = [table.columns[column] for column in columns if column in table.columns]
    return any(all(value == -1 for value in column) for column in values)
