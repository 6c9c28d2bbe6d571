"""Which texts to pay for next, where a teacher is expensive: active distillation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from understudy.core.checks import check_choice
from understudy.core.items import parts
from understudy.core.task import FloatArray, IntArray, Item, Predictor
from understudy.errors import RecipeError

WAYS = ("uncertainty", "diversity", "random")
"""How a batch can be chosen."""

MOST_CANDIDATES = 20_000
"""Texts among which diverse ones are sought; of a larger pool so many are drawn first."""

HASHED = 2**15
"""Width of the hashed words of texts that are compared."""


def select(
    items: Sequence[Item], predictor: Predictor | None, how: str, count: int, seed: int | Sequence[int]
) -> list[Item]:
    """The items to be labelled next, the most wanted first.

    ``uncertainty`` takes those of whose label the current student is least sure (Lewis & Gale 1994), measured
    by the entropy of its answer. ``diversity`` draws items far from those already drawn, by the rule of
    k-means++ (Arthur & Vassilvitskii 2007) over hashed words. ``random`` is what both have to beat. Without
    a student ``uncertainty`` is random.

    Args:
        items: Candidates, distinct.
        predictor: The current student.
        how: One of `WAYS`.
        count: Number of items, at most.
        seed: Seed of the draw.

    Raises:
        RecipeError: An unknown way, or entropy of a regression on values.
    """
    check_choice("way to select", how, WAYS)
    count = min(count, len(items))
    generator = np.random.default_rng(seed)
    if count == 0:
        return []
    if how == "uncertainty" and predictor is not None:
        chosen = np.argsort(-entropy(predictor, items), kind="stable")[:count]
    elif how == "diversity":
        chosen = _spread(items, count, generator)
    else:
        chosen = generator.permutation(len(items))[:count]
    return [items[place] for place in chosen]


def entropy(predictor: Predictor, items: Sequence[Item]) -> FloatArray:
    """Entropy of the answer to each item, nats: ``(items,)``.

    Multilabel: the sum over labels, each for itself. Tagging: the mean over words.

    Raises:
        RecipeError: A regression on values states no probabilities.
    """
    task = predictor.task
    if task.bounds is not None:
        raise RecipeError("A regression on values states no uncertainty. Select by diversity or at random.")
    shares = np.clip(task.probabilities(predictor.logits(items)).astype(np.float64), 1e-12, 1.0)
    rows = -(shares * np.log(shares)).sum(axis=1)
    if task.kind == "multilabel":
        rest = np.clip(1.0 - shares, 1e-12, 1.0)
        rows -= (rest * np.log(rest)).sum(axis=1)
    lengths = task.rows(items)
    owner = np.repeat(np.arange(len(items)), lengths)
    sums = np.bincount(owner, weights=rows, minlength=len(items))
    return np.asarray(sums / np.maximum(lengths, 1), dtype=np.float32)


def _spread(items: Sequence[Item], count: int, generator: np.random.Generator) -> IntArray:
    from sklearn.cluster import kmeans_plusplus
    from sklearn.feature_extraction.text import HashingVectorizer

    drawn = generator.permutation(len(items))[: max(MOST_CANDIDATES, count)]
    texts = [" ".join(parts([items[place]])) for place in drawn]
    vectors = HashingVectorizer(n_features=HASHED, alternate_sign=False).transform(texts)
    _, places = kmeans_plusplus(vectors, count, random_state=int(generator.integers(2**31)))
    distinct = list(dict.fromkeys(places.tolist()))  # equal vectors may be drawn twice
    rest = (place for place in range(len(drawn)) if place not in set(distinct))
    while len(distinct) < count:
        distinct.append(next(rest))
    return np.asarray(drawn[distinct], dtype=np.int64)
