"""What a recipe can say about each filter (Nityasya et al. 2022, sections 6.3 and 6.4, and three more)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from understudy.core.checks import STRICT, check_choice, check_positive
from understudy.errors import RecipeError


@dataclass(frozen=True)
class LengthConfig:
    """Keep texts as long as labelled ones are.

    Attributes:
        by: ``min-max`` of the labelled texts' words, or their ``quartiles`` (Q1 to Q3).
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    by: str = "min-max"

    def __post_init__(self) -> None:
        check_choice("bound of length", self.by, ("min-max", "quartiles"))


@dataclass(frozen=True)
class BalanceConfig:
    """Bring the labels that the teacher gives to one size.

    Attributes:
        by: a label keeps at most the ``median`` or the ``mean`` of the labels' counts, drawn at random.
        oversample: whether texts of labels with fewer are repeated up to that size; ``None``: with the mean.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    by: str = "median"
    oversample: bool | None = None

    def __post_init__(self) -> None:
        check_choice("size of a label", self.by, ("median", "mean"))

    @property
    def is_oversampling(self) -> bool:
        """Whether rare labels are repeated."""
        return self.by == "mean" if self.oversample is None else self.oversample


@dataclass(frozen=True)
class NearDuplicatesConfig:
    """Of texts that are nearly the same, keep the first.

    Attributes:
        threshold: Jaccard similarity of their shingles from which on two texts are nearly the same.
        shingle: words in a shingle; a shorter text is one shingle.
        permutations: length of a MinHash signature, at least 8: longer is slower and more exact.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    threshold: float = 0.8
    shingle: int = 2
    permutations: int = 64

    def __post_init__(self) -> None:
        check_positive(shingle=self.shingle)
        if not 0.0 < self.threshold <= 1.0:
            raise RecipeError(f"threshold is {self.threshold}, but must be greater than 0 and at most 1.")
        if self.permutations < 8:
            raise RecipeError(f"permutations is {self.permutations}, but must be at least 8.")


@dataclass(frozen=True)
class ConfidenceConfig:
    """Keep texts whose likeliest label has a probability in ``[low, high]``, by the teacher."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    low: float = 0.0
    high: float = 1.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.low < self.high <= 1.0:
            raise RecipeError(f"The band from {self.low} to {self.high} is not one between 0 and 1.")


@dataclass(frozen=True)
class DomainConfig:
    """Keep the texts that are most like the labelled ones.

    Attributes:
        top: how many.
        by: cosine with the labelled texts' mean ``tfidf`` vector, or mean of word ``vectors``.
        vectors: file of word vectors in GloVe's format, for ``vectors``.
        most_vectors: how many of its lines are read.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    top: int
    by: str = "tfidf"
    vectors: str | None = None
    most_vectors: int = 50_000

    def __post_init__(self) -> None:
        check_positive(top=self.top, most_vectors=self.most_vectors)
        check_choice("measure of likeness", self.by, ("tfidf", "vectors"))
        if (self.by == "vectors") != (self.vectors is not None):
            raise RecipeError("by: vectors and a file of vectors go together: give both, or neither.")
