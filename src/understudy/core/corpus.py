"""Items without gold labels, wherever they are: in memory, or on disk and read anew at each pass."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol, cast

from understudy.core.task import Item


class Corpus(Protocol):
    """Items that can be passed over any number of times, always in the same order."""

    @property
    def is_on_disk(self) -> bool:
        """Whether the items stay in files, so that nothing may hold all of them at once."""
        ...

    @property
    def rows(self) -> int:
        """How many items there are; for files, about how many."""
        ...

    @property
    def fingerprint(self) -> object:
        """A JSON-ready value that differs for different items, or for the same in another order."""
        ...

    @property
    def facts(self) -> Mapping[str, object]:
        """What a saved data set writes down of it; empty where it writes down the items themselves."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the files that were given; empty where none were."""
        ...

    def __iter__(self) -> Iterator[Item]:
        """Pass over the items."""
        ...


class Items(tuple[Item, ...]):
    """A corpus in memory: a tuple, and equal to one."""

    __slots__ = ()

    @property
    def is_on_disk(self) -> bool:
        """Items in memory are not."""
        return False

    @property
    def rows(self) -> int:
        """How many items there are."""
        return len(self)

    @property
    def fingerprint(self) -> list[Item]:
        """The items themselves."""
        return list(self)

    @property
    def facts(self) -> dict[str, object]:
        """None: the items are written down."""
        return {}

    @property
    def names(self) -> tuple[str, ...]:
        """None: the items are in memory."""
        return ()


def as_corpus(items: Corpus | Iterable[Item]) -> Corpus:
    """The corpus itself, or items as a corpus in memory."""
    if hasattr(items, "is_on_disk"):
        return cast("Corpus", items)
    return Items(items)
