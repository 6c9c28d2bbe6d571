"""Random strings through the weighted bags of the C extension and through numpy: one answer.

    python tools/fuzz_bags.py [--count 1000000] [--seed 0] [--level 2]

Strings and splitting rules are those of `fuzz_fast.py`. Each of the three students has random weights,
n-grams of up to four words that stand in the texts, and rows in one of three precisions. Ids must be those of
the reference path, and logits within 1e-4 of a sum in float64. The script shows the first difference and ends
with exit code 1. `tests/tools/test_fuzz_bags.py` runs some hundreds of strings.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from fuzz_fast import CHUNK, LABELS, strings, vocabularies

from understudy._fast import Student
from understudy.core.task import FloatArray, IntArray
from understudy.data.load import load_dataset
from understudy.runtime.bag_format import TINY, BagWeights, pack_bag, round_bag_rows
from understudy.runtime.fast_format import TABLES
from understudy.runtime.fast_rule import Rule, rule_of
from understudy.tokenization.ngrams import Vocabulary

TOLERANCE = 1e-4
LONGEST, MOST_GRAMS = 4, 3000
WIDTH, HIDDEN = 21, 19
FORMS = (("linear.v1", "float16"), ("cbow.v2", "float32"), ("dan.v2", "int8"))
"""Students, and the precision of their rows here."""


def frequent_grams(vocabulary: Vocabulary, texts: Sequence[str]) -> IntArray:
    """N-grams ``(g, 2)`` that stand in the texts, shorter ones first; none without its own beginning."""
    encoded = [vocabulary.encode(text) for text in texts]
    known: dict[tuple[int, int], int] = {}
    at = {(row, start): ids[start] for row, ids in enumerate(encoded) for start in range(len(ids))}
    for length in range(2, LONGEST + 1):
        longer = {
            (row, start): (prefix, encoded[row][start + length - 1])
            for (row, start), prefix in at.items()
            if start + length <= len(encoded[row])
        }
        for gram, _ in Counter(longer.values()).most_common(MOST_GRAMS // 3):
            known.setdefault(gram, len(vocabulary) + len(known))
        at = {place: known[gram] for place, gram in longer.items() if gram in known}
    return np.array(list(known), dtype=np.int64).reshape(-1, 2)


def draw(form: str, words: int, grams: IntArray, generator: np.random.Generator) -> BagWeights:
    """Random weights; the first three words and some others have none."""
    width, labels = 0 if form == "linear.v1" else WIDTH, len(LABELS)
    grams = grams[:0] if form == "cbow.v2" else grams
    weights = generator.uniform(1, 8, words + len(grams)) * (generator.random(words + len(grams)) < 0.95)
    weights[:3] = 0
    shapes = ((HIDDEN, width), (HIDDEN,), (labels, HIDDEN)) if width else ()

    def normal(*shape: int) -> FloatArray:
        return generator.normal(size=shape).astype(np.float32)

    rows = normal(len(weights), width + (0 if form == "cbow.v2" else labels)) * weights[:, None]
    return BagWeights(
        rows.astype(np.float32),
        (weights**2).astype(np.float32),
        normal(labels),
        grams.astype(np.int32),
        LONGEST if len(grams) else 1,
        *(normal(*shape) for shape in shapes),
    )


class PortableBag:
    """A weighted bag in numpy: many texts at once, in float64.

    Args:
        weights: As they are in the file, the rows rounded already.
    """

    def __init__(self, weights: BagWeights) -> None:
        self.weights, self.words = weights, len(weights.rows) - len(weights.grams)
        keys = self._keys(*weights.grams.astype(np.int64).T)
        self.order = np.argsort(keys)
        self.keys = keys[self.order]

    def logits(self, ids: IntArray, lengths: IntArray) -> FloatArray:
        """Logits ``(n, c)`` of texts whose ids lie end to end."""
        text = np.repeat(np.arange(len(lengths)), lengths)
        found, owners = [ids], [text]
        places, prefixes = np.arange(len(ids)), ids
        for length in range(2, self.weights.longest + 1):
            last = places + length - 1
            is_inside = last < len(ids)
            is_inside[is_inside] = text[last[is_inside]] == text[places[is_inside]]
            places, prefixes = places[is_inside], prefixes[is_inside]
            grams = self._find(prefixes, ids[places + length - 1])
            places, prefixes = places[grams >= 0], grams[grams >= 0]
            found.append(prefixes)
            owners.append(text[places])
        return self._layers(*self._pool(np.concatenate(found), np.concatenate(owners), len(lengths)))

    def _keys(self, prefixes: IntArray, words: IntArray) -> IntArray:
        return prefixes * self.words + words

    def _find(self, prefixes: IntArray, words: IntArray) -> IntArray:
        """Ids of n-grams, or -1."""
        keys = self._keys(prefixes, words)
        at = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where(self.keys[at] == keys, self.order[at] + self.words, -1)

    def _pool(self, found: IntArray, owners: IntArray, texts: int) -> tuple[FloatArray, FloatArray]:
        """Sums of rows ``(n, d + c)`` and of squares ``(n,)``; no text is without a word."""
        order = np.argsort(owners, kind="stable")
        starts = np.searchsorted(owners[order], np.arange(texts))
        features = found[order]
        rows = np.add.reduceat(self.weights.rows[features].astype(np.float64), starts)
        return rows, np.add.reduceat(self.weights.squares[features].astype(np.float64), starts)

    def _layers(self, rows: FloatArray, squares: FloatArray) -> FloatArray:
        w = self.weights
        pooled = rows / np.sqrt(np.maximum(squares, TINY))[:, None]
        logits: FloatArray = w.output_bias + np.zeros((len(rows), 1))
        if w.hidden is not None and w.output is not None:
            logits = logits + np.maximum(pooled[:, : w.width] @ w.hidden.T + w.hidden_bias, 0) @ w.output.T
        return logits + pooled[:, w.width :] if w.is_direct else logits


class Compares(Protocol):
    """What compares both forms of a student; `Differ` is one."""

    what: str
    largest: float

    def compare(self, texts: list[str]) -> None:
        """Stop at the first text with another answer."""
        ...


class Portable(Protocol):
    """A student in numpy."""

    def logits(self, ids: IntArray, lengths: IntArray) -> FloatArray:
        """Logits ``(n, c)`` of texts whose ids lie end to end."""
        ...


class Differ:
    """Compares both forms of one student.

    Args:
        what: Names of the student, its precision and its vocabulary.
        vocabulary: The reference path.
        file: The student as a `model.fast`.
        portable: The same in numpy.
        level: Kind of processor that may be used at most: 0 any, 1 AVX2, 2 AVX-512.
        tolerance: Most that logits may differ, as a share of those above 1.
    """

    def __init__(
        self,
        what: str,
        vocabulary: Vocabulary,
        file: bytes,
        portable: Portable,
        *,
        level: int,
        tolerance: float = TOLERANCE,
    ) -> None:
        self.what, self.vocabulary, self.portable, self.largest = what, vocabulary, portable, 0.0
        self.tolerance = tolerance
        self.core = Student(file, LABELS, vocabulary.encode, level)

    def compare(self, texts: list[str]) -> None:
        """Stop at the first text with other ids or other logits."""
        ids, lengths = self.vocabulary.encode_batch(texts)
        flat, counts = (np.frombuffer(part, dtype=np.int64) for part in self.core.encode_batch(texts))
        if not (np.array_equal(ids, flat) and np.array_equal(lengths, counts)):
            sys.exit(f"{self.what}: other ids, which `fuzz_fast.py` shows.")

        found = np.empty((len(texts), len(LABELS)), dtype=np.float32)
        self.core.fill(texts, found)
        expected = self.portable.logits(ids, lengths)
        difference = (np.abs(found - expected) / np.maximum(1, np.abs(expected))).max(axis=1)
        worst = int(difference.argmax())
        self.largest = max(self.largest, float(difference[worst]))
        if not self.largest <= self.tolerance:
            sys.exit(
                f"{self.what}: {texts[worst]!r}\n  numpy     {expected[worst]}\n  extension {found[worst]}"
            )


def rule_for(what: str, vocabulary: Vocabulary) -> Rule:
    """The rule of a vocabulary's words, which C must be able to follow."""
    rule = rule_of(vocabulary)
    if rule is None:
        raise ValueError(f"C cannot follow the rule of {what}.")
    return rule


