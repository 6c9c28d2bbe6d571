"""The fast path of taggers: one call of the C extension from the words of sentences to their tags.

As everywhere, the reference path gives the same answers; it reads the few sentences that C leaves to it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from understudy.runtime.fast import extension, level, opened

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from understudy._fast import Tagger
    from understudy.core.task import FloatArray, IntArray, Item, Predictor, Task

IN_CHAIN = 8
"""A row of a chain is padded with zeros to a multiple of so many numbers."""


@dataclass(frozen=True)
class FastTagger:
    """A tagger in C. It may be shared between threads, and releases the interpreter's lock.

    Attributes:
        core: The tagger as the extension holds it.
        labels: Number of tags, c.
        threads: Threads that one call may use.
        chain: What `chain_of` makes of the task's transitions, where it has such.
    """

    core: Tagger
    labels: int
    threads: int = 1
    chain: npt.NDArray[np.float64] | None = None

    def in_order(self, task: Task) -> FastTagger:
        """The same tagger for a task: where that has transitions, tags are weighed in their order."""
        return replace(self, chain=None if task.steps is None else chain_of(task.steps))

    def logits(self, sentences: Sequence[Item], reference: Callable[[], Predictor]) -> FloatArray:
        """Logits ``(words of all sentences, c)`` float32.

        Args:
            sentences: Tuples of words.
            reference: The reference path, which is made where a sentence is left to it.

        Raises:
            TypeError: a sentence is not a tuple or a list of str.
        """
        import numpy as np

        answers = np.empty((sum(map(len, sentences)), self.labels), dtype=np.float32)
        left = self.core.fill(sentences, answers, self.chain, self.threads)
        for number, rows in _rows_of(sentences, left):
            answers[rows] = reference().logits([sentences[number]])
        return answers

    def label_ids(self, sentences: Sequence[Item], reference: Callable[[], Predictor]) -> IntArray:
        """The column of each word's tag ``(words of all sentences,)``; as `logits`."""
        import numpy as np

        columns = np.empty(sum(map(len, sentences)), dtype=np.int64)
        left = self.core.columns(sentences, columns, self.chain, self.threads)
        for number, rows in _rows_of(sentences, left):
            columns[rows] = reference().logits([sentences[number]]).argmax(axis=-1)
        return columns


def chain_of(steps: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """A task's steps ``(c + 1, c)`` as C reads them: between tags, the same transposed, and the first word's.

    They are ``(2 · c + 1, C)``, where C is c rounded up to a multiple of `IN_CHAIN`.
    """
    import numpy as np

    between, first = steps[:-1], steps[-1:]
    wide = np.zeros((2 * len(between) + 1, -(-len(between) // IN_CHAIN) * IN_CHAIN))
    wide[:, : len(between)] = np.concatenate([between, between.T, first])
    return wide


def open_tagger(path: Path, *, labels: int, fingerprint: str, threads: int = 1) -> FastTagger:
    """Map the `model.fast` of a tagger into memory, and check it.

    Args:
        path: The file.
        labels: Number of tags.
        fingerprint: Sums by which `config.json` names the file.
        threads: Threads that one call may use.

    Raises:
        ArtifactError: the file is missing, truncated, altered, or not what it is taken for.
    """
    core = opened(path, fingerprint, lambda file: extension().Tagger(file, labels, level()))
    return FastTagger(core, labels, threads)


def _rows_of(sentences: Sequence[Item], numbers: Sequence[int]) -> list[tuple[int, slice]]:
    """Some sentences by their numbers, in order, and the rows of each."""
    found, row, begin = [], 0, 0
    for number in numbers:
        row += sum(map(len, sentences[begin:number]))
        found.append((number, slice(row, row + len(sentences[number]))))
        row, begin = row + len(sentences[number]), number + 1
    return found
