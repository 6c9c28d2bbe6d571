"""Pools larger than memory: texts in, Parquet shards out, each text once, resumable at every block.

Blocks of texts are read, varied by rules, sieved and written, one shard a block. Kept in memory are one block
and 8 bytes for each text written. A shard has the columns ``text`` (``text_b`` too for pairs), ``origin`` (-1
for a given text, else the number of the step) and ``key`` (its 64-bit hash, so that a resumed run need not
hash again). ``state.json`` is rewritten after each shard; ``manifest.json`` is written last.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from understudy.augment.dedup import Deduplicator, Keys, KeySet, Removed, hash_keys, item_keys, not_held_out
from understudy.augment.pool import GIVEN
from understudy.augment.registry import OF_ALL, RULES, Step, StepContext
from understudy.augment.rules.passes import BLOCK, Rule, sides, step_seed, variants
from understudy.core.manifest import (
    MANIFEST,
    digest,
    discard,
    file_digest,
    read_json,
    read_manifest,
    verify,
    write_json,
)
from understudy.core.progress import Progress, Silent
from understudy.core.task import IntArray, Item
from understudy.data.readers.blocks import read_lines
from understudy.errors import ArtifactError, RecipeError

STATE = "state.json"

Made = Callable[[Sequence[Item], int], Iterator[list[Item]]]
"""Block, its number → variants of its texts."""

SAMPLE = 100_000
"""Given texts of which rules learn words' classes and frequencies."""


@dataclass(frozen=True)
class Count:
    """What one step did to a streamed pool.

    Attributes:
        name: of the step; ``given`` for the texts that were read.
        made: texts that it brought, before any was dropped.
        removed: how many were dropped, by reason.
        victims: some of them, at random.
    """

    name: str
    made: int
    removed: dict[str, int]
    victims: tuple[Removed, ...]

    @property
    def kept(self) -> int:
        """Texts that it added."""
        return self.made - sum(self.removed.values())


@dataclass(frozen=True)
class Streamed:
    """What a streamed pool holds.

    Attributes:
        folder: with shards and manifest.
        counts: the given texts, then each step.
        seconds: of this run; a resumed run counts its own.
    """

    folder: Path
    counts: tuple[Count, ...]
    seconds: float

    @property
    def texts(self) -> int:
        """Texts written."""
        return sum(count.kept for count in self.counts)


def stream_pool(
    items: Iterable[Item],
    steps: Sequence[Step],
    folder: Path,
    *,
    source: str,
    labelled: Sequence[Item] = (),
    seed: int = 0,
    held_out: Iterable[str] = (),
    tools: StepContext | None = None,
    progress: Progress | None = None,
    total: int = 0,
    about: Mapping[str, Any] | None = None,
) -> Streamed:
    """Write the given texts and their variants to Parquet shards, each text once, none of them held out.

    What repeats another text, or is held out, is not varied either.
    A killed run goes on after its last shard when it is called again with the same arguments; a finished one
    is left as it is. Where no given text repeats another one or a variant, the texts are those of
    `build_pool` for rules that need no counts of words; else variants are other draws, since what is dropped
    is not varied.

    Args:
        items: texts or pairs; read once, in order.
        steps: rules only; filters and models need all texts at once.
        folder: where the shards go.
        source: says which texts these are, such as a fingerprint, and which tools; another one starts over.
        labelled: the training texts, in memory: varied first, but no part of the pool.
        seed: of all draws.
        held_out: dev and test texts, as `held_out_forms` writes them.
        tools: tagger and synonyms.
        progress: audience.
        total: number of given texts, for the bar, where it is known.
        about: JSON-ready facts for the manifest.

    Raises:
        RecipeError: a step is not one of rules, or does not start from all texts.
        ArtifactError: a shard of an earlier run is missing or altered, or the folder holds something else.
    """
    started = time.perf_counter()
    _check_rules(steps)
    forms = sorted(held_out)
    told = [source, [[s.name, repr(s.config)] for s in steps], seed, forms, BLOCK, SAMPLE]
    identity = digest([*told, *([list(labelled)] if labelled else [])])
    manifest = read_manifest(folder) if folder.is_dir() else None
    if manifest is not None and manifest.get("identity") == identity:
        return _streamed(folder, verify(folder), started)
    names = ["given", *(step.name for step in steps)]
    state = _open(folder, identity, names)
    seen, judges = _read_keys(folder, state["shards"]), KeySet()
    judges.add(hash_keys(forms))
    distinct = not_held_out(list(dict.fromkeys(labelled)), judges)
    seen.add(item_keys(distinct))
    stream = itertools.chain(distinct, items)
    sample = list(itertools.islice(stream, SAMPLE))
    rules = _prepare(steps, not_held_out(sample, judges), replace(tools or StepContext(), seed=seed))
    sieves = [Deduplicator.from_dict(counts, seen, judges) for counts in state["steps"]]
    done = len(state["shards"])
    with (progress or Silent()).bar("augmenting", total, "texts") as advance:
        for number, block in enumerate(_blocks(itertools.chain(sample, stream))):
            if number >= done:
                first = max(0, len(distinct) - number * BLOCK)  # of the block, labelled ones
                parts = [(GIVEN, sieves[0].pass_through(block[first:]))]
                varied = [*block[:first], *parts[0][1][0]]
                for origin, (rule, sieve) in enumerate(zip(rules, sieves[1:], strict=True)):
                    parts += [(origin, sieve.pass_through(made)) for made in rule(varied, number)]
                _write(folder, state, block, parts, sieves)
            advance(len(block))
    files = {shard["file"]: shard["facts"] for shard in state["shards"]}
    write_json(folder / MANIFEST, {**(about or {}), **state, "files": files})
    (folder / STATE).unlink(missing_ok=True)
    return _streamed(folder, state, started)


