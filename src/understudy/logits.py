"""Soft targets on disk: each distinct text is shown to a teacher once, ever.

A store is a folder of shards, each with the keys and the logits of some texts, and a manifest that is
rewritten after every shard. Keys are hashes of the text itself, so neither paths nor row order matter; the
manifest carries the teacher's fingerprint and the label names, so a store never serves another teacher.
What is said of texts here holds for any item of a task; a sentence to be tagged has a row of logits a word.
"""

from __future__ import annotations

import hashlib
import io
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from understudy.errors import StoreError
from understudy.folders import MANIFEST, file_digest, read_json, write_bytes, write_json
from understudy.items import key, rows_of
from understudy.progress import Progress, Silent
from understudy.task import FloatArray, IntArray, Item, Predictor

Keys = npt.NDArray[np.uint64]

SHARD_TEXTS = 1024
"""Texts a shard; a killed run loses the work on one shard at most."""


def text_keys(texts: Sequence[Item]) -> Keys:
    """128-bit hashes of the texts' UTF-8 bytes, as two columns: ``(n, 2)`` uint64."""
    raw = b"".join(
        hashlib.blake2b(key(text).encode("utf-8", "surrogatepass"), digest_size=16).digest() for text in texts
    )
    return np.frombuffer(raw, dtype="<u8").reshape(-1, 2)


class _Part(NamedTuple):
    """Keys ``(n, 2)`` of some texts, their rows ``(n,)``, and the logits ``(rows, c)``."""

    keys: Keys
    counts: IntArray
    logits: FloatArray


class LogitStore:
    """The logits of one teacher, looked up by text.

    Args:
        folder: where the store is, or shall be.
        teacher: fingerprint of the teacher's weights, settings and label names.
        labels: label names in the order of the logits' columns.

    Raises:
        StoreError: the folder holds another teacher's store, or a damaged one; the message says what differs.
    """

    def __init__(self, folder: Path, *, teacher: str, labels: Sequence[str]) -> None:
        self.folder = folder
        self._facts: dict[str, Any] = {"teacher": teacher, "labels": list(labels), "shards": []}
        self._parts: list[_Part] = [
            _Part(
                np.zeros((0, 2), dtype=np.uint64),
                np.zeros(0, dtype=np.int64),
                np.zeros((0, len(labels)), dtype=np.float32),
            )
        ]
        self._is_sorted = False
        if (folder / MANIFEST).is_file():
            self._open(read_json(folder / MANIFEST))
        else:
            folder.mkdir(parents=True, exist_ok=True)
            write_json(folder / MANIFEST, self._facts)

    @property
    def labels(self) -> tuple[str, ...]:
        """Label names in the order of the logits' columns."""
        return tuple(self._facts["labels"])

    def __len__(self) -> int:
        return sum(len(part.keys) for part in self._parts)

    def missing(self, texts: Sequence[Item]) -> list[Item]:
        """The texts that are not in the store, in order, each once."""
        found = self._found(text_keys(texts))
        return list(dict.fromkeys(text for text, place in zip(texts, found, strict=True) if place < 0))

    def look_up(self, texts: Sequence[Item]) -> FloatArray:
        """The logits of texts, ``(rows, c)`` float32, in the order of the texts.

        Raises:
            StoreError: a text was never labelled.
        """
        found = self._found(text_keys(texts))
        absent = np.flatnonzero(found < 0)
        if len(absent):
            raise StoreError(
                f"{self.folder} has no soft targets for {len(absent):,} of {len(texts):,} texts, the first: "
                f"{texts[absent[0]][:80]!r}. Run `understudy label` first."
            )
        return self._all.logits[rows_of(found, self._all.counts)]

    def append(self, texts: Sequence[Item], logits: FloatArray, counts: IntArray | None = None) -> None:
        """Add a shard and name it in the manifest, which is written last.

        Args:
            texts: ``n`` distinct texts, none of them in the store.
            logits: ``(rows, c)``.
            counts: ``(n,)`` rows of each text; by default one.

        Raises:
            StoreError: the logits are of another shape, or not finite.
        """
        counts = np.ones(len(texts), dtype=np.int64) if counts is None else counts
        expected = (int(counts.sum()), len(self.labels))
        with np.errstate(over="ignore"):
            values = np.asarray(logits, dtype=np.float32)
        if values.shape != expected or not np.isfinite(values).all():
            raise StoreError(f"Expected finite logits of shape {expected}, got shape {values.shape}.")
        keys = text_keys(texts)
        path = self.folder / f"shard-{len(self._facts['shards']):06d}.npz"
        part = _Part(keys, counts, values)
        _write_shard(path, part)
        shard = {"file": path.name, "texts": len(texts), "sha256": file_digest(path)}
        self._facts["shards"].append(shard)
        write_json(self.folder / MANIFEST, self._facts)
        self._parts.append(part)
        self._is_sorted = False

    def _open(self, found: Any) -> None:
        if not isinstance(found, dict) or "shards" not in found:
            raise StoreError(
                f"{self.folder / MANIFEST} is damaged: it lists no shards. Restore it, or remove the store."
            )
        differs = [
            f"{what}: the store has {found.get(what)}, this run has {self._facts[what]}"
            for what in ("teacher", "labels")
            if found.get(what) != self._facts[what]
        ]
        if differs:
            raise StoreError(
                f"The logit store {self.folder} is another teacher's: {'; '.join(differs)}. Give this run "
                "another folder, or remove the store."
            )
        self._parts.extend(_read_shard(self.folder, shard) for shard in found["shards"])
        self._facts = found

    def _sort(self) -> None:
        self._all = _Part(*map(np.concatenate, zip(*self._parts, strict=True)))
        self._parts, self._is_sorted = [self._all], True
        self._order = np.lexsort((self._all.keys[:, 1], self._all.keys[:, 0]))
        self._first = self._all.keys[self._order, 0]

    def _found(self, keys: Keys) -> IntArray:
        """Place of each key, or -1. Halves that collide in the first 64 bits are told apart by the second."""
        if not self._is_sorted:
            self._sort()
        position = np.searchsorted(self._first, keys[:, 0])
        places = np.full(len(keys), -1, dtype=np.int64)
        open_ = np.arange(len(keys))
        while len(open_):
            inside = position[open_] < len(self._first)
            open_ = open_[inside]
            same = self._first[position[open_]] == keys[open_, 0]
            open_ = open_[same]
            candidate = self._order[position[open_]]
            hit = self._all.keys[candidate, 1] == keys[open_, 1]
            places[open_[hit]] = candidate[hit]
            open_ = open_[~hit]
            position[open_] += 1
        return places


