"""Texts of other data sets (Nityasya et al. 2022, section 3.3)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, cast

from understudy.augment.registry import MODEL, PathOption, StepContext, register
from understudy.core.checks import STRICT, check_choice
from understudy.core.task import Item
from understudy.data import Dataset, load_dataset
from understudy.errors import DataError, RecipeError
from understudy.tokenization.words import tokens


@dataclass(frozen=True)
class MergeConfig:
    """Texts of other data sets.

    Attributes:
        sources: Data sets, as `understudy.data.load_dataset` takes them.
        parts: Parts of each that are taken, of ``train``, ``dev``, ``test`` and ``unlabelled``.
    """

    __pydantic_config__: ClassVar = STRICT

    sources: tuple[PathOption, ...]
    parts: tuple[str, ...] = ("train", "unlabelled")

    def __post_init__(self) -> None:
        object.__setattr__(self, "sources", tuple(self.sources))
        object.__setattr__(self, "parts", tuple(self.parts))
        if not self.sources or not self.parts:
            raise RecipeError("merge needs at least one source and one part, but has none.")
        for part in self.parts:
            check_choice("part", part, ("train", "dev", "test", "unlabelled"))


@register(
    "merge",
    MODEL,
    config=MergeConfig,
    source="Nityasya et al. 2022, section 3.3",
    is_source=True,
    keeps_words=True,
)
def merge(config: MergeConfig, _items: Sequence[Item], tools: StepContext) -> Iterator[list[Item]]:
    """The texts of each source, part by part; their labels are not used, the teacher gives its own.

    Where sentences are tagged, their words: those of other tagging sets as they are, texts cut into words.

    Raises:
        DataError: A source cannot be found or used.
    """
    for source in config.sources:
        yield from dataset_texts(load_dataset(source), config.parts, are_words=tools.are_words)


def dataset_texts(
    dataset: Dataset, parts: tuple[str, ...], *, are_words: bool = False
) -> Iterator[list[Item]]:
    """The texts of the named parts of a data set; of sentences to be tagged, their words joined by spaces.

    Args:
        dataset: Where they come from.
        parts: Names of its parts.
        are_words: Whether words of sentences are wanted in place of texts.

    Raises:
        DataError: Sentences are wanted, but the data set holds pairs of texts.
    """
    if are_words and dataset.task.texts == 2:
        raise DataError(
            f"{dataset.name} holds pairs of texts, which are no sentences to be tagged. Leave it out of "
            "merge."
        )

    for part in parts:
        items = dataset.unlabelled if part == "unlabelled" else getattr(dataset, part).texts
        is_tagged = dataset.task.kind == "tagging"
        if is_tagged and not are_words:
            items = [" ".join(words) for words in items]
        elif are_words and not is_tagged:
            items = [
                words
                for text in cast("Sequence[str]", items)
                if (words := tuple(word for word, _, _ in tokens(text)))
            ]
        yield list(items)
