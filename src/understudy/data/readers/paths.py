"""Paths as users write them, and what stands there: a file, a folder, or something that cannot be read."""

from __future__ import annotations

import difflib
from pathlib import Path

from understudy.errors import DataError


def expanded(path: str | Path) -> Path:
    """The path with ``~`` replaced by a home folder.

    Raises:
        DataError: the user whose home is meant is not known, or the name is not valid UTF-8.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise DataError(
            f"The name of {str(path)!r} is not valid UTF-8. Rename the file or folder."
        ) from error
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise DataError(
            f"There is no home folder for {Path(path).parts[0]!r} in {str(path)!r}. Write the path in full."
        ) from error


def kind_of(path: Path) -> str:
    """What stands at a path: ``file``, ``folder``, or ``""`` where nothing does.

    Raises:
        DataError: a link leads nowhere, the path may not be looked at, or what stands there is a pipe or a
            device, which could not be read twice.
    """
    try:
        if path.is_dir():
            return "folder"
        if path.is_file():
            return "file"
        is_link, is_there = path.is_symlink(), path.exists()
    except OSError as error:
        raise DataError(f"{str(path)[:200]!r} cannot be looked at: {error.strerror or error}.") from error

    if is_link and not is_there:
        raise DataError(
            f"{path} is a link to {path.readlink()}, which is not there. Mend or remove the link."
        )
    if is_there:
        raise DataError(
            f"{path} is {_special_kind(path)}, not a file. Data are read more than once: save them in a file "
            "first."
        )
    return ""


def _special_kind(path: Path) -> str:
    if path.is_fifo():
        return "a pipe"
    return "a socket" if path.is_socket() else "a device"


def nearest_beside(path: Path) -> str | None:
    """The name that is most like a path's own among those in its folder, as a path, or ``None``."""
    try:
        beside = sorted(item.name for item in path.parent.iterdir())
    except OSError:
        return None
    close = difflib.get_close_matches(path.name, [name for name in beside if name != path.name], n=1)
    return str(path.parent / close[0]) if close else None
