"""Shards of a logit store: sorted keys and their logits as flat arrays, with an index for look-ups.

A shard is a folder of ``.npy`` files that are mapped, never loaded:

=============== ================= ==========================================================================
``keys.npy``    (n, 2) uint64     128-bit hashes in rising order
``logits.npy``  (rows, c) float32 in the order of the keys
``starts.npy``  (n + 1,) int64    where each item's rows begin; only where an item has other than one row
``index.npy``   (buckets + 1,)    where each bucket of keys begins; a bucket is the keys that share their
                                  first bits, a handful of them
=============== ================= ==========================================================================

Hashes are uniform, so a look-up reads one entry of the index and searches a handful of keys, however many
there are: O(1), for all wanted keys at once in numpy. An index that was damaged is made again from the keys.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypedDict

import numpy as np
import numpy.typing as npt

from understudy.core.items import runs
from understudy.core.manifest import MANIFEST, file_digest, publish, read_json
from understudy.core.memmap import NpyWriter, mapped, read_rows
from understudy.core.task import FloatArray, IntArray
from understudy.errors import ArtifactError, StoreError

Keys = npt.NDArray[np.uint64]
Stamps = dict[str, int]
"""File of a shard → when it was last changed, in nanoseconds."""

KEYS, LOGITS, STARTS, INDEX = "keys.npy", "logits.npy", "starts.npy", "index.npy"

BUCKET = 8
"""Keys per bucket at most, on average."""

MERGE_BYTES = 2**25
"""Keys and logits that are in memory at once while shards are merged."""

READ_KEYS = 2**20
"""Keys that are in memory at once while an index is made again."""


class FileFacts(TypedDict):
    """What a shard's manifest says of a file."""

    bytes: int
    sha256: str


class ShardPart(NamedTuple):
    """Keys ``(n, 2)`` in rising order, their items' rows ``(n,)``, and the logits ``(rows, c)``."""

    keys: Keys
    counts: IntArray
    logits: FloatArray


@dataclass(frozen=True)
class Shard:
    """A shard that is open; its arrays are mapped.

    Attributes:
        folder: Folder of the shard.
        keys: ``(n, 2)``.
        logits: ``(rows, c)``.
        starts: ``(n + 1,)``, or ``None`` where every item has one row.
        index: ``(buckets + 1,)``.
    """

    folder: Path
    keys: Keys
    logits: FloatArray
    starts: IntArray | None
    index: npt.NDArray[np.unsignedinteger]

    def __len__(self) -> int:
        return len(self.keys)

    def find(self, wanted: Keys) -> IntArray:
        """The place of each wanted key ``(m, 2)``, or -1: ``(m,)``. Fastest for keys in rising order."""
        if not len(self):
            return np.full(len(wanted), -1, dtype=np.int64)
        places = self.first_from(wanted)
        inside = np.minimum(places, len(self) - 1)
        is_there = (places < len(self)) & (self.keys[inside] == wanted).all(axis=1)
        return np.where(is_there, places, -1)

    def first_from(self, wanted: Keys) -> IntArray:
        """The place of the first key that is not below each wanted one, ``(m,)``: a search in its bucket."""
        bucket = _buckets(wanted, len(self.index) - 1)
        low, high = (self.index[bucket + step].astype(np.int64) for step in (0, 1))
        open_ = np.flatnonzero(low < high)

        while len(open_):
            middle = (low[open_] + high[open_]) // 2
            is_below = _below(self.keys[middle], wanted[open_])
            low[open_[is_below]] = middle[is_below] + 1
            high[open_[~is_below]] = middle[~is_below]
            open_ = open_[low[open_] < high[open_]]
        return low

    def counts(self, places: IntArray) -> IntArray:
        """Rows of the items at these places, ``(m,)``."""
        if self.starts is None:
            return np.ones(len(places), dtype=np.int64)
        return np.asarray(self.starts[places + 1] - self.starts[places])

    def rows(self, places: IntArray) -> FloatArray:
        """Logits of the items at these places, end to end: ``(rows, c)``."""
        if self.starts is None:
            return np.asarray(self.logits[places])
        return np.asarray(self.logits[runs(self.starts[places], self.counts(places))])

    def read(self, start: int, stop: int) -> ShardPart:
        """The items at ``start:stop``, read from the files."""
        if self.starts is None:
            counts, rows = np.ones(stop - start, dtype=np.int64), (start, stop)
        else:
            starts = read_rows(self.starts, start, stop + 1)
            counts, rows = np.diff(starts), (int(starts[0]), int(starts[-1]))
        return ShardPart(read_rows(self.keys, start, stop), counts, read_rows(self.logits, *rows))


def write_shard(folder: Path, keys: Keys, counts: IntArray, logits: FloatArray) -> None:
    """Write a shard, whole or not at all.

    Args:
        folder: Folder that the shard is written to.
        keys: ``(n, 2)`` in any order.
        counts: ``(n,)`` rows of each item.
        logits: ``(rows, c)``, in the order of the keys.
    """
    part = _sorted(keys, counts, logits)
    _write(folder, len(keys), logits.shape[1], [part], has_starts=bool((counts != 1).any()))