@dataclass(frozen=True)
class Labelling:
    """What `label` did: texts that the teacher was shown, texts found in the store, seconds spent."""

    labelled: int
    reused: int
    seconds: float


def label(
    teacher: Predictor,
    texts: Sequence[Item],
    store: LogitStore,
    *,
    shard_texts: int = SHARD_TEXTS,
    progress: Progress | None = None,
) -> Labelling:
    """Show the teacher every distinct text that the store does not have.

    Texts are put in order of length and cut into shards before looking at what is done, so that a resumed run
    computes the same batches as an uninterrupted one, and its logits are the same to the bit.

    Raises:
        StoreError: the teacher's labels are not the store's, in the same order.
    """
    if teacher.task.labels != store.labels:
        raise StoreError(
            f"The teacher answers {list(teacher.task.labels)}, but the store {store.folder} keeps "
            f"{list(store.labels)}. Open the store with the teacher's labels."
        )
    started = time.perf_counter()
    distinct = sorted(set(texts), key=lambda text: (_length(text), text))
    todo = set(store.missing(distinct))
    with (progress or Silent()).bar("labelling", len(todo), "texts") as advance:
        for start in range(0, len(distinct), shard_texts):
            shard = [text for text in distinct[start : start + shard_texts] if text in todo]
            if shard:
                store.append(shard, teacher.logits(shard), teacher.task.rows(shard))
                advance(len(shard))
    return Labelling(len(todo), len(distinct) - len(todo), time.perf_counter() - started)


def _length(item: Item) -> int:
    return len(item) if isinstance(item, str) else sum(map(len, item))


def _write_shard(path: Path, part: _Part) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, **part._asdict())
    write_bytes(path, buffer.getvalue())


def _read_shard(folder: Path, shard: dict[str, Any]) -> _Part:
    path = folder / shard["file"]
    if not path.is_file():
        raise StoreError(f"{path} is missing, but the manifest names it. Restore it, or remove the store.")
    if file_digest(path) != shard["sha256"]:
        raise StoreError(f"{path} was truncated or altered. Restore it, or remove the store.")
    with np.load(path, allow_pickle=False) as arrays:
        return _Part(*(arrays[name] for name in _Part._fields))
