"""Arrays on disk that grow row by row while they are written, and are mapped, not loaded, when they are read.

Each is an ordinary ``.npy`` file. Its header leaves room for more rows, so it is written again in its place
when the file is closed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from understudy.core.manifest import MANIFEST, file_digest, read_json, read_manifest, write_json
from understudy.errors import ArtifactError

Array = npt.NDArray[Any]

STATE = "state.json"
"""How far a folder of columns is that was not finished."""

T = TypeVar("T")


class NpyWriter:
    """An ``.npy`` file that is written block by block; a context manager.

    Args:
        path: of the file.
        dtype: of its numbers.
        tail: shape of a row.
        rows: how many rows of an earlier file stay, 0 begins a new one.

    Raises:
        ArtifactError: an earlier file has fewer rows than shall stay.
    """

    def __init__(self, path: Path, dtype: npt.DTypeLike, tail: tuple[int, ...] = (), rows: int = 0) -> None:
        self.dtype, self.tail, self.rows = np.dtype(dtype).newbyteorder("<"), tail, rows
        self._file = path.open("r+b" if rows else "w+b")
        self._write_header()
        row = self.dtype.itemsize * int(np.prod(tail, dtype=np.int64))
        end = self._file.tell() + rows * row
        if self._file.seek(0, os.SEEK_END) < end:
            self._file.close()
            raise ArtifactError(
                f"{path} has fewer than {rows:,} rows. Remove {path.parent}; it is made again."
            )
        self._file.truncate(end)
        self._file.seek(end)

    def append(self, values: Array) -> None:
        """Add rows ``(n, *tail)``, in the file's own type."""
        self._file.write(
            np.ascontiguousarray(values, dtype=self.dtype).data.cast("B") if values.size else b""
        )
        self.rows += len(values)

    def flush(self) -> None:
        """Put what was added on the disk, so that neither a kill nor a power cut loses it."""
        self._file.flush()
        os.fsync(self._file.fileno())

    def _write_header(self) -> None:
        self._file.seek(0)
        about = {"descr": self.dtype.str, "fortran_order": False, "shape": (self.rows, *self.tail)}
        np.lib.format.write_array_header_1_0(self._file, about)

    def __enter__(self) -> NpyWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Say in the header how many rows there are, and close the file."""
        self._write_header()
        self.flush()
        self._file.close()


def mapped(path: Path) -> Array:
    """The array of a file, read as it is touched; it cannot be written, and it may be larger than memory."""
    array: Array = np.load(path, mmap_mode="r", allow_pickle=False)
    return array


def read_rows(array: Array, start: int, stop: int) -> Array:
    """Rows of a mapped array, read from its file without mapping more of it into memory."""
    if not isinstance(array, np.memmap) or array.filename is None:
        return array[start:stop]
    row = array.strides[0]
    read = np.fromfile(
        array.filename,
        dtype=array.dtype,
        count=(stop - start) * row // array.itemsize,
        offset=int(array.offset) + start * row,
    )
    return read.reshape(-1, *array.shape[1:])


def write_columns(
    folder: Path,
    identity: str,
    blocks: Iterable[T],
    make: Callable[[T], Mapping[str, Array]],
    advance: Callable[[T], None],
) -> dict[str, Array]:
    """Columns that are made of blocks, one after the other, and their mapped arrays.

    A killed run goes on behind its last block when it is called again with the same arguments; of a finished
    folder nothing is made again. Opening it compares lengths alone; `folders.verify` reads every byte.

    Args:
        folder: where the columns go, one file each; what it held before under another identity is removed.
        identity: says what the blocks are and what is made of them.
        blocks: read once, in order; their division must be the same in each run.
        make: block → rows of each column, each time the same names, types and shapes of a row.
        advance: told of each block when it is done.

    Raises:
        ArtifactError: a file is missing, or is shorter than was written; or the folder holds something else.
    """
    manifest = read_manifest(folder) if folder.is_dir() else None
    if manifest is None or manifest.get("identity") != identity:
        _write_columns(folder, identity, blocks, make, advance)
        manifest = read_json(folder / MANIFEST)
    for name, facts in manifest["files"].items():
        path = folder / name
        if not path.is_file() or path.stat().st_size != facts["bytes"]:
            raise ArtifactError(f"{path} is missing or truncated. Remove {folder}; it is then made again.")
    return {name.removesuffix(".npy"): mapped(folder / name) for name in manifest["files"]}


def _write_columns(
    folder: Path,
    identity: str,
    blocks: Iterable[T],
    make: Callable[[T], Mapping[str, Array]],
    advance: Callable[[T], None],
) -> None:
    state = _resume(folder, identity)
    with contextlib.ExitStack() as stack:
        open_ = {
            name: stack.enter_context(NpyWriter(folder / f"{name}.npy", dtype, tuple(tail), rows))
            for name, (dtype, tail, rows) in state["columns"].items()
        }
        for number, block in enumerate(blocks):
            if number >= state["blocks"]:
                for name, values in make(block).items():
                    if name not in open_:
                        path = folder / f"{name}.npy"
                        open_[name] = stack.enter_context(NpyWriter(path, values.dtype, values.shape[1:]))
                    open_[name].append(values)
                    open_[name].flush()
                state["blocks"] = number + 1
                state["columns"] = {n: [f.dtype.str, list(f.tail), f.rows] for n, f in open_.items()}
                write_json(folder / STATE, state)
            advance(block)
    files = {
        path.name: {"sha256": file_digest(path), "bytes": path.stat().st_size}
        for path in (folder / f"{name}.npy" for name in state["columns"])
    }
    write_json(folder / MANIFEST, {**state, "files": files})
    (folder / STATE).unlink()


def _resume(folder: Path, identity: str) -> dict[str, Any]:
    """How far an earlier run came; what another one left is removed."""
    path = folder / STATE
    state = read_json(path) if path.is_file() else {}
    if state.get("identity") == identity:
        return dict(state)
    if folder.is_dir():
        others = [p.name for p in folder.iterdir() if p.suffix != ".npy" and p.name not in (STATE, MANIFEST)]
        if others:
            raise ArtifactError(
                f"{folder} holds {others[0]}, so it is no folder of columns. Give another one."
            )
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    state = {"identity": identity, "blocks": 0, "columns": {}}
    write_json(path, state)
    return state
