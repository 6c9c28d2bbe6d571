"""Folders that are filled block by block, where a killed run continues after its last finished block.

``state.json`` says how far a run came, and is rewritten after each block. The manifest is written last: where
it is, the folder is whole. Both hold an identity, which says what the blocks are and what is made of them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from understudy.core.manifest import MANIFEST, discard, read_json, read_manifest, write_json
from understudy.errors import ArtifactError

STATE = "state.json"
"""How far a folder is that was not finished."""

State = dict[str, Any]
"""JSON-ready: the ``identity``, and what the writer of the folder needs to continue."""


def read_finished(folder: Path, identity: str) -> State | None:
    """The manifest of a folder that was finished under this identity, or ``None``."""
    manifest = read_manifest(folder) if folder.is_dir() else None
    return manifest if manifest is not None and manifest.get("identity") == identity else None


def resume(
    folder: Path,
    identity: str,
    start: State,
    refuse_foreign: Callable[[Path], None],
    patterns: Collection[str] = (),
) -> State:
    """How far an earlier run came; what a folder of another identity holds of ours is removed first.

    Args:
        folder: Where the blocks go.
        identity: What the blocks are.
        start: The state of a folder without any block, apart from its identity.
        refuse_foreign: Raises an `ArtifactError` for a folder that the caller did not write; such a folder is
            never removed.
        patterns: Glob patterns of the files that the caller writes; others that stand there stay.

    Raises:
        ArtifactError: The state is damaged, or the folder holds something else, or is a link.
    """
    if folder.is_symlink():
        raise ArtifactError(f"{folder} is a link. Move it away, or name another folder.")
    if folder.exists() and not folder.is_dir():
        raise ArtifactError(f"{folder} is a file, but a folder is to be written there. Give another place.")

    path = folder / STATE
    state = read_json(path) if path.is_file() else {}
    if not isinstance(state, dict):
        raise ArtifactError(f"{path} is damaged: it is not a JSON object. Remove {folder} and start over.")

    if state.get("identity") == identity:
        if missing := start.keys() - state.keys():
            raise ArtifactError(
                f"{path} is damaged: it lacks {min(missing)!r}. Remove {folder} and start over."
            )
        return state

    if folder.exists():
        refuse_foreign(folder)
        # A kill from here on leaves a folder whose state says that it is ours.
        save_state(folder, {"identity": "", **start})
        discard(folder, patterns, marks=(STATE,))
    folder.mkdir(parents=True, exist_ok=True)
    state = {"identity": identity, **start}
    save_state(folder, state)
    return state


def save_state(folder: Path, state: State) -> None:
    """Write down how far the folder is; a later kill loses nothing of it."""
    write_json(folder / STATE, state)


def finish(
    folder: Path, state: State, files: Mapping[str, object], about: Mapping[str, object] | None = None
) -> None:
    """Write the manifest, and take the state away.

    Args:
        folder: The folder, all of whose blocks are done.
        state: The last one; it goes into the manifest.
        files: Name of each file → its SHA-256 and its bytes.
        about: Further JSON-ready facts for the manifest.
    """
    write_json(folder / MANIFEST, {**(about or {}), **state, "files": files})
    (folder / STATE).unlink(missing_ok=True)
