"""Vocabularies of pieces of words: trained here, for our own code; or a teacher's, for ``tokenizers``."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from understudy.core.safe_json import parse_json
from understudy.core.task import IntArray
from understudy.errors import ArtifactError, MissingExtraError
from understudy.tokenization.words import (
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

REMEMBERED = 1 << 16
"""Words whose spelling is kept at hand; a language's frequent words are fewer."""


class SubwordVocabulary:
    """A tokeniser's JSON document as a vocabulary: text → ids, id 0 being the padding.

    Our own code follows a document that `train_wordpiece` wrote, the ``tokenizers`` library any other.

    Args:
        document: A document that `tokenizers` reads.
        max_words: Longer texts are cut to their first ``max_words`` pieces; ``None`` cuts nothing.

    Raises:
        ArtifactError: the library cannot read the document.
        MissingExtraError: the library is needed, but not installed.
    """

    kind = "pieces"

    def __init__(self, document: dict[str, Any], max_words: int | None = None) -> None:
        cut = {"direction": "Right", "max_length": max_words, "strategy": "LongestFirst", "stride": 0}
        self.document = {**document, "padding": None, "truncation": cut if max_words else None}
        self.max_words = max_words
        self._spell = _speller(document["model"]) if is_own(document) else None
        if self._spell is None:
            _ = self.tokenizer  # an error in it is raised now, not when the first text is read

    @cached_property
    def tokenizer(self) -> Any:
        """The same rule in the ``tokenizers`` library."""
        try:
            from tokenizers import Tokenizer
        except ImportError as error:
            raise MissingExtraError(
                "This vocabulary is a teacher's own, which only the tokenizers library can read. Install it "
                "with: pip install 'understudy[pieces]'"
            ) from error
        try:
            return Tokenizer.from_str(json.dumps(self.document))
        except Exception as error:  # the library raises no narrower type
            raise ArtifactError(f"The tokeniser cannot be read: {error}.") from error

    def __len__(self) -> int:
        if self._spell is not None:
            return len(self.document["model"]["vocab"])
        return int(self.tokenizer.get_vocab_size(with_added_tokens=True))

    def encode(self, text: str) -> list[int]:
        """Ids of the pieces of one text; a text without any is one unknown word."""
        if self._spell is not None:
            return self._own(text)[: self.max_words]
        return self.tokenizer.encode(_readable(text)).ids or [UNK_ID]

    def encode_batch(self, texts: Sequence[str]) -> tuple[IntArray, IntArray]:
        """Ids of all texts end to end ``(sum of lengths,)``, and the lengths ``(n,)``; each length ≥ 1."""
        if self._spell is not None:
            return flattened([self._own(text)[: self.max_words] for text in texts])
        encoded = self.tokenizer.encode_batch_fast([_readable(text) for text in texts])
        return flattened([row.ids or [UNK_ID] for row in encoded])

    def encode_words(self, words: Sequence[str]) -> tuple[IntArray, IntArray]:
        """Ids of given words without special ones, none cut; a word without pieces is an unknown one."""
        if self._spell is not None:
            return flattened([self._own(word) for word in words])
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

        between = next((i for s in SEPARATORS if (i := self._id_of(s)) is not None), None)
        if between is None:
            raise ArtifactError(
                f"The tokeniser has none of {SEPARATORS}, so it cannot read two texts in one."
            )
        return joined(zip(*map(self._whole, sides), strict=True), [between], self.max_words)

    def _whole(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of each text, none cut."""
        if self._spell is not None:
            return [self._own(text) for text in texts]
        return [row.ids or [UNK_ID] for row in self._uncut.encode_batch_fast(texts)]

    def _own(self, text: str) -> list[int]:
        """Ids of all pieces of one text, by our own code."""
        assert self._spell is not None
        return [number for word in split(_readable(text)) for number in self._spell(word)] or [UNK_ID]

    def _id_of(self, piece: str) -> int | None:
        if self._spell is not None:
            return self.document["model"]["vocab"].get(piece)  # type: ignore[no-any-return]
        return self.tokenizer.token_to_id(piece)  # type: ignore[no-any-return]

    def masked(self) -> SubwordVocabulary:
        """The same vocabulary for training texts, in which words may be masked by ``[MASK]``.

        A teacher's tokeniser knows its mask by itself.
        """
        number = self._id_of(MASK)
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


def is_own(document: Mapping[str, Any]) -> bool:
    """Whether a tokeniser's document is one of `train_wordpiece`'s: the rule of `words`, then WordPiece."""
    rule, model = WordVocabulary(SPECIALS).to_tokenizer(), document.get("model") or {}
    vocabulary = model.get("vocab")
    return (
        all(document.get(key) == rule[key] for key in ("normalizer", "pre_tokenizer", "post_processor"))
        and not document.get("added_tokens")
        and (model.get("type"), model.get("continuing_subword_prefix")) == ("WordPiece", PREFIX)
        and model.get("unk_token") == UNK
        and isinstance(model.get("max_input_chars_per_word"), int)
        and isinstance(vocabulary, dict)
        and vocabulary.get(UNK) == UNK_ID
        and all(isinstance(number, int) for number in vocabulary.values())
    )


def _speller(model: Mapping[str, Any]) -> Callable[[str], tuple[int, ...]]:
    """A word → ids of its pieces: from its beginning on the longest piece there is, or else unknown."""
    pieces, longest_word = model["vocab"], model["max_input_chars_per_word"]
    longest = max(map(len, pieces))

    @lru_cache(maxsize=REMEMBERED)
    def spell(word: str) -> tuple[int, ...]:
        numbers: list[int] = []
        start, prefix = 0, ""
        while start < len(word) <= longest_word:
            for stop in range(min(len(word), start + longest), start, -1):
                number = pieces.get(prefix + word[start:stop])
                if number is not None:
                    break
            else:
                return (UNK_ID,)
            numbers.append(number)
            start, prefix = stop, PREFIX
        return tuple(numbers) or (UNK_ID,)

    return spell


def train_wordpiece(texts: Iterable[str], size: int, *, has_separator: bool = False) -> SubwordVocabulary:
    """A WordPiece vocabulary of at most ``size`` pieces, trained on texts split by the rule of `words`.

    Schuster & Nakajima 2012. The same texts in any order give the same vocabulary.
    """
    from tokenizers import Tokenizer, models, trainers

    words = Counter(word for text in texts for word in split(without_masks(_readable(text))))
    letters: Counter[str] = Counter()
    for word, count in words.items():
        letters.update(dict.fromkeys(word, count))
    # rare letters get no piece of their own: at least half of the entries are left for longer pieces
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
        document: The tokeniser's JSON document.
        padding: The teacher's padding token.

    Raises:
        ArtifactError: the tokeniser has no such token, or is of a kind that cannot be renumbered.
    """
    vocabulary = SubwordVocabulary(document)
    old = vocabulary.tokenizer.token_to_id(padding)
    if old is None:
        raise ArtifactError(f"The teacher's tokeniser has no padding token {padding!r}.")
    if old == PAD_ID:
        return vocabulary
    return SubwordVocabulary(_swapped(document, old, PAD_ID))


BaseVocabulary = WordVocabulary | SubwordVocabulary
"""What turns text into ids of words or pieces; both kinds have the same methods."""


def load_base(path: Path) -> BaseVocabulary:
    """Read a ``tokenizer.json``: words and our own pieces for our own code, others for the library.

    Raises:
        ArtifactError: the file is not a tokeniser.
        MissingExtraError: only the ``tokenizers`` library can follow it, and it is not installed.
    """
    try:
        document = parse_json(path.read_bytes())
        is_words = (
            document["model"]["type"] == "WordLevel"
            and (document["pre_tokenizer"] or {}).get("type") == "Split"
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ArtifactError(f"{path} is not a tokeniser: {error!r}.") from error
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
