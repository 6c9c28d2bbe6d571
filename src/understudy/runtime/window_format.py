"""`model.fast`, version 4: a tagger of each word by its neighbours, folded into rows (`window.v1`).

A hidden unit's answer is linear in each word that it sees, and a word is a sum: its embedding, and what its
traits add to that (`understudy.tokenization.spelling`). So every part of this sum is multiplied with all
columns of the convolution once, when the file is written, and a word is a sum of rows::

    hidden(h, t) = relu(step_h · Σ_o Σ_e R[e, o, h] + b_h)
    logits(t)    = W · hidden(t) + b

o is from 0 to 2·r, r being how far the tagger sees, and e stands for the rows of the word o places before
t + r; words before and after the sentence are zeros, as in torch. A word of a sentence may have several
parts (`understudy.tokenization.words.split`), each with an id; each has the traits of the whole word and is
seen as a word, and the first one answers for all.

The entries of the file are the words of the vocabulary, then strings behind a mark, one row each:

====  ===========================================================================================
mark  what
====  ===========================================================================================
none  a word of the vocabulary by its id, with all that is added to every word
1     a *form*: a word of one part as it stands in the sentence, with all that is known of it
2     a word's first characters, lower-cased, with what all known beginnings of them add
3     a word's last characters, likewise
4     a word's shape
5     a word of several parts as it stands in the sentence
====  ===========================================================================================

A word that is a form is one row. Any other word has for each part the row of its id, and those of its longest
known beginning, its longest known end, its shape and itself, as far as they are known: `MOST_ROWS` at most.
Forms are the words that the spelling knows as they stand; such traits have no rows beside them. A sentence of
more ids than the student reads is cut into windows as everywhere (`understudy.tokenization.windows`).

The header is that of version 1 (`fast_format.py`), with the number of entries as *vocabulary*, that of hidden
units as *hidden*, 2·r + 1 as *longest*, and neither a width nor n-grams. The weights are:

1. a row an entry: for each o the numbers of all hidden units, padded with zeros to a multiple of `ABREAST`:
   float32, float16, or int8 that count a hidden unit's own steps;
2. int8 alone: the step of each hidden unit, padded likewise;
3. the biases of the hidden units, padded likewise; the head's weights, a row a label, padded likewise; the
   head's bias, padded to a multiple of 16; all of these are float32.

Sums of int8 are exact in 16 bits: they hold at most `MOST_ROWS` times 127 for each word that is seen. So only
the rounding of the rows parts the logits from those of torch, and by no more than `FoldedWindow.bound` says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, partial

import numpy as np
import numpy.typing as npt

from understudy.core.chain import in_order
from understudy.core.task import FloatArray, Task
from understudy.runtime.cnn_format import ABREAST, HALF
from understudy.runtime.fast_format import STEPS, TABLES, assemble, counted, halves, pad, padded
from understudy.runtime.fast_rule import Rule
from understudy.tokenization.spelling import FIRST, LAST, Spelling, shape
from understudy.tokenization.windows import windows
from understudy.tokenization.words import UNK, UNK_ID, has_surrogate, lower, split

TAGGER = 6
"""A tagger by its number in the header."""

TAGGER_VERSION = 4
"""Version of the file."""

MOST_ROWS = 5
"""Rows of a word: its id, its beginning, its end, its shape, and itself."""

MOST_ENTRY = 255
"""Bytes of the longest string that C looks for, its mark among them."""

FORM, BEGINNING, END, SHAPE, ITSELF = "\x01", "\x02", "\x03", "\x04", "\x05"
"""Marks of entries that are no words of the vocabulary: none of these begins with a control character."""

SIZES = (*FIRST, *LAST)
"""Characters of the traits of each kind, but for the last two, shape and word."""

_SHAPE = len(SIZES)
_abreast = partial(pad, multiple=ABREAST)  # hidden units, as they lie in the file


@dataclass(frozen=True)
class SpellingWeights:
    """What a tagger adds to a word's embedding.

    Attributes:
        table: ``(traits + 1, s)``, the first row for a trait that is not known.
        map: ``(d, 9 · s)``, from the traits of all kinds side by side.
        bias: ``(d,)``.
    """

    table: FloatArray
    map: FloatArray
    bias: FloatArray

    @cached_property
    def unknown(self) -> FloatArray:
        """What is added to a word of which no trait is known: ``(d,)``."""
        found: FloatArray = self.bias + self._of_kind.sum(axis=0) @ self.table[0]
        return found

    @cached_property
    def _of_kind(self) -> FloatArray:
        """The map of each kind ``(9, d, s)``."""
        width = self.table.shape[1]
        return np.stack(np.split(self.map, self.map.shape[1] // width, axis=1))

    def vector(self, kind: int, number: int) -> FloatArray:
        """What a known trait adds beyond an unknown one: ``(d,)``."""
        found: FloatArray = self._of_kind[kind] @ (self.table[number] - self.table[0])
        return found


@dataclass(frozen=True)
class WindowWeights:
    """The weights of a tagger, as torch has them.

    Attributes:
        embedding: ``(v, d)``.
        around: ``(h, d, 2 · r + 1)``, the convolution.
        around_bias: ``(h,)``.
        output, output_bias: ``(c, h)`` and ``(c,)``.
        spelling: What is added to a word; ``None`` for a tagger that does not read how words are spelled.
    """

    embedding: FloatArray
    around: FloatArray
    around_bias: FloatArray
    output: FloatArray
    output_bias: FloatArray
    spelling: SpellingWeights | None = None

    def __post_init__(self) -> None:
        if self.around.shape[2] % 2 == 0:
            raise ValueError(f"The convolution sees {self.around.shape[2]} words: it takes an odd number.")

    @property
    def seen(self) -> int:
        """Words that are seen at once, 2·r + 1."""
        return int(self.around.shape[2])

    @cached_property
    def columns(self) -> FloatArray:
        """What a word's vector is multiplied with ``(d, stride)``."""
        hidden, width, seen = self.around.shape
        wide = np.zeros((seen, -(-hidden // ABREAST) * ABREAST, width), dtype=np.float32)
        wide[:, :hidden] = self.around.transpose(2, 0, 1)[::-1]
        return wide.reshape(-1, width).T


@dataclass(frozen=True)
class Entries:
    """The strings of a file, and which of them a word is made of.

    Attributes:
        words: The words of the vocabulary, then strings behind marks.
        numbers: String → its number.
        max_words: Ids that are read at once; 0 reads all.
    """

    words: tuple[str, ...]
    max_words: int
    numbers: Mapping[str, int]

    def rows_of(self, word: str) -> list[list[int]]:
        """The entries of each part of a word, one part at least."""
        found = self.numbers.get
        form = found(FORM + word)
        if form is not None:
            return [[form]]
        small = lower(word)
        beginnings = (BEGINNING + small[:size] for size in reversed(FIRST) if len(small) >= size)
        ends = (END + small[-size:] for size in reversed(LAST) if len(small) >= size)
        whole = [
            next((number for each in some if (number := found(each)) is not None), None)
            for some in (beginnings, ends, (SHAPE + shape(word),), (ITSELF + word,))
        ]
        known = [number for number in whole if number is not None]
        return [[found(part, UNK_ID), *known] for part in split(word)] or [[UNK_ID, *known]]


@dataclass(frozen=True)
class FoldedWindow:
    """A tagger with its rows in one precision: what the file says, and how it answers.

    Attributes:
        weights: What was folded.
        entries: What the rows belong to.
        table: One of `understudy.runtime.fast_format.TABLES`.
        numbers: The rows ``(n, stride)`` in that precision.
        steps: What one step of each hidden unit's numbers is ``(H,)``; 1 unless the rows are int8.
        largest: The largest number of each hidden unit before it was rounded, of either sign ``(H,)``.
    """

    weights: WindowWeights
    entries: Entries
    table: str
    numbers: npt.NDArray[np.float32 | np.float16 | np.int8]
    steps: FloatArray
    largest: FloatArray

    def logits(self, sentences: Sequence[Sequence[str]], task: Task | None = None) -> FloatArray:
        """Logits ``(words of all sentences, c)``, in order where a task is given that has transitions."""
        rows_of = lru_cache(1 << 16)(self.entries.rows_of)
        answers, counts = [np.zeros((0, len(self.weights.output)), np.float32)], []
        for words in sentences:
            parts = [rows_of(word) for word in words]
            sizes = np.array([len(each) for each in parts], dtype=np.int64)
            begins = np.cumsum(sizes) - sizes
            for unit in windows(sizes, self.entries.max_words or None) if parts else ():
                places = [place for each in parts[unit.start : unit.stop] for place in each]
                answers.append(self._logits(places)[begins[unit.first : unit.last] - begins[unit.start]])
                counts.append(unit.last - unit.first)
        logits = np.concatenate(answers)
        return logits if task is None else in_order(task, logits, np.array(counts, dtype=np.int64))

    def _logits(self, places: Sequence[Sequence[int]]) -> FloatArray:
        """Logits ``(t, c)`` of the parts of words that are read at once, given as rows."""
        w, count = self.weights, len(places)
        begins = np.cumsum([0, *map(len, places[:-1])])
        rows = self.numbers[[number for each in places for number in each]].astype(np.float32)
        words = np.add.reduceat(rows, begins, axis=0).reshape(count, w.seen, -1)
        sums = np.zeros((count + w.seen - 1, words.shape[2]), dtype=np.float32)
        for o in range(w.seen):
            sums[o : o + count] += words[:, o]
        middle = sums[w.seen // 2 : w.seen // 2 + count]
        hidden = np.maximum(middle * self.steps + _abreast(w.around_bias), 0)
        answer: FloatArray = hidden @ _abreast(w.output).T + w.output_bias
        return answer

    @property
    def bound(self) -> float:
        """Most by which a logit differs from one of unrounded rows, beside what float32 loses in any order.

        A rounded number is off by half a step (int8) or by `HALF` of itself (float16), a hidden unit by that
        of each row of each word that it sees; the ReLU does not make two answers differ by more. It holds for
        the logits of each word by itself, before tags are weighed in their order.
        """
        if self.table == "float32":
            return 0.0
        off: FloatArray = self.steps * 0.5 if self.table == "int8" else self.largest * HALF
        rows = 1 if self.weights.spelling is None else MOST_ROWS
        return float((np.abs(_abreast(self.weights.output)) @ off).max()) * rows * self.weights.seen


def unfit(spelling: Spelling | None) -> str:
    """Why C cannot follow a spelling, as part of a sentence; empty where it can."""
    for _, trait in () if spelling is None else spelling.known:
        is_sought = trait and "\0" not in trait and not has_surrogate(trait)
        if not is_sought or len(trait.encode()) >= MOST_ENTRY:
            return f"it knows words by the trait {trait!r:.40}, which the C extension cannot look for"
    return ""


def fold_window(
    weights: WindowWeights,
    words: Sequence[str],
    spelling: Spelling | None,
    max_words: int | None,
    table: str = "float32",
) -> FoldedWindow:
    """A tagger with its rows in one of `understudy.runtime.fast_format.TABLES`.

    Args:
        weights: Its weights.
        words: The vocabulary by id.
        spelling: The traits that have numbers; it fits where the weights have a table of them.
        max_words: Ids that are read at once.
        table: Precision of the rows.
    """
    strings, vectors = list(words), [weights.embedding]
    if spelling is not None and weights.spelling is not None:
        vectors = [weights.embedding + weights.spelling.unknown]
        marked = _marked(weights.spelling, spelling, dict(zip(words, vectors[0], strict=True)))
        strings += marked
        vectors.append(np.array(list(marked.values()), dtype=np.float32).reshape(-1, vectors[0].shape[1]))

    rows = np.concatenate(vectors) @ weights.columns
    entries = Entries(tuple(strings), max_words or 0, {word: n for n, word in enumerate(strings)})
    largest = np.abs(rows).max(axis=0).reshape(weights.seen, -1).max(axis=0)
    ones = np.ones_like(largest)
    if table == "float32":
        return FoldedWindow(weights, entries, table, rows, ones, largest)
    if table == "float16":
        return FoldedWindow(weights, entries, table, halves(rows), ones, largest)
    steps = (largest / STEPS).astype(np.float32)
    numbers = counted(rows, np.tile(steps, weights.seen))
    return FoldedWindow(weights, entries, table, numbers, steps, largest)


def pack_window(rule: Rule, folded: FoldedWindow) -> bytes:
    """The file's bytes.

    Args:
        rule: How words become ids; its words are those of the vocabulary.
        folded: The tagger.

    Raises:
        ValueError: The rule's words are not the first entries, or the table has an unknown precision.
    """
    w, entries = folded.weights, folded.entries
    if entries.words[: len(rule.words)] != tuple(rule.words) or folded.table not in TABLES:
        raise ValueError(
            f"{len(folded.numbers)} rows in {folded.table} do not begin with {len(rule.words)} words."
        )
    layers = [_abreast(w.around_bias[None]), _abreast(w.output), w.output_bias[None]]
    steps = [folded.steps[None]] if folded.table == "int8" else []
    little = folded.numbers.astype(folded.numbers.dtype.newbyteorder("<"))
    floats = b"".join((little.tobytes(), *map(padded, (*steps, *layers))))
    hidden, labels = len(w.around_bias), len(w.output)
    sizes = (len(entries.words), 0, hidden, labels, entries.max_words, 0, w.seen, 0.0)
    whole = replace(rule, words=entries.words)
    return assemble(whole, TAGGER, sizes, folded.table, floats, version=TAGGER_VERSION)


def _marked(
    weights: SpellingWeights, spelling: Spelling, ids: Mapping[str, FloatArray]
) -> dict[str, FloatArray]:
    """Strings behind marks, and the vector of each ``(d,)``.

    Args:
        weights: What traits add to a word's vector.
        spelling: The traits that have numbers.
        ids: The vector of each word of the vocabulary.
    """
    alone = {pair: weights.vector(pair[0], number) for number, pair in enumerate(spelling.known, start=1)}
    found: dict[str, FloatArray] = {}
    for (kind, trait), vector in alone.items():
        if kind >= _SHAPE:
            mark = SHAPE if kind == _SHAPE else FORM if len(split(trait)) <= 1 else ITSELF
            found[mark + trait] = vector
        elif len(trait) == SIZES[kind]:  # others are never looked for
            is_first = kind < len(FIRST)
            shorter = range(0 if is_first else len(FIRST), kind + 1)
            parts = [(n, trait[: SIZES[n]] if is_first else trait[-SIZES[n] :]) for n in shorter]
            known = [alone[part] for part in parts if part in alone]
            found[(BEGINNING if is_first else END) + trait] = np.sum(known, axis=0)

    strings = list(found)
    others = Entries((), 0, {string: n for n, string in enumerate(strings) if string[0] != FORM})
    for string in strings:
        if string[0] == FORM:
            word = string[1:]
            vector = ids.get((split(word) or [UNK])[0], ids[UNK])
            traits = others.rows_of(word)[0][1:]
            found[string] = np.sum([vector, found[string], *(found[strings[n]] for n in traits)], axis=0)
    return found