def merge_shards(folder: Path, shards: Sequence[Shard]) -> None:
    """Write one shard with all that some shards hold, in bounded memory: their ranges of keys in turn."""
    total = sum(map(len, shards))
    size = sum(shard.keys.nbytes + shard.logits.nbytes for shard in shards)
    ranges = max(1, -(-size // MERGE_BYTES))
    edges = np.array([[2**64 * i // ranges, 0] for i in range(1, ranges)], dtype=np.uint64).reshape(-1, 2)
    cuts = [[0, *shard.first_from(edges).tolist(), len(shard)] for shard in shards]

    def parts() -> Iterator[ShardPart]:
        for number in range(ranges):
            pieces = [s.read(*cut[number : number + 2]) for s, cut in zip(shards, cuts, strict=True)]
            yield _sorted(*map(np.concatenate, zip(*pieces, strict=True)))

    has_starts = any(shard.starts is not None for shard in shards)
    _write(folder, total, shards[0].logits.shape[1], parts(), has_starts=has_starts)


def open_shard(folder: Path, stamps: Stamps) -> tuple[Shard, Stamps]:
    """Map a shard.

    Every file must be as long as the shard's manifest says. Its SHA-256 is computed only if the file was
    changed at another time than the stamps say, so a shard of many gigabytes is read as a whole once, after
    it was copied or restored, and not at every start.

    Returns:
        The shard, and the stamps of its files as they are now.

    Raises:
        StoreError: A file is missing, truncated or altered; by name.
    """
    files = _files(folder)
    now = {}
    for name, facts in files.items():
        path = folder / name
        problem = _problem(path, facts, stamps.get(name))
        if problem and name != INDEX:
            raise StoreError(
                f"{path} {problem}. Restore it, or remove the store: its texts are then labelled again."
            )
        if problem:
            _index_again(folder)
        now[name] = path.stat().st_mtime_ns

    try:
        starts = mapped(folder / STARTS) if STARTS in files else None
        arrays = [mapped(folder / name) for name in (KEYS, LOGITS, INDEX)]
    except Exception as error:  # numpy's parser of an altered header raises errors of many kinds
        raise StoreError(f"{folder} is damaged: {error}. Restore it, or remove the store.") from error
    return Shard(folder, arrays[0], arrays[1], starts, arrays[2]), now


def _files(folder: Path) -> dict[str, FileFacts]:
    path = folder / MANIFEST
    try:
        files = read_json(path)["files"]
        listed = {
            name: files[name] for name in (KEYS, LOGITS, STARTS, INDEX) if name in files or name != STARTS
        }
        return {
            name: {"bytes": int(each["bytes"]), "sha256": each["sha256"]} for name, each in listed.items()
        }
    except (ArtifactError, LookupError, TypeError, ValueError) as error:
        raise StoreError(
            f"{path} is missing or damaged, but the store names it. Restore it, or remove the store."
        ) from error


def _problem(path: Path, facts: FileFacts, stamp: int | None) -> str:
    """What is wrong with a file, or nothing."""
    if not path.is_file():
        return "is missing, but the manifest names it"
    status = path.stat()
    if status.st_size != facts["bytes"]:
        return f"was truncated or altered: it has {status.st_size:,} bytes, not {facts['bytes']:,}"
    if status.st_mtime_ns != stamp and file_digest(path) != facts["sha256"]:
        return "was truncated or altered: its SHA-256 does not match"
    return ""


def _buckets(keys: Keys, buckets: int) -> npt.NDArray[np.int64]:
    """The first bits of each key; ``buckets`` is a power of two, from 2."""
    shift = np.uint64(64 - (buckets.bit_length() - 1))
    return (keys[:, 0] >> shift).astype(np.int64)


def _below(one: Keys, other: Keys) -> npt.NDArray[np.bool_]:
    first, second = one[:, 0], other[:, 0]
    return np.asarray((first < second) | ((first == second) & (one[:, 1] < other[:, 1])))


def _sorted(keys: Keys, counts: IntArray, logits: FloatArray) -> ShardPart:
    order = np.lexsort((keys[:, 1], keys[:, 0]))
    starts = np.cumsum(counts) - counts
    return ShardPart(keys[order], counts[order], logits[runs(starts[order], counts[order])])


class _Tally:
    """Counts keys in rising order by bucket; in the end it is the index."""

    def __init__(self, keys: int) -> None:
        self.buckets = 2 ** max(1, (max(keys, 1) // BUCKET).bit_length())
        self.index = np.zeros(self.buckets + 1, dtype=np.uint32 if keys < 2**32 else np.uint64)

    def add(self, keys: Keys) -> None:
        if len(keys):
            bucket = _buckets(keys, self.buckets)
            sizes = np.bincount(bucket - bucket[0])
            self.index[bucket[0] + 1 : bucket[0] + 1 + len(sizes)] += sizes.astype(self.index.dtype)

    def save(self, folder: Path) -> None:
        """Write the index beside its place, then there: it is never seen in part."""
        aside = folder / f".{INDEX}"
        with aside.open("wb") as file:
            np.save(file, np.cumsum(self.index, dtype=self.index.dtype))
        aside.replace(folder / INDEX)


def _write(
    folder: Path,
    items: int,
    columns: int,
    parts: Iterator[ShardPart] | Sequence[ShardPart],
    *,
    has_starts: bool,
) -> None:
    with publish(folder, {"texts": items}) as aside:
        tally, written = _Tally(items), 0
        with contextlib.ExitStack() as files:
            keys = files.enter_context(NpyWriter(aside / KEYS, np.uint64, (2,)))
            logits = files.enter_context(NpyWriter(aside / LOGITS, np.float32, (columns,)))
            starts = files.enter_context(NpyWriter(aside / STARTS, np.int64)) if has_starts else None
            if starts is not None:
                starts.append(np.zeros(1, dtype=np.int64))

            for part in parts:
                keys.append(part.keys)
                logits.append(part.logits)
                tally.add(part.keys)
                if starts is not None:
                    starts.append(written + np.cumsum(part.counts))
                written += len(part.logits)
        tally.save(aside)


def _index_again(folder: Path) -> None:
    keys = mapped(folder / KEYS)
    tally = _Tally(len(keys))
    for start in range(0, len(keys), READ_KEYS):
        tally.add(read_rows(keys, start, min(start + READ_KEYS, len(keys))))
    tally.save(folder)
