"""A vocabulary's entries as words, so that vectors of others can be found for them."""

from __future__ import annotations

from collections.abc import Sequence

from understudy.tokenization.wordpiece import PREFIX, BaseVocabulary
from understudy.tokenization.words import PAD_ID, WordVocabulary

MARKS = "Ġ▁"
"""Stand before pieces that begin a word, in byte-level and SentencePiece vocabularies."""


def entries(vocabulary: BaseVocabulary) -> tuple[str, ...]:
    """A vocabulary's words or pieces in the order of their ids; an id without any is an empty one."""
    if isinstance(vocabulary, WordVocabulary):
        return vocabulary.words
    found = [""] * len(vocabulary)
    for piece, number in vocabulary.tokenizer.get_vocab(with_added_tokens=True).items():
        found[number] = piece
    return tuple(found)


def whole_words(vocabulary: BaseVocabulary) -> tuple[str, ...]:
    """The word that each entry is, and nothing for padding and for pieces that begin no word."""
    found = list(entries(vocabulary))
    if marks_words(found):
        found = [entry[1:] if entry[:1] in MARKS else "" for entry in found]
    found[PAD_ID] = ""
    return tuple("" if entry.startswith(PREFIX) else entry for entry in found)


def marks_words(pieces: Sequence[str]) -> bool:
    """Whether pieces that begin a word are marked, rather than those that continue one."""
    return any(len(piece) > 1 and piece[0] in MARKS for piece in pieces)
