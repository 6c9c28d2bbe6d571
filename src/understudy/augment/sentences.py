"""Sentences cut from longer texts, such as reviews: a pool of documents for a task of sentences."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from understudy.augment.registry import MODEL, StepContext, register
from understudy.core.checks import STRICT, check_positive
from understudy.core.task import Item
from understudy.errors import DataError, RecipeError
from understudy.tokenization.words import split

_BREAK = re.compile(r"<br\s*/?>|[\r\n]+", re.IGNORECASE)
"""Where a sentence always ends."""

_END = re.compile(r"""(?:(?<=[.!?…])|(?<=[.!?…]["')\]])|(?<=[.!?…]["')\]]{2}))\s+(?=["'(\[]?[^\W_a-z])""")
"""Where one usually ends: a full stop, perhaps quoted, then white space, then anything but a small letter."""

_CONTRACTION = re.compile(r"(?<=\w)(n't|'(?:s|re|ve|ll|d|m))\b", re.IGNORECASE)
_PUNCTUATION = re.compile(r"""\s*(\.\.\.|--|[,;:!?()"]|\.(?=[")\s]*$))\s*""")
"""What the Penn Treebank puts spaces around; a full stop only at the end."""


@dataclass(frozen=True)
class SentencesConfig:
    """Sentences of longer texts.

    Attributes:
        fewest: Fewest words of a sentence that is kept.
        most: Most words of one.
        is_penn_spaced: Whether contractions and punctuation are set apart, as in data sets that come from the
            Penn Treebank's tokeniser.
    """

    __pydantic_config__: ClassVar = STRICT

    fewest: int = 3
    most: int = 60
    is_penn_spaced: bool = False

    def __post_init__(self) -> None:
        check_positive(fewest=self.fewest, most=self.most)
        if self.fewest > self.most:
            raise RecipeError(f"No sentence has at least {self.fewest} words and at most {self.most}.")


@register("sentences", MODEL, config=SentencesConfig, source="")
def sentences(config: SentencesConfig, items: Sequence[Item], _tools: StepContext) -> Iterator[list[Item]]:
    """Sentences of longer texts."""
    return cut_into_sentences(config, items)


def cut_into_sentences(config: SentencesConfig, items: Sequence[Item]) -> Iterator[list[Item]]:
    """The sentences of each text, by punctuation; an abbreviation before a capital letter ends one, too.

    Raises:
        DataError: The items are pairs, or words that carry tags.
    """
    for item in items:
        if not isinstance(item, str):
            raise DataError(
                f"sentences cuts texts, but an item of this task is {item!r}. Leave the step out."
            )

        pieces = (piece for line in _BREAK.split(item) for piece in _END.split(line))
        spaced = [penn_spaced(piece) if config.is_penn_spaced else piece.strip() for piece in pieces]
        yield [text for text in spaced if config.fewest <= len(split(text)) <= config.most]


def penn_spaced(text: str) -> str:
    """Spaces before contractions and around punctuation: ``It isn't, no.`` → ``It is n't , no .``."""
    apart = _PUNCTUATION.sub(r" \1 ", _CONTRACTION.sub(r" \1", text))
    return " ".join(apart.split())