def in_every_table(
    name: str,
    make: Callable[[Vocabulary, str, np.random.Generator], tuple[bytes, Portable, float]],
    count: int,
    seed: int,
    level: int,
) -> list[Differ]:
    """Compare so many strings by a student of each kind of vocabulary and in each precision.

    Args:
        name: Of the student.
        make: From a vocabulary whose rule C can follow, a precision and a generator to the student as a
            `model.fast`, the same in numpy, and the most that logits may differ.
        count: Number of strings.
        seed: Seed of the strings.
        level: Kind of processor that may be used at most, as for `Differ`.

    Returns:
        All of them, with their largest differences.
    """
    texts = list(load_dataset("bundled:concierge").train.texts)
    words = sorted({word for text in texts for word in text.split()})
    generator, differs = np.random.default_rng(1), []
    for kind, vocabulary in vocabularies(texts).items():
        for table in TABLES:
            file, portable, tolerance = make(vocabulary, table, generator)
            what = f"{name}, {kind}, {table}"
            differs.append(Differ(what, vocabulary, file, portable, level=level, tolerance=tolerance))
    run(differs, words, count, seed)
    return differs


def run(differs: Sequence[Compares], words: Sequence[str], count: int, seed: int) -> None:
    """Compare so many strings by every student."""
    drawn = strings(words, np.random.default_rng(seed))
    for start in range(0, count, CHUNK):
        some = list(itertools.islice(drawn, min(CHUNK, count - start)))
        for differ in differs:
            differ.compare(some)


