"""What the baseline sees of a text, of two texts, or of a word: rows of a sparse matrix.

Terms are words and pairs of neighbouring words (`understudy.tokenization.words.split`), weighted by tf-idf
with sublinear counts, each row of length 1. Scikit-learn picks and weighs them; the look-up is done here,
which answers a
single text several times faster.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby, pairwise
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from understudy.core.task import FloatArray, Task
from understudy.errors import ArtifactError, DataError
from understudy.tokenization.words import lower, split

MANY_TEXTS = 20_000
"""Above this number of training texts, terms of a single text cost more memory than they help."""

MANY_WORDS = 100_000
"""Above this number of training words, traits of a single word cost more memory than they help."""

OVERLAP = ("cosine", "of_first", "of_second", "words", "trigrams", "longer", "length_gap")
"""What two texts share, in the order of `overlap`'s columns."""

EDGE = ""
"""What stands before a sentence's first word and after its last."""


class Features(Protocol):
    """Turns items into rows of numbers, and is saved as two JSON-ready lists and some arrays."""

    terms: tuple[str, ...]

    @property
    def width(self) -> int:
        """Columns of `matrix`."""
        ...

    @property
    def arrays(self) -> Mapping[str, FloatArray]:
        """Numbers that were learnt from the training items."""
        ...

    def matrix(self, items: Sequence[Any]) -> Any:
        """Sparse ``(rows, width)`` float32, one row a text or pair, or one a word."""
        ...


class TextFeatures:
    """Tf-idf of one text's terms.

    Args:
        terms: Words and pairs of words, the latter joined by a space; ``v`` of them, distinct.
        idf: ``(v,)`` inverse document frequencies.

    Raises:
        ArtifactError: The two do not belong together.
    """

    def __init__(self, terms: Sequence[str], idf: npt.ArrayLike) -> None:
        self.terms = tuple(terms)
        self.idf = np.asarray(idf, dtype=np.float32)
        self._columns = _distinct(self.terms)
        if self.idf.shape != (len(self.terms),):
            raise ArtifactError(f"{len(self.terms)} terms need as many idf, but have {self.idf.shape}.")

    @classmethod
    def fit(cls, texts: Sequence[str]) -> TextFeatures:
        """Take every term of the texts; with more than `MANY_TEXTS`, every term of two texts.

        Raises:
            DataError: The texts hold no words.
        """
        from sklearn.feature_extraction.text import TfidfVectorizer

        vectorizer = TfidfVectorizer(
            tokenizer=split,
            token_pattern=None,
            lowercase=False,
            ngram_range=(1, 2),
            min_df=2 if len(texts) > MANY_TEXTS else 1,
        )
        try:
            vectorizer.fit(texts)
        except ValueError as error:
            raise DataError(f"The train texts hold no words to learn from: {error}.") from error
        return cls(vectorizer.get_feature_names_out().tolist(), vectorizer.idf_)

    @property
    def width(self) -> int:
        """One column a term."""
        return len(self.terms)

    @property
    def arrays(self) -> Mapping[str, FloatArray]:
        """The inverse document frequencies."""
        return {"idf": self.idf}

    def matrix(self, items: Sequence[str]) -> Any:
        """Sparse ``(items, width)``; a text without known terms is a row of zeros."""
        return self.weigh([split(text) for text in items])

    def weigh(self, texts: Sequence[Sequence[str]]) -> Any:
        """`matrix` of texts that are split into words already."""
        look_up = self._columns.get
        found: list[Any] = []
        values: list[int] = []
        ends = [0]
        for words in texts:
            counts = Counter(map(look_up, words))
            counts.update(look_up(f"{first} {second}") for first, second in pairwise(words))
            counts.pop(None, None)
            found.extend(counts)
            values.extend(counts.values())
            ends.append(len(found))

        columns = np.array(found, dtype=np.int32)
        weights = (1 + np.log(np.array(values, dtype=np.float32))) * self.idf[columns]
        rows = np.repeat(np.arange(len(texts)), np.diff(ends))
        norms = np.sqrt(np.bincount(rows, weights**2, minlength=len(texts))).astype(np.float32)
        return _rows(weights / norms[rows], columns, ends, self.width)


