"""Exact n-grams of words beside the words themselves: ids that follow those of a vocabulary.

A text's ids are those of its words, in order, then those of its pairs of neighbouring words that the table
knows, then of its triples, and so on. A longer n-gram is known only if the one without its last word is.
Parts of the words (`characters.py`) come last, in vocabularies that have such.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from understudy.core.task import IntArray
from understudy.errors import ArtifactError
from understudy.tokenization.characters import CHARACTERS, PartTable
from understudy.tokenization.wordpiece import BaseVocabulary, load_base
from understudy.tokenization.words import SPECIALS, WordVocabulary

NGRAMS = "ngrams.npy"
"""File of the table, beside ``tokenizer.json``."""

FIRST_WORD = len(SPECIALS)
"""Ids below this one are padding, unknown and masked words: no n-gram holds one."""

FEWEST = 2
"""An n-gram that stands in the texts less often is not kept: it would be learnt by heart."""

AT_ONCE = 50_000
"""Texts whose n-grams are counted at once."""

Pairs = npt.NDArray[np.int32]


@dataclass(frozen=True)
class NgramTable:
    """N-grams, each as a shorter one and the word behind it.

    Attributes:
        first: Id of the first n-gram: the number of words.
        pairs: ``(g, 2)`` int32: the id of a word or of an earlier n-gram, and the id of a word.

    Raises:
        ArtifactError: An n-gram continues one that is not before it, or stands there twice.
    """

    first: int
    pairs: Pairs

    def __post_init__(self) -> None:
        pairs = self.pairs
        if pairs.ndim != 2 or pairs.shape[1] != 2 or pairs.dtype != np.int32:
            raise ArtifactError(
                f"A table of n-grams has two columns of int32, not {pairs.dtype} {pairs.shape}."
            )
        numbers = self.first + np.arange(len(pairs))
        is_right = (pairs >= 0).all(axis=1) & (pairs[:, 0] < numbers) & (pairs[:, 1] < self.first)
        if not is_right.all() or len(np.unique(self._keys(pairs[:, 0], pairs[:, 1]))) < len(pairs):
            raise ArtifactError(
                "An n-gram continues one that is not before it in the table, or stands there twice."
            )

    def __len__(self) -> int:
        return len(self.pairs)

    @cached_property
    def longest(self) -> int:
        """Words in the longest n-gram; 1 for an empty table."""
        return int(self.orders.max(initial=1))

    @cached_property
    def orders(self) -> IntArray:
        """Words in each n-gram ``(g,)``."""
        orders = np.full(len(self), 2, dtype=np.int64)
        for row in np.flatnonzero(self.pairs[:, 0] >= self.first):
            orders[row] = orders[self.pairs[row, 0] - self.first] + 1
        return orders

    def add(self, ids: IntArray, lengths: IntArray) -> tuple[IntArray, IntArray]:
        """Ids ``(sum of lengths,)`` and lengths ``(n,)`` of texts, the ids of their n-grams behind the words.

        The n-grams of a text are ordered by length, then by where they begin.
        """
        if not len(self):
            return ids, lengths
        text_of = np.repeat(np.arange(len(lengths)), lengths)
        found, owners = [ids], [text_of]
        for _, places, grams in self._climb(ids, text_of):
            found.append(grams)
            owners.append(text_of[places])

        every, owner = np.concatenate(found), np.concatenate(owners)
        return every[np.argsort(owner, kind="stable")], np.bincount(owner, minlength=len(lengths))

    def _climb(self, ids: IntArray, text_of: IntArray) -> Iterator[tuple[int, IntArray, IntArray]]:
        """For 2, 3, … words: where known n-grams begin, and their ids."""
        places, grams = np.arange(len(ids)), ids
        for order in range(2, self.longest + 1):
            is_inside = places + order <= len(ids)
            is_inside[is_inside] = text_of[places[is_inside]] == text_of[places[is_inside] + order - 1]
            places, grams = places[is_inside], grams[is_inside]
            numbers = self._find(grams, ids[places + order - 1])
            places, grams = places[numbers >= 0], numbers[numbers >= 0] + self.first
            yield order, places, grams

    def _find(self, prefixes: IntArray, words: IntArray) -> IntArray:
        """Row of each n-gram, or -1."""
        wanted = self._keys(prefixes, words)
        keys, rows = self._sorted
        at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        return np.where(keys[at] == wanted, rows[at], -1)

    def _keys(self, prefixes: npt.NDArray[np.integer], words: npt.NDArray[np.integer]) -> IntArray:
        return prefixes.astype(np.int64) * self.first + words

    @cached_property
    def _sorted(self) -> tuple[IntArray, IntArray]:
        keys = self._keys(self.pairs[:, 0], self.pairs[:, 1])
        rows = np.argsort(keys)
        return keys[rows], rows


class NgramVocabulary:
    """A vocabulary of words or pieces, the n-grams of them that a table knows, and maybe parts of its words.

    Args:
        base: Text → ids of words or pieces.
        pairs: `NgramTable.pairs`.
        parts: Parts of words, their ids behind those of the n-grams; ``None`` for a vocabulary without.

    Raises:
        ArtifactError: The tables do not belong together, or there are parts of words, but the base has
            pieces.
    """

    def __init__(self, base: BaseVocabulary, pairs: Pairs, parts: PartTable | None = None) -> None:
        self.base = base
        self.table = NgramTable(len(base), pairs)
        self.parts = parts
        if parts is not None and not isinstance(base, WordVocabulary):
            raise ArtifactError(f"Parts are those of words, but this vocabulary has {base.kind}.")
        if parts is not None and parts.first != len(base) + len(self.table):
            raise ArtifactError(
                f"The ids of parts begin with {parts.first}, but must with {len(base) + len(self.table)}."
            )

    @property
    def kind(self) -> str:
        """What the n-grams are made of: ``words`` or ``pieces``."""
        return self.base.kind

    @property
    def max_words(self) -> int | None:
        """Words that are read of a text; ``None`` reads all."""
        return self.base.max_words

    def __len__(self) -> int:
        return len(self.base) + len(self.table) + len(self.parts or ())

    def encode(self, text: str) -> list[int]:
        """Ids of one text's words, then of its n-grams, then of the parts of its words."""
        ids: list[int] = self.encode_batch([text])[0].tolist()
        return ids

    def encode_batch(self, texts: Sequence[str]) -> tuple[IntArray, IntArray]:
        """Ids of all texts end to end ``(sum of lengths,)``, and the lengths ``(n,)``; each length ≥ 1."""
        ids, lengths = self.table.add(*self.base.encode_batch(texts))
        if self.parts is None or not isinstance(self.base, WordVocabulary):
            return ids, lengths
        return self.parts.add(ids, lengths, map(self.base.words_of, texts))

    def encode_words(self, words: Sequence[str]) -> tuple[IntArray, IntArray]:
        """Ids of given words alone: n-grams reach beyond a word, and a word has one id in a sentence."""
        return self.base.encode_words(words)

    def encode_pairs(self, first: Sequence[str], second: Sequence[str]) -> tuple[IntArray, IntArray]:
        """Ids of pairs of texts with a separator between, their n-grams, and the parts of their words."""
        ids, lengths = self.table.add(*self.base.encode_pairs(first, second))
        if self.parts is None or not isinstance(self.base, WordVocabulary):
            return ids, lengths
        return self.parts.add(ids, lengths, self.base.words_of_pairs(first, second))

    def masked(self) -> NgramVocabulary:
        """The same vocabulary for training texts, in which words may be masked."""
        return NgramVocabulary(self.base.masked(), self.table.pairs, self.parts)

    def cut(self, max_words: int | None) -> NgramVocabulary:
        """The same vocabulary with another limit."""
        return NgramVocabulary(self.base.cut(max_words), self.table.pairs, self.parts)

    def with_parts(self, parts: PartTable) -> NgramVocabulary:
        """The same vocabulary with parts of its words."""
        return NgramVocabulary(self.base, self.table.pairs, parts)

    def save(self, path: Path) -> None:
        """Write ``tokenizer.json`` and, beside it, the tables."""
        self.base.save(path)
        np.save(path.with_name(NGRAMS), self.table.pairs, allow_pickle=False)
        if self.parts is not None:
            self.parts.save(path.with_name(CHARACTERS))


