"""Folders that are whole or absent: written aside, listed in a manifest, then renamed into place.

Every arrow between two stages is such a folder. Its ``manifest.json`` is written last and names every other
file with its SHA-256, so that nothing half-written, truncated or altered is ever read.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from understudy.core.safe_json import JsonError, parse_json
from understudy.errors import ArtifactError

MANIFEST = "manifest.json"


def digest(value: object) -> str:
    """SHA-256 (hex) of a JSON-ready value; keys in any order give the same digest."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 (hex) of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_bytes(path: Path, data: bytes) -> None:
    """Write to a neighbour and rename it: readers see the old file or the new one, never a part."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with aside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def write_json(path: Path, value: object) -> None:
    """Write a JSON-ready value, whole or not at all."""
    write_bytes(path, (json.dumps(value, indent=2) + "\n").encode())


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        ArtifactError: it is missing, or is not JSON.
    """
    try:
        return parse_json(path.read_bytes())
    except FileNotFoundError as error:
        raise ArtifactError(f"{path} is missing.") from error
    except JsonError as error:
        place = f"line {error.line}, " if error.line else ""
        raise ArtifactError(f"{path} is damaged: {place}{error}.") from error


@contextlib.contextmanager
def publish(folder: Path, about: Mapping[str, object]) -> Iterator[Path]:
    """Yield an empty folder to write into; on success add the manifest and put it in the place of ``folder``.

    What was there before is replaced as a whole, but only if we wrote it: a folder that holds files and no
    manifest belongs to somebody else. Files beside ours, which our manifest does not name, are kept.

    Args:
        folder: Where the result belongs.
        about: JSON-ready facts for the manifest, beside ``files``.

    Raises:
        ArtifactError: What stands there was not written by Understudy. It is left as it is.
    """
    check_ours(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside, old = (folder.with_name(f".{folder.name}.{word}") for word in ("new", "old"))
    for stale in (aside, old):  # left by a killed run
        shutil.rmtree(stale, ignore_errors=True)
    aside.mkdir()
    try:
        yield aside
        files = {
            path.relative_to(aside).as_posix(): {"sha256": file_digest(path), "bytes": path.stat().st_size}
            for path in sorted(aside.rglob("*"))
            if path.is_file()
        }
        write_json(aside / MANIFEST, {**about, "files": files})
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    if folder.exists():
        _keep_others(folder, aside)
        folder.replace(old)
        aside.replace(folder)
        shutil.rmtree(old)
    else:
        aside.replace(folder)


def check_ours(folder: Path, marks: Collection[str] = ()) -> None:
    """Refuse to replace what Understudy did not write.

    Args:
        folder: Folder to be replaced; one that is absent or empty is anybody's.
        marks: Names of files that show, as the manifest does, that the folder is ours.

    Raises:
        ArtifactError: It is a link or a file, or it holds files and none of our marks.
    """
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise ArtifactError(f"{folder} is not a folder, but a link or a file. Move it away, and run again.")
    if not folder.is_dir() or any((folder / name).is_file() for name in marks) or _has_our_manifest(folder):
        return
    if any(folder.iterdir()):
        raise ArtifactError(
            f"{folder} was not written by Understudy: it holds files, but no {MANIFEST} of ours. Move it "
            "away, or name another folder; nothing in it was touched."
        )


def _has_our_manifest(folder: Path) -> bool:
    """Whether there is a manifest that lists files, or one so damaged that nothing can be read of it."""
    path = folder / MANIFEST
    if not path.is_file():
        return False
    try:
        facts = read_json(path)
    except ArtifactError:
        return True
    return not isinstance(facts, dict) or "files" in facts or not facts


def _keep_others(folder: Path, aside: Path) -> None:
    """Copy files that the manifest does not name into the folder that takes its place."""
    try:
        listed = {MANIFEST, *(read_manifest(folder) or {"files": {}})["files"]}
    except ArtifactError:
        return  # a damaged manifest of ours: nobody can tell its files from others
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if not path.is_file() or name in listed or path.suffix == ".tmp":
            continue
        kept = aside / name
        kept = kept.with_name(f"{kept.name}.kept") if kept.exists() else kept
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, kept, follow_symlinks=False)


def discard(folder: Path, marks: Collection[str] = ()) -> None:
    """Remove a folder of ours, if there is one: renamed first, so that a kill leaves no part in its place.

    Args:
        folder: Folder to be removed.
        marks: As in `check_ours`.

    Raises:
        ArtifactError: What stands there was not written by Understudy.
    """
    check_ours(folder, marks)
    remove(folder)


def remove(folder: Path) -> None:
    """`discard` without its check: for a caller that knows whose folder it is."""
    old = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)  # left by a killed run
    if folder.exists():
        folder.replace(old)
        shutil.rmtree(old)


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """The manifest of a folder, or ``None`` where there is none (never written, or written only in part)."""
    path = folder / MANIFEST
    if not path.is_file():
        return None
    manifest = read_json(path)
    files = manifest.get("files") if isinstance(manifest, dict) else None
    if not isinstance(files, dict) or not all(map(_is_listed, files.values())):
        raise ArtifactError(f"{path} is damaged: it does not list files with their sizes and sums.")
    return manifest  # type: ignore[no-any-return]


def _is_listed(facts: object) -> bool:
    return isinstance(facts, dict) and {"bytes", "sha256"} <= facts.keys()


def verify(folder: Path, read: Collection[str] | None = None) -> dict[str, Any]:
    """Check every file that the manifest names, and return the manifest.

    Args:
        folder: as `publish` wrote it.
        read: names of the files that will be read; of the others only the presence and the size are checked.
            ``None`` checks the content of all.

    Raises:
        ArtifactError: no folder, no manifest, or a file missing, truncated or altered, by name.
    """
    if not folder.is_dir():
        raise ArtifactError(f"There is no folder {folder}.")
    manifest = read_manifest(folder)
    if manifest is None:
        raise ArtifactError(
            f"{folder} has no {MANIFEST}: it was not finished, or Understudy did not write it."
        )
    for name, facts in manifest["files"].items():
        path = folder / name
        if not path.is_file():
            raise ArtifactError(f"{path} is missing. Restore it, or write the folder again.")
        size = path.stat().st_size
        if size != facts["bytes"]:
            raise ArtifactError(
                f"{path} has {size:,} bytes, but the manifest says {facts['bytes']:,}: it was truncated or "
                "altered. Restore it, or write the folder again."
            )
        if (read is None or name in read) and file_digest(path) != facts["sha256"]:
            raise ArtifactError(
                f"{path} was altered: its SHA-256 is another. Restore it, or write the folder again."
            )
    return manifest
