"""Arrays on disk that grow while they are written, and are mapped, not loaded, when they are read.

Each is an ordinary ``.npy`` file. Its header leaves room for a larger number of rows, so it is overwritten in
place when the file is closed.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from understudy.core.manifest import MANIFEST, file_digest, read_json
from understudy.core.resumable import STATE, State, finish, read_finished, resume, save_state
from understudy.errors import ArtifactError

Array = npt.NDArray[Any]

T = TypeVar("T")


class NpyWriter:
    """An ``.npy`` file that is written block by block; a context manager.

    Args:
        path: The file.
        dtype: Type of its numbers.
        tail: Shape of a row.
        rows: Rows of an earlier file that stay; 0 begins a new file.

    Raises:
        ArtifactError: The earlier file has fewer rows than should stay.
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
        if values.size:  # memory of size 0 cannot be cast
            self._file.write(np.ascontiguousarray(values, dtype=self.dtype).data.cast("B"))
        self.rows += len(values)

    def flush(self) -> None:
        """Write what was added to the disk, so that neither a kill nor a power cut loses it."""
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
        """Write the number of rows into the header, and close the file."""
        self._write_header()
        self.flush()
        self._file.close()


def mapped(path: Path) -> Array:
    """The array of a file, read where it is touched; it is read-only, and may be larger than memory."""
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
    """Write columns block by block, and return their mapped arrays.

    A killed run continues after its last block when it is called again with the same arguments; a finished
    folder is only opened. Opening it compares lengths alone; `understudy.core.manifest.verify` reads every
    byte.

    Args:
        folder: Where the columns go, one file each; what it held before under another identity is removed.
        identity: Says what the blocks are and what is made of them.
        blocks: Read once, in order; they must be divided in the same way in each run.
        make: Block → rows of each column, each time with the same names, types and shapes of a row.
        advance: Called with each block when it is done.

    Raises:
        ArtifactError: A file is missing, or is shorter than was written; or the folder holds something else.
    """
    manifest = read_finished(folder, identity)
    if manifest is None:
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
    state = resume(folder, identity, {"blocks": 0, "columns": {}}, _refuse_foreign, ("*.npy",))

    with contextlib.ExitStack() as stack:
        writers = {
            name: stack.enter_context(NpyWriter(folder / f"{name}.npy", dtype, tuple(tail), rows))
            for name, (dtype, tail, rows) in state["columns"].items()
        }
        for number, block in enumerate(blocks):
            if number >= state["blocks"]:
                for name, values in make(block).items():
                    if name not in writers:
                        path = folder / f"{name}.npy"
                        writers[name] = stack.enter_context(NpyWriter(path, values.dtype, values.shape[1:]))
                    writers[name].append(values)
                _save(folder, state, number + 1, writers)
            advance(block)

    finish(folder, state, {name: _facts(folder / name) for name in map("{}.npy".format, state["columns"])})


def _save(folder: Path, state: State, blocks: int, writers: Mapping[str, NpyWriter]) -> None:
    for writer in writers.values():  # before the state, which must not promise rows that a power cut loses
        writer.flush()
    state["blocks"] = blocks
    state["columns"] = {name: [w.dtype.str, list(w.tail), w.rows] for name, w in writers.items()}
    save_state(folder, state)


def _facts(path: Path) -> dict[str, str | int]:
    return {"sha256": file_digest(path), "bytes": path.stat().st_size}


def _refuse_foreign(folder: Path) -> None:
    names = sorted(path.name for path in folder.iterdir())
    others = [name for name in names if not name.endswith(".npy") and name not in (STATE, MANIFEST)]
    if not {STATE, MANIFEST} & set(names):  # a folder of arrays and nothing else may be the user's own
        others = names
    if others:
        raise ArtifactError(
            f"{folder} holds {others[0]}, so it is not a folder of columns. Give another one."
        )