def read_shards(folder: Path, columns: Sequence[str] = ("text",)) -> Iterator[dict[str, list[Any]]]:
    """The named columns of a finished pool, shard by shard.

    Raises:
        ArtifactError: the folder was not finished.
    """
    import pyarrow.parquet as pq

    manifest = read_manifest(folder)
    if manifest is None:
        raise ArtifactError(f"{folder} has no {MANIFEST}: it was not finished. Run the same command again.")
    for name in manifest["files"]:
        yield pq.read_table(folder / name, columns=list(columns)).to_pydict()


@dataclass(frozen=True)
class PoolTexts:
    """The texts, or pairs, of a pool that `stream_pool` wrote; read anew at each pass.

    Attributes:
        folder: of the pool.
    """

    folder: Path

    def __iter__(self) -> Iterator[Item]:
        columns = self._columns()
        for shard in read_shards(self.folder, columns) if columns else ():
            yield from _items([shard[column] for column in columns])

    def __len__(self) -> int:
        return sum(int(shard["texts"]) for shard in self._manifest()["shards"])

    @property
    def is_on_disk(self) -> bool:
        """Shards are."""
        return True

    @property
    def rows(self) -> int:
        """How many items there are."""
        return len(self)

    @property
    def names(self) -> tuple[str, ...]:
        """None: its shards were made, not given."""
        return ()

    @property
    def facts(self) -> dict[str, object]:
        """A pool belongs to a run, and is not part of a saved data set."""
        return {}

    @property
    def counts(self) -> tuple[Count, ...]:
        """What became of the given texts, then of what each step made."""
        return tuple(map(_count, self._manifest()["steps"]))

    def sample(self, apart: int) -> tuple[list[Item], IntArray]:
        """Items at even distances, and the step that made each ``(n,)``, or `GIVEN`."""
        columns, items, origins, start = self._columns(), [], [], 0
        for shard in read_shards(self.folder, [*columns, "origin"]) if columns else ():
            origin = shard["origin"]
            items += list(_items([shard[column][start::apart] for column in columns]))
            origins += origin[start::apart]
            start = (start - len(origin)) % apart
        return items, np.array(origins, dtype=np.int64)

    def _columns(self) -> list[str]:
        import pyarrow.parquet as pq

        first = next(iter(self._manifest()["files"]), None)
        names = pq.read_schema(self.folder / first).names if first else ()
        return [name for name in names if name.startswith("text")]

    @property
    def fingerprint(self) -> str:
        """Says which texts these are."""
        return str(self._manifest()["identity"])

    def _manifest(self) -> dict[str, Any]:
        manifest = read_manifest(self.folder)
        if manifest is None:
            raise ArtifactError(
                f"{self.folder} has no {MANIFEST}: the pool was not finished. Run the same command again."
            )
        return manifest


def _items(columns: Sequence[Sequence[str]]) -> Iterable[Item]:
    return columns[0] if len(columns) == 1 else zip(*columns, strict=True)


def read_texts(paths: Sequence[Path], column: str = "text", batch: int = BLOCK) -> Iterator[str]:
    """Texts of Parquet files or of text files (one a line, blank ones left out), never all in memory.

    Args:
        paths: files; those that end in ``.parquet`` are read as such.
        column: of Parquet files.
        batch: rows read at once.

    Raises:
        DataError: a text file cannot be read, or is not UTF-8; by line.
    """
    import pyarrow.parquet as pq

    for path in paths:
        if path.suffix == ".parquet":
            with contextlib.closing(pq.ParquetFile(path)) as file:
                for rows in file.iter_batches(batch, columns=[column]):
                    yield from rows.column(0).to_pylist()
        else:
            yield from (line for _, line in read_lines(path) if line.strip())