Vocabulary = BaseVocabulary | NgramVocabulary
"""Every kind of vocabulary; all have the same methods."""


def load_vocabulary(path: Path, names: Collection[str] | None = None) -> Vocabulary:
    """Read a ``tokenizer.json`` and, where they lie beside it, the tables of n-grams and of parts of words.

    Args:
        path: The ``tokenizer.json``.
        names: Names of the files that belong to it; ``None`` for all that lie there.

    Raises:
        ArtifactError: A file is damaged, or the files do not belong together.
        MissingExtraError: Only the ``tokenizers`` library can follow it, and it is not installed.
    """
    base, table, parts = load_base(path), path.with_name(NGRAMS), path.with_name(CHARACTERS)
    is_there = [each.is_file() if names is None else each.name in names for each in (table, parts)]
    if not any(is_there):
        return base
    if not is_there[0]:
        raise ArtifactError(f"{parts} has the parts of words behind n-grams, but {table.name} is missing.")
    try:
        with table.open("rb") as file:
            pairs = np.lib.format.read_array(file, allow_pickle=False)
    except (ValueError, OSError) as error:
        raise ArtifactError(f"{table} is not a table of n-grams, or is damaged: {error}.") from error
    made = NgramVocabulary(base, pairs)
    return made.with_parts(PartTable.load(parts, len(made))) if is_there[1] else made


