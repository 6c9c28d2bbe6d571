"""Random sentences through taggers of the C extension and through numpy: the same rows, one answer.

    python tools/fuzz_tagger.py [--count 100000] [--seed 0] [--level 2]

Strings are those of `fuzz_fast.py`, cut into words at spaces, so that words hold signs, surrogates and
whatever else. Taggers have random weights, with traits and without; some read few words at once, some weigh
tags in their order. Numpy looks words up in Python and adds up rows in float32. A sentence that C leaves must
have a word with a zero byte, or of more parts than are read. `tests/tools/test_fuzz_tagger.py` runs some
hundreds of them.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Sequence

import numpy as np
from fuzz_bags import TOLERANCE, rule_for, run, tell
from fuzz_fast import LABELS, strings

from understudy._fast import Tagger
from understudy.core.task import FloatArray, Task
from understudy.data.load import load_dataset
from understudy.runtime.fast_format import TABLES
from understudy.runtime.fast_tagger import chain_of
from understudy.runtime.window_format import (
    FoldedWindow,
    SpellingWeights,
    WindowWeights,
    fold_window,
    pack_window,
)
from understudy.tokenization.spelling import KINDS, Spelling, build_spelling
from understudy.tokenization.words import build_vocabulary

WIDTH, HIDDEN, SEEN, TRAIT, TRAITS = 7, 37, 5, 3, 4000

Sentence = tuple[str, ...]


def draw(words: int, spelling: Spelling | None, generator: np.random.Generator) -> WindowWeights:
    """Random weights, so large that all tags are given."""

    def normal(*shape: int) -> FloatArray:
        return generator.normal(size=shape).astype(np.float32)

    layer = None
    if spelling is not None:
        layer = SpellingWeights(
            normal(len(spelling), TRAIT), normal(WIDTH, len(KINDS) * TRAIT), normal(WIDTH)
        )
    convolution = normal(HIDDEN, WIDTH, SEEN) / WIDTH, normal(HIDDEN)
    head = normal(len(LABELS), HIDDEN) / HIDDEN, normal(len(LABELS))
    return WindowWeights(normal(words, WIDTH), *convolution, *head, layer)


class Differ:
    """Compares both forms of one tagger.

    Args:
        what: Names of the tagger and its precision.
        folded: The tagger in numpy.
        file: The same as a `model.fast`.
        task: Its tags, in order where it has transitions.
        level: Kind of processor that may be used at most: 0 any, 1 AVX2, 2 AVX-512.
    """

    def __init__(self, what: str, folded: FoldedWindow, file: bytes, task: Task, *, level: int) -> None:
        self.what, self.folded, self.task, self.largest = what, folded, task, 0.0
        self.core = Tagger(file, len(LABELS), level)
        self.chain = None if task.steps is None else chain_of(task.steps)

    def compare(self, texts: list[str]) -> None:
        """Stop at the first sentence with other logits, or that C leaves without need."""
        sentences = [tuple(text.split(" ")) for text in texts]
        kept = [sentence for sentence in sentences if not self._is_left(sentence)]
        found = np.empty((sum(map(len, kept)), len(LABELS)), dtype=np.float32)
        if left := self.core.fill(kept, found, self.chain):
            sys.exit(f"{self.what}: {kept[left[0]]!r} is left to the reference path.")

        expected = self.folded.logits(kept, self.task)
        difference = (np.abs(found - expected) / np.maximum(1, np.abs(expected))).max(axis=1, initial=0)
        worst = int(difference.argmax())
        self.largest = max(self.largest, float(difference[worst]))
        if not self.largest <= TOLERANCE:
            sentence = kept[int(np.searchsorted(np.cumsum(list(map(len, kept))), worst, side="right"))]
            sys.exit(f"{self.what}: {sentence!r}\n  numpy     {expected[worst]}\n  extension {found[worst]}")

    def _is_left(self, sentence: Sentence) -> bool:
        """Whether C must leave a sentence; it must say so by itself, too."""
        most = self.folded.entries.max_words
        is_left = any("\0" in word or 0 < most < len(self.folded.entries.rows_of(word)) for word in sentence)
        if is_left:
            found = np.empty((len(sentence), len(LABELS)), dtype=np.float32)
            if self.core.fill([sentence], found, self.chain) != [0]:
                sys.exit(f"{self.what}: {sentence!r} is not left to the reference path.")
        return is_left


def differs_of(texts: Sequence[str], seen: Sequence[str], level: int) -> list[Differ]:
    """Taggers of every precision, with traits and without, in order and not.

    Args:
        texts: Texts of the vocabulary.
        seen: Further texts whose words' traits are known.
        level: Kind of processor that may be used at most.
    """
    generator, differs = np.random.default_rng(1), []
    spelling = build_spelling((word for text in (*texts, *seen) for word in text.split(" ")), TRAITS)
    steps = generator.normal(size=(len(LABELS) + 1, len(LABELS))).tolist()
    plain = Task(LABELS, "tagging", "accuracy")
    forms = {
        "": (None, plain),
        ", spelled": (spelling, plain),
        ", in order": (spelling, Task(LABELS, "tagging", "accuracy", transitions=steps)),
    }
    for limit, table, (form, (traits, task)) in itertools.product((None, 7), TABLES, forms.items()):
        what = f"window.v1{'' if limit is None else ', cut'}{form}, {table}"
        vocabulary = build_vocabulary(texts, 2000).cut(limit)
        weights = draw(len(vocabulary), traits, generator)
        folded = fold_window(weights, vocabulary.words, traits, limit, table)
        file = pack_window(rule_for(what, vocabulary), folded)
        differs.append(Differ(what, folded, file, task, level=level))
    return differs


def fuzz(count: int, seed: int, level: int) -> list[Differ]:
    """Compare so many sentences; the taggers, with their largest differences."""
    texts = list(load_dataset("bundled:concierge").train.texts)
    words = sorted({word for text in texts for word in text.split()})
    # Words of such strings, too: those of the data set alone would hardly ever be found in noise.
    noise = itertools.islice(strings(words, np.random.default_rng(2)), 500)
    differs = differs_of(texts, [text.replace("\0", "") for text in noise], level)
    run(differs, words, count, seed)
    return differs


if __name__ == "__main__":
    tell(fuzz, __doc__)
