"""How a word is spelled: what a tagger sees of a word beside its id, so that an unknown word says something.

A word has one *trait* of each kind: its first one to three characters and its last one to four, lower-cased;
its shape; and the word itself as it stands in the sentence. Traits that are frequent in the training words
have a number, and all others are 0, the number of "nothing known". Letters are classed by the tables of
`understudy.tokenization.words`, so that no library's version of Unicode matters; numpy is all that is needed.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import groupby
from pathlib import Path

import numpy as np

from understudy.core.safe_json import parse_json
from understudy.core.task import IntArray
from understudy.errors import ArtifactError
from understudy.tokenization.words import SINGLE, SPACE, lower

FIRST, LAST = (1, 2, 3), (1, 2, 3, 4)
"""Numbers of characters at a word's beginning and at its end."""

KINDS = (*(f"first {size}" for size in FIRST), *(f"last {size}" for size in LAST), "shape", "word")
"""Kinds of traits, in the order of the columns of `Spelling.encode`."""

FORM = "understudy.spelling.v1"
"""Names the rule in a saved file; another rule gets another name."""

REMEMBERED = 1 << 16
"""Words whose numbers are kept at hand; a language's frequent words are fewer."""

_IS_SIGN = re.compile(f"[{SPACE}{SINGLE}'_]").match
_SURROGATE = re.compile("[\ud800-\udfff]").search


def traits(word: str) -> tuple[str, ...]:
    """The traits of a word, in the order of `KINDS`; empty where a word is too short to have one.

    >>> traits("E-mail")
    ('e', 'e-', 'e-m', 'l', 'il', 'ail', 'mail', 'X-x', 'E-mail')
    """
    small = lower(word)
    first = (small[:size] if len(small) >= size else "" for size in FIRST)
    last = (small[-size:] if len(small) >= size else "" for size in LAST)
    return (*first, *last, shape(word), word)


def shape(word: str) -> str:
    """Capitals as X, other letters as x, ASCII digits as 0, all else as it is; repeats once.

    >>> shape("McDonald's"), shape("U.S."), shape("1,250")
    ("XxXx'x", 'X.X.', '0,0')
    """
    return "".join(kind for kind, _ in groupby(map(_kind, word)))


def _kind(character: str) -> str:
    if "0" <= character <= "9":
        return "0"
    if _IS_SIGN(character) or character == "\u2019":
        return character
    return "x" if lower(character) == character else "X"


class Spelling:
    """Traits with numbers, from 1 on in the order given; 0 is a trait that is not among them.

    Args:
        known: Distinct pairs of a kind's place in `KINDS` and a trait.

    Raises:
        ArtifactError: A pair stands there twice, or names no kind.
    """

    def __init__(self, known: Sequence[tuple[int, str]]) -> None:
        self.known = tuple(known)
        self._numbers = {pair: number for number, pair in enumerate(self.known, start=1)}
        has_kinds = all(0 <= kind < len(KINDS) for kind, _ in self.known)
        if len(self._numbers) != len(self.known) or not has_kinds:
            raise ArtifactError("A spelling names no trait twice, and only traits of known kinds.")
        self._of_word = lru_cache(REMEMBERED)(self._look_up)

    def __len__(self) -> int:
        """Rows of a table of traits: one for each, and the first for those that are not known."""
        return len(self.known) + 1

    def encode(self, words: Sequence[str]) -> IntArray:
        """Numbers of the traits of each word: ``(n, kinds)``."""
        numbers = np.array(list(map(self._of_word, words)), dtype=np.int64)
        return numbers.reshape(len(words), len(KINDS))

    def _look_up(self, word: str) -> tuple[int, ...]:
        return tuple(self._numbers.get(pair, 0) for pair in enumerate(traits(word)))

    def save(self, path: Path) -> None:
        """Write the traits as JSON."""
        document = {"form": FORM, "kinds": KINDS, "known": self.known}
        path.write_text(json.dumps(document), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Spelling:
        """Read what `save` wrote.

        Raises:
            ArtifactError: The file is damaged, or follows another rule than this module's.
        """
        try:
            document = parse_json(path.read_bytes())
            rule = document["form"], document["kinds"]
            known = [(int(kind), str(trait)) for kind, trait in document["known"]]
        except (OSError, ValueError, TypeError, LookupError) as error:
            raise ArtifactError(
                f"{path} does not hold the spelling of words, or is damaged: {error}. Restore it."
            ) from error
        if rule != (FORM, list(KINDS)):
            raise ArtifactError(f"{path} follows another rule of spelling than {FORM}. Upgrade understudy.")
        return cls(known)


def build_spelling(words: Iterable[str], size: int) -> Spelling:
    """The most frequent traits of words, ``size`` rows together with that of unknown traits.

    Traits of a single word say nothing about others, so they are left out. Equal counts are ordered by kind
    and trait, so the same words in any order give the same numbers.
    """
    counts: Counter[tuple[int, str]] = Counter()
    for word, times in Counter(words).items():
        if not _SURROGATE(word):
            counts.update({pair: times for pair in enumerate(traits(word)) if pair[1]})
    frequent = [pair for pair, times in counts.items() if times > 1]
    return Spelling(sorted(frequent, key=lambda pair: (-counts[pair], pair))[: size - 1])
