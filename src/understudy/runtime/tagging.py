"""Tagged sentences: words, tags, and spans with their places in the text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from understudy.core.spans import spans
from understudy.core.task import IntArray, Item, Task
from understudy.tokenization.words import tokens


@dataclass(frozen=True)
class TextSpan:
    """A span of a sentence.

    Attributes:
        kind: Kind of the span, such as ``PER``.
        text: The span as it is in the sentence.
        start: Number of its first character.
        stop: Number of the character after its last.
    """

    kind: str
    text: str
    start: int
    stop: int


@dataclass(frozen=True)
class Tagged:
    """A sentence with a tag for each word.

    Attributes:
        words: Words as they are in the sentence.
        tags: One label name for each word.
        spans: What tags such as ``B-PER``, ``I-PER`` mark; empty where tags mark no spans.
        text: The sentence; words that were given one by one are joined by spaces.
    """

    words: tuple[str, ...]
    tags: tuple[str, ...]
    spans: tuple[TextSpan, ...]
    text: str


def tag(given: Sequence[Item], sentences: Sequence[Item], task: Task, columns: IntArray) -> list[Tagged]:
    """Assign the columns of tags ``(words of all sentences,)`` to their sentences.

    Args:
        given: Sentences as the user wrote them: texts, or tuples of words.
        sentences: The same sentences as tuples of words.
        task: Task that names the columns.
        columns: That of each word's tag.
    """
    names, has_spans = [task.labels[column] for column in columns.tolist()], task.has_spans
    tagged, row = [], 0

    for sentence, words in zip(given, sentences, strict=True):
        tags = tuple(names[row : row + len(words)])
        row += len(words)

        text = sentence if isinstance(sentence, str) else " ".join(words)
        word_spans = spans(tags) if has_spans else []
        places = _places(sentence, words) if word_spans else []
        marked = [(span.kind, places[span.start][0], places[span.stop - 1][1]) for span in word_spans]
        texts = tuple(TextSpan(kind, text[start:stop], start, stop) for kind, start, stop in marked)
        tagged.append(Tagged(tuple(words), tags, texts, text))
    return tagged


def _places(sentence: Item, words: Sequence[str]) -> list[tuple[int, int]]:
    """Number of each word's first character, and of the character after its last."""
    if isinstance(sentence, str):
        return [(start, stop) for _, start, stop in tokens(sentence)]
    places, start = [], 0
    for word in words:
        places.append((start, start + len(word)))
        start += len(word) + 1  # words are joined by one space
    return places