def _check_rules(steps: Sequence[Step]) -> None:
    for step in steps:
        if step.spec.kind != RULES:
            raise RecipeError(
                f"The step {step.name!r} cannot stream: it is no rule. Leave it out, or run it "
                "with `build_pool`."
            )
        if step.of != OF_ALL:
            raise RecipeError(
                f"The step {step.name!r} starts from the {step.of} texts alone (of), but a pool that streams "
                "is made of all. Leave the option out, or run the step with `build_pool`."
            )


def _prepare(steps: Sequence[Step], sample: Sequence[Item], tools: StepContext) -> list[Made]:
    """For each step: block, its number → what the step makes of it."""
    texts = [text for column in sides(sample) for text in column]
    return [_made(step, texts, replace(tools, seed=step_seed(tools.seed, step.name))) for step in steps]


def _made(step: Step, texts: Sequence[str], tools: StepContext) -> Made:
    rule: Rule = step.spec.run(step.config, texts, tools)
    return lambda block, number: variants(
        block, rule, passes=step.config.passes, seed=tools.seed, first_block=number
    )


def _blocks(items: Iterable[Item]) -> Iterator[list[Item]]:
    stream = iter(items)
    while block := list(itertools.islice(stream, BLOCK)):
        yield block


def _open(folder: Path, identity: str, names: Sequence[str]) -> dict[str, Any]:
    """The state to go on from; what another run left is removed.

    Raises:
        ArtifactError: the folder holds something else.
    """
    state = read_json(folder / STATE) if (folder / STATE).is_file() else {}
    if state.get("identity") != identity:
        if folder.exists():
            _check_ours(folder)
        discard(folder, marks=(STATE,))
        folder.mkdir(parents=True)
        nothing = [{"name": name, "made": 0, "removed": {}, "shown": {}} for name in names]
        state = {"identity": identity, "steps": nothing, "shards": []}
        write_json(folder / STATE, state)
    return dict(state)


def _check_ours(folder: Path) -> None:
    known = state if (state := folder / STATE).is_file() else folder / MANIFEST
    is_ours = known.is_file() and "shards" in read_json(known)
    if not is_ours and any(folder.iterdir()):
        raise ArtifactError(f"{folder} holds files that are no streamed pool. Give another folder.")


def _read_keys(folder: Path, shards: Sequence[dict[str, Any]]) -> KeySet:
    import pyarrow.parquet as pq

    seen = KeySet()
    for shard in shards:
        path = folder / shard["file"]
        is_whole = path.is_file() and file_digest(path) == shard["facts"]["sha256"]
        if not is_whole:
            what = (
                "is damaged: its SHA-256 is another"
                if path.is_file()
                else f"is missing, but {STATE} names it"
            )
            raise ArtifactError(f"{path} {what}. Remove {folder} and start over.")
        seen.add(pq.read_table(path, columns=["key"]).column(0).to_numpy())
    return seen


def _write(
    folder: Path,
    state: dict[str, Any],
    block: Sequence[Item],
    parts: Sequence[tuple[int, tuple[list[Item], Keys]]],
    sieves: Sequence[Deduplicator],
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    items = [item for _, (kept, _) in parts for item in kept]
    columns = sides(items) if items else ((),) * (1 if isinstance(block[0], str) else 2)
    origins = np.repeat([origin for origin, _ in parts], [len(kept) for _, (kept, _) in parts])
    names = ("text",) if len(columns) == 1 else ("text_a", "text_b")
    table = {name: pa.array(column, pa.string()) for name, column in zip(names, columns, strict=True)}
    table["origin"] = pa.array(origins, pa.int16())
    table["key"] = pa.array(np.concatenate([keys for _, (_, keys) in parts]), pa.uint64())
    path = folder / f"shard-{len(state['shards']):06d}.parquet"
    aside = path.with_suffix(".part")
    pq.write_table(pa.table(table), aside, compression="zstd")
    aside.replace(path)
    facts = {"sha256": file_digest(path), "bytes": path.stat().st_size}
    state["shards"].append({"file": path.name, "texts": len(items), "facts": facts})
    for counts, sieve in zip(state["steps"], sieves, strict=True):
        counts.update(sieve.to_dict())
    write_json(folder / STATE, state)


def _streamed(folder: Path, state: dict[str, Any], started: float) -> Streamed:
    return Streamed(folder, tuple(map(_count, state["steps"])), time.perf_counter() - started)


def _count(facts: Mapping[str, Any]) -> Count:
    sieve = Deduplicator.from_dict(facts, KeySet(), KeySet())
    return Count(facts["name"], sieve.made, dict(sieve.removed), sieve.victims)