def build_ngrams(base: BaseVocabulary, texts: Iterable[str], *, longest: int, most: int) -> NgramVocabulary:
    """The ``most`` most frequent n-grams of 2 to ``longest`` words that stand in the texts `FEWEST` times.

    Equal counts are ordered by the ids, so the same texts in any order give the same table. A prefix is at
    least as frequent as what continues it, so that no n-gram is kept without its own.

    Args:
        base: The words; masked ones end an n-gram where they are read as such (`masked`).
        texts: The texts; they are read once for each length.
        longest: Words in the longest n-grams; 1 makes an empty table.
        most: N-grams, at most.
    """
    kept = list(texts)
    table = NgramTable(len(base), np.zeros((0, 2), dtype=np.int32))
    counts = np.zeros(0, dtype=np.int64)
    for order in range(2, longest + 1):
        pairs, tally = _counted(base, kept, table, order)
        if not len(pairs):
            break
        table, counts = _joined((table, counts), (pairs, tally), order, most)
    return NgramVocabulary(base.cut(base.max_words), table.pairs)


def _counted(
    base: BaseVocabulary, texts: Sequence[str], table: NgramTable, order: int
) -> tuple[Pairs, IntArray]:
    """All n-grams of ``order`` words that continue those of the table, and how often each stands there."""
    tallies: dict[int, int] = {}
    rest = iter(texts)
    while part := list(islice(rest, AT_ONCE)):
        ids, lengths = base.encode_batch(part)
        text_of = np.repeat(np.arange(len(lengths)), lengths)
        places, grams = np.arange(len(ids)), ids
        if order > 2:
            climbed = [(p, g) for n, p, g in table._climb(ids, text_of) if n == order - 1]  # noqa: SLF001
            if not climbed:
                continue
            places, grams = climbed[0]

        ends = places + order - 1
        is_inside = ends < len(ids)
        is_inside[is_inside] = text_of[places[is_inside]] == text_of[ends[is_inside]]
        prefixes, words = grams[is_inside], ids[ends[is_inside]]
        is_known = (words >= FIRST_WORD) & (prefixes >= FIRST_WORD)
        keys, counts = np.unique(prefixes[is_known] * table.first + words[is_known], return_counts=True)
        for key, count in zip(keys.tolist(), counts.tolist(), strict=True):
            tallies[key] = tallies.get(key, 0) + count

    kept = [(key, count) for key, count in tallies.items() if count >= FEWEST]
    keys = np.array([key for key, _ in kept], dtype=np.int64)
    pairs = np.stack([keys // table.first, keys % table.first], axis=1).astype(np.int32).reshape(-1, 2)
    return pairs, np.array([count for _, count in kept], dtype=np.int64)


def _joined(
    shorter: tuple[NgramTable, IntArray], longer: tuple[Pairs, IntArray], order: int, most: int
) -> tuple[NgramTable, IntArray]:
    """The most frequent n-grams of a table and of those of ``order`` words that continue it, with counts."""
    (table, counts), (pairs, tally) = shorter, longer
    every, found = np.concatenate([table.pairs, pairs]), np.concatenate([counts, tally])
    orders = np.concatenate([table.orders, np.full(len(pairs), order)])
    ranked = np.lexsort((every[:, 1], every[:, 0], orders, -found))[:most]

    # Ids follow the order of lengths, then of counts; prefixes are renamed with them.
    rows = ranked[np.argsort(orders[ranked], kind="stable")]
    renamed = np.full(table.first + len(every), -1, dtype=np.int64)
    renamed[: table.first] = np.arange(table.first)
    renamed[table.first + rows] = table.first + np.arange(len(rows))
    new = every[rows].copy()
    new[:, 0] = renamed[new[:, 0]]
    return NgramTable(table.first, new), found[rows]
