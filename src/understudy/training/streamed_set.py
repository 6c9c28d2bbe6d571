"""Transfer sets larger than memory: texts stream from a pool's shards, targets and ids stay on disk.

Texts are read twice, block by block: once for their soft targets, once for their ids (again for another
vocabulary). Both are flat arrays in a cache folder, mapped while a student is trained; a batch reads what it
needs, and windows of a million texts are shuffled in turn (`understudy.tokenization.batching`). In memory
are one block of texts, 16 bytes for each text, and the student.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from understudy.core.corpus import Corpus
from understudy.core.manifest import digest, file_digest
from understudy.core.memmap import Array, write_columns
from understudy.core.progress import Progress, Silent
from understudy.core.task import FloatArray, Gold, Item, Task
from understudy.errors import DataError
from understudy.targets.store import LogitStore, chunks
from understudy.tokenization.encoding import ItemIds, Side, encode
from understudy.tokenization.ngrams import Vocabulary
from understudy.training.torch_student import Inputs, TorchStudent
from understudy.training.transfer_set import check_gold

BLOCK = 2**16
"""Texts in memory at once."""

Block = tuple[list[Item], Gold]


@dataclass(frozen=True)
class StreamedSet:
    """A transfer set on disk; `understudy.training.fit.fit` takes it like one in memory.

    Attributes:
        task: What its items are.
        labelled: Labelled items, and the gold labels of their rows; they come first.
        further: Items without gold labels.
        gold: ``(rows,)`` or ``(rows, c)``, mapped.
        soft: ``(rows, c)`` float32, mapped.
        folder: Where targets and ids are kept.
        fingerprint: Says which items these are.
        progress: Where the progress of tokenising is shown.
    """

    task: Task
    labelled: tuple[Sequence[Item], Gold]
    further: Corpus
    gold: Gold
    soft: FloatArray
    folder: Path
    fingerprint: str
    progress: Progress = field(default_factory=Silent)

    def __len__(self) -> int:
        return len(self.labelled[0]) + self.further.rows

    @property
    def texts(self) -> Iterable[Item]:
        """Its items, in order, read from the shards."""
        return itertools.chain(self.labelled[0], self.further)

    def rows(self, task: Task) -> int:  # noqa: ARG002
        """How many rows the items have."""
        return len(self.soft)

    def inputs(self, student: TorchStudent) -> Inputs:
        """The items as this student reads them: tokenised once for each vocabulary and form, then mapped."""
        form, vocabulary, spelling = student.module.form, student.vocabulary, student.spelling
        spelled = [] if spelling is None else [spelling.known]
        identity = digest([self.fingerprint, form, _vocabulary_digest(vocabulary), *spelled])

        def make(block: Block) -> dict[str, Array]:
            return _columns(encode(self.task, form, vocabulary, block[0], spelling))

        with self.progress.bar("tokenising", len(self), "texts") as advance:
            columns = write_columns(
                self.folder / f"ids-{identity[:12]}",
                identity,
                _blocks(self.task, *self.labelled, self.further),
                make,
                lambda block: advance(len(block[0])),
            )
        return Inputs(_encoded(columns))


def with_streamed_targets(
    task: Task,
    texts: Sequence[Item],
    labels: Gold,
    further: Corpus,
    store: LogitStore,
    *,
    folder: Path,
    progress: Progress | None = None,
) -> StreamedSet:
    """`understudy.training.transfer_set.with_soft_targets` for further texts that do not fit in memory.

    A killed run continues after its last block when it is called again.

    Args:
        task: Says what the lack of a gold label looks like.
        texts: Labelled items; they fit in memory.
        labels: Their gold labels.
        further: Items without labels.
        store: Soft targets of all of them.
        folder: For targets and ids; about 8 + 4c bytes a text, and 4 a token.
        progress: Where progress is shown.

    Raises:
        StoreError: An item was never labelled.
        DataError: There is no text, or another number of gold labels than rows.
    """
    check_gold(task, texts, labels)
    if not len(texts) and not further.rows:
        raise DataError("The transfer set is empty: there is no text to learn from.")
    progress = progress or Silent()
    given = [list(texts), np.asarray(labels).tolist(), further.fingerprint, task.to_dict(), BLOCK]
    fingerprint = digest(given)
    identity = digest([fingerprint, store.teacher])

    def make(block: Block) -> dict[str, Array]:
        return {"gold": block[1], "soft": store.look_up(block[0])}

    with progress.bar("looking up soft targets", len(texts) + further.rows, "texts") as advance:
        found = write_columns(
            folder / f"targets-{identity[:12]}",
            identity,
            _blocks(task, texts, labels, further),
            make,
            lambda block: advance(len(block[0])),
        )
    return StreamedSet(
        task, (texts, labels), further, found["gold"], found["soft"], folder, fingerprint, progress
    )


def _blocks(task: Task, texts: Sequence[Item], labels: Gold, further: Corpus) -> Iterator[Block]:
    """The items in blocks, each with the gold labels of its rows."""
    start = 0
    for block in chunks(texts, BLOCK):
        stop = start + int(task.rows(block).sum())
        yield block, labels[start:stop]
        start = stop
    for block in chunks(further, BLOCK):
        yield block, task.no_gold(int(task.rows(block).sum()))


def _columns(encoded: ItemIds) -> dict[str, Array]:
    made = {}
    for number, side in enumerate(encoded.sides):
        made[f"ids-{number}"] = side.ids.astype(np.int32)
        made[f"lengths-{number}"] = side.lengths.astype(np.int32)
        if side.spelling is not None:
            made[f"spelling-{number}"] = side.spelling.astype(np.int32)
    if encoded.places is not None:
        made["counts"] = encoded.counts.astype(np.int32)
        made["places"] = encoded.places.astype(np.int32)
    return made


def _encoded(columns: Mapping[str, Array]) -> ItemIds:
    numbers = sorted(name.removeprefix("ids-") for name in columns if name.startswith("ids-"))
    sides = tuple(
        Side(columns[f"ids-{number}"], columns[f"lengths-{number}"], columns.get(f"spelling-{number}"))
        for number in numbers
    )
    one = np.broadcast_to(np.int64(1), sides[0].lengths.shape)
    return ItemIds(sides, columns.get("counts", one), columns.get("places"))


def _vocabulary_digest(vocabulary: Vocabulary) -> str:
    """The digest of a vocabulary's file; of that and the table of n-grams, where it has such."""
    with tempfile.TemporaryDirectory() as folder:
        vocabulary.save(Path(folder) / "tokenizer.json")
        first, *more = [file_digest(path) for path in sorted(Path(folder).iterdir(), reverse=True)]
    return digest([first, *more]) if more else first
