"""Files, folders and models that steps name: their content decides a pool as much as the options do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path

from understudy.augment.registry import Step
from understudy.core.manifest import file_digest
from understudy.teachers.chat.config import ServerConfig

OPTIONS = frozenset({"tags", "synonyms", "vectors", "model", "there", "back", "sources"})
"""Options that may name a file or a folder."""


def digests(steps: Sequence[Step]) -> dict[str, str]:
    """Path → SHA-256 (hex) of each file that the steps name, and of each file in a folder that they name.

    A name that is not a path, such as a hub id or the name of a known set, has no entry.
    """
    paths = sorted({path for step in steps for path in _named(step.config)})
    files = [file for path in paths for file in (sorted(path.iterdir()) if path.is_dir() else [path])]
    return {str(file): file_digest(file) for file in files if file.is_file()}


def _named(config: object) -> Iterator[Path]:
    if not is_dataclass(config) or isinstance(config, ServerConfig):  # its model is a server's
        return

    for option in fields(config):
        value = getattr(config, option.name)
        if is_dataclass(value):
            yield from _named(value)
        elif option.name in OPTIONS and value is not None:
            yield from map(Path, (value,) if isinstance(value, str) else value)