class PairFeatures:
    """Terms of the first text, terms of the second, terms of both, and what the two share (`overlap`).

    Args:
        terms: As in `TextFeatures`, of both texts alike.
        idf: ``(v,)``.
        mean: ``(7,)`` means of `overlap` over the training pairs.
        spread: ``(7,)`` standard deviations.

    Raises:
        ArtifactError: Shapes that do not belong together.
    """

    def __init__(
        self, terms: Sequence[str], idf: npt.ArrayLike, mean: npt.ArrayLike, spread: npt.ArrayLike
    ) -> None:
        self._side = TextFeatures(terms, idf)
        self.terms = self._side.terms
        self.mean = np.asarray(mean, dtype=np.float32)
        self.spread = np.asarray(spread, dtype=np.float32)
        if (self.mean.shape, self.spread.shape) != ((len(OVERLAP),),) * 2:
            raise ArtifactError(f"Two texts share {len(OVERLAP)} numbers, but there are {self.mean.shape}.")

    @classmethod
    def fit(cls, items: Sequence[tuple[str, str]]) -> PairFeatures:
        """Take the terms of all texts, and standardise what the pairs share.

        Raises:
            DataError: The texts hold no words.
        """
        side = TextFeatures.fit([text for pair in items for text in pair])
        first, second = ([split(pair[k]) for pair in items] for k in (0, 1))
        shared = overlap(first, second, side.weigh(first), side.weigh(second))
        spread = shared.std(axis=0)
        return cls(side.terms, side.idf, shared.mean(axis=0), np.where(spread > 0, spread, 1))

    @property
    def width(self) -> int:
        """Three columns a term, and those of `overlap`."""
        return 3 * len(self.terms) + len(OVERLAP)

    @property
    def arrays(self) -> Mapping[str, FloatArray]:
        """Inverse document frequencies, and what standardises `overlap`."""
        return {"idf": self._side.idf, "mean": self.mean, "spread": self.spread}

    def matrix(self, items: Sequence[tuple[str, str]]) -> Any:
        """Sparse ``(items, width)``."""
        from scipy import sparse

        words = [[split(pair[k]) for pair in items] for k in (0, 1)]
        first, second = map(self._side.weigh, words)
        shared = (overlap(words[0], words[1], first, second) - self.mean) / self.spread
        return sparse.hstack([first, second, first.multiply(second), sparse.csr_array(shared)], format="csr")


def overlap(first: Sequence[Sequence[str]], second: Sequence[Sequence[str]], u: Any, v: Any) -> FloatArray:
    """How alike the texts of each pair are: ``(pairs, 7)``, columns as in `OVERLAP`.

    Cosine of their tf-idf; share of the first's words that the second has, and the reverse; words of both
    over words of either (Jaccard), the same of three neighbouring characters; natural logarithm of the
    lengths' ratio, and its absolute value.

    Args:
        first: Words of the first texts.
        second: Words of the second texts.
        u: Sparse ``(pairs, v)`` tf-idf of the first texts.
        v: Sparse ``(pairs, v)`` tf-idf of the second texts.
    """
    shared = np.zeros((len(first), len(OVERLAP)), dtype=np.float32)
    for row, (a, b) in enumerate(zip(first, second, strict=True)):
        words_a, words_b = set(a), set(b)
        both = len(words_a & words_b)
        longer = np.log((1 + len(a)) / (1 + len(b)))
        shared[row, 1:] = (
            _share(both, len(words_a)),
            _share(both, len(words_b)),
            _share(both, len(words_a | words_b)),
            _jaccard(_trigrams(a), _trigrams(b)),
            longer,
            abs(longer),
        )

    shared[:, 0] = u.multiply(v).sum(axis=1)
    return shared


def _trigrams(words: Sequence[str]) -> set[str]:
    text = f" {' '.join(words)} "
    return {text[k : k + 3] for k in range(len(text) - 2)}


def _jaccard(a: set[str], b: set[str]) -> float:
    return _share(len(a & b), len(a | b))


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


