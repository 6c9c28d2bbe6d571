"""Runs whose pool is larger than memory: when they stream, and the stages that differ for it.

Given texts stay in their files, made ones go to Parquet shards, soft targets and ids to flat files that are
mapped. Everything else of a run is the same, and so are its results, to the bit for the same order of texts.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from understudy.augment import PoolTexts, held_out_forms, read_steps, stream_pool
from understudy.augment.inspection import inspect_streamed
from understudy.augment.named import digests
from understudy.augment.picture import NUMBERS, save_inspection
from understudy.augment.registry import RULES
from understudy.augment.sieve import DUPLICATE, HELD_OUT
from understudy.data.blocks import count_rows
from understudy.data.files import ItemFiles
from understudy.data.pools import expand
from understudy.folders import MANIFEST, discard, read_json
from understudy.logits import SHARD_TEXTS, Labelling, LogitStore, label, label_stream
from understudy.progress import Progress
from understudy.recipe import Recipe
from understudy.run import POOL, Run
from understudy.task import Item, Predictor

if TYPE_CHECKING:
    from understudy.training.transfer import Transfer

STREAM_ABOVE = 1_000_000
"""Texts, given and made, above which a pool stays on disk where the recipe does not say."""

VOCABULARY_TEXTS = 1_000_000
"""Texts of a streamed pool whose words make a vocabulary, taken at even distances."""

FUNCTION_TEXTS = 2**13
"""Texts that a function or table is shown at once in a streamed run; a local model gets `SHARD_TEXTS`."""

TRANSFER = "transfer"
"""Folder of targets and ids among the checkpoints; it goes with them when the run is done."""


def threshold(recipe: Recipe, progress: Progress) -> float | None:
    """Rows of labelled and unlabelled files above which a run streams; ``None``: it never does.

    A large pool that the recipe keeps in memory is told to the audience, with the reason.
    """
    if recipe.data.stream is False:
        return None
    above = STREAM_ABOVE / growth(recipe)
    reason = recipe.why_not_streamed
    if not reason:
        return -1.0 if recipe.data.stream is True else above
    rows = sum(map(count_rows, expand(recipe.data.unlabelled)))
    if rows > above:
        progress.say(f"About {rows:,} unlabelled texts are read into memory, not streamed: {reason}.")
    return None


def growth(recipe: Recipe) -> int:
    """Texts that rules make of one, and that one, at most."""
    steps = read_steps(recipe.augment)
    return 1 + sum(int(step.config.passes) for step in steps if step.spec.kind == RULES)


def grow(run: Run, files: ItemFiles) -> None:
    """The stage ``augment``: given texts and what rules make of them, each once, as Parquet shards."""
    steps, data = read_steps(run.recipe.augment), run.dataset
    judges, named = [*data.dev.texts, *data.test.texts], digests(steps)
    inputs = {
        **({"files": named} if named else {}),
        "steps": [[step.name, asdict(step.config)] for step in steps],
        "texts": [list(data.train.texts), files.fingerprint],
        "held out": judges,
        "seed": run.recipe.seed,
    }

    def work(about: dict[str, Any]) -> None:
        if any((run.pool_folder / name).is_file() for name in (MANIFEST, POOL)):
            discard(run.pool_folder)  # of other inputs, of a run in memory, or damaged
        stream_pool(
            files,
            steps,
            run.pool_folder,
            source=about["inputs"],
            labelled=data.train.texts,
            seed=run.recipe.seed,
            held_out=held_out_forms(judges),
            progress=run.stages.progress,
            total=len(data.train) + files.rows,
            about=about,
        )

    run.stages.run("augment", run.pool_folder, inputs, work)
    _tell(run, files)


def _tell(run: Run, files: ItemFiles) -> None:
    """Say what became of the given texts, in the run's data as a run in memory does, and on a page."""
    pool, data = PoolTexts(run.pool_folder), run.dataset
    if not (run.pool_folder / NUMBERS).is_file():
        gold = data.train.labels if data.task.is_exclusive else None
        found = inspect_streamed(pool, data.train.texts, labels=data.task.labels, gold=gold)
        save_inspection(found, run.pool_folder)
    run.stages.progress.say(f"augment: {len(pool):,} texts on disk beside {len(data.train):,} labelled ones")
    names = ", ".join(path.name for path in files.paths)
    given = pool.counts[0]
    note = f"Read {given.made:,} unlabelled texts from {names}, block by block."
    reasons = {
        HELD_OUT: "unlabelled texts also in dev or test",
        DUPLICATE: "unlabelled texts that are repeated or also in train",
    }
    dropped = {reasons[reason]: count for reason, count in given.removed.items()}
    run.dataset = replace(data, notes=(*data.notes, note), dropped={**data.dropped, **dropped})


def show(teacher: Predictor, run: Run, first: Sequence[Item], store: LogitStore) -> Labelling:
    """Show a teacher every distinct text of these and the pool that the store does not have."""
    progress, pool = run.stages.progress, run.pool
    if not isinstance(pool, PoolTexts):
        return label(teacher, [*first, *pool], store, progress=progress)
    distinct = list(dict.fromkeys(first))
    return label_stream(
        teacher,
        itertools.chain(distinct, pool),
        store,
        shard_texts=SHARD_TEXTS if run.outside is None else FUNCTION_TEXTS,
        progress=progress,
        total=len(distinct) + len(pool),
    )


def transfer_set(run: Run, *, is_gold: bool) -> Transfer:
    """What students learn from: the labelled texts, and with soft targets also the pool."""
    from understudy.training.stream import with_streamed_targets
    from understudy.training.transfer import labelled_only, with_soft_targets

    data, pool = run.dataset, run.pool
    if is_gold:
        return labelled_only(data.task, data.train.texts, data.train.labels)
    fingerprint = read_json(run.folder / "logits" / "label.json")["fingerprint"]
    store = LogitStore(run.store_folder, teacher=fingerprint, labels=data.task.labels)
    texts = (data.train.texts, data.train.labels)
    if isinstance(pool, PoolTexts):
        folder = run.folder / ".checkpoints" / TRANSFER
        return with_streamed_targets(
            data.task, *texts, pool, store, folder=folder, progress=run.stages.progress
        )
    return with_soft_targets(data.task, *texts, pool, store, is_partial=run.outside is not None)


def vocabulary_items(run: Run) -> Iterator[Item]:
    """The items whose words make a student's vocabulary: all, or of a streamed pool at most a million."""
    apart = -(-len(run.pool) // VOCABULARY_TEXTS) if run.is_streamed else 1
    return itertools.chain(run.dataset.train.texts, itertools.islice(run.pool, 0, None, max(1, apart)))
