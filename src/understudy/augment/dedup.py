"""How texts and pairs of texts are compared, and which of them a pool has seen already."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from understudy.core.task import IntArray, Item
from understudy.data.leakage import normalise, normaliser_for

Keys = npt.NDArray[np.uint64]
"""64-bit hashes of normalised items ``(n,)``."""

T = TypeVar("T")

_BETWEEN = "\x1f"  # between the two texts of a pair; `normalise` turns it into a space inside a text


def normalise_unordered(item: Item, *, are_words: bool = False) -> str:
    """An item normalised for the comparison with dev and test: the order of a pair does not matter.

    Where items are the words of sentences (``are_words``), their letters are compared in order, however they
    were cut into words.

    The leak guard compares in the same way (`understudy.data.leakage`), so augmentation cannot bring back a
    text that it dropped.

    >>> normalise_unordered(("Any  Rooms?", "None.")) == normalise_unordered(("none.", "any rooms?"))
    True
    """
    return normaliser_for(1 if are_words or isinstance(item, str) else 2)(item)


def normalise_item(item: Item) -> str:
    r"""An item normalised for the comparison within a pool: case folded, white space one space, pairs joined.

    A pair in the other order is another item here: it may well have another label.

    >>> normalise_item(("Any  Rooms?", "None."))
    'any rooms?\x1fnone.'
    """
    if isinstance(item, str):
        return normalise(item)
    return _BETWEEN.join(map(normalise, item))


def hash_keys(normalised: Iterable[str]) -> Keys:
    """64-bit hashes of normalised items ``(n,)``; the same in every process and on every machine."""
    encoded = (text.encode("utf-8", "surrogatepass") for text in normalised)
    raw = b"".join([hashlib.blake2b(text, digest_size=8).digest() for text in encoded])
    return np.frombuffer(raw, dtype="<u8").astype(np.uint64)


def item_keys(items: Iterable[Item]) -> Keys:
    """`hash_keys` of items as they are."""
    return hash_keys(map(normalise_item, items))


def unordered_keys(items: Sequence[Item], keys: Keys, *, are_words: bool = False) -> Keys:
    """`hash_keys` of items by `normalise_unordered`; ``keys`` are their `item_keys`, the same for texts."""
    if not items or isinstance(items[0], str):
        return keys
    return hash_keys(normalise_unordered(item, are_words=are_words) for item in items)


def not_held_out(items: Sequence[Item], held_out: KeySet, *, are_words: bool = False) -> list[Item]:
    """The items that are not in dev or test, in order; ``held_out`` has the keys of dev and test."""
    is_out = held_out.contains(unordered_keys(items, item_keys(items), are_words=are_words))
    return [item for item, out in zip(items, is_out.tolist(), strict=True) if not out]


def pick(items: Sequence[T], rows: npt.NDArray[np.int64], most: int, seed: int) -> tuple[T, ...]:
    """At most ``most`` of the items in ``rows``, drawn at random, in their order."""
    if len(rows) > most:
        rows = np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))
    return tuple(items[row] for row in rows.tolist())


class KeySet:
    """A growing set of 64-bit keys in sorted runs of numpy arrays: 8 bytes a key, no Python object for any.

    Runs of similar size are merged, so that there are few of them. Among a hundred million distinct texts,
    the chance that one is taken for another is about 1 in 4,000; that text is then left out.
    """

    def __init__(self) -> None:
        self._runs: list[Keys] = []

    def __len__(self) -> int:
        return sum(map(len, self._runs))

    def contains(self, keys: Keys) -> npt.NDArray[np.bool_]:
        """Which of the keys are in the set: ``(n,)``."""
        distinct, back = np.unique(keys, return_inverse=True)
        return self._contains(distinct)[back]

    def add(self, keys: Keys) -> npt.NDArray[np.bool_]:
        """Add keys ``(n,)``; True for each that was not there before, nor stands earlier in ``keys``."""
        distinct, first = np.unique(keys, return_index=True)
        is_fresh = ~self._contains(distinct)

        is_new = np.zeros(len(keys), dtype=np.bool_)
        is_new[first[is_fresh]] = True
        if is_fresh.any():
            self._runs.append(distinct[is_fresh])
            self._merge()

        return is_new

    def _contains(self, ordered: Keys) -> npt.NDArray[np.bool_]:
        """Which of the keys, in rising order, are in the set."""
        is_known = np.zeros(len(ordered), dtype=np.bool_)
        for run in self._runs:
            place = np.searchsorted(run, ordered)
            place[place == len(run)] = 0  # after the last key: compared with the first, it differs
            is_known |= run[place] == ordered
        return is_known

    def _merge(self) -> None:
        while len(self._runs) > 1 and len(self._runs[-2]) <= 2 * len(self._runs[-1]):
            merged = np.concatenate([self._runs.pop(), self._runs.pop()])
            merged.sort(kind="stable")  # two sorted runs: a merge, not a sort
            self._runs.append(merged)


SHOWN = 10
"""Survivors and victims that a step shows."""

# Pools on disk hold these words, so they stay as they are.
DUPLICATE, HELD_OUT = "stands in the pool or among the labelled texts", "stands in dev or test"


@dataclass(frozen=True)
class Removed:
    """A text that was removed, and why."""

    item: Item
    reason: str


@dataclass
class Deduplicator:
    """Drops what one step made twice, or what is in dev or test; steps share the keys that were seen.

    For each reason, the `SHOWN` removed texts with the smallest keys are remembered. Keys are hashes, so
    these are a random sample of the distinct ones, whatever their number and order.

    Args:
        seen: Keys of the texts of the pool and of the labelled ones; it grows.
        held_out: Keys of dev and test.
        made: Texts that the step made.
        removed: Texts that were dropped, by reason.
        shown: Reason → key → text, for some of those.
        are_words: Whether items are the words of sentences.
    """

    seen: KeySet
    held_out: KeySet
    made: int = 0
    removed: Counter[str] = field(default_factory=Counter)
    shown: dict[str, dict[int, Item]] = field(default_factory=dict)
    are_words: bool = False

    @property
    def victims(self) -> tuple[Removed, ...]:
        """Some of the removed texts, at most `SHOWN`, evenly from all reasons."""
        ranked = sorted(
            (rank, reason, item)
            for reason, items in self.shown.items()
            for rank, item in enumerate(items.values())
        )
        return tuple(Removed(item, reason) for _, reason, item in ranked[:SHOWN])

    def pass_through(self, items: Sequence[Item]) -> tuple[list[Item], Keys]:
        """The items that are new, in order, and their keys."""
        keys = item_keys(items)
        is_leak = self.held_out.contains(unordered_keys(items, keys, are_words=self.are_words))
        is_new = np.zeros(len(items), dtype=np.bool_)
        is_new[~is_leak] = self.seen.add(keys[~is_leak])

        self.made += len(items)
        self._remove(HELD_OUT, np.flatnonzero(is_leak), keys, items)
        self._remove(DUPLICATE, np.flatnonzero(~is_leak & ~is_new), keys, items)

        return [items[row] for row in np.flatnonzero(is_new).tolist()], keys[is_new]

    def to_dict(self) -> dict[str, object]:
        """Counts and victims, JSON-ready; `from_dict` is the inverse."""
        shown = {reason: list(map(list, items.items())) for reason, items in self.shown.items()}
        return {"made": self.made, "removed": dict(self.removed), "shown": shown}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], seen: KeySet, held_out: KeySet) -> Deduplicator:
        """A deduplicator that continues where another one stopped."""
        shown = {
            reason: {key: item if isinstance(item, str) else tuple(item) for key, item in items}
            for reason, items in data["shown"].items()
        }
        return cls(seen, held_out, data["made"], Counter(data["removed"]), shown)

    def _remove(self, reason: str, rows: IntArray, keys: Keys, items: Sequence[Item]) -> None:
        if not len(rows):
            return

        self.removed[reason] += len(rows)
        shown = self.shown.setdefault(reason, {})
        if len(shown) == SHOWN:
            rows = rows[keys[rows] < max(shown)]

        smallest, first = np.unique(keys[rows], return_index=True)
        pairs = zip(smallest[:SHOWN].tolist(), rows[first[:SHOWN]].tolist(), strict=True)
        shown.update({key: items[row] for key, row in pairs})
        self.shown[reason] = dict(sorted(shown.items())[:SHOWN])
