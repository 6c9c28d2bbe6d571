"""Soft targets on disk: each distinct text is shown to a teacher once, ever.

A store is a folder of shards (`understudy.targets.shards`) and a manifest that is rewritten after each. Keys
are hashes of the text itself, so neither paths nor row order matter; the manifest carries the teacher's
fingerprint and the label names, so a store never serves another teacher. Small shards are merged as they
become many, so that a store of any size has a few dozen. Nothing of it is loaded: look-ups touch what they
need, and no Python object is kept for a row. What is said of texts here holds for any item of a task; a
sentence to be tagged has one row of logits for each word.

Shards do not say whose they are, so the manifest of a store cannot be made again from them: where it is lost,
the message says what to remove for labelling to start again.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from understudy.core.items import key, runs, shown
from understudy.core.manifest import MANIFEST, read_json, write_json
from understudy.core.task import FloatArray, IntArray, Item
from understudy.errors import ArtifactError, StoreError
from understudy.targets.shards import Keys, Shard, Stamps, merge_shards, open_shard, write_shard
from understudy.teachers.chat.ledger import LEDGER


def text_keys(texts: Sequence[Item]) -> Keys:
    """128-bit hashes of the texts' UTF-8 bytes, as two columns: ``(n, 2)`` uint64."""
    raw = b"".join(
        hashlib.blake2b(key(text).encode("utf-8", "surrogatepass"), digest_size=16).digest() for text in texts
    )
    return np.frombuffer(raw, dtype="<u8").reshape(-1, 2)


CHUNK = 2**17
"""Texts whose keys are in memory at once."""

FORMAT = 2
"""Version of the folder's layout; a store in another version is refused."""

FAN = 8
"""Shards of one size that are merged into one."""

OURS = re.compile(r"shard-\d{6,}|\.shard-\d{6,}\.(understudy-)?(new|old)").fullmatch
"""Names of shards, and of what a killed run leaves of them. A folder of another name belongs to the user."""

CHECKED = "checked.json"
"""When each file was found to be whole. A touched file is read and compared with its SHA-256 again."""


