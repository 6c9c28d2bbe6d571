"""Parts of words, on request: character n-grams of 3 to 5 letters, with ids behind those of a vocabulary.

A word's parts are those of its letters with a `MARK` on either side, as in scikit-learn's ``char_wb``:
of ``red`` they are `` re``, ``red``, ``ed ``, `` red``, ``red `` and `` red ``. They are looked up in a
table, not hashed. Unknown words have parts as well, and so say something; special words have none.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain
from pathlib import Path

import numpy as np

from understudy.core.safe_json import parse_json
from understudy.core.task import IntArray
from understudy.errors import ArtifactError
from understudy.tokenization.words import (
    SEP,
    SPECIALS,
    flattened,
    has_surrogate,
    split,
    without_masks,
)

CHARACTERS = "characters.json"
"""File of the parts, beside ``tokenizer.json``."""

SHORTEST, LONGEST = 3, 5
"""Letters of a part, marks included."""

MARK = " "
"""Stands before and after a word's letters; no word holds a space."""

FEWEST = 2
"""A part that stands in the texts less often is not kept: it would be learnt by heart."""

REMEMBERED = 1 << 16
"""Words whose parts are kept at hand; a language's frequent words are fewer."""

FORM = 1
"""Version of the rule and of its file."""


class PartTable:
    """Parts with ids, in the order given.

    Args:
        first: Id of the first part: the number of words and n-grams.
        parts: Distinct parts of words.

    Raises:
        ArtifactError: A part is too short or too long, has a mark inside, or stands there twice.
    """

    def __init__(self, first: int, parts: Sequence[str]) -> None:
        self.first = first
        self.parts = tuple(parts)
        self._ids = {part: first + number for number, part in enumerate(self.parts)}
        if len(self._ids) != len(self.parts) or not all(map(_is_part, self.parts)):
            raise ArtifactError(
                f"A part of a word has {SHORTEST} to {LONGEST} letters, a mark at its ends alone, and stands "
                "in the table once."
            )
        self._of_word = lru_cache(REMEMBERED)(self._look_up)

    def __len__(self) -> int:
        return len(self.parts)

    def of(self, word: str) -> tuple[int, ...]:
        """Ids of the parts of a word that the table knows, shorter ones first, then by where they begin."""
        return self._of_word(word)

    def add(
        self, ids: IntArray, lengths: IntArray, words: Iterable[Sequence[str]]
    ) -> tuple[IntArray, IntArray]:
        """Ids ``(sum of lengths,)`` and lengths ``(n,)`` of texts, the ids of their words' parts behind.

        Args:
            ids: Ids of the texts' words and n-grams, end to end ``(sum of lengths,)``.
            lengths: How many each text has ``(n,)``.
            words: The words of each text, lower-cased, special ones as they are called.
        """
        found, sizes = flattened([list(chain.from_iterable(map(self._of_word, each))) for each in words])
        is_part = np.repeat(np.tile([False, True], len(lengths)), np.stack([lengths, sizes], axis=1).ravel())
        every = np.empty(len(is_part), dtype=np.int64)
        every[~is_part], every[is_part] = ids, found
        return every, lengths + sizes

    def _look_up(self, word: str) -> tuple[int, ...]:
        ids = self._ids
        return tuple([ids[part] for part in parts_of(word) if part in ids])

    def save(self, path: Path) -> None:
        """Write the parts as JSON."""
        document = {"form": FORM, "letters": [SHORTEST, LONGEST], "parts": self.parts}
        path.write_text(json.dumps(document), encoding="utf-8")

    @classmethod
    def load(cls, path: Path, first: int) -> PartTable:
        """Read what `save` wrote.

        Args:
            path: The file.
            first: Id of the first part.

        Raises:
            ArtifactError: The file is damaged, or follows another rule than this module's.
        """
        try:
            document = parse_json(path.read_bytes())
            rule, parts = (document["form"], document["letters"]), document["parts"]
        except (OSError, ValueError, TypeError, LookupError) as error:
            raise ArtifactError(
                f"{path} does not hold parts of words, or is damaged: {error}. Restore it."
            ) from error
        if rule != (FORM, [SHORTEST, LONGEST]):
            raise ArtifactError(f"{path} follows another rule of parts than {FORM}. Upgrade understudy.")
        if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
            raise ArtifactError(f"{path} is damaged: its parts are not a list of strings. Restore it.")
        try:
            return cls(first, parts)
        except ArtifactError as error:
            raise ArtifactError(f"{path} is damaged. {error} Restore it.") from error


def parts_of(word: str) -> Iterator[str]:
    """The parts of a word as `split` gives it, shorter ones first; none of a special word.

    >>> [part.replace(MARK, "_") for part in parts_of("red")]
    ['_re', 'red', 'ed_', '_red', 'red_', '_red_']
    """
    if word in SPECIALS or word == SEP:
        return
    marked = f"{MARK}{word}{MARK}"
    for size in range(SHORTEST, LONGEST + 1):
        for begin in range(len(marked) - size + 1):
            yield marked[begin : begin + size]


def frequent_parts(texts: Iterable[str], most: int) -> list[str]:
    """The ``most`` most frequent parts of words that stand in the texts `FEWEST` times.

    Equal counts are ordered by the part itself, so the same texts in any order give the same parts. Words
    with lone surrogates are left out, as they are of a vocabulary.
    """
    words: Counter[str] = Counter()
    for text in texts:
        words.update(split(without_masks(text)))

    counts: dict[str, int] = {}
    for word, times in words.items():
        if not has_surrogate(word):
            for part in parts_of(word):
                counts[part] = counts.get(part, 0) + times
    kept = [part for part, count in counts.items() if count >= FEWEST]
    return sorted(kept, key=lambda part: (-counts[part], part))[:most]


def _is_part(part: str) -> bool:
    return SHORTEST <= len(part) <= LONGEST and MARK not in part[1:-1]
