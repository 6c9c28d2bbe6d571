"""Keep the texts that are most similar to the labelled ones, by TF-IDF or by word vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from understudy.augment.filters.decision import Filtered, joined, keep_rows
from understudy.augment.registry import FILTER, PathOption, StepContext, register
from understudy.augment.rules.word_arrays import read_sentences
from understudy.core.checks import STRICT, check_choice, check_positive
from understudy.core.task import FloatArray, Item
from understudy.data.readers.vectors import read_first_vectors
from understudy.errors import DataError, RecipeError
from understudy.tokenization.words import split


@dataclass(frozen=True)
class DomainConfig:
    """Keep the texts that are most like the labelled ones.

    Attributes:
        top: Number of texts that stay.
        by: Cosine with the labelled texts' mean ``tfidf`` vector, or with their mean of word ``vectors``.
        vectors: File of word vectors in GloVe's format, for ``vectors``.
        most_vectors: Lines of the file that are read.
    """

    __pydantic_config__: ClassVar = STRICT

    top: int
    by: str = "tfidf"
    vectors: PathOption | None = None
    most_vectors: int = 50_000

    def __post_init__(self) -> None:
        check_positive(top=self.top, most_vectors=self.most_vectors)
        check_choice("measure of likeness", self.by, ("tfidf", "vectors"))
        if (self.by == "vectors") != (self.vectors is not None):
            raise RecipeError("by: vectors and a file of vectors go together: give both, or neither.")


@register("domain", FILTER, config=DomainConfig, source="", keeps_words=True)
def domain(config: DomainConfig, items: Sequence[Item], tools: StepContext) -> Filtered:
    """Texts like the labelled ones."""
    vectors = read_first_vectors(config.vectors, config.most_vectors) if config.vectors else None
    return by_domain(items, tools.labelled, config.top, vectors)


def by_domain(
    items: Sequence[Item],
    labelled: Sequence[Item],
    top: int,
    vectors: tuple[Sequence[str], FloatArray] | None = None,
) -> Filtered:
    """Keep the ``top`` texts that are most like the labelled ones taken together.

    Likeness is the cosine with the mean of the labelled texts' vectors. A text's vector is its TF-IDF vector
    (counts damped by the logarithm, weights learnt from both sets), or the mean of its words' vectors.

    Args:
        items: ``n`` texts or pairs.
        labelled: Texts of the domain.
        top: Number of texts that stay; among equals, the first ones.
        vectors: Words and their vectors ``(v, d)``; ``None`` takes TF-IDF.

    Raises:
        DataError: There is no labelled text.
    """
    if not len(labelled):
        raise DataError("Likeness to the labelled texts cannot be measured: there are none.")

    texts, examples = list(map(joined, items)), list(map(joined, labelled))
    scores = _by_tfidf(texts, examples) if vectors is None else _by_vectors(texts, examples, *vectors)
    best = np.argsort(-scores, kind="stable")[:top]
    return keep_rows(best, len(items), f"not among the {top:,} most like the labelled texts")


def _by_tfidf(texts: Sequence[str], labelled: Sequence[str]) -> FloatArray:
    from sklearn.feature_extraction.text import TfidfVectorizer

    if not texts:
        return np.zeros(0, dtype=np.float32)
    vectoriser = TfidfVectorizer(tokenizer=split, token_pattern=None, lowercase=False, sublinear_tf=True)
    matrix = vectoriser.fit_transform([*labelled, *texts])
    centre = np.asarray(matrix[: len(labelled)].mean(axis=0)).ravel()
    scores: FloatArray = (matrix[len(labelled) :] @ centre).astype(np.float32)
    return scores


def _by_vectors(
    texts: Sequence[str], labelled: Sequence[str], words: Sequence[str], vectors: FloatArray
) -> FloatArray:
    rows = {word: row for row, word in enumerate(words)}
    centre = _means(labelled, rows, vectors).mean(axis=0)
    means = _means(texts, rows, vectors)
    norms = np.linalg.norm(means, axis=1) * np.linalg.norm(centre)
    return np.asarray(means @ centre / np.maximum(norms, 1e-12), dtype=np.float32)


def _means(texts: Sequence[str], rows: dict[str, int], vectors: FloatArray) -> FloatArray:
    """Mean vector of each text's known words, ``(n, d)``; zero where none is known."""
    from scipy.sparse import csr_matrix

    sentences = read_sentences(texts)
    row_of = np.array([rows.get(w, rows.get(w.lower(), -1)) for w in sentences.words], dtype=np.int64)
    columns = row_of[sentences.flat]
    is_known = columns >= 0
    owners, columns = sentences.owners[is_known], columns[is_known]

    ones = np.ones(len(owners), dtype=np.float32)
    counts: Any = csr_matrix((ones, (owners, columns)), shape=(len(texts), len(vectors)))
    totals = np.maximum(np.bincount(owners, minlength=len(texts)), 1)
    return np.asarray((counts @ vectors) / totals[:, None], dtype=np.float32)