class LogitStore:
    """The logits of one teacher, looked up by text.

    One process at a time may append to it.

    Args:
        folder: Folder of the store; a new store is made where there is none.
        teacher: Fingerprint of the teacher's weights, settings and label names.
        labels: Label names in the order of the logits' columns.

    Raises:
        StoreError: The folder holds another teacher's store, or a damaged one; the message says what differs.
    """

    def __init__(self, folder: Path, *, teacher: str, labels: Sequence[str]) -> None:
        self.folder = folder
        self._facts: dict[str, Any] = {
            "format": FORMAT, "teacher": teacher, "labels": list(labels), "shards": []
        }  # fmt: skip
        self._shards: list[Shard] = []
        self._is_tidy = False

        manifest = read_store_manifest(folder)
        if manifest is not None:
            self._open(manifest)
        else:
            folder.mkdir(parents=True, exist_ok=True)
            write_json(folder / MANIFEST, self._facts)

    @property
    def labels(self) -> tuple[str, ...]:
        """Label names in the order of the logits' columns."""
        return tuple(self._facts["labels"])

    @property
    def teacher(self) -> str:
        """Fingerprint of the teacher."""
        return str(self._facts["teacher"])

    def __len__(self) -> int:
        return sum(map(len, self._shards))

    def missing(self, texts: Iterable[Item]) -> list[Item]:
        """The texts that are not in the store, in order, each once; the others are not kept in memory."""
        found: dict[Item, None] = {}
        for chunk in chunks(texts, CHUNK):
            owners, _ = self._find(text_keys(chunk))
            found.update(dict.fromkeys(chunk[place] for place in np.flatnonzero(owners < 0)))
        return list(found)

    def look_up(self, texts: Sequence[Item]) -> FloatArray:
        """The logits of texts, ``(rows, c)`` float32, in the order of the texts.

        Raises:
            StoreError: A text was never labelled.
        """
        pairs = [self._find(text_keys(chunk)) for chunk in chunks(texts, CHUNK)]
        owners, places = (np.concatenate(each) for each in zip((_NONE, _NONE), *pairs, strict=True))
        absent = np.flatnonzero(owners < 0)
        if len(absent):
            raise StoreError(
                f"{self.folder} has no soft targets for {len(absent):,} of {len(texts):,} texts, the first: "
                f"{texts[absent[0]][:80]!r}. Run `understudy label` on this run: it labels what is missing."
            )
        return self._logits(owners, places)

    def append(self, texts: Sequence[Item], logits: FloatArray, counts: IntArray | None = None) -> None:
        """Add a shard and name it in the manifest, which is written last; merge shards where there are many.

        Args:
            texts: ``n`` distinct texts, none of them in the store.
            logits: ``(rows, c)``.
            counts: ``(n,)`` rows of each text; by default one each.

        Raises:
            StoreError: The logits are of another shape, or not finite.
        """
        counts = np.ones(len(texts), dtype=np.int64) if counts is None else counts
        expected = (int(counts.sum()), len(self.labels))
        with np.errstate(over="ignore"):
            values = np.asarray(logits, dtype=np.float32)
        if values.shape != expected:
            raise StoreError(f"Expected logits of shape {expected}, but the teacher gave {values.shape}.")
        _check_finite(texts, values, counts)
        if not len(texts):
            return

        self._tidy()
        keys = text_keys(texts)
        self._add(lambda folder: write_shard(folder, keys, counts, values))
        self._merge(crowded([len(shard) for shard in self._shards]))

    def note(self, **facts: object) -> None:
        """Write JSON-ready facts about the teacher's answers into the manifest; `facts` returns them."""
        self._facts["facts"] = {**self.facts, **facts}
        write_json(self.folder / MANIFEST, self._facts)

    @property
    def facts(self) -> dict[str, object]:
        """What was noted, such as how many targets are soft."""
        return dict(self._facts.get("facts", {}))

    def _open(self, manifest: dict[str, Any]) -> None:
        differs = [
            f"{what}: the store has {manifest.get(what)}, this run has {self._facts[what]}"
            for what in ("teacher", "labels")
            if manifest.get(what) != self._facts[what]
        ]
        if differs:
            raise StoreError(
                f"The logit store {self.folder} is another teacher's: {'; '.join(differs)}. Give this run "
                "another folder, or remove the store."
            )
        self._facts = manifest
        self._open_shards(manifest["shards"])

    def _open_shards(self, shards: Sequence[dict[str, Any]]) -> None:
        path = self.folder / CHECKED
        known: dict[str, Stamps] = {}
        with contextlib.suppress(ArtifactError):
            known = _read_stamps(path)

        now = {}
        for facts in shards:
            name = facts["folder"]
            shard, now[name] = open_shard(self.folder / name, known.get(name) or facts["stamps"])
            self._shards.append(shard)
        if any(now[facts["folder"]] != known.get(facts["folder"], facts["stamps"]) for facts in shards):
            with contextlib.suppress(OSError):  # a store that may only be read is checked at every start
                write_json(path, now)

    def _find(self, keys: Keys) -> tuple[IntArray, IntArray]:
        """Number of the shard that has each key, or -1, and the place there: ``(n,)`` both."""
        owners, places = (np.full(len(keys), -1, dtype=np.int64) for _ in range(2))
        todo = np.argsort(keys[:, 0])  # neighbours share pages of the mapped files
        for number in np.argsort([-len(shard) for shard in self._shards]).tolist():
            found = self._shards[number].find(keys[todo])
            is_here = found >= 0
            owners[todo[is_here]], places[todo[is_here]] = number, found[is_here]
            todo = todo[~is_here]
            if not len(todo):
                break
        return owners, places

    def _logits(self, owners: IntArray, places: IntArray) -> FloatArray:
        mine = [np.flatnonzero(owners == number) for number in range(len(self._shards))]
        counts = np.zeros(len(owners), dtype=np.int64)
        for shard, items in zip(self._shards, mine, strict=True):
            counts[items] = shard.counts(places[items])

        starts = np.cumsum(counts) - counts
        logits = np.empty((int(counts.sum()), len(self.labels)), dtype=np.float32)
        for shard, items in zip(self._shards, mine, strict=True):
            logits[runs(starts[items], counts[items])] = shard.rows(places[items])
        return logits

    def _add(self, write: Callable[[Path], None], replaced: Sequence[int] = ()) -> None:
        """Write a shard, then the manifest that names it and no longer names those that it replaces."""
        numbers = [int(facts["folder"].rsplit("-", 1)[1]) for facts in self._facts["shards"]]
        folder = self.folder / f"shard-{max(numbers, default=-1) + 1:06d}"
        write(folder)
        shard, stamps = open_shard(folder, {path.name: path.stat().st_mtime_ns for path in folder.iterdir()})

        keep = [number for number in range(len(self._shards)) if number not in set(replaced)]
        made = {"folder": folder.name, "texts": len(shard), "rows": len(shard.logits), "stamps": stamps}
        shards = [*(self._facts["shards"][number] for number in keep), made]
        facts = {**self._facts, "shards": shards}
        write_json(self.folder / MANIFEST, facts)

        # Removed only now: until the new manifest is there, the old one names these.
        old = [self._shards[number].folder for number in replaced]
        self._facts, self._shards = facts, [*(self._shards[number] for number in keep), shard]
        for each in old:
            shutil.rmtree(each, ignore_errors=True)

    def _merge(self, numbers: Sequence[int]) -> None:
        if len(numbers) > 1:
            shards = [self._shards[number] for number in numbers]
            self._add(lambda folder: merge_shards(folder, shards), numbers)

    def _tidy(self) -> None:
        """Remove what a killed run left, before the first shard of this one."""
        if not self._is_tidy:
            named = {facts["folder"] for facts in self._facts["shards"]}
            for path in self.folder.iterdir():
                if OURS(path.name) and path.name not in named:
                    shutil.rmtree(path, ignore_errors=True)
            self._is_tidy = True


