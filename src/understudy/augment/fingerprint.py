"""Files, folders and models that steps name: their content decides a pool as much as the options do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, get_args, get_type_hints

from understudy.augment.registry import IS_PATH, Step
from understudy.core.manifest import file_digest
from understudy.errors import RecipeError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def digests(steps: Sequence[Step]) -> dict[str, str]:
    """Path → SHA-256 (hex) of each file that the steps name, and of each file in a folder that they name.

    A name that is not a path, such as a hub id or the name of a known set, has no entry.

    Raises:
        RecipeError: A file or a folder cannot be read, or no file can have such a name.
    """
    paths = sorted({path for step in steps for path in _named(step.config)})
    sums: dict[str, str] = {}
    for path in paths:
        try:
            files = sorted(path.iterdir()) if path.is_dir() else [path]
            sums |= {str(file): file_digest(file) for file in files if file.is_file()}
        except OSError as error:
            name = f"{str(path)!r:.80}"
            raise RecipeError(f"A step names {name}, which cannot be read: {error.strerror}.") from error
    return sums


def path_options(config: type[DataclassInstance]) -> frozenset[str]:
    """Names of the options of a step's config that may name a file or a folder (`PathOption`)."""
    hints = get_type_hints(config, include_extras=True)
    return frozenset(option.name for option in fields(config) if _is_path(hints[option.name]))


def _is_path(hint: object) -> bool:
    return IS_PATH in getattr(hint, "__metadata__", ()) or any(map(_is_path, get_args(hint)))


def _named(config: DataclassInstance) -> Iterator[Path]:
    paths = path_options(type(config))
    for option in fields(config):
        value = getattr(config, option.name)
        if is_dataclass(value) and not isinstance(value, type):
            yield from _named(value)
        elif option.name in paths and value is not None:
            yield from map(Path, (value,) if isinstance(value, str) else value)
