"""Spans in a sequence of tags, read as in the CoNLL shared tasks: BIO, IOB1 and BIOES alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from understudy.core.task import OUTSIDE


class Span(NamedTuple):
    """Words ``start … stop`` (the last not included) that are one ``kind``."""

    kind: str
    start: int
    stop: int


def spans(tags: Sequence[str]) -> list[Span]:
    """The spans of a sentence, in order.

    ``B-X`` and ``S-X`` begin a span; so does ``I-X`` or ``E-X`` that does not follow a tag of the same kind,
    which is how IOB1 writes all but adjacent spans (Tjong Kim Sang & Veenstra 1999, section 2).

    >>> spans(["B-PER", "I-PER", "O", "I-ORG"])
    [Span(kind='PER', start=0, stop=2), Span(kind='ORG', start=3, stop=4)]
    """
    spans_found: list[Span] = []
    kind, start = "", 0
    for place, tag in enumerate([*tags, OUTSIDE]):
        prefix, _, name = tag.partition("-")
        is_going_on = prefix in ("I", "E") and name == kind
        if kind and not is_going_on:
            spans_found.append(Span(kind, start, place))
            kind = ""
        if name and not is_going_on:
            kind, start = name, place
        if prefix in ("E", "S") and kind:
            spans_found.append(Span(kind, start, place + 1))
            kind = ""
    return spans_found


def to_bio(tags: Sequence[str]) -> list[str]:
    """The same spans written in BIO."""
    written = [OUTSIDE] * len(tags)
    for span in spans(tags):
        written[span.start : span.stop] = [f"I-{span.kind}"] * (span.stop - span.start)
        written[span.start] = f"B-{span.kind}"
    return written
