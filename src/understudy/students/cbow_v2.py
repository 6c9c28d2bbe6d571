"""`cbow.v2`: a bag of words that are weighed by inverse frequency, and one hidden layer."""

from __future__ import annotations

from dataclasses import dataclass

from understudy.core.checks import check_positive
from understudy.students.layers.weighted_bag import OVERLAP, BagHead, WeightedBag
from understudy.students.linear import check_dropout
from understudy.students.registry import TrainingDefaults, register


@dataclass(frozen=True)
class CBoW2Config:
    """Sizes of `cbow.v2`.

    Attributes:
        vocabulary_size: Rows of the embedding table, special words included.
        width: Width of an embedding.
        hidden: Width of the hidden layer.
        dropout: Share of a text's words that are dropped in training.
        max_words: Words that are read of a text; ``None`` reads all.
    """

    vocabulary_size: int = 20_000
    width: int = 64
    hidden: int = 128
    dropout: float = 0.1
    max_words: int | None = None

    direct = 0

    def __post_init__(self) -> None:
        check_positive(width=self.width, hidden=self.hidden)
        check_dropout(self.dropout)


def parameters(config: CBoW2Config, labels: int, features: int) -> int:
    """``v·d + (d + 1)·h + (h + 1)·c``; for pairs the hidden layer reads ``4·d`` and what the texts share."""
    shared = len(OVERLAP) if features > 1 else 0
    hidden = (features * config.width + shared + 1) * config.hidden
    return config.vocabulary_size * config.width + hidden + (config.hidden + shared + 1) * labels


@register(
    "cbow.v2",
    config=CBoW2Config,
    head=lambda config, width, labels: BagHead(width, labels, config, config.hidden),
    parameters=parameters,
    training=TrainingDefaults(
        epochs=20, batch_size=256, learning_rate=5e-3, row_rate=0.1, pair="compare", vocabulary_size=30_000
    ),
    knows_teacher=True,
    presets={"small": {"width": 16, "hidden": 32}},
    source="Wasserblat et al. 2020, section 4.1 (CBoW-FFN); weights of words as in tf-idf",
)
class CBoW2(WeightedBag):
    """Embed, weigh, sum, and divide by the length of the weights; the head has one ReLU layer."""
