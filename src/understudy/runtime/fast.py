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
from typing import TYPE_CHECKING, Any

from understudy.errors import ArtifactError

if TYPE_CHECKING:
    from understudy.core.task import FloatArray, IntArray

SWITCH = "UNDERSTUDY_FAST"
"""Environment variable that turns the fast path off where it is ``0``."""


SUMS = slice(24, 40)
"""Where a file's sums stand in it: `flat.fingerprint`, without numpy."""

HEADER_BYTES = 128
RULE, BERT = slice(44, 48), (3).to_bytes(4, "little")
"""Where the rule of splitting stands in a file's header, and that of BERT's pieces: see `flat.py`."""


@dataclass(frozen=True)
class Status:
    """Whether the fast path serves, and why."""

    is_active: bool
    why: str


def status() -> Status:
    """Whether the fast path can serve in this process, and why or why not."""
    if os.environ.get(SWITCH, "").strip() == "0":
        return Status(False, f"{SWITCH}=0 turns it off")
    try:
        return Status(
            True, f"understudy._fast is built; this processor runs its {_extension().ENGINE} engine"
        )
    except ImportError as error:
        return Status(False, f"understudy._fast is not built here, so the reference path serves ({error})")


@dataclass(frozen=True)
class FastStudent:
    """A student in C. It may be shared between threads, and releases the interpreter's lock for a list.

    Attributes:
        core: of the extension.
        labels: number of logits, c.
        threads: that one call with a list may use.
        label: the answer to one text.
    """

    core: Any
    labels: int
    threads: int = 1
    label: Callable[[str], str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "label", self.core.label)

    def logits(self, texts: str | Sequence[str]) -> FloatArray:
        """Logits ``(n, c)`` float32; one text alone is a batch of one."""
        import numpy as np

        texts = [texts] if isinstance(texts, str) else texts
        found = np.empty((len(texts), self.labels), dtype=np.float32)
        self.core.fill(texts, found, self.threads)
        return found

    def probabilities(self, text: str) -> list[float]:
        """Softmax of one text's logits, in the order of the labels."""
        found: list[float] = self.core.probabilities(text)
        return found

    def predict(self, texts: Sequence[str]) -> list[str]:
        """The label of each text."""
        found: list[str] = self.core.labels(texts, self.threads)
        return found

    def encode(self, text: str) -> list[int]:
        """Ids of one text, as its vocabulary gives them."""
        found: list[int] = self.core.encode(text)
        return found

    def encode_batch(self, texts: Sequence[str]) -> tuple[IntArray, IntArray]:
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
        answers: bytes | None = self.core.answer_lines(block, heads, self.threads)
        return answers


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
        path: of the file.
        labels: names in the order of the logits.
        fingerprint: by which `config.json` names the file.
        reference: text → ids, for the few texts that the extension leaves to the reference path.
        threads: that one call with a list may use.

    Raises:
        ArtifactError: the file is missing, truncated, altered, or not what it is taken for.
    """
    try:
        with path.open("rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        core = _extension().Student(mapped, tuple(labels), reference)
    except (OSError, ValueError) as error:
        raise ArtifactError(
            f"{path} cannot be used: {error}. Restore it, or write the folder again."
        ) from error
    if mapped[SUMS].hex() != fingerprint:
        raise ArtifactError(
            f"{path} was altered: config.json names another. Restore it, or write the folder again."
        )
    return FastStudent(core, len(labels), threads)


def reads_like_bert(header: bytes) -> bool:
    """Whether a file's header names the rule of BERT's pieces, which needs the library for a few texts."""
    return header[RULE] == BERT


def _extension() -> Any:
    return import_module("understudy._fast")
