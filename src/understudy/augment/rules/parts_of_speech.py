"""Parts of speech: learnt from the texts themselves, read from a file, or given by a tagger."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from understudy.augment.rules.word_arrays import WordArrays, read_sentences
from understudy.core.task import IntArray
from understudy.data.readers.blocks import read_lines
from understudy.errors import DataError

NO_TAG = -1
"""Stands for a word whose part of speech is not known; it is not swapped."""

Tagger = Callable[[Sequence[Sequence[str]]], Sequence[Sequence[str]]]
"""Words of texts → their tags, a tag for each word."""

Sparse = Any
"""A sparse matrix of scipy, which has no types."""

CONTEXTS = 1000
"""Frequent words that make up the contexts which tell classes of words apart."""

_ENDINGS = (2, 3)  # letters at the end of a word that hint at its class
_TRUST = 10  # occurrences from which on a word's contexts weigh more than its shape


class PartsOfSpeech(Protocol):
    """Anything that knows the part of speech of each word."""

    def tags(self, sentences: WordArrays) -> IntArray:
        """Number of each word's tag, or `NO_TAG`: ``(w,)``."""
        ...


class TagDictionary:
    """One tag for each word, wherever it stands; words are looked up as written, then in lower case.

    Args:
        tags: Word → number of its tag.
    """

    def __init__(self, tags: Mapping[str, int]) -> None:
        self.by_word = dict(tags)

    def tags(self, sentences: WordArrays) -> IntArray:
        """Number of each word's tag, or `NO_TAG`: ``(w,)``."""
        look = self.by_word.get
        tags = (look(word, look(word.lower(), NO_TAG)) for word in sentences.words)
        return np.fromiter(tags, dtype=np.int64, count=len(sentences.words))[sentences.flat]


class TaggedByCallable:
    """Tags by a callable, such as a tagger of an NLP library or a tagging student.

    Args:
        tagger: Words of texts → their tags.
    """

    def __init__(self, tagger: Tagger) -> None:
        self.tagger = tagger
        self._numbers: dict[str, int] = {}

    def tags(self, sentences: WordArrays) -> IntArray:
        """Number of each word's tag ``(w,)``.

        Raises:
            DataError: The tagger left texts out, or gave a text another number of tags than it has words.
        """
        lists = sentences.word_lists()
        tags = self.tagger(lists)
        if len(tags) != len(lists):
            raise DataError(
                f"The tagger gave tags to {len(tags)} texts, but it was asked about {len(lists)}."
            )
        for words, row in zip(lists, tags, strict=True):
            if len(words) != len(row):
                raise DataError(f"The tagger gave {len(row)} tags to the {len(words)} words {words[:10]}.")

        numbers = self._numbers
        flat = (numbers.setdefault(tag, len(numbers)) for row in tags for tag in row)
        return np.fromiter(flat, dtype=np.int64, count=len(sentences.flat))


