"""Show a teacher the texts that a store does not have, shard by shard."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from understudy.core.progress import Progress, Silent
from understudy.core.task import Item, Predictor
from understudy.errors import StoreError
from understudy.targets.store import LogitStore, chunks

SHARD_TEXTS = 1024
"""Texts per shard; a killed run loses the work on one shard at most."""

BLOCK_TEXTS = 2**16
"""Texts in memory at once while a stream is labelled."""


@dataclass(frozen=True)
class Labelling:
    """What `label` did.

    Attributes:
        labelled: Texts that the teacher was shown.
        reused: Texts that the store had already.
        seconds: Time spent.
    """

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

    Args:
        teacher: Answers; the sentences that its attribute ``notes`` may have are shown.
        texts: What to ask about.
        store: The teacher's logit store.
        shard_texts: Texts per shard.
        progress: Where progress is shown.

    Raises:
        StoreError: The teacher's labels are not the store's, in the same order.
    """
    _check_labels(teacher, store)
    started = time.perf_counter()
    progress = progress or Silent()
    distinct = _by_length(texts)
    todo = set(store.missing(distinct))
    if todo:
        _show_notes(teacher, progress)

    with progress.bar("labelling", len(todo), "texts") as advance:
        for shard in _shards_to_do(distinct, todo, shard_texts):
            store.append(shard, teacher.logits(shard), teacher.task.rows(shard))
            advance(len(shard))

    return Labelling(len(todo), len(distinct) - len(todo), time.perf_counter() - started)


def label_stream(
    teacher: Predictor,
    texts: Iterable[Item],
    store: LogitStore,
    *,
    block_texts: int = BLOCK_TEXTS,
    shard_texts: int = SHARD_TEXTS,
    progress: Progress | None = None,
    total: int = 0,
) -> Labelling:
    """`label` for texts that do not fit in memory: block by block, each in order of length.

    A killed run is called again with the same texts; those that the store has are read over.

    Args:
        teacher: Is shown ``shard_texts`` texts at once; a cheap one is fastest with a whole block.
        texts: Read once, in order.
        store: The teacher's logit store.
        block_texts: Texts that are in memory at once.
        shard_texts: Texts per shard.
        progress: Where progress is shown.
        total: Number of texts, for the bar, where it is known.

    Raises:
        StoreError: The teacher's labels are not the store's, in the same order.
    """
    _check_labels(teacher, store)
    started = time.perf_counter()
    progress = progress or Silent()
    _show_notes(teacher, progress)

    labelled = reused = 0
    with progress.bar("labelling", total, "texts") as advance:
        for block in chunks(texts, block_texts):
            distinct = _by_length(block)
            todo = set(store.missing(distinct))
            for shard in _shards_to_do(distinct, todo, shard_texts):
                store.append(shard, teacher.logits(shard), teacher.task.rows(shard))
            labelled, reused = labelled + len(todo), reused + len(distinct) - len(todo)
            advance(len(block))

    return Labelling(labelled, reused, time.perf_counter() - started)


def _check_labels(teacher: Predictor, store: LogitStore) -> None:
    if teacher.task.labels != store.labels:
        raise StoreError(
            f"The teacher answers {list(teacher.task.labels)}, but the store {store.folder} keeps "
            f"{list(store.labels)}. Open the store with the teacher's labels."
        )


def _show_notes(teacher: Predictor, progress: Progress) -> None:
    """Show what a teacher has to say about how it answers, such as another precision than was asked for."""
    for note in getattr(teacher, "notes", ()):
        progress.say(f"label: {note}")


def _by_length(texts: Iterable[Item]) -> list[Item]:
    """Each text once, short ones first."""
    return sorted(set(texts), key=lambda text: (_length(text), text))


def _shards_to_do(distinct: Sequence[Item], todo: set[Item], shard_texts: int) -> Iterator[list[Item]]:
    """The texts of each shard that are still to do; shards without any are left out."""
    for start in range(0, len(distinct), shard_texts):
        if shard := [text for text in distinct[start : start + shard_texts] if text in todo]:
            yield shard


def _length(item: Item) -> int:
    return len(item) if isinstance(item, str) else sum(map(len, item))
