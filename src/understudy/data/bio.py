"""Tags in IOB1, where ``I-X`` may begin a span, rewritten in BIO."""

from __future__ import annotations

from understudy.data.labels import Labelled, names_in
from understudy.spans import to_bio
from understudy.task import OUTSIDE


def rewrite(split: Labelled) -> tuple[Labelled, int]:
    """The split in BIO, and how many sentences were rewritten; tags of other schemes stay as they are."""
    tags = {tag for label in split.labels for tag in names_in(label)}
    if not any(tag.startswith("I-") for tag in tags):
        return split, 0
    if not all(tag == OUTSIDE or tag[:2] in ("B-", "I-") for tag in tags):
        return split, 0
    rows = [row for row, label in enumerate(split.labels) if _is_iob1(names_in(label))]
    labels = list(split.labels)
    for row in rows:
        labels[row] = tuple(to_bio(names_in(labels[row])))
    return Labelled(split.texts, labels), len(rows)


def _is_iob1(tags: tuple[str, ...]) -> bool:
    """Whether an ``I-X`` does not follow a tag of its type."""
    return any(
        tag.startswith("I-") and before[2:] != tag[2:]
        for before, tag in zip((OUTSIDE, *tags), tags, strict=False)
    )
