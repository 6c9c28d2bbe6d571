"""The files in the folder of an exported student, for the code that writes it and the code that reads it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

FORMAT = 1
"""Version of the folder's format; a reader refuses a higher one."""


@dataclass(frozen=True)
class Layout:
    """The files of an exported student, all listed in ``manifest.json``.

    Attributes:
        folder: The folder itself.
    """

    folder: Path

    @property
    def config(self) -> Path:
        """Task, labels, architecture, fingerprint and versions."""
        return self.folder / "config.json"

    @property
    def tokenizer(self) -> Path:
        """The vocabulary and splitting rule, as the ``tokenizers`` library reads them."""
        return self.folder / "tokenizer.json"

    @property
    def ngrams(self) -> Path:
        """``(n-grams, 2)`` int32: the words and n-grams that each n-gram is made of, where there are such."""
        return self.folder / "ngrams.npy"

    @property
    def characters(self) -> Path:
        """The parts of words that have a row (`understudy.tokenization.characters`), where there are such."""
        return self.folder / "characters.json"

    @property
    def spelling(self) -> Path:
        """How words are spelled (`understudy.tokenization.spelling`), for taggers that read it."""
        return self.folder / "spelling.json"

    @property
    def weights(self) -> Path:
        """The torch student's weights."""
        return self.folder / "model.safetensors"

    @property
    def onnx(self) -> Path:
        """``ids (batch, tokens) int64, lengths (batch,) int64 -> logits (batch, labels) float32``.

        A tagger has logits ``(batch, tokens, labels)``, and may read ``spelling (batch, tokens, kinds)``.
        """
        return self.folder / "model.onnx"

    @property
    def fast(self) -> Path:
        """Vocabulary and weights as one file (`fast_format.py`), where the extension can serve them."""
        return self.folder / "model.fast"

    @property
    def report(self) -> Path:
        """The student's row of the run's report, or a note that it was not evaluated yet."""
        return self.folder / "report.json"

    @property
    def card(self) -> Path:
        """The model card."""
        return self.folder / "README.md"


def slug(name: str) -> str:
    """A student's name as the name of a folder: ``bilstm.v1:tang`` → ``bilstm.v1-tang``."""
    return "".join(letter if letter.isalnum() or letter in ".-_=" else "-" for letter in name)