def fuzz(count: int, seed: int, level: int) -> list[Differ]:
    """Compare so many strings; the students, with their largest differences."""
    texts = list(load_dataset("bundled:concierge").train.texts)
    words = sorted({word for text in texts for word in text.split()})
    generator = np.random.default_rng(1)

    # N-grams of the very strings, too: those of the data set alone would hardly ever be found in noise.
    seen = texts + list(itertools.islice(strings(words, np.random.default_rng(2)), 500))
    differs = []
    for kind, vocabulary in vocabularies(texts).items():
        grams = frequent_grams(vocabulary, seen)
        for form, table in FORMS:
            weights = draw(form, len(vocabulary), grams, generator)
            what = f"{form}, {kind}, {table}"
            rounded = {**vars(weights), "rows": round_bag_rows(weights.rows, weights.width, table)}
            file = pack_bag(rule_for(what, vocabulary), weights, table)
            differs.append(Differ(what, vocabulary, file, PortableBag(BagWeights(**rounded)), level=level))

    run(differs, words, count, seed)
    return differs


def main() -> None:
    """Fuzz, and say what was done."""
    tell(fuzz, __doc__)


def tell(fuzz: Callable[[int, int, int], Sequence[Compares]], about: str | None) -> None:
    """Read the options, fuzz, and print what was found."""
    parser = argparse.ArgumentParser(description=(about or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=1_000_000, help="number of strings")
    parser.add_argument("--seed", type=int, default=0, help="seed of the strings")
    parser.add_argument("--level", type=int, default=2, help="0 any processor, 1 AVX2, 2 AVX-512 at most")
    arguments = parser.parse_args()

    differs = fuzz(arguments.count, arguments.seed, arguments.level)
    print(f"{arguments.count:,} strings, seed {arguments.seed}, level {arguments.level}: every id the same.")
    for differ in differs:
        print(f"  {differ.what:<29} logits within {differ.largest:.1e}")


if __name__ == "__main__":
    main()
