"""`dan.v2`: a weighed bag of words and exact n-grams, one hidden layer, and a linear path to the logits."""

from __future__ import annotations

from dataclasses import dataclass

from understudy.core.checks import check_positive
from understudy.students.layers.weighted_bag import OVERLAP, BagHead, WeightedBag
from understudy.students.linear import check_dropout
from understudy.students.registry import TrainingDefaults, register


@dataclass(frozen=True)
class DAN2Config:
    """Sizes of `dan.v2`.

    Attributes:
        vocabulary_size: Rows of the table: words, special ones included, n-grams, and parts of words.
        width: Width of an embedding.
        hidden: Width of the hidden layer.
        longest: Words in the longest n-grams; 1 for words alone.
        ngrams: N-grams of two and more words, at most.
        characters: Whether parts of words are read, too: their character n-grams of 3 to 5 letters.
        parts: Parts of words, at most.
        direct: Number of logits, which each row adds to directly; it follows from the task.
        dropout: Share of a text's words, n-grams and parts of words that are dropped in training.
        max_words: Words that are read of a text; ``None`` reads all.
    """

    vocabulary_size: int = 50_000
    width: int = 64
    hidden: int = 128
    longest: int = 2
    ngrams: int = 50_000
    characters: bool = False
    parts: int = 50_000
    direct: int = 2
    dropout: float = 0.1
    max_words: int | None = None

    def __post_init__(self) -> None:
        check_positive(
            width=self.width, hidden=self.hidden, longest=self.longest, ngrams=self.ngrams, parts=self.parts
        )
        check_dropout(self.dropout)


def parameters(config: DAN2Config, labels: int, features: int) -> int:
    """``v·(d + c) + (d + 1)·h + (h + 1)·c``; of pairs the hidden layer reads ``4·d`` and the overlap."""
    shared = len(OVERLAP) if features > 1 else 0
    hidden = (features * config.width + shared + 1) * config.hidden
    rows = config.vocabulary_size * (config.width + labels)
    return rows + hidden + (config.hidden + shared + 1) * labels


@register(
    "dan.v2",
    config=DAN2Config,
    head=lambda config, width, labels: BagHead(width, labels, config, config.hidden),
    parameters=parameters,
    training=TrainingDefaults(
        epochs=20, batch_size=256, learning_rate=5e-3, row_rate=0.1, pair="compare", vocabulary_size=30_000
    ),
    has_ngrams=True,
    knows_teacher=True,
    presets={"small": {"width": 16, "hidden": 32}},
    source="Iyyer et al. 2015, section 3 (DAN); Ye et al. 2022, section 3 (n-grams); weights as in tf-idf",
)
class DAN2(WeightedBag):
    """The hidden layer of `cbow.v2` beside the linear path of `linear.v1`, over the same table of rows."""
