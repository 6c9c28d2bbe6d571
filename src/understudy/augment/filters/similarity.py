"""Filters that compare texts: near-duplicates by MinHash, and likeness to the labelled texts."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from understudy.augment.filters.basic import Filtered, keep_rows
from understudy.augment.rules.word_arrays import read_sentences
from understudy.core.task import FloatArray, IntArray, Item
from understudy.errors import DataError, MissingExtraError
from understudy.tokenization.words import split

_BATCH = 4096

_MISS_LITTLE = (
    0.1,
    0.9,
)  # weights of a needless comparison and of a miss: what is compared is compared exactly


def near_duplicates(
    items: Sequence[Item], *, threshold: float = 0.8, shingle: int = 2, permutations: int = 64, seed: int = 1
) -> Filtered:
    """Of texts that share most of their runs of words, keep the first.

    Candidates are found by MinHash and locality-sensitive hashing (Broder 1997; the library
    ``datasketch``), and then compared exactly: nothing is removed that is less alike than ``threshold``,
    but a little may be missed.

    Args:
        items: ``n`` texts or pairs.
        threshold: Jaccard similarity of the sets of shingles.
        shingle: words in a shingle; of fewer words, all are one.
        permutations: length of a signature.
        seed: of the permutations.

    Raises:
        MissingExtraError: ``datasketch`` is not installed.
    """
    library = _datasketch()
    index = library.MinHashLSH(threshold=min(threshold, 0.9), num_perm=permutations, weights=_MISS_LITTLE)
    kept: list[int] = []
    known: dict[int, frozenset[bytes]] = {}
    for start in range(0, len(items), _BATCH):
        sets = [shingles(item, shingle) for item in items[start : start + _BATCH]]
        signatures = library.MinHash.generator([list(s) for s in sets], num_perm=permutations, seed=seed)
        for row, (own, signature) in enumerate(zip(sets, signatures, strict=True), start=start):
            if any(_jaccard(own, known[other]) >= threshold for other in index.query(signature)):
                continue
            index.insert(row, signature, check_duplication=False)
            known[row] = own
            kept.append(row)
    reason = f"nearly the same as an earlier one (Jaccard {threshold:g} or more)"
    return keep_rows(np.array(kept, dtype=np.int64), len(items), reason)


def shingles(item: Item, size: int) -> frozenset[bytes]:
    """The runs of ``size`` words of a text; of a pair, those of its two texts one after the other."""
    words = split(item if isinstance(item, str) else " ".join(item))
    runs = (" ".join(words[at : at + size]) for at in range(max(1, len(words) - size + 1)))
    return frozenset(run.encode("utf-8", "surrogatepass") for run in runs)


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
        labelled: texts of the domain.
        top: how many stay; of equals, the first.
        vectors: words and their vectors ``(v, d)``; ``None`` takes TF-IDF.

    Raises:
        DataError: there is no labelled text.
    """
    if not len(labelled):
        raise DataError("Likeness to the labelled texts cannot be measured: there are none.")
    one, other = [list(map(_joined, texts)) for texts in (items, labelled)]
    scores = _by_tfidf(one, other) if vectors is None else _by_vectors(one, other, *vectors)
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
    known = np.array([rows.get(w, rows.get(w.lower(), -1)) for w in sentences.words], dtype=np.int64)
    column = known[sentences.flat]
    place: tuple[IntArray, IntArray] = (sentences.owners[column >= 0], column[column >= 0])
    shape = (len(texts), len(vectors))
    counts: Any = csr_matrix((np.ones(len(place[0]), dtype=np.float32), place), shape=shape)
    totals = np.maximum(np.bincount(place[0], minlength=len(texts)), 1)
    return np.asarray((counts @ vectors) / totals[:, None], dtype=np.float32)


def _joined(item: Item) -> str:
    return item if isinstance(item, str) else " ".join(item)


def _jaccard(one: frozenset[bytes], other: frozenset[bytes]) -> float:
    shared = len(one & other)
    return shared / (len(one) + len(other) - shared)


def _datasketch() -> Any:
    try:
        return importlib.import_module("datasketch")
    except ImportError as error:
        raise MissingExtraError(
            "Near-duplicates are found by the library datasketch, which is not installed: "
            "pip install 'understudy[augment]'."
        ) from error
