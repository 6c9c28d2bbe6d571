"""Masking, swaps within a part of speech, and n-grams: the rules of Tang et al. 2019, section 3.2."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from understudy.augment.configs import RulesConfig
from understudy.augment.rules.parts_of_speech import NO_TAG, PartsOfSpeech
from understudy.augment.rules.passes import Change, Rule
from understudy.augment.rules.word_arrays import BoolArray, WordArrays, read_sentences
from understudy.core.task import IntArray
from understudy.errors import RecipeError


@dataclass(frozen=True)
class SwapTable:
    """The words of each part of speech with their frequency in the texts.

    Attributes:
        words: ``(e,)`` a word for each pair of word and tag that occurs, ordered by tag.
        cumulative: ``(e,)`` occurrences up to and including each entry.
        ends: ``(tags + 1,)`` occurrences before each tag's first entry, and all.
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


def tang_rule(config: RulesConfig, texts: Sequence[str] = (), parts: PartsOfSpeech | None = None) -> Rule:
    """One pass: each word may be masked or swapped, by one draw for both; then the text may become an n-gram.

    With ``X ~ U[0, 1]`` for each word: ``X < p_mask`` masks it, ``p_mask ≤ X < p_mask + p_swap`` swaps it.

    Args:
        config: the chances.
        texts: where the frequencies of words are counted; read only where ``p_swap > 0``.
        parts: the words' parts of speech; needed only where ``p_swap > 0``.

    Raises:
        RecipeError: words are to be swapped, but no parts of speech are given.
    """
    if config.p_swap and parts is None:
        raise RecipeError(f"p_swap is {config.p_swap}, but words are swapped by part of speech: give some.")
    table = count_words(texts, parts) if config.p_swap and parts is not None else None

    def rule(sentences: WordArrays) -> Change:
        mask = len(sentences.words)
        more = (config.mask, *(table.words if table else ()))
        wide = sentences.with_words(more)
        tags = parts.tags(sentences) if table and parts else np.full(len(sentences.flat), NO_TAG)
        can_swap = table.has(tags) if table else np.zeros(len(tags), dtype=np.bool_)
        owners = sentences.owners

        def change(generator: np.random.Generator, number: int) -> tuple[WordArrays, BoolArray]:  # noqa: ARG001
            chance = generator.random(len(wide.flat))
            flat = np.where(chance < config.p_mask, mask, wide.flat)
            if table:
                hit = (chance >= config.p_mask) & (chance < config.p_mask + config.p_swap) & can_swap
                flat[hit] = mask + 1 + table.draw(tags[hit], generator)
            words = np.array(wide.flat != flat)
            if table:  # a word may have been drawn again
                words[words] = _differ(wide.words, wide.flat[words], flat[words])
            changed = np.bincount(owners[words], minlength=len(wide)) > 0
            varied = replace(wide, flat=flat)
            if not config.p_ngram:
                return varied, changed
            cut, is_cut = cut_to_ngrams(varied, generator, config.p_ngram, config.longest)
            return cut, changed | is_cut

        return change

    return rule


def cut_to_ngrams(
    sentences: WordArrays, generator: np.random.Generator, p: float, longest: int
) -> tuple[WordArrays, BoolArray]:
    """Cut each text with chance ``p`` to ``n`` words from a random place on, n uniform in 1 to ``longest``.

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
