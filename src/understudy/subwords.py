"""Vocabularies of pieces of words, by the ``tokenizers`` library: trained here, or a teacher's own."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from understudy.errors import ArtifactError
from understudy.task import IntArray
from understudy.words import (
    MASK,
    PAD_ID,
    SEP,
    SPECIALS,
    UNK,
    UNK_ID,
    WordVocabulary,
    flattened,
    joined,
    split,
    without_masks,
)

SEPARATORS = ("[SEP]", "</s>")
"""Usual separators of two texts."""

PREFIX = "##"
"""Stands before a piece that continues a word."""


class SubwordVocabulary:
    """A tokeniser of the ``tokenizers`` library as a vocabulary: text → ids, id 0 being the padding.

    Args:
        document: the tokeniser's JSON document, as `tokenizers` reads it.
        max_words: longer texts are cut to their first ``max_words`` pieces; ``None`` cuts nothing.

    Raises:
        ArtifactError: the library cannot read the document.
    """

    kind = "pieces"

    def __init__(self, document: dict[str, Any], max_words: int | None = None) -> None:
        from tokenizers import Tokenizer

        cut = {"direction": "Right", "max_length": max_words, "strategy": "LongestFirst", "stride": 0}
        self.document = {**document, "padding": None, "truncation": cut if max_words else None}
        self.max_words = max_words
        try:
            self.tokenizer = Tokenizer.from_str(json.dumps(self.document))
        except Exception as error:  # the library raises no narrower type
            raise ArtifactError(f"The tokeniser cannot be read: {error}.") from error

    def __len__(self) -> int:
        return int(self.tokenizer.get_vocab_size(with_added_tokens=True))

    def encode(self, text: str) -> list[int]:
        """Ids of the pieces of one text; a text without any is one unknown word."""
        return self.tokenizer.encode(_readable(text)).ids or [UNK_ID]

    def encode_batch(self, texts: Sequence[str]) -> tuple[IntArray, IntArray]:
        """Ids of all texts end to end ``(sum of lengths,)``, and the lengths ``(n,)``; each length ≥ 1."""
        encoded = self.tokenizer.encode_batch_fast([_readable(text) for text in texts])
        return flattened([row.ids or [UNK_ID] for row in encoded])

    def encode_words(self, words: Sequence[str]) -> tuple[IntArray, IntArray]:
        """Ids of given words without special ones, none cut; a word without pieces is an unknown one."""
        spaced = [" " + _readable(word) for word in words]  # byte-level pieces know a word by its space
        encoded = self._uncut.encode_batch_fast(spaced, add_special_tokens=False)
        return flattened([row.ids or [UNK_ID] for row in encoded])

    def encode_pairs(self, first: Sequence[str], second: Sequence[str]) -> tuple[IntArray, IntArray]:
        """Ids of pairs of texts, as the tokeniser puts two texts in one, or with a separator between.

        Raises:
            ArtifactError: the tokeniser has no separator.
        """
        sides = [[_readable(text) for text in texts] for texts in (first, second)]
        if self.document.get("post_processor"):
            encoded = self.tokenizer.encode_batch_fast(list(zip(*sides, strict=True)))
            return flattened([row.ids for row in encoded])
        between = next((i for s in SEPARATORS if (i := self.tokenizer.token_to_id(s)) is not None), None)
        if between is None:
            raise ArtifactError(
                f"The tokeniser has none of {SEPARATORS}, so it cannot read two texts in one."
            )
        ids = [[row.ids or [UNK_ID] for row in self._uncut.encode_batch_fast(texts)] for texts in sides]
        return joined(zip(*ids, strict=True), [between], self.max_words)

    def masked(self) -> SubwordVocabulary:
        """The same vocabulary for training texts, in which words may be masked by ``[MASK]``.

        A teacher's tokeniser knows its mask by itself.
        """
        number = self.tokenizer.token_to_id(MASK)
        added = self.document.get("added_tokens") or []
        if number is None or any(token["content"] == MASK for token in added):
            return self
        flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
        mask = {"id": number, "content": MASK, "special": True, **flags}
        return SubwordVocabulary({**self.document, "added_tokens": [*added, mask]}, self.max_words)

    @cached_property
    def _uncut(self) -> Any:
        return self.cut(None).tokenizer

    def cut(self, max_words: int | None) -> SubwordVocabulary:
        """The same vocabulary with another limit."""
        return SubwordVocabulary(self.document, max_words)

    def save(self, path: Path) -> None:
        """Write ``tokenizer.json``."""
        path.write_text(json.dumps(self.document, indent=1), encoding="utf-8")


def train_wordpiece(texts: Iterable[str], size: int, *, has_separator: bool = False) -> SubwordVocabulary:
    """A WordPiece vocabulary of at most ``size`` pieces, trained on texts split by the rule of `words`.

    Schuster & Nakajima 2012. The same texts in any order give the same vocabulary.
    """
    from tokenizers import Tokenizer, models, trainers

    words = Counter(word for text in texts for word in split(without_masks(_readable(text))))
    letters: Counter[str] = Counter()
    for word, count in words.items():
        letters.update(dict.fromkeys(word, count))
    alphabet = sorted(letters, key=lambda letter: (-letters[letter], letter))[: max(1, size // 2)]
    rule = WordVocabulary(SPECIALS).to_tokenizer()
    tokenizer = Tokenizer.from_str(json.dumps(rule))
    tokenizer.model = models.WordPiece({UNK: 0}, unk_token=UNK)
    # The library numbers continued letters in the order of a hash table, and breaks ties by these numbers.
    # Named first, they have the same numbers in every run.
    trainer = trainers.WordPieceTrainer(
        vocab_size=size,
        special_tokens=[
            *SPECIALS,
            *([SEP] if has_separator else []),
            *(PREFIX + letter for letter in alphabet),
        ],
        initial_alphabet=alphabet,
        limit_alphabet=len(alphabet),
        continuing_subword_prefix=PREFIX,
        show_progress=False,
    )
    repeated = (f"{word} " * count for word, count in sorted(words.items()))
    tokenizer.train_from_iterator(repeated, trainer)
    return SubwordVocabulary({**json.loads(tokenizer.to_str()), "added_tokens": []})


def teacher_vocabulary(document: dict[str, Any], padding: str) -> SubwordVocabulary:
    """A teacher's own tokeniser, its padding moved to id 0, where every student expects it.

    Args:
        document: the tokeniser's JSON document.
        padding: the teacher's padding token.

    Raises:
        ArtifactError: the tokeniser has no such token, or is of a form that cannot be renumbered.
    """
    vocabulary = SubwordVocabulary(document)
    old = vocabulary.tokenizer.token_to_id(padding)
    if old is None:
        raise ArtifactError(f"The teacher's tokeniser has no padding token {padding!r}.")
    if old == PAD_ID:
        return vocabulary
    return SubwordVocabulary(_swapped(document, old, PAD_ID))


Vocabulary = WordVocabulary | SubwordVocabulary
"""What turns text into ids; both kinds have the same methods."""


def load_vocabulary(path: Path) -> Vocabulary:
    """Read a ``tokenizer.json``: whole words by our own code, pieces by the library.

    Raises:
        ArtifactError: the file is no tokeniser.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        is_words = (
            document["model"]["type"] == "WordLevel"
            and (document["pre_tokenizer"] or {}).get("type") == "Split"
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ArtifactError(f"{path} is no tokeniser: {error!r}.") from error
    if is_words:
        return WordVocabulary.load(path)
    return SubwordVocabulary(document, (document.get("truncation") or {}).get("max_length"))


def _readable(text: str) -> str:
    """The library refuses lone surrogates; they become replacement characters."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _swapped(document: dict[str, Any], one: int, two: int) -> dict[str, Any]:
    """The document with two ids exchanged everywhere."""
    turn = {one: two, two: one}
    new: dict[str, Any] = json.loads(json.dumps(document))
    vocabulary = new["model"]["vocab"]
    if isinstance(vocabulary, dict):
        new["model"]["vocab"] = {word: turn.get(number, number) for word, number in vocabulary.items()}
    else:  # a Unigram model lists its pieces
        vocabulary[one], vocabulary[two] = vocabulary[two], vocabulary[one]
        unknown = new["model"].get("unk_id")
        new["model"]["unk_id"] = turn.get(unknown, unknown)
    for token in new.get("added_tokens") or []:
        token["id"] = turn.get(token["id"], token["id"])
    new["added_tokens"] = sorted(new.get("added_tokens") or [], key=lambda token: token["id"])
    _renumber(new.get("post_processor") or {}, turn)
    return new


def _renumber(processor: Any, turn: dict[int, int]) -> None:
    """Exchange ids in a post-processor, whatever its kind."""
    for part in processor.get("processors", []):
        _renumber(part, turn)
    for special in (processor.get("special_tokens") or {}).values():
        special["ids"] = [turn.get(number, number) for number in special["ids"]]
    for key in ("sep", "cls"):
        if key in processor:
            word, number = processor[key]
            processor[key] = [word, turn.get(number, number)]
