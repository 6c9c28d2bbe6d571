"""Tagged sentences: words, tags, and spans with their places in the text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from understudy.core.spans import spans
from understudy.core.task import FloatArray, Item, Task
from understudy.tokenization.words import tokens


@dataclass(frozen=True)
class TextSpan:
    """A span of a sentence.

    Attributes:
        kind: such as ``PER``.
        text: as it stands in the sentence.
        start: number of its first character.
        stop: number of the character behind its last.
    """

    kind: str
    text: str
    start: int
    stop: int


@dataclass(frozen=True)
class Tagged:
    """A sentence with a tag for each word.

    Attributes:
        words: as they stand in the sentence.
        tags: as many label names.
        spans: what tags such as ``B-PER``, ``I-PER`` mark; empty where tags mark no spans.
        text: the sentence; words given one by one stand there with spaces between.
    """

    words: tuple[str, ...]
    tags: tuple[str, ...]
    spans: tuple[TextSpan, ...]
    text: str


def tag(given: Sequence[Item], sentences: Sequence[Item], task: Task, logits: FloatArray) -> list[Tagged]:
    """Put logits ``(words of all sentences, c)`` back to their sentences.

    Args:
        given: as the user wrote them: texts, or tuples of words.
        sentences: the same as tuples of words.
        task: names the columns.
        logits: a row a word.
    """
    columns = logits.argmax(axis=-1).tolist()
    tagged, at = [], 0
    for sentence, words in zip(given, sentences, strict=True):
        tags = tuple(task.labels[column] for column in columns[at : at + len(words)])
        at += len(words)
        text = sentence if isinstance(sentence, str) else " ".join(words)
        places = _places(sentence, words)
        found = spans(tags) if task.has_spans else []
        marked = [(span.kind, places[span.start][0], places[span.stop - 1][1]) for span in found]
        texts = tuple(TextSpan(kind, text[start:stop], start, stop) for kind, start, stop in marked)
        tagged.append(Tagged(tuple(words), tags, texts, text))
    return tagged


def _places(sentence: Item, words: Sequence[str]) -> list[tuple[int, int]]:
    """First character of each word, and the one behind its last."""
    if isinstance(sentence, str):
        return [(start, stop) for _, start, stop in tokens(sentence)]
    places, at = [], 0
    for word in words:
        places.append((at, at + len(word)))
        at += len(word) + 1
    return places