def read_tags(path: str | Path) -> TagDictionary:
    """Read a tagged corpus or a dictionary: each word gets the tag that it has most often.

    A line holds a word and its tag, last, between tabs; blank lines and comments (``#``) are passed over.
    Lines of ten columns are read as CoNLL-U: the word is the second, its tag the fourth.

    Raises:
        DataError: The file is missing or not UTF-8, or a line has fewer than two columns.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"There is no file of tags {path}.")

    counts: dict[str, Counter[str]] = {}
    for number, line in read_lines(path):
        columns = line.split("\t")
        if not line.strip() or (line.startswith("#") and len(columns) != 2):
            continue
        if len(columns) < 2:
            raise DataError(
                f"{path}, line {number}: {line.strip()[:60]!r} is not a word and a tag with a tab between."
            )
        word, tag = (columns[1], columns[3]) if len(columns) == 10 else (columns[0], columns[-1])
        counts.setdefault(word, Counter())[tag] += 1

    numbers: dict[str, int] = {}
    best = {word: min(tags, key=lambda tag: (-tags[tag], tag)) for word, tags in counts.items()}
    return TagDictionary({word: numbers.setdefault(tag, len(numbers)) for word, tag in best.items()})


def learn_classes(texts: Sequence[str], classes: int = 64, seed: int = 0) -> TagDictionary:
    """Classes of words that occur in similar contexts and end alike: parts of speech without a tagger.

    Schütze 1995: each word is described by how often each of the most frequent words occurs to its left and
    to its right; here also by its last two and three letters, and whether it has letters, digits or neither.
    The counts are reduced by a singular value decomposition and grouped by k-means, in which a word counts as
    often as it occurs. On the tagged sentences of UD English EWT, a word drawn from 64 such classes by
    frequency has the part of speech of the word it replaces in about two of three cases (in one of ten when
    drawn from all words).

    Args:
        texts: Texts to be augmented, or a sample of them.
        classes: Most groups; there are fewer where there are few words.
        seed: Seed of both algorithms.
    """
    from scipy.sparse import diags
    from sklearn.cluster import KMeans
    from sklearn.decomposition import TruncatedSVD
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.preprocessing import normalize

    sentences = read_sentences([text.lower() for text in texts])
    words = sentences.words
    width = min(50, len(words) - 1)
    if len(words) <= classes or width < 2:
        return TagDictionary(dict.fromkeys(words, 0))

    features = _features(sentences)
    counts = np.bincount(sentences.flat, minlength=len(words))
    axes = TruncatedSVD(width, random_state=seed).fit(diags(np.sqrt(np.sqrt(counts))) @ features)
    points = normalize(axes.transform(features))

    with warnings.catch_warnings():  # about words that cannot be told apart, which make fewer classes
        warnings.simplefilter("ignore", ConvergenceWarning)
        groups = KMeans(classes, n_init=1, random_state=seed, max_iter=50).fit(points, sample_weight=counts)
    return TagDictionary(dict(zip(words, groups.labels_.tolist(), strict=True)))


def _features(sentences: WordArrays) -> Sparse:
    """Sparse rows of contexts to the left, contexts to the right and shapes, one for each word.

    The more often a word occurs, the more its contexts weigh against its shape: ``n / (n + 10)``.
    """
    from scipy.sparse import diags, hstack
    from sklearn.feature_extraction import FeatureHasher
    from sklearn.preprocessing import normalize

    left, right = _contexts(sentences)
    hasher = FeatureHasher(2048, input_type="string", alternate_sign=False)
    shapes = hasher.transform(map(_shape, sentences.words))

    counts = np.bincount(sentences.flat, minlength=len(sentences.words))
    trust = counts / (counts + _TRUST)
    parts = ((left.log1p(), trust), (right.log1p(), trust), (shapes, 1 - trust))
    return hstack([diags(np.sqrt(weight)) @ normalize(part) for part, weight in parts]).tocsr()


def _contexts(sentences: WordArrays) -> tuple[Sparse, Sparse]:
    """Counts ``(words, CONTEXTS + 1)`` of the frequent neighbours; the last column is the edge of a text."""
    from scipy.sparse import csr_matrix

    size = len(sentences.words)
    counts = np.bincount(sentences.flat, minlength=size)

    frequent = np.argsort(-counts, kind="stable")[:CONTEXTS]
    column = np.full(size + 1, -1)
    column[frequent] = np.arange(len(frequent))
    column[size] = CONTEXTS  # the edge

    # All texts in a row, with the number of the edge before, between and after them.
    edged = np.full(len(sentences.flat) + len(sentences) + 1, size)
    edged[np.arange(len(sentences.flat)) + sentences.owners + 1] = sentences.flat

    sides = []
    for word, neighbour in ((edged[1:], edged[:-1]), (edged[:-1], edged[1:])):
        known = (word < size) & (column[neighbour] >= 0)
        ones = np.ones(int(known.sum()), dtype=np.float64)
        place = (word[known], column[neighbour[known]])
        sides.append(csr_matrix((ones, place), shape=(size, CONTEXTS + 1)))

    return sides[0], sides[1]


def _shape(word: str) -> list[str]:
    """What a word looks like: its kind of characters and its endings."""
    kind = "letters" if word.isalpha() else "digits" if any(map(str.isdigit, word)) else "mixed"
    if not any(map(str.isalnum, word)):
        return ["sign", f"sign {word}"]
    return [kind, *(f"-{word[-size:]}" for size in _ENDINGS if len(word) > size)]
