"""Which folder a run may write into: a new one, an empty one, or one that an earlier run made."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from understudy.core.manifest import read_json, read_manifest, write_json
from understudy.errors import ArtifactError, RecipeError

MARKER = ".understudy"
"""File by which a folder is known to be a run's; it is written first, and only into a new or empty folder."""

LOCK = ".lock"
"""File of a run's folder that a process at work there holds."""

MOST_NAMED = 5
"""Most files that the message about a folder that is not ours names."""


@contextlib.contextmanager
def claimed(folder: Path, source: str | None, fingerprint: str | None = None) -> Iterator[None]:
    """Make a folder this run's, and lock other processes out of it; the lock ends with the process.

    Args:
        folder: Folder of the run.
        source: The run's data, as the recipe names it; where no data has labels, its first unlabelled file.
        fingerprint: Fingerprint of the data; the same data may have moved to another path.

    Raises:
        RecipeError: The folder holds something other than a run, or a run on other data, or another process
            is at work in it. Nothing was written then.
    """
    _check_name(folder, source)
    _check(folder, source, fingerprint)

    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK, blocking=False)
    try:
        lock.acquire()
    except Timeout as error:
        raise RecipeError(
            f"Another process is at work in {folder}. Wait until it is done, or name another folder with "
            "--out: two would pay and write everything twice."
        ) from error

    try:
        write_json(folder / MARKER, {"format": 1, "source": _absolute(source)})
        yield
    finally:
        lock.release()


def is_run(folder: Path) -> bool:
    """Whether a run made this folder: it carries our marker, or is older and has the stage of its data."""
    if (folder / MARKER).is_file():
        return True
    if {"fingerprint", "inputs"} <= _manifest_of_data(folder).keys() and (folder / "recipe.yaml").is_file():
        return True

    # A run without labelled data pays for labels before it writes anything else.
    others = {path.name for path in folder.iterdir()} - {LOCK, "logits"}
    return not others and any(folder.glob("logits/*/ledger.jsonl"))


def _manifest_of_data(folder: Path) -> dict[str, Any]:
    """The manifest of the stage of a run's data; empty where there is none that can be read."""
    try:
        return read_manifest(folder / "data") or {}
    except ArtifactError:
        return {}


def _check_name(folder: Path, source: str | None) -> None:
    """Refuse names that are not UTF-8: the libraries that save weights and graphs cannot write there."""
    for what, name in (("The folder of the run", str(folder)), ("The data", source or "")):
        try:
            name.encode()
        except UnicodeEncodeError as error:
            raise RecipeError(
                f"{what} is {name!r}, whose name is not UTF-8. Rename it, or use a copy of another name."
            ) from error


def _check(folder: Path, source: str | None, fingerprint: str | None) -> None:
    """Refuse a folder that this run may not write into."""
    if not folder.exists() and not folder.is_symlink():
        return
    if not folder.is_dir():
        raise RecipeError(f"{folder} is not a folder. Name another one with --out.")

    held = sorted(path.name for path in folder.iterdir() if path.name != LOCK)
    if not held:
        return
    if not is_run(folder):
        named = ", ".join(held[:MOST_NAMED]) + (", …" if len(held) > MOST_NAMED else "")
        raise RecipeError(
            f"The folder {folder.resolve()} does not belong to a run: it holds {named}. A run writes into a "
            "new folder, an empty one, or one that a run made before. Name one with --out."
        )

    before = _source_before(folder)
    is_moved = fingerprint is not None and fingerprint == _manifest_of_data(folder).get("fingerprint")
    if before is not None and source is not None and before != _absolute(source) and not is_moved:
        raise RecipeError(
            f"{folder} holds a run on {before}, but the data is {_absolute(source)} now. Name another folder "
            "with --out, or delete that one."
        )


def _source_before(folder: Path) -> str | None:
    """The data of the run that made a folder, where its marker names it."""
    marker = folder / MARKER
    try:
        facts = read_json(marker) if marker.is_file() else {}
    except ArtifactError:
        return None
    source = facts.get("source") if isinstance(facts, dict) else None
    return source if isinstance(source, str) else None


def _absolute(source: str | None) -> str | None:
    """The name of a data set as it is, a file or folder by its absolute path."""
    if source is None:
        return None
    path = Path(os.path.expanduser(source))  # noqa: PTH111 -- leaves an unknown ~user as it is
    return str(path.resolve()) if path.exists() else source
