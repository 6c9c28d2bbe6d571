"""Easy data augmentation (Wei & Zou 2019, section 2): synonyms, insertion, swap and deletion.

Stop words are here the most frequent words of the texts, so that any language will do, and words without
letters. The paper replaces every occurrence of a chosen word; here a chosen occurrence.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from understudy.augment.configs import EdaConfig
from understudy.augment.rules.passes import Change, Rule
from understudy.augment.rules.synonyms import Neighbours, Synonyms, read_synonyms, read_vectors
from understudy.augment.rules.word_arrays import BoolArray, WordArrays, read_sentences
from understudy.core.task import IntArray
from understudy.errors import RecipeError

NEEDS_SYNONYMS = ("synonyms", "insertion")


@dataclass(frozen=True)
class Choices:
    """The synonyms of each word, as numbers of words.

    Attributes:
        counts: ``(v,)`` how many each word has; 0 for stop words.
        starts: ``(v,)`` place of its first in ``flat``.
        flat: numbers of synonyms.
    """

    counts: IntArray
    starts: IntArray
    flat: IntArray

    def draw(self, words: IntArray, generator: np.random.Generator) -> IntArray:
        """A synonym for each of ``words`` ``(m,)``, all of which have one."""
        offset = np.floor(generator.random(len(words)) * self.counts[words]).astype(np.int64)
        return np.asarray(self.flat[self.starts[words] + offset])


def synonyms_of(config: EdaConfig) -> Synonyms | None:
    """The source of synonyms that a config names, if any."""
    if config.synonyms:
        return read_synonyms(config.synonyms)
    if config.vectors:
        return Neighbours(*read_vectors(config.vectors, config.most_vectors), config.neighbours)
    return None


def eda_rule(config: EdaConfig, texts: Sequence[str], synonyms: Synonyms | None = None) -> Rule:
    """Operations in turn, one a pass, each on ``max(1, share · words)`` words of every text.

    Args:
        config: which operations, on how many words.
        texts: whose most frequent words are stop words.
        synonyms: where synonyms come from; ``None`` takes what the config names.

    Raises:
        RecipeError: an operation needs synonyms, and there is no source of any.
    """
    source = synonyms or synonyms_of(config)
    needed = [operation for operation in config.operations if operation in NEEDS_SYNONYMS]
    if needed and source is None:
        raise RecipeError(
            f"The operations {needed} of eda need synonyms. Name a file with synonyms or with word vectors "
            "(vectors: glove.6B.300d.txt), or leave the two out (operations: [swap, deletion])."
        )
    stop_words = frequent_words(texts, config.stop_words) if needed else frozenset()

    def rule(sentences: WordArrays) -> Change:
        wide, choices = _with_synonyms(sentences, source if needed else None, stop_words)
        sizes = np.maximum(1, np.rint(config.share * wide.lengths)).astype(np.int64)

        def change(generator: np.random.Generator, number: int) -> tuple[WordArrays, BoolArray]:
            operation = config.operations[number % len(config.operations)]
            if operation == "synonyms":
                return replace_words(wide, choices, sizes, generator)
            if operation == "insertion":
                return insert_words(wide, choices, sizes, generator)
            if operation == "swap":
                return swap_words(wide, sizes, generator)
            return delete_words(wide, config.share, generator)

        return change

    return rule


def frequent_words(texts: Sequence[str], most: int) -> frozenset[str]:
    """The ``most`` most frequent words of texts, in lower case."""
    sentences = read_sentences(texts)
    counts: Counter[str] = Counter()
    occurrences = np.bincount(sentences.flat, minlength=len(sentences.words))
    for word, count in zip(sentences.words, occurrences.tolist(), strict=True):
        counts[word.lower()] += count
    return frozenset(sorted(counts, key=lambda word: (-counts[word], word))[:most])


def _with_synonyms(
    sentences: WordArrays, source: Synonyms | None, stop_words: frozenset[str]
) -> tuple[WordArrays, Choices]:
    words = sentences.words
    open_ = [word for word in words if any(map(str.isalpha, word)) and word.lower() not in stop_words]
    found = dict(zip(open_, source(open_), strict=True)) if source else {}
    numbers = {word: number for number, word in enumerate(words)}
    rows = [[s for s in found.get(word, ()) if s != word] for word in words]
    flat = np.array([numbers.setdefault(s, len(numbers)) for row in rows for s in row], dtype=np.int64)
    counts = np.array([len(row) for row in rows], dtype=np.int64)
    wide = sentences.with_words(list(numbers)[len(words) :])
    return wide, Choices(counts, np.cumsum(counts) - counts, flat)


def replace_words(
    sentences: WordArrays, choices: Choices, sizes: IntArray, generator: np.random.Generator
) -> tuple[WordArrays, BoolArray]:
    """Replace ``sizes`` ``(n,)`` words of each text, or all that have synonyms, by a synonym of each."""
    places = _some(choices.counts[sentences.flat] > 0, sentences, sizes, generator)
    flat = sentences.flat.copy()
    flat[places] = choices.draw(flat[places], generator)
    return replace(sentences, flat=flat), _touched(sentences, places)


def insert_words(
    sentences: WordArrays, choices: Choices, sizes: IntArray, generator: np.random.Generator
) -> tuple[WordArrays, BoolArray]:
    """Insert a synonym of each of ``sizes`` words of a text at a random place of it."""
    places = _some(choices.counts[sentences.flat] > 0, sentences, sizes, generator)
    owners = sentences.owners[places]
    new = choices.draw(sentences.flat[places], generator)
    room = sentences.lengths[owners] + 1
    at = sentences.starts[owners] + np.floor(generator.random(len(owners)) * room).astype(np.int64)
    varied = replace(
        sentences,
        flat=np.insert(sentences.flat, at, new),
        glued=np.insert(sentences.glued, at, False),
        lengths=sentences.lengths + np.bincount(owners, minlength=len(sentences)),
    )
    return varied, _touched(sentences, places)


def swap_words(
    sentences: WordArrays, sizes: IntArray, generator: np.random.Generator
) -> tuple[WordArrays, BoolArray]:
    """Let two random words of each text change places, ``sizes`` ``(n,)`` times."""
    flat, glued = sentences.flat.copy(), sentences.glued.copy()
    lengths, starts = sentences.lengths, sentences.starts
    for turn in range(int(sizes.max(initial=0))):
        rows = np.flatnonzero((sizes > turn) & (lengths > 1))
        one = np.floor(generator.random(len(rows)) * lengths[rows]).astype(np.int64)
        step = 1 + np.floor(generator.random(len(rows)) * (lengths[rows] - 1)).astype(np.int64)
        other = starts[rows] + (one + step) % lengths[rows]
        one += starts[rows]
        for values in (flat, glued):
            values[one], values[other] = values[other], values[one]
    return replace(sentences, flat=flat, glued=glued), _touched(
        sentences, np.flatnonzero(flat != sentences.flat)
    )


def delete_words(
    sentences: WordArrays, p: float, generator: np.random.Generator
) -> tuple[WordArrays, BoolArray]:
    """Delete each word with chance ``p``; a text that would lose all keeps one at random."""
    kept = generator.random(len(sentences.flat)) >= p
    left = np.bincount(sentences.owners[kept], minlength=len(sentences))
    empty = np.flatnonzero((left == 0) & (sentences.lengths > 0))
    lucky = np.floor(generator.random(len(empty)) * sentences.lengths[empty]).astype(np.int64)
    kept[sentences.starts[empty] + lucky] = True
    varied = sentences.keep(kept)
    return varied, varied.lengths < sentences.lengths


def _some(
    eligible: BoolArray, sentences: WordArrays, sizes: IntArray, generator: np.random.Generator
) -> IntArray:
    """Places of ``sizes`` ``(n,)`` eligible words of each text, at random; of all where there are fewer."""
    places = np.flatnonzero(eligible)
    owners = sentences.owners[places]
    order = np.lexsort((generator.random(len(places)), owners))
    ordered = owners[order]
    rank = np.arange(len(ordered)) - np.searchsorted(ordered, ordered, side="left")
    return np.asarray(np.sort(places[order[rank < sizes[ordered]]]))


def _touched(sentences: WordArrays, places: npt.NDArray[np.int64]) -> BoolArray:
    return np.bincount(sentences.owners[places], minlength=len(sentences)) > 0
