"""Texts of other data sets (Nityasya et al. 2022, section 3.3)."""

from __future__ import annotations

from collections.abc import Iterator

from understudy.augment.configs import MergeConfig
from understudy.core.task import Item
from understudy.data import Dataset, load_dataset


def merge(config: MergeConfig) -> Iterator[list[Item]]:
    """The texts of each source, part by part; labels are left behind, the teacher gives its own.

    Raises:
        DataError: a source cannot be found or used.
    """
    for source in config.sources:
        yield from dataset_texts(load_dataset(source), config.parts)


def dataset_texts(dataset: Dataset, parts: tuple[str, ...]) -> Iterator[list[Item]]:
    """The texts of the named parts of a data set; of sentences to be tagged, their words joined by spaces."""
    for part in parts:
        items = dataset.unlabelled if part == "unlabelled" else getattr(dataset, part).texts
        if dataset.task.kind == "tagging":
            items = [" ".join(words) for words in items]
        yield list(items)
