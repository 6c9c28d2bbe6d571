"""Folders that are whole or absent: written aside, listed in a manifest, then renamed into place.

Every arrow between two stages is such a folder. Its ``manifest.json`` is written last and names every other
file with its SHA-256, so that nothing half-written, truncated or altered is ever read.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path, PurePosixPath
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
    manifest of ours belongs to somebody else. What stands beside our files, and our manifest does not name,
    moves along. A folder whose manifest was cut or garbled is set aside as ``NAME.damaged``.

    Args:
        folder: Where the result belongs.
        about: JSON-ready facts for the manifest, beside ``files``.

    Raises:
        ArtifactError: What stands there was not written by Understudy. It is left as it is.
    """
    aside, old = _neighbours(folder)
    _recover(folder)
    check_ours(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
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

    if _is_garbled(folder):
        folder.replace(_free_name(folder, "damaged"))
    if folder.exists():
        folder.replace(old)
        aside.replace(folder)
        _move_others(old, folder)
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
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    if any((folder / name).is_file() for name in marks) or _is_garbled(folder):
        return
    try:
        is_ours = read_manifest(folder) is not None
    except ArtifactError:
        is_ours = False
    if not is_ours:
        raise ArtifactError(
            f"{folder} was not written by Understudy: it holds files, but no {MANIFEST} of ours. Move it "
            "away, or name another folder; nothing in it was touched."
        )


def discard(folder: Path, patterns: Collection[str] = (), marks: Collection[str] = ()) -> None:
    """Remove our files from a folder, and the folder unless it holds others.

    Args:
        folder: Folder that is no longer wanted; there may be none.
        patterns: Glob patterns of our files that the manifest does not name.
        marks: Names of files that show that the folder is ours, and stay.

    Raises:
        ArtifactError: It is a link or a file, or nothing in it shows that we wrote it.
    """
    _recover(folder)
    known = [path for pattern in patterns for path in folder.glob(pattern)]
    check_ours(folder, [*marks, *(path.name for path in known)])
    if not folder.is_dir():
        return

    # The manifest goes first: without it, what a kill leaves is never read.
    listed = _listed(folder)
    (folder / MANIFEST).unlink(missing_ok=True)
    # Names are looked for in the folder, not joined to it: none of them leads out of it.
    ours = [path for path in folder.rglob("*") if path.relative_to(folder).as_posix() in set(listed)]
    for path in {*ours, *known}:
        if path.is_file():
            path.unlink()
    for path in sorted((path for path in folder.rglob("*") if path.is_dir()), reverse=True):
        begins = f"{path.relative_to(folder).as_posix()}/"
        if not path.is_symlink() and any(name.startswith(begins) for name in listed):
            _remove_if_empty(path)
    _remove_if_empty(folder)


def invalidate(folder: Path) -> None:
    """Have a stage done again: its manifest no longer says from what inputs the folder was made."""
    manifest = read_manifest(folder)
    if manifest is not None:
        write_json(folder / MANIFEST, {**manifest, "inputs": None})


def _neighbours(folder: Path) -> tuple[Path, Path]:
    """Where a new folder is written, and where the old one stands while they change places."""
    new, old = (folder.with_name(f".{folder.name}.understudy-{word}") for word in ("new", "old"))
    return new, old


def _recover(folder: Path) -> None:
    """Finish what a kill interrupted: put the old folder back, or move along what others put into it."""
    new, old = _neighbours(folder)
    if old.is_dir():
        if folder.exists():
            _move_others(old, folder)
            shutil.rmtree(old)
        else:
            old.replace(folder)
    shutil.rmtree(new, ignore_errors=True)


def _move_others(source: Path, target: Path) -> None:
    """Move what a folder's manifest does not name into the folder that takes its place."""
    listed = {MANIFEST, *_listed(source)}
    ours = {parent.as_posix() for name in listed for parent in PurePosixPath(name).parents}

    def move(folder: Path) -> None:
        for path in sorted(folder.iterdir()):
            name = path.relative_to(source).as_posix()
            if name in listed and path.is_file():
                continue
            if name in ours and path.is_dir() and not path.is_symlink():
                move(path)
                continue
            place = target / name
            place.parent.mkdir(parents=True, exist_ok=True)
            path.rename(_free_name(place, "kept") if place.exists() or place.is_symlink() else place)

    move(source)


def _listed(folder: Path) -> list[str]:
    """Names of the files that a folder's manifest lists; none where it has no manifest of ours."""
    try:
        return list((read_manifest(folder) or {"files": {}})["files"])
    except ArtifactError:
        return []


def _is_garbled(folder: Path) -> bool:
    """Whether a folder's manifest is not JSON: it was cut or damaged, since nobody writes such a file."""
    path = folder / MANIFEST
    if folder.is_symlink() or not path.is_file():
        return False
    try:
        read_json(path)
    except ArtifactError:
        return True
    return False


def _free_name(path: Path, word: str) -> Path:
    """A name beside a path that nothing has yet: ``NAME.word``, then ``NAME.word-2``, and so on."""
    names = itertools.chain([f"{path.name}.{word}"], (f"{path.name}.{word}-{n}" for n in itertools.count(2)))
    places = (path.with_name(name) for name in names)
    return next(place for place in places if not place.exists() and not place.is_symlink())


def _remove_if_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):  # others' files are in it
        folder.rmdir()


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
                f"{path} was altered: its SHA-256 does not match. Restore it, or write the folder again."
            )
    return manifest
