"""Keep training and evaluation apart: drop train and unlabelled texts that are also in dev or test."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from understudy.core.items import shown
from understudy.core.task import Item
from understudy.core.wording import plural
from understudy.data.labels import Label, Labelled
from understudy.data.readers.problems import listed, shorten
from understudy.errors import DataError

Normaliser = Callable[[Item], str]
"""The form in which items are compared."""


def normalise(item: Item) -> str:
    r"""The form in which items are compared: case folded, each run of white space one space.

    Sentences are compared by their letters alone: it makes no difference how they were cut into words.

    >>> normalise(" What a\tFILM "), normalise(("do", "n't"))
    ('what a film', "don't")
    """
    if isinstance(item, str):
        return " ".join(item.casefold().split())
    return "".join("".join(item).casefold().split())


def normalise_pair(item: Item) -> str:
    """The form in which pairs are compared: both texts folded, in either order."""
    return "\x1e".join(sorted(map(normalise, item)))


def normaliser_for(texts: int) -> Normaliser:
    """The form in which items of ``texts`` texts are compared wherever dev and test are guarded."""
    return normalise_pair if texts == 2 else normalise


def drop_leaks(
    splits: Mapping[str, Labelled], normaliser: Normaliser = normalise
) -> tuple[dict[str, Labelled], dict[str, int]]:
    """Drop train texts that are also in dev or test, and dev texts that are also in test.

    Args:
        splits: ``train`` and any of ``dev`` and ``test``.
        normaliser: Gives the form in which items are compared.

    Returns:
        The splits, and how many rows were dropped by reason (reasons that dropped none are left out).

    Raises:
        DataError: nothing is left of a split.
    """
    kept = dict(splits)
    dropped: dict[str, int] = {}
    if len(splits) == 1:
        return kept, dropped

    keys = {name: list(map(normaliser, split.texts)) for name, split in splits.items()}
    seen = {name: set(texts) for name, texts in keys.items()}
    # test is never touched: a text of two splits is dropped from the one that is used more freely
    for name, other in (("train", "test"), ("train", "dev"), ("dev", "test")):
        if name not in kept or other not in kept:
            continue
        rows = [row for row, key in enumerate(keys[name]) if key not in seen[other]]
        if not rows:
            raise DataError(f"Every {name} text is also in {other}. Provide a {name} file with other texts.")
        if len(rows) < len(kept[name]):
            dropped[f"{name} texts also in {other}"] = len(kept[name]) - len(rows)
            kept[name] = kept[name].pick(rows)
            keys[name] = [keys[name][row] for row in rows]
    return kept, dropped


def drop_known(
    unlabelled: Iterable[Item],
    train: Sequence[Item],
    held_out: Iterable[Item],
    normaliser: Normaliser = normalise,
) -> tuple[tuple[Item, ...], dict[str, int]]:
    """Drop unlabelled texts that are also in dev or test (normalised) or in train (exactly).

    Args:
        unlabelled: Distinct items.
        train: Train items.
        held_out: Dev and test items.
        normaliser: Gives the form in which items are compared with dev and test.

    Returns:
        The items that remain, in order, and how many were dropped by reason.
    """
    seen, learnt = set(map(normaliser, held_out)), set(train)
    kept: list[Item] = []
    dropped = {"unlabelled texts also in dev or test": 0, "unlabelled texts also in train": 0}
    for item in unlabelled:
        if normaliser(item) in seen:
            dropped["unlabelled texts also in dev or test"] += 1
        elif item in learnt:
            dropped["unlabelled texts also in train"] += 1
        else:
            kept.append(item)
    return tuple(kept), {reason: count for reason, count in dropped.items() if count}


def conflict_note(name: str, split: Labelled) -> str | None:
    """A sentence on the texts of a split that stand under more than one label, or ``None``.

    The order of a pair counts here: it may well be labelled otherwise the other way round. Values do not
    conflict.
    """
    labels: dict[str, set[Label]] = {}
    first: dict[str, Item] = {}
    for item, label in zip(split.texts, split.labels, strict=True):
        if isinstance(label, float):
            return None
        key = normalise(item) if isinstance(item, str) else "\x1e".join(map(normalise, item))
        labels.setdefault(key, set()).add(label)
        first.setdefault(key, item)

    conflicts = [key for key, different in labels.items() if len(different) > 1]
    if not conflicts:
        return None
    names = sorted(
        " ".join(label) if isinstance(label, tuple) else str(label) for label in labels[conflicts[0]]
    )
    example = f"{shorten(shown(first[conflicts[0]]))} as {listed(names)}"
    return (
        f"{plural(len(conflicts), f'{name} text')} with conflicting labels, all kept; for example {example}."
    )
