"""Pools larger than memory: texts in, Parquet shards out, each text once, resumable at every block.

Blocks of texts are read, varied by rules, sieved and written, one shard a block. Kept in memory are one block
and 8 bytes for each text written. A shard has the columns ``text`` (``text_b`` too for pairs), ``origin`` (-1
for a given text, else the number of the step) and ``key`` (its 64-bit hash, so that a resumed run need not
hash again). ``state.json`` is rewritten after each shard; ``manifest.json`` is written last.
"""

from __future__ import annotations

import contextlib
import itertools
import shutil
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from understudy.augment.items import Item, Keys, Seen, hash_keys
from understudy.augment.pool import GIVEN, Sieve
from understudy.augment.registry import RULES, Step, Tools
from understudy.augment.variants import BLOCK, Rule, sides, step_seed, variants
from understudy.errors import ArtifactError, RecipeError
from understudy.folders import MANIFEST, digest, file_digest, read_json, read_manifest, write_json
from understudy.progress import Progress, Silent

STATE = "state.json"

SAMPLE = 100_000
"""Given texts of which rules learn words' classes and frequencies."""


@dataclass(frozen=True)
class Streamed:
    """What a streamed pool holds.

    Attributes:
        folder: with shards and manifest.
        given: texts read.
        made: texts that rules made, before any was dropped.
        removed: how many were dropped, by reason, given ones among them.
        texts: texts written.
        seconds: of this run; a resumed run counts its own.
    """

    folder: Path
    given: int
    made: int
    removed: dict[str, int]
    texts: int
    seconds: float


def stream_pool(
    items: Iterable[Item],
    steps: Sequence[Step],
    folder: Path,
    *,
    source: str,
    seed: int = 0,
    held_out: Iterable[str] = (),
    tools: Tools | None = None,
    progress: Progress | None = None,
    total: int = 0,
) -> Streamed:
    """Write the given texts and their variants to Parquet shards, each text once, none of them held out.

    A killed run goes on after its last shard when it is called again with the same arguments; a finished one
    is left as it is. A text is kept where it stands first, so with duplicates between blocks the pool's order
    differs from `build_pool`'s; the set of its texts is the same for rules that need no counts of words.

    Args:
        items: texts or pairs; read once, in order.
        steps: rules only; filters and models need all texts at once.
        folder: where the shards go.
        source: says which texts these are, such as a fingerprint; another one starts over.
        seed: of all draws.
        held_out: dev and test texts, as `held_out_forms` writes them.
        tools: tagger and synonyms.
        progress: audience.
        total: number of given texts, for the bar, where it is known.

    Raises:
        RecipeError: a step is not one of rules.
        ArtifactError: a shard of an earlier run is missing.
    """
    started = time.perf_counter()
    _check_rules(steps)
    forms = sorted(held_out)
    identity = digest([source, [[s.name, repr(s.config)] for s in steps], seed, forms, BLOCK, SAMPLE])
    manifest = read_manifest(folder) if folder.is_dir() else None
    if manifest is not None and manifest["identity"] == identity:
        return _streamed(folder, manifest, started)
    state = _open(folder, identity)
    stream = iter(items)
    sample = list(itertools.islice(stream, SAMPLE))
    own = replace(tools or Tools(), seed=seed)
    rules = _prepare(steps, sample, own)
    sieve = Sieve(
        _read_keys(folder, state["shards"]), Seen(), state["made"] + state["given"], Counter(state["removed"])
    )
    sieve.held_out.add(hash_keys(forms))
    done = len(state["shards"])
    with (progress or Silent()).bar("augmenting", total, "texts") as advance:
        for number, block in enumerate(_blocks(itertools.chain(sample, stream))):
            if number >= done:
                parts = [(GIVEN, sieve.pass_with_keys(block))]
                parts += _vary(rules, block, number, sieve)
                _write(folder, state, block, parts, sieve)
            advance(len(block))
    write_json(folder / MANIFEST, {**state, "files": {s["file"]: s["facts"] for s in state["shards"]}})
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


def read_texts(paths: Sequence[Path], column: str = "text", batch: int = BLOCK) -> Iterator[str]:
    """Texts of Parquet files or of text files (one a line, blank ones left out), never all in memory.

    Args:
        paths: files; those that end in ``.parquet`` are read as such.
        column: of Parquet files.
        batch: rows read at once.
    """
    import pyarrow.parquet as pq

    for path in paths:
        if path.suffix == ".parquet":
            with contextlib.closing(pq.ParquetFile(path)) as file:
                for rows in file.iter_batches(batch, columns=[column]):
                    yield from rows.column(0).to_pylist()
        else:
            with path.open(encoding="utf-8") as lines:
                yield from (line.rstrip("\r\n") for line in lines if line.strip())


def _check_rules(steps: Sequence[Step]) -> None:
    for step in steps:
        if step.spec.kind != RULES:
            raise RecipeError(
                f"The step {step.name!r} cannot stream: it is no rule. Leave it out, or run it "
                "with `build_pool`."
            )


def _prepare(steps: Sequence[Step], sample: Sequence[Item], tools: Tools) -> list[tuple[int, Rule, Step]]:
    texts = [text for column in sides(sample) for text in column]
    return [
        (
            step_seed(tools.seed, step.name),
            step.spec.run(step.config, texts, replace(tools, seed=step_seed(tools.seed, step.name))),
            step,
        )
        for step in steps
    ]


def _vary(
    rules: Sequence[tuple[int, Rule, Step]], block: Sequence[Item], number: int, sieve: Sieve
) -> list[tuple[int, tuple[list[Item], Keys]]]:
    parts = []
    for origin, (seed, rule, step) in enumerate(rules):
        made = variants(block, rule, passes=step.config.passes, seed=seed, first_block=number)
        parts += [(origin, sieve.pass_with_keys(items)) for items in made]
        sieve.victims.clear()
    return parts


def _blocks(items: Iterable[Item]) -> Iterator[list[Item]]:
    stream = iter(items)
    while block := list(itertools.islice(stream, BLOCK)):
        yield block


def _open(folder: Path, identity: str) -> dict[str, Any]:
    """The state to go on from; what another run left is removed."""
    state = read_json(folder / STATE) if (folder / STATE).is_file() else {}
    if state.get("identity") != identity:
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
        state = {"identity": identity, "given": 0, "made": 0, "removed": {}, "texts": 0, "shards": []}
        write_json(folder / STATE, state)
    return dict(state)


def _read_keys(folder: Path, shards: Sequence[dict[str, Any]]) -> Seen:
    import pyarrow.parquet as pq

    seen = Seen()
    for shard in shards:
        path = folder / shard["file"]
        if not path.is_file():
            raise ArtifactError(f"{path} is missing, but {STATE} names it. Remove {folder} and start over.")
        seen.add(pq.read_table(path, columns=["key"]).column(0).to_numpy())
    return seen


def _write(
    folder: Path,
    state: dict[str, Any],
    block: Sequence[Item],
    parts: Sequence[tuple[int, tuple[list[Item], Keys]]],
    sieve: Sieve,
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
    state["given"] += len(block)
    state["made"] = sieve.made - state["given"]
    state["removed"] = dict(sieve.removed)
    state["texts"] += len(items)
    write_json(folder / STATE, state)


def _streamed(folder: Path, state: dict[str, Any], started: float) -> Streamed:
    seconds = time.perf_counter() - started
    return Streamed(folder, state["given"], state["made"], dict(state["removed"]), state["texts"], seconds)
