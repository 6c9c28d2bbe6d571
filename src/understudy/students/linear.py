"""`linear.v1`: words and pairs of words, weighed by inverse frequency, and one linear layer."""

from __future__ import annotations

from dataclasses import dataclass

from understudy.core.checks import check_positive
from understudy.errors import RecipeError
from understudy.students.layers.weighted_bag import OVERLAP, BagHead, WeightedBag
from understudy.students.registry import TrainingDefaults, register


@dataclass(frozen=True)
class LinearConfig:
    """Sizes of `linear.v1`.

    Attributes:
        vocabulary_size: Rows of the table: words, special ones included, n-grams, and parts of words.
        longest: Words in the longest n-grams; 1 for words alone.
        ngrams: N-grams of two and more words, at most.
        characters: Whether parts of words are read, too: their character n-grams of 3 to 5 letters.
        parts: Parts of words, at most.
        direct: Number of logits, the width of a row; it follows from the task.
        dropout: Share of a text's words, n-grams and parts of words that are dropped in training.
        max_words: Words that are read of a text; ``None`` reads all.
    """

    vocabulary_size: int = 50_000
    longest: int = 2
    ngrams: int = 100_000
    characters: bool = False
    parts: int = 50_000
    direct: int = 2
    dropout: float = 0.1
    max_words: int | None = None

    width = 0

    def __post_init__(self) -> None:
        check_positive(longest=self.longest, ngrams=self.ngrams, parts=self.parts)
        check_dropout(self.dropout)


def check_dropout(share: float) -> None:
    """Refuse a share that is none, or that leaves nothing.

    Raises:
        RecipeError: It does not lie between 0 and 1.
    """
    if not 0.0 <= share < 1.0:
        raise RecipeError(f"dropout is {share}, but must be at least 0 and less than 1.")


def parameters(config: LinearConfig, labels: int, features: int) -> int:
    """``(v + 1)·c``, and for pairs a linear map of what the two texts share."""
    shared = len(OVERLAP) * labels if features > 1 else 0
    return (config.vocabulary_size + 1) * labels + shared


@register(
    "linear.v1",
    config=LinearConfig,
    head=lambda config, width, labels: BagHead(width, labels, config, 0),
    parameters=parameters,
    training=TrainingDefaults(
        epochs=20, batch_size=256, learning_rate=5e-3, row_rate=0.3, pair="compare", vocabulary_size=50_000
    ),
    has_ngrams=True,
    source="Joachims 1998 (tf-idf and a linear model); soft targets as in Hinton et al. 2015",
)
class Linear(WeightedBag):
    """Each feature adds its own logits, weighed: what scikit-learn's tf-idf and regression learn."""
