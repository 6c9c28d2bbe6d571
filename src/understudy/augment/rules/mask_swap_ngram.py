"""Masking, swaps within a part of speech, and n-grams: the rules of Tang et al. 2019, section 3.2.

``rules`` applies all three in one pass; ``masking``, ``pos-swap`` and ``ngram`` are special cases of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from understudy.augment.registry import RULES, PathOption, StepContext, register
from understudy.augment.rules.parts_of_speech import (
    NO_TAG,
    PartsOfSpeech,
    TaggedByCallable,
    learn_classes,
    read_tags,
)
from understudy.augment.rules.passes import Change, Rule
from understudy.augment.rules.word_arrays import BoolArray, WordArrays, read_sentences
from understudy.core.checks import STRICT, check_positive, check_shares
from understudy.core.task import IntArray
from understudy.errors import RecipeError

PAPER = "Tang et al. 2019, section 3.2"

MASK = "[MASK]"
"""Stands for a masked word unless a config says otherwise (RoBERTa's tokenisers know ``<mask>``)."""


@dataclass(frozen=True)
class RulesConfig:
    """All three rules in one pass.

    Attributes:
        p_mask: Chance that a word is masked.
        p_swap: Chance that a word is replaced by another of its part of speech.
        p_ngram: Chance that a text, after that, is cut down to one n-gram.
        longest: Largest n; it is drawn from 1 to ``longest``.
        passes: Variants made of each text, before duplicates are dropped.
        mask: What stands for a masked word.
        tags: File of words with their parts of speech (`augment.rules.parts_of_speech.read_tags`); ``None``
            learns classes of words from the texts themselves.
        classes: Number of these classes.
    """

    __pydantic_config__: ClassVar = STRICT

    p_mask: float = 0.1
    p_swap: float = 0.1
    p_ngram: float = 0.25
    longest: int = 5
    passes: int = 20
    mask: str = MASK
    tags: PathOption | None = None
    classes: int = 64

    def __post_init__(self) -> None:
        check_shares(p_mask=self.p_mask, p_swap=self.p_swap, p_ngram=self.p_ngram)
        check_shares(**{"p_mask + p_swap": self.p_mask + self.p_swap})
        check_positive(longest=self.longest, passes=self.passes, classes=self.classes)
        if not self.mask.strip():
            raise RecipeError("mask is blank, but must be what stands for a masked word, such as '[MASK]'.")


@dataclass(frozen=True)
class MaskingConfig:
    """Each word becomes ``mask`` with chance ``p``, ``passes`` times."""

    __pydantic_config__: ClassVar = STRICT

    p: float = 0.1
    passes: int = 20
    mask: str = MASK

    def __post_init__(self) -> None:
        self.rules  # noqa: B018 -- checks the values

    @property
    def rules(self) -> RulesConfig:
        """The same as a case of all rules."""
        return RulesConfig(p_mask=self.p, p_swap=0.0, p_ngram=0.0, passes=self.passes, mask=self.mask)


@dataclass(frozen=True)
class PosSwapConfig:
    """Each word is replaced with chance ``p`` by one of its part of speech, drawn by corpus frequency."""

    __pydantic_config__: ClassVar = STRICT

    p: float = 0.1
    passes: int = 20
    tags: PathOption | None = None
    classes: int = 64

    def __post_init__(self) -> None:
        self.rules  # noqa: B018 -- checks the values

    @property
    def rules(self) -> RulesConfig:
        """The same as a case of all rules."""
        return RulesConfig(
            p_mask=0.0, p_swap=self.p, p_ngram=0.0, passes=self.passes, tags=self.tags, classes=self.classes
        )


@dataclass(frozen=True)
class NgramConfig:
    """Each text is cut with chance ``p`` to an n-gram of 1 to ``longest`` words."""

    __pydantic_config__: ClassVar = STRICT

    p: float = 0.25
    longest: int = 5
    passes: int = 20

    def __post_init__(self) -> None:
        self.rules  # noqa: B018 -- checks the values

    @property
    def rules(self) -> RulesConfig:
        """The same as a case of all rules."""
        return RulesConfig(p_mask=0.0, p_swap=0.0, p_ngram=self.p, longest=self.longest, passes=self.passes)


@register("rules", RULES, config=RulesConfig, source=PAPER)
def rules(config: RulesConfig, texts: Sequence[str], tools: StepContext) -> Rule:
    """All three rules in one pass."""
    return tang_rule(config, texts, _parts_of_speech(config, texts, tools) if config.p_swap else None)


@register("masking", RULES, config=MaskingConfig, source=PAPER)
def masking(config: MaskingConfig, texts: Sequence[str], tools: StepContext) -> Rule:
    """Masked words."""
    return rules(config.rules, texts, tools)


@register("pos-swap", RULES, config=PosSwapConfig, source=PAPER)
def pos_swap(config: PosSwapConfig, texts: Sequence[str], tools: StepContext) -> Rule:
    """Words of the same part of speech."""
    return rules(config.rules, texts, tools)


@register("ngram", RULES, config=NgramConfig, source=PAPER)
def ngram(config: NgramConfig, texts: Sequence[str], tools: StepContext) -> Rule:
    """N-grams."""
    return rules(config.rules, texts, tools)


def _parts_of_speech(config: RulesConfig, texts: Sequence[str], tools: StepContext) -> PartsOfSpeech:
    if tools.tagger is not None:
        return TaggedByCallable(tools.tagger)
    if config.tags:
        return read_tags(config.tags)
    return learn_classes(texts, config.classes, tools.seed % 2**31)  # the libraries take 32-bit seeds


def tang_rule(config: RulesConfig, texts: Sequence[str] = (), parts: PartsOfSpeech | None = None) -> Rule:
    """One pass: each word may be masked or swapped, by one draw for both; then the text may become an n-gram.

    With ``X ~ U[0, 1]`` for each word: ``X < p_mask`` masks it, ``p_mask ≤ X < p_mask + p_swap`` swaps it.

    Args:
        config: The chances.
        texts: Texts in which the frequencies of words are counted; read only where ``p_swap > 0``.
        parts: The words' parts of speech; needed only where ``p_swap > 0``.

    Raises:
        RecipeError: Words are to be swapped, but no parts of speech are given.
    """
    if config.p_swap and parts is None:
        raise RecipeError(f"p_swap is {config.p_swap}, but words are swapped by part of speech: give some.")
    table = count_words(texts, parts) if config.p_swap and parts is not None else None

    def rule(sentences: WordArrays) -> Change:
        mask = len(sentences.words)  # number of the mask; the table's words have the numbers after it
        wide = sentences.with_words((config.mask, *(table.words if table else ())))
        tags = parts.tags(sentences) if table and parts else np.full(len(sentences.flat), NO_TAG)
        can_swap = table.has(tags) if table else np.zeros(len(tags), dtype=np.bool_)
        owners = sentences.owners

        def change(generator: np.random.Generator, number: int) -> tuple[WordArrays, BoolArray]:  # noqa: ARG001
            chance = generator.random(len(wide.flat))
            flat = np.where(chance < config.p_mask, mask, wide.flat)
            if table:
                hit = (chance >= config.p_mask) & (chance < config.p_mask + config.p_swap) & can_swap
                flat[hit] = mask + 1 + table.draw(tags[hit], generator)

            is_other = np.array(wide.flat != flat)
            if table:  # the word itself may have been drawn, under the table's number
                is_other[is_other] = _differ(wide.words, wide.flat[is_other], flat[is_other])
            changed = np.bincount(owners[is_other], minlength=len(wide)) > 0

            varied = replace(wide, flat=flat)
            if not config.p_ngram:
                return varied, changed
            cut, is_cut = cut_to_ngrams(varied, generator, config.p_ngram, config.longest)
            return cut, changed | is_cut

        return change

    return rule


@dataclass(frozen=True)
class SwapTable:
    """The words of each part of speech with their frequency in the texts.

    Attributes:
        words: ``(e,)`` A word for each pair of word and tag that occurs, ordered by tag.
        cumulative: ``(e,)`` Occurrences up to and including each entry.
        ends: ``(tags + 1,)`` Occurrences before each tag's first entry; the last number counts all.
    """

    words: tuple[str, ...]
    cumulative: IntArray
    ends: IntArray

    def draw(self, tags: IntArray, generator: np.random.Generator) -> IntArray:
        """An entry of the same tag for each of ``tags`` ``(m,)``, by frequency; each tag must have one."""
        low, high = self.ends[tags], self.ends[tags + 1]
        ticket = low + np.floor(generator.random(len(tags)) * (high - low)).astype(np.int64)
        return np.searchsorted(self.cumulative, ticket, side="right")

    def has(self, tags: IntArray) -> BoolArray:
        """Which tags ``(w,)`` have a word here; `NO_TAG` has none."""
        inside = (tags >= 0) & (tags < len(self.ends) - 1)
        safe = np.where(inside, tags, 0)
        return np.asarray(inside & (self.ends[safe + 1] > self.ends[safe]))


def count_words(texts: Sequence[str], parts: PartsOfSpeech) -> SwapTable:
    """Count the words of each part of speech in texts."""
    sentences = read_sentences(texts)
    tags = parts.tags(sentences)

    known = tags != NO_TAG
    pairs, counts = np.unique(np.stack([tags[known], sentences.flat[known]]), axis=1, return_counts=True)
    totals = np.bincount(pairs[0], weights=counts).astype(np.int64)

    return SwapTable(
        tuple(sentences.words[word] for word in pairs[1].tolist()),
        np.cumsum(counts),
        np.concatenate([[0], np.cumsum(totals)]) if len(totals) else np.zeros(2, dtype=np.int64),
    )


def cut_to_ngrams(
    sentences: WordArrays, generator: np.random.Generator, p: float, longest: int
) -> tuple[WordArrays, BoolArray]:
    """Cut each text with chance ``p`` to ``n`` words at a random place, n uniform in 1 to ``longest``.

    Returns:
        The texts, and which of them became shorter ``(n,)``.
    """
    lengths = sentences.lengths
    chosen = generator.random(len(lengths)) < p
    sizes = np.minimum(generator.integers(1, longest, len(lengths), endpoint=True), lengths)
    starts = np.floor(generator.random(len(lengths)) * (lengths - sizes + 1)).astype(np.int64)

    first = np.where(chosen, sentences.starts + starts, sentences.starts)
    last = np.where(chosen, first + sizes, sentences.starts + lengths)

    place, owners = np.arange(len(sentences.flat)), sentences.owners
    kept = (place >= first[owners]) & (place < last[owners])
    return sentences.keep(kept), chosen & (sizes < lengths)


def _differ(words: Sequence[str], one: IntArray, other: IntArray) -> BoolArray:
    return np.fromiter(
        (words[a] != words[b] for a, b in zip(one.tolist(), other.tolist(), strict=True)),
        dtype=np.bool_,
        count=len(one),
    )
