"""Sentences cut from longer texts, such as reviews: a pool of documents for a task of sentences."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from understudy.augment.configs import SentencesConfig
from understudy.core.task import Item
from understudy.errors import DataError
from understudy.tokenization.words import split

_BREAK = re.compile(r"<br\s*/?>|[\r\n]+", re.IGNORECASE)
"""Where a sentence ends in any case."""

_END = re.compile(r"""(?:(?<=[.!?…])|(?<=[.!?…]["')\]])|(?<=[.!?…]["')\]]{2}))\s+(?=["'(\[]?[^\W_a-z])""")
"""Where one ends, most of the time: a full stop, perhaps quoted, then white space, then no small letter."""

_CONTRACTION = re.compile(r"(?<=\w)(n't|'(?:s|re|ve|ll|d|m))\b", re.IGNORECASE)
_PUNCTUATION = re.compile(r"""\s*(\.\.\.|--|[,;:!?()"]|\.(?=[")\s]*$))\s*""")
"""What the Penn Treebank puts spaces around; a full stop only at the end."""


def sentences(config: SentencesConfig, items: Sequence[Item]) -> Iterator[list[Item]]:
    """The sentences of each text, by punctuation; abbreviations before a capital letter end one, too.

    Raises:
        DataError: the items are pairs, or words that carry tags.
    """
    for item in items:
        if not isinstance(item, str):
            raise DataError(
                f"sentences cuts texts, but an item of this task is {item!r}. Leave the step out."
            )
        found = (cut for line in _BREAK.split(item) for cut in _END.split(line))
        spaced = [penn_spaced(text) if config.is_penn_spaced else text.strip() for text in found]
        yield [text for text in spaced if config.fewest <= len(split(text)) <= config.most]


def penn_spaced(text: str) -> str:
    """Spaces before contractions and around punctuation: ``It isn't, no.`` → ``It is n't , no .``."""
    apart = _PUNCTUATION.sub(r" \1 ", _CONTRACTION.sub(r" \1", text))
    return " ".join(apart.split())