class WordFeatures:
    """Traits of each word of a sentence, and those of its two neighbours, told apart.

    A trait is the word, its lower-cased form, its first and last one to three characters, its shape,
    or that it has a capital, a digit or a hyphen (`traits`). They are looked up once for each distinct word.

    Args:
        terms: ``v`` distinct traits.

    Raises:
        ArtifactError: A trait stands there twice.
    """

    def __init__(self, terms: Sequence[str]) -> None:
        self.terms = tuple(terms)
        self._columns = _distinct(self.terms)

    @classmethod
    def fit(cls, items: Sequence[tuple[str, ...]]) -> WordFeatures:
        """Take every trait of the words; with more than `MANY_WORDS` words, every trait of two of them.

        Raises:
            DataError: There are no words.
        """
        counts: Counter[str] = Counter()
        words = Counter(word for item in items for word in (EDGE, *item))
        for word, times in words.items():
            counts.update(dict.fromkeys(traits(word), times))
        if len(words) < 2:
            raise DataError("The train sentences hold no words to learn from.")
        least = 2 if words.total() > MANY_WORDS else 1
        return cls(sorted(trait for trait, times in counts.items() if times >= least))

    @property
    def width(self) -> int:
        """Three columns a trait: of the word itself, the one before, the one after."""
        return 3 * len(self.terms)

    @property
    def arrays(self) -> Mapping[str, FloatArray]:
        """Nothing beside the traits is learnt."""
        return {}

    def matrix(self, items: Sequence[tuple[str, ...]]) -> Any:
        """Sparse ``(words of all items, width)``."""
        from scipy import sparse

        padded = [word for item in items for word in (EDGE, *item, EDGE)]
        numbers: dict[str, int] = {}
        ids = np.array([numbers.setdefault(word, len(numbers)) for word in padded], dtype=np.int64)
        lengths = np.fromiter(map(len, items), dtype=np.int64, count=len(items))
        places = np.arange(int(lengths.sum())) + 2 * np.repeat(np.arange(len(items)), lengths) + 1
        table = self._table(list(numbers))
        return sparse.hstack([table[ids[places + step]] for step in (0, -1, 1)], format="csr")

    def _table(self, words: Sequence[str]) -> Any:
        """Sparse ``(words, v)``: 1 where a word has a trait."""
        found, ends = [], [0]
        for word in words:
            found += [column for column in map(self._columns.get, traits(word)) if column is not None]
            ends.append(len(found))
        values = np.ones(len(found), dtype=np.float32)
        return _rows(values, np.array(found, dtype=np.int32), ends, len(self.terms))


def traits(word: str) -> list[str]:
    """The traits of a word by itself.

    >>> traits("E-mail")
    ['=E-mail', '~e-mail', '^e', '$l', '^e-', '$il', '^e-m', '$ail', 'shape X-x', 'has X', 'has -']
    """
    small = lower(word)
    found = [f"={word}", f"~{small}"]
    for size in range(1, 1 + min(3, len(small))):
        found += [f"^{small[:size]}", f"${small[-size:]}"]
    found.append(f"shape {shape(word)}")
    found += [f"has {kind}" for kind in "X0-" if kind in map(_kind, word)]
    return found


def shape(word: str) -> str:
    """Capitals as X, other letters as x, digits as 0, others as they are; repeats once.

    >>> shape("McDonald's"), shape("U.S."), shape("1,250")
    ("XxXx'x", 'X.X.', '0,0')
    """
    return "".join(kind for kind, _ in groupby(map(_kind, word)))


def _kind(character: str) -> str:
    if character.isalpha():
        return "X" if character.isupper() else "x"
    return "0" if character.isdigit() else character


def features_of(task: Task) -> type[TextFeatures | PairFeatures | WordFeatures]:
    """The features for the items of a task."""
    if task.kind == "tagging":
        return WordFeatures
    return PairFeatures if task.texts == 2 else TextFeatures


def _distinct(terms: tuple[str, ...]) -> dict[str, int]:
    """Term → column."""
    columns = {term: column for column, term in enumerate(terms)}
    if len(columns) != len(terms):
        raise ArtifactError(f"A baseline's {len(terms)} terms must be distinct, but {len(columns)} are.")
    return columns


def _rows(values: FloatArray, columns: npt.NDArray[np.int32], ends: Sequence[int], width: int) -> Any:
    """Sparse rows, that of number ``k`` from ``ends[k]`` on; 32-bit indices, as solvers demand."""
    from scipy import sparse

    starts = np.array(ends, dtype=np.int32)
    return sparse.csr_array((values, columns, starts), shape=(len(ends) - 1, width))