_NONE = np.zeros(0, dtype=np.int64)


def read_store_manifest(folder: Path) -> dict[str, Any] | None:
    """The manifest of the store in a folder, or ``None`` where there is no store yet.

    Raises:
        StoreError: It is missing though there are shards, damaged, or in another format; the message says
            what to remove, so that labelling starts again.
    """
    path = folder / MANIFEST
    if not path.is_file():
        if any(folder.glob("shard-*")):
            raise StoreError(f"{path} is missing, though there are shards beside it. {_way_out(folder)}")
        return None

    try:
        manifest = read_json(path)
    except ArtifactError as error:
        raise StoreError(f"{error} {_way_out(folder)}") from error
    if not isinstance(manifest, dict) or not isinstance(manifest.get("shards"), list):
        raise StoreError(f"{path} is damaged: it lists no shards. {_way_out(folder)}")
    if manifest.get("format") != FORMAT:
        raise StoreError(
            f"The logit store {folder} has the format {manifest.get('format', 1)}, but this version reads "
            f"{FORMAT}. Remove the store; its texts are then labelled again."
        )
    if not all(map(_is_shard, manifest["shards"])) or not isinstance(manifest.get("facts", {}), dict):
        raise StoreError(f"{path} is damaged: it lists a shard that cannot be one. {_way_out(folder)}")
    return manifest


def teacher_of(folder: Path) -> str:
    """Fingerprint of the teacher whose answers a store keeps.

    Raises:
        StoreError: There is no store in the folder, or a damaged one.
    """
    manifest = read_store_manifest(folder)
    if manifest is None or not isinstance(manifest.get("teacher"), str):
        raise StoreError(f"{folder} holds no logit store. {_way_out(folder)}")
    return str(manifest["teacher"])


def _is_shard(facts: object) -> bool:
    """Whether a manifest's entry names a folder in the store, and times of its files."""
    if not isinstance(facts, dict) or not isinstance(facts.get("folder"), str):
        return False
    stamps = facts.get("stamps")
    return (
        re.fullmatch(r"shard-\d{1,18}", facts["folder"]) is not None
        and isinstance(stamps, dict)
        and all(isinstance(stamp, int) for stamp in stamps.values())
    )


def _way_out(folder: Path) -> str:
    """What to do about a store that cannot be read: paid answers stand in a ledger beside it, and stay."""
    if (folder / LEDGER).is_file():
        return (
            f"Restore it from a backup; or remove every folder shard-* and {MANIFEST} in {folder}, but keep "
            f"{LEDGER}: run `understudy label` again, and what was paid for is taken from there."
        )
    return f"Restore it from a backup; or remove the folder {folder}: its texts are then labelled again."


def _read_stamps(path: Path) -> dict[str, Stamps]:
    """When the files of each shard were found to be whole; anything odd counts as never."""
    stamps = read_json(path)
    if not isinstance(stamps, dict):
        return {}
    return {name: each for name, each in stamps.items() if isinstance(each, dict)}


def _check_finite(texts: Sequence[Item], logits: FloatArray, counts: IntArray) -> None:
    rows = np.flatnonzero(~np.isfinite(logits).all(axis=1))
    if len(rows):
        place = int(np.searchsorted(np.cumsum(counts), rows[0], side="right"))
        raise StoreError(
            f"The teacher's logits are not finite in {len(rows):,} of {len(logits):,} rows, the first for "
            f"{shown(texts[place])[:80]!r}: {logits[rows[0]].tolist()}. Check the teacher's weights."
        )


def crowded(sizes: Sequence[int]) -> list[int]:
    """Which shards to merge, by number: the smallest ones, up to the last that the smaller ones outweigh.

    A shard is outweighed by smaller ones that hold `FAN` - 1 times as much together. So `FAN` shards of one
    size become one, and with it seven more of its size, in one go; a row is written again O(log n) times.

    >>> crowded([8, 1, 1, 1, 1, 1, 1, 1]), crowded([8, 1, 1, 1, 1, 1, 1, 1, 1])
    ([], [1, 2, 3, 4, 5, 6, 7, 8])
    """
    order = sorted(range(len(sizes)), key=lambda number: sizes[number])
    total, last = 0, 0
    for rank, number in enumerate(order):
        if rank and (FAN - 1) * sizes[number] <= total:
            last = rank + 1
        total += sizes[number]
    return order[:last]


def chunks(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Items in lists of ``size``, the last one shorter."""
    stream = iter(items)
    while chunk := list(itertools.islice(stream, size)):
        yield chunk
