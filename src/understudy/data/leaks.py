"""Keep what trains apart from what judges: drop train and unlabelled texts that stand in dev or test."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from understudy.data.labels import Labelled
from understudy.data.problems import listed, shorten
from understudy.errors import DataError


def normalise(text: str) -> str:
    r"""The form in which texts are compared: case folded, each run of white space one space.

    >>> normalise(" What a\tFILM ")
    'what a film'
    """
    return " ".join(text.casefold().split())


def drop_leaks(splits: Mapping[str, Labelled]) -> tuple[dict[str, Labelled], dict[str, int]]:
    """Drop train texts that stand in dev or test, and dev texts that stand in test.

    Args:
        splits: ``train`` and any of ``dev`` and ``test``.

    Returns:
        The splits, and how many rows were dropped by reason (reasons that dropped none are left out).

    Raises:
        DataError: nothing is left of a split.
    """
    kept = dict(splits)
    dropped: dict[str, int] = {}
    seen = {name: set(map(normalise, split.texts)) for name, split in splits.items() if name != "train"}
    for name, judge in (("train", "test"), ("train", "dev"), ("dev", "test")):
        if name not in kept or judge not in kept:
            continue
        before = kept[name]
        rows = [row for row, text in enumerate(before.texts) if normalise(text) not in seen[judge]]
        if not rows:
            raise DataError(
                f"Every {name} text also stands in {judge}. Bring a {name} file with other texts."
            )
        if len(rows) < len(before):
            dropped[f"{name} texts also in {judge}"] = len(before) - len(rows)
            kept[name] = before.pick(rows)
    return kept, dropped


def drop_known(
    unlabelled: Iterable[str], train: Sequence[str], held_out: Iterable[str]
) -> tuple[tuple[str, ...], dict[str, int]]:
    """Drop unlabelled texts that stand in dev or test (normalised) or in train (exactly).

    Args:
        unlabelled: distinct texts.
        train: train texts.
        held_out: dev and test texts.

    Returns:
        The texts that remain, in order, and how many were dropped by reason.
    """
    seen, learnt = set(map(normalise, held_out)), set(train)
    kept: list[str] = []
    dropped = {"unlabelled texts also in dev or test": 0, "unlabelled texts also in train": 0}
    for text in unlabelled:
        if normalise(text) in seen:
            dropped["unlabelled texts also in dev or test"] += 1
        elif text in learnt:
            dropped["unlabelled texts also in train"] += 1
        else:
            kept.append(text)
    return tuple(kept), {reason: count for reason, count in dropped.items() if count}


def conflict_note(name: str, split: Labelled) -> str | None:
    """A sentence on the texts of a split that stand under more than one label, or ``None``."""
    labels: dict[str, set[str]] = {}
    first: dict[str, str] = {}
    for text, label in zip(split.texts, split.labels, strict=True):
        key = normalise(text)
        labels.setdefault(key, set()).add(label)
        first.setdefault(key, text)
    conflicts = [key for key, found in labels.items() if len(found) > 1]
    if not conflicts:
        return None
    example = f"{shorten(first[conflicts[0]])} as {listed(sorted(labels[conflicts[0]]))}"
    texts = "text" if len(conflicts) == 1 else "texts"
    return f"{len(conflicts):,} {name} {texts} with conflicting labels, all kept; for example {example}."
