"""A pool on disk, read shard by shard: Parquet files, and a manifest that says what became of every text.

A shard has the columns ``text`` (``text_a`` and ``text_b`` for pairs), ``origin`` (-1 for a given text, else
the number of the step) and ``key`` (the text's 64-bit hash).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from understudy.augment.dedup import Deduplicator, KeySet, Removed
from understudy.core.manifest import MANIFEST, read_manifest
from understudy.core.resumable import State
from understudy.core.task import IntArray, Item
from understudy.errors import ArtifactError


@dataclass(frozen=True)
class Count:
    """What one step did to a streamed pool.

    Attributes:
        name: Name of the step; ``given`` for the texts that were read.
        made: Texts that it made, before any was dropped.
        removed: Number of texts that were dropped, by reason.
        victims: Some of them, at random.
    """

    name: str
    made: int
    removed: dict[str, int]
    victims: tuple[Removed, ...]

    @property
    def kept(self) -> int:
        """Texts that it added."""
        return self.made - sum(self.removed.values())


def read_count(facts: State) -> Count:
    """What a state or a manifest says of one step."""
    unique = Deduplicator.from_dict(facts, KeySet(), KeySet())
    return Count(facts["name"], unique.made, dict(unique.removed), unique.victims)


def read_shards(folder: Path, columns: Sequence[str] = ("text",)) -> Iterator[dict[str, list[Any]]]:
    """The named columns of a finished pool, shard by shard.

    Raises:
        ArtifactError: The folder was not finished, or a shard is missing or damaged.
    """
    import pyarrow.parquet as pq

    for name in _read_manifest(folder)["files"]:
        with _explained(folder / name):
            table = pq.read_table(folder / name, columns=list(columns))
        yield table.to_pydict()


@dataclass(frozen=True)
class PoolTexts:
    """The texts, or pairs, of a pool that `stream_pool` wrote; read again in each pass over them.

    Attributes:
        folder: Folder of the pool.
    """

    folder: Path

    def __iter__(self) -> Iterator[Item]:
        columns = self._columns()
        for shard in read_shards(self.folder, columns) if columns else ():
            yield from _items([shard[column] for column in columns])

    def __len__(self) -> int:
        return sum(int(shard["texts"]) for shard in _read_manifest(self.folder)["shards"])

    @property
    def is_on_disk(self) -> bool:
        """Whether the items stay in files: its shards do."""
        return True

    @property
    def rows(self) -> int:
        """How many items there are."""
        return len(self)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the files that were given: its shards were made."""
        return ()

    @property
    def facts(self) -> dict[str, object]:
        """What a saved data set writes down of it: nothing, since a pool belongs to a run."""
        return {}

    @property
    def fingerprint(self) -> str:
        """Differs for other texts."""
        return str(_read_manifest(self.folder)["identity"])

    @property
    def counts(self) -> tuple[Count, ...]:
        """What became of the given texts, then of what each step made."""
        return tuple(map(read_count, _read_manifest(self.folder)["steps"]))

    def sample(self, distance: int) -> tuple[list[Item], IntArray]:
        """Every item in ``distance``, and the step that made each ``(n,)``, or `GIVEN`."""
        columns, start = self._columns(), 0
        items: list[Item] = []
        origins: list[int] = []

        for shard in read_shards(self.folder, [*columns, "origin"]) if columns else ():
            rows = shard["origin"]
            items += _items([shard[column][start::distance] for column in columns])
            origins += rows[start::distance]
            start = (start - len(rows)) % distance  # where the even distances continue in the next shard

        return items, np.array(origins, dtype=np.int64)

    def _columns(self) -> list[str]:
        import pyarrow.parquet as pq

        first = next(iter(_read_manifest(self.folder)["files"]), None)
        if first is None:
            return []

        with _explained(self.folder / first):
            names = pq.read_schema(self.folder / first).names
        return [name for name in names if name.startswith("text")]


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Name a shard that cannot be read."""
    from pyarrow import ArrowException

    try:
        yield
    except (OSError, ArrowException) as error:
        raise ArtifactError(
            f"{path} is missing or damaged: {error}. Remove {path.parent} and start over."
        ) from error


def _items(columns: Sequence[Sequence[str]]) -> Iterable[Item]:
    return columns[0] if len(columns) == 1 else zip(*columns, strict=True)


def _read_manifest(folder: Path) -> State:
    manifest = read_manifest(folder)
    if manifest is None:
        raise ArtifactError(
            f"{folder} has no {MANIFEST}: the pool was not finished. Run the same command again."
        )
    return manifest
