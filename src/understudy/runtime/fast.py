"""The fast path: one call of the C extension from a string to its answer, where it can serve a student.

The reference path (`tokenizers` or our own splitter, then ONNX Runtime) gives the same answers, and serves
everything else. `docs/splitting.md` states the rules that both follow.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, TypeVar

from understudy.errors import ArtifactError
from understudy.runtime.fast_header import HEADER_BYTES
from understudy.runtime.fast_header import fingerprint as fingerprint_of

if TYPE_CHECKING:
    from understudy._fast import Student, Texts
    from understudy.core.task import FloatArray, IntArray

Core = TypeVar("Core")

SWITCH = "UNDERSTUDY_FAST"
"""Environment variable that turns the fast path off where it is ``0``, and else may hold one of `LEVELS`."""

LEVELS = {"portable": 0, "avx2": 1, "avx512": 2}
"""Highest instruction sets that an engine may use, by name; a processor without one takes the next below."""


@dataclass(frozen=True)
class Status:
    """Whether the fast path serves, and why."""

    is_active: bool
    why: str


def extension() -> ModuleType:
    """The C extension; `_fast.pyi` says what it offers.

    Raises:
        ImportError: it was not built.
    """
    return import_module("understudy._fast")


def level() -> int:
    """The highest instruction set that may be used, by its number in `LEVELS`."""
    return LEVELS.get(os.environ.get(SWITCH, "").strip().lower(), LEVELS["avx512"])


def status() -> Status:
    """Whether the fast path can serve in this process, and why or why not."""
    if os.environ.get(SWITCH, "").strip() == "0":
        return Status(False, f"{SWITCH}=0 turns it off")
    try:
        engine = extension().ENGINES[level()]
    except ImportError as error:
        return Status(False, f"understudy._fast is not built here, so the reference path serves ({error})")
    return Status(True, f"understudy._fast is built; this processor runs its {engine} engine")


@dataclass(frozen=True)
class FastStudent:
    """A student in C. It may be shared between threads, and releases the interpreter's lock for many texts.

    Many texts are a sequence, or the strings of Arrow arrays that `understudy.runtime.arrow` opens.

    Attributes:
        core: The student as the extension holds it.
        labels: Number of logits, c.
        threads: Threads that one call with a list may use.
        label: Function from one text to its label.
    """

    core: Student
    labels: int
    threads: int = 1
    label: Callable[[str], str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Bound once, so that a call for one text looks up one attribute less.
        object.__setattr__(self, "label", self.core.label)

    def logits(self, texts: str | Texts) -> FloatArray:
        """Logits ``(n, c)`` float32; one text alone is a batch of one."""
        import numpy as np

        texts = [texts] if isinstance(texts, str) else texts
        logits = np.empty((len(texts), self.labels), dtype=np.float32)
        self.core.fill(texts, logits, self.threads)
        return logits

    def probabilities(self, text: str) -> list[float]:
        """Softmax of one text's logits, in the order of the labels."""
        return self.core.probabilities(text)

    def predict(self, texts: Texts) -> list[str]:
        """The label of each text."""
        return self.core.labels(texts, self.threads)

    def label_ids(self, texts: Texts) -> IntArray:
        """The column of each text's label ``(n,)``."""
        import numpy as np

        columns = np.empty(len(texts), dtype=np.int64)
        self.core.columns(texts, columns, self.threads)
        return columns

    def encode(self, text: str) -> list[int]:
        """Ids of one text, as its vocabulary gives them."""
        return self.core.encode(text)

    def encode_batch(self, texts: Texts) -> tuple[IntArray, IntArray]:
        """Ids of all texts end to end ``(sum of lengths,)``, and the lengths ``(n,)``; each length ≥ 1."""
        import numpy as np

        flat, lengths = self.core.encode_batch(texts)
        return np.frombuffer(flat, dtype=np.int64), np.frombuffer(lengths, dtype=np.int64)

    def answer_lines(self, block: bytes, heads: tuple[bytes, ...]) -> bytes | None:
        """Each line of a block behind its answer: head of the label, probability with four decimals, tab.

        Args:
            block: Valid UTF-8; every line ends with a newline, the last one too.
            heads: What stands before the probability, for each label.

        Returns:
            ``None`` where a line is left to the reference path.
        """
        return self.core.answer_lines(block, heads, self.threads)


def open_fast(
    path: Path,
    *,
    labels: Sequence[str],
    fingerprint: str,
    reference: Callable[[str], list[int]],
    threads: int = 1,
) -> FastStudent:
    """Map a `model.fast` into memory, and check it.

    Args:
        path: The file.
        labels: Label names in the order of the logits.
        fingerprint: Sums by which `config.json` names the file.
        reference: Function from a text to its ids, for the few texts that the extension leaves to it.
        threads: Threads that one call with a list may use.

    Raises:
        ArtifactError: the file is missing, truncated, altered, or not what it is taken for.
    """
    core = opened(
        path, fingerprint, lambda file: extension().Student(file, tuple(labels), reference, level())
    )
    return FastStudent(core, len(labels), threads)


def opened(path: Path, fingerprint: str, open_core: Callable[[mmap.mmap], Core]) -> Core:
    """What a function makes of a `model.fast` that is mapped into memory.

    Args:
        path: The file.
        fingerprint: Sums by which `config.json` names the file.
        open_core: Checks the file, and raises ValueError where anything is wrong with it.

    Raises:
        ArtifactError: the file is missing, truncated, altered, or not what it is taken for.
    """
    try:
        with path.open("rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        core = open_core(mapped)
    except (OSError, ValueError) as error:
        raise ArtifactError(
            f"{path} cannot be used: {error}. Restore it, or write the folder again."
        ) from error

    if fingerprint_of(mapped[:HEADER_BYTES]) != fingerprint:
        raise ArtifactError(
            f"{path} was altered: config.json names another. Restore it, or write the folder again."
        )
    return core
