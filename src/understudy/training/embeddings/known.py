"""What a teacher makes of single words: of those of the texts, and of those that it knows besides."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from understudy.core.items import parts
from understudy.core.manifest import publish, verify
from understudy.core.safe_json import parse_json
from understudy.core.task import FloatArray, Item, Predictor
from understudy.data.readers.vectors import Vectors
from understudy.tokenization.wordpiece import PREFIX
from understudy.tokenization.words import SPECIALS, WordVocabulary, build_vocabulary, split
from understudy.training.embeddings.teacher import output_vectors
from understudy.training.embeddings.vocabulary import MARKS

MOST_OF_TEXTS = 50_000
"""Words of the texts that the teacher is shown, the most frequent ones."""

ROWS, WORDS = "vectors.safetensors", "words.json"


@dataclass(frozen=True)
class KnownWords:
    """Words and the teacher's vectors of them.

    Attributes:
        words: Distinct words, those of the texts first.
        rows: ``(words, w)`` float32.
    """

    words: tuple[str, ...]
    rows: FloatArray

    def vectors(self, words: Iterable[str]) -> Vectors:
        """The vectors of some words, zeros where there is none."""
        places = np.array([self._places.get(word, -1) for word in words], dtype=np.int64)
        is_found = places >= 0
        rows = np.zeros((len(places), self.rows.shape[1]), dtype=np.float32)
        rows[is_found] = self.rows[places[is_found]]
        return Vectors(rows, is_found)

    @cached_property
    def _places(self) -> Mapping[str, int]:
        return {word: number for number, word in enumerate(self.words)}

    def save(self, folder: Path, about: Mapping[str, object]) -> None:
        """Write words and vectors, with a manifest."""
        with publish(folder, about) as aside:
            save_file({"rows": self.rows}, aside / ROWS)
            (aside / WORDS).write_text(json.dumps(self.words), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> KnownWords:
        """Read what `save` wrote, after checking it.

        Raises:
            ArtifactError: A file is missing or damaged.
        """
        verify(folder)
        words = parse_json((folder / WORDS).read_bytes())
        return cls(tuple(words), load_file(folder / ROWS)["rows"])


def known_words(teacher: Predictor, items: Iterable[Item]) -> KnownWords:
    """Each word of the items and each whole word among the teacher's pieces, once through the teacher.

    Words that stand in no labelled text have a vector, too, and are known when a user writes them.

    Args:
        teacher: A teacher that is a transformer, with its ``module`` and ``tokenizer``.
        items: Texts of the transfer set.

    Raises:
        TeacherError: The teacher is not a transformer.
    """
    own = build_vocabulary(parts(items), MOST_OF_TEXTS).words
    further = sorted(_whole_words(getattr(teacher, "tokenizer", None)) - set(own))
    vectors = output_vectors(teacher, WordVocabulary((*own, *further)))

    found = vectors.is_found.copy()
    found[: len(SPECIALS)] = False
    kept = np.flatnonzero(found)
    words = (*own, *further)
    return KnownWords(tuple(words[row] for row in kept), vectors.rows[kept])


def _whole_words(tokenizer: object) -> set[str]:
    """Words of letters or digits among a tokeniser's pieces, as our own splitting writes them."""
    pieces: Mapping[str, int] = getattr(tokenizer, "get_vocab", dict)()
    is_marked = any(len(piece) > 1 and piece[0] in MARKS for piece in pieces)
    whole = set()
    for piece in pieces:
        if is_marked and piece[:1] not in MARKS:
            continue
        word = piece.lstrip(MARKS)
        if not piece.startswith(PREFIX) and word.isalnum() and split(word) == [word]:
            whole.add(word)
    return whole
