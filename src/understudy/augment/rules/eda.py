"""Easy data augmentation (Wei & Zou 2019, section 2): synonyms, insertion, swap and deletion.

Stop words are words without letters and the most frequent words of the texts, so that any language will do.
The paper replaces every occurrence of a chosen word; this step replaces one chosen occurrence.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from understudy.augment.registry import RULES, PathOption, StepContext, register
from understudy.augment.rules.passes import Change, Rule
from understudy.augment.rules.synonyms import Neighbours, Synonyms, read_synonyms
from understudy.augment.rules.word_arrays import BoolArray, WordArrays, read_sentences
from understudy.core.checks import STRICT, check_choice, check_positive, check_shares
from understudy.core.task import IntArray
from understudy.data.readers.vectors import read_first_vectors
from understudy.errors import RecipeError

OPERATIONS = ("synonyms", "insertion", "swap", "deletion")
"""What ``eda`` does; a pass does one of them."""

NEEDS_SYNONYMS = ("synonyms", "insertion")


@dataclass(frozen=True)
class EdaConfig:
    """Wei & Zou 2019, section 2.

    Attributes:
        share: α, share of a text's words that an operation changes; it changes at least one word.
        passes: Variants of each text; the operations take turns.
        operations: Names of the operations, in the order of their turns.
        synonyms: File with a word and its synonyms on each line, between tabs.
        vectors: File of word vectors in GloVe's format, whose nearest neighbours then stand for synonyms.
        neighbours: Nearest neighbours of a word that count as its synonyms.
        most_vectors: Lines of the file that are read (frequent words come first in such files).
        stop_words: Number of the most frequent words that are never replaced, nor inserted as synonyms.
    """

    __pydantic_config__: ClassVar = STRICT

    share: float = 0.1
    passes: int = 8
    operations: tuple[str, ...] = OPERATIONS
    synonyms: PathOption | None = None
    vectors: PathOption | None = None
    neighbours: int = 10
    most_vectors: int = 50_000
    stop_words: int = 50

    def __post_init__(self) -> None:
        check_shares(share=self.share)
        object.__setattr__(self, "operations", tuple(self.operations))

        for operation in self.operations:
            check_choice("operation of eda", operation, OPERATIONS)
        if not self.operations:
            raise RecipeError(f"operations is empty. Name some of {list(OPERATIONS)}.")

        if self.synonyms and self.vectors:
            raise RecipeError(
                "Both synonyms and vectors are given, but eda draws from one. Drop one of them."
            )

        check_positive(
            share=self.share, passes=self.passes, neighbours=self.neighbours, most_vectors=self.most_vectors
        )
        if self.stop_words < 0:
            raise RecipeError(f"stop_words is {self.stop_words}, but must be at least 0.")


@register("eda", RULES, config=EdaConfig, source="Wei & Zou 2019, section 2")
def eda(config: EdaConfig, texts: Sequence[str], tools: StepContext) -> Rule:
    """Synonyms, insertion, swap, deletion."""
    return eda_rule(config, texts, tools.synonyms)


@dataclass(frozen=True)
class Choices:
    """The synonyms of each word, as numbers of words.

    Attributes:
        counts: ``(v,)`` Number of synonyms of each word; 0 for stop words.
        starts: ``(v,)`` Place of its first synonym in ``flat``.
        flat: Numbers of all synonyms, word after word.
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
        return Neighbours(*read_first_vectors(config.vectors, config.most_vectors), config.neighbours)
    return None


def eda_rule(config: EdaConfig, texts: Sequence[str], synonyms: Synonyms | None = None) -> Rule:
    """Operations in turn, one a pass, each on ``max(1, share · words)`` words of every text.

    Args:
        config: Which operations, on how many words.
        texts: Texts whose most frequent words are stop words.
        synonyms: Where synonyms come from; ``None`` takes what the config names.

    Raises:
        RecipeError: An operation needs synonyms, and there is no source of synonyms.
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
    """The texts with their words' synonyms among the known words, and which words have which synonyms."""
    words = sentences.words
    content = [word for word in words if any(map(str.isalpha, word)) and word.lower() not in stop_words]
    synonyms = dict(zip(content, source(content), strict=True)) if source else {}

    numbers = {word: number for number, word in enumerate(words)}
    rows = [[other for other in synonyms.get(word, ()) if other != word] for word in words]
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

    gaps = sentences.lengths[owners] + 1  # places of a text where a word can be inserted
    before = sentences.starts[owners] + np.floor(generator.random(len(owners)) * gaps).astype(np.int64)
    varied = replace(
        sentences,
        flat=np.insert(sentences.flat, before, new),
        glued=np.insert(sentences.glued, before, False),
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
        # A distance of 1 to length - 1, so that the other word is never the same.
        step = 1 + np.floor(generator.random(len(rows)) * (lengths[rows] - 1)).astype(np.int64)
        other = starts[rows] + (one + step) % lengths[rows]
        one += starts[rows]
        for values in (flat, glued):
            values[one], values[other] = values[other], values[one]

    moved = np.flatnonzero(flat != sentences.flat)
    return replace(sentences, flat=flat, glued=glued), _touched(sentences, moved)


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
