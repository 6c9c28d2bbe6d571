"""Pools larger than memory: texts in, Parquet shards out, each text once, resumable at every block.

Blocks of texts are read, varied by rules, deduplicated and written, one shard a block (`pool_files` says what
is in it). One block is in memory, and 8 bytes for each text written: its key, which a shard keeps, too, so
that a resumed run does not hash again.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from understudy.augment.dedup import Deduplicator, Keys, KeySet, hash_keys, item_keys, not_held_out
from understudy.augment.pool import GIVEN
from understudy.augment.pool_files import Count, read_count
from understudy.augment.registry import OF_ALL, RULES, Step, StepContext
from understudy.augment.rules.passes import BLOCK, Rule, sides, step_seeds, variants
from understudy.core.manifest import MANIFEST, digest, file_digest, read_json, verify
from understudy.core.progress import Progress, Silent
from understudy.core.resumable import STATE, State, finish, read_finished, resume, save_state
from understudy.core.task import Item
from understudy.errors import ArtifactError, RecipeError

Made = Callable[[Sequence[Item], int], Iterator[list[Item]]]
"""Block, its number → variants of its texts."""

Part = tuple[int, tuple[list[Item], Keys]]
"""Number of a step, or `GIVEN`, with the new texts that it made and their keys."""

OURS = ("shard-*.parquet", "shard-*.part", "inspection.json", "inspection.html")
"""Glob patterns of what a streamed pool's folder holds of ours, beside its state and its manifest."""

SAMPLE = 100_000
"""Given texts from which rules learn words' classes and frequencies."""


@dataclass(frozen=True)
class Streamed:
    """What a streamed pool holds; its length is the number of texts written.

    Attributes:
        folder: Folder with shards and manifest.
        counts: The given texts, then each step.
        seconds: Time that this run took; a resumed run counts only its own.
    """

    folder: Path
    counts: tuple[Count, ...]
    seconds: float

    def __len__(self) -> int:
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
    about: Mapping[str, object] | None = None,
) -> Streamed:
    """Write the given texts and their variants to Parquet shards, each text once, and none that is held out.

    A text that repeats another, or is held out, is not varied either. A killed run continues after its last
    shard when it is called again with the same arguments; a finished one is left as it is. Where no given
    text repeats another one or a variant, the texts are those of `build_pool` for rules that need no counts
    of words; else variants are other draws, since what is dropped is not varied.

    Args:
        items: Texts or pairs; read once, in order.
        steps: Rules only; filters and models need all texts at once.
        folder: Where the shards go.
        source: Says which texts and which tools these are, such as a fingerprint; another value starts over.
        labelled: The training texts, in memory: varied first, but not part of the pool.
        seed: Seed of all draws.
        held_out: Dev and test texts, as `normalise_held_out` gives them.
        tools: Tagger and synonyms.
        progress: Where progress is shown.
        total: Number of given texts, for the bar, where it is known.
        about: JSON-ready facts for the manifest.

    Raises:
        ArtifactError: A shard of an earlier run is missing or altered, or the folder holds something else.
        RecipeError: A step is not a rule, or does not start from all texts.
    """
    started = time.perf_counter()
    _check_rules(steps)
    held_out = sorted(held_out)
    identity = _identity(source, steps, seed, held_out, labelled)
    if read_finished(folder, identity) is not None:
        return _streamed(folder, verify(folder), started)

    state = resume(folder, identity, _start(steps), _refuse_foreign, OURS)
    seen, barred = _read_keys(folder, state["shards"]), KeySet()
    barred.add(hash_keys(held_out))
    distinct = not_held_out(list(dict.fromkeys(labelled)), barred)
    seen.add(item_keys(distinct))

    stream = itertools.chain(distinct, items)
    sample = list(itertools.islice(stream, SAMPLE))
    rules = _prepare(steps, not_held_out(sample, barred), replace(tools or StepContext(), seed=seed))
    unique = [Deduplicator.from_dict(counts, seen, barred) for counts in state["steps"]]

    done = len(state["shards"])
    with (progress or Silent()).bar("augmenting", total, "texts") as advance:
        for number, block in enumerate(_blocks(itertools.chain(sample, stream))):
            if number >= done:
                labelled_rows = max(
                    0, len(distinct) - number * BLOCK
                )  # the stream begins with labelled texts
                parts = _vary(block, number, labelled_rows, rules, unique)
                _write(folder, state, block, parts, unique)
            advance(len(block))

    finish(folder, state, {shard["file"]: shard["facts"] for shard in state["shards"]}, about)
    return _streamed(folder, state, started)


def _check_rules(steps: Sequence[Step]) -> None:
    for step in steps:
        if step.spec.kind != RULES:
            raise RecipeError(
                f"The step {step.name!r} cannot stream: it is not a rule. Leave it out, or run it "
                "with `build_pool`."
            )
        if step.of != OF_ALL:
            raise RecipeError(
                f"The step {step.name!r} starts from the {step.of} texts alone (of), but a pool that streams "
                "is made of all. Leave the option out, or run the step with `build_pool`."
            )


def _identity(
    source: str, steps: Sequence[Step], seed: int, held_out: list[str], labelled: Sequence[Item]
) -> str:
    """A digest of all that decides the texts; without labelled texts it is that of earlier versions."""
    named = [[step.name, repr(step.config)] for step in steps]
    facts: list[object] = [source, named, seed, held_out, BLOCK, SAMPLE]
    return digest([*facts, list(labelled)] if labelled else facts)


def _start(steps: Sequence[Step]) -> State:
    names = ["given", *(step.name for step in steps)]
    return {
        "steps": [{"name": name, "made": 0, "removed": {}, "shown": {}} for name in names],
        "shards": [],
    }


def _prepare(steps: Sequence[Step], sample: Sequence[Item], tools: StepContext) -> list[Made]:
    """For each step: block, its number → what the step makes of it."""
    texts = [text for column in sides(sample) for text in column]
    seeds = step_seeds(tools.seed, [step.name for step in steps])
    return [_made(step, texts, replace(tools, seed=seed)) for step, seed in zip(steps, seeds, strict=True)]


def _made(step: Step, texts: Sequence[str], tools: StepContext) -> Made:
    rule: Rule = step.spec.run(step.config, texts, tools)
    return lambda block, number: variants(
        block, rule, passes=step.config.passes, seed=tools.seed, first_block=number
    )


def _blocks(items: Iterable[Item]) -> Iterator[list[Item]]:
    stream = iter(items)
    while block := list(itertools.islice(stream, BLOCK)):
        yield block


def _vary(
    block: Sequence[Item], number: int, labelled: int, rules: Sequence[Made], unique: Sequence[Deduplicator]
) -> list[Part]:
    """The new texts of a block, which begins with ``labelled`` labelled ones: given texts, then variants."""
    given = unique[0].pass_through(block[labelled:])
    originals = [*block[:labelled], *given[0]]

    parts: list[Part] = [(GIVEN, given)]
    for origin, (rule, deduplicator) in enumerate(zip(rules, unique[1:], strict=True)):
        parts += [(origin, deduplicator.pass_through(made)) for made in rule(originals, number)]
    return parts


def _refuse_foreign(folder: Path) -> None:
    known = state if (state := folder / STATE).is_file() else folder / MANIFEST
    content = read_json(known) if known.is_file() else None
    is_ours = isinstance(content, dict) and "shards" in content
    if not is_ours and any(folder.iterdir()):
        raise ArtifactError(f"{folder} holds files that are not a streamed pool. Give another folder.")


def _read_keys(folder: Path, shards: Sequence[State]) -> KeySet:
    import pyarrow.parquet as pq

    seen = KeySet()
    for shard in shards:
        path = folder / shard["file"]
        if not path.is_file():
            raise ArtifactError(f"{path} is missing, but {STATE} names it. Remove {folder} and start over.")
        if file_digest(path) != shard["facts"]["sha256"]:
            raise ArtifactError(
                f"{path} is damaged: its SHA-256 does not match. Remove {folder} and start over."
            )
        seen.add(pq.read_table(path, columns=["key"]).column(0).to_numpy())
    return seen


def _write(
    folder: Path, state: State, block: Sequence[Item], parts: Sequence[Part], unique: Sequence[Deduplicator]
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    items = [item for _, (kept, _) in parts for item in kept]
    columns = sides(items) if items else ((),) * (1 if isinstance(block[0], str) else 2)
    names = ("text",) if len(columns) == 1 else ("text_a", "text_b")
    origins = np.repeat([origin for origin, _ in parts], [len(kept) for _, (kept, _) in parts])
    table = {name: pa.array(column, pa.string()) for name, column in zip(names, columns, strict=True)}
    table["origin"] = pa.array(origins, pa.int16())
    table["key"] = pa.array(np.concatenate([keys for _, (_, keys) in parts]), pa.uint64())

    path = folder / f"shard-{len(state['shards']):06d}.parquet"
    aside = path.with_suffix(".part")
    pq.write_table(pa.table(table), aside, compression="zstd")
    aside.replace(path)

    # The state comes last: a shard that it does not name is written again.
    facts = {"sha256": file_digest(path), "bytes": path.stat().st_size}
    state["shards"].append({"file": path.name, "texts": len(items), "facts": facts})
    for counts, deduplicator in zip(state["steps"], unique, strict=True):
        counts.update(deduplicator.to_dict())
    save_state(folder, state)


def _streamed(folder: Path, state: State, started: float) -> Streamed:
    return Streamed(folder, tuple(map(read_count, state["steps"])), time.perf_counter() - started)
