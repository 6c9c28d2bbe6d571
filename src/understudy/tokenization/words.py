"""How text becomes words, and words become ids. No model is known here, and nothing beyond numpy is needed.

The rule, simple enough for several implementations to agree on every string:

1. Each code point is lower-cased by itself (so a final sigma is an ordinary sigma), by the fixed table of
   `lowercase.py`, and U+2019, the typographic apostrophe, becomes ``'``.
2. Every code point is *space*, *single* or *word* (`SPACE`, `SINGLE`; all others, the apostrophe and the
   underscore among them, are word).
3. A text's words are its maximal runs of word code points, and each single code point by itself.

SPACE, SINGLE and the table are fixed: no Unicode property of any library's version is consulted.
`docs/splitting.md` says the same for those who write another implementation.
"""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from understudy.core.safe_json import parse_json
from understudy.core.task import IntArray
from understudy.errors import ArtifactError
from understudy.tokenization.lowercase import LOWER

PAD, UNK, MASK, SEP = "[PAD]", "[UNK]", "[MASK]", "[SEP]"
SPECIALS = (PAD, UNK, MASK)
PAD_ID, UNK_ID, MASK_ID = 0, 1, 2

SPACE = r"\x00-\x20\x7f-\xa0\u1680\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufe00-\ufe0f\ufeff"
"""Space: controls, every Unicode white space, joiners, direction marks, variation selectors, the BOM."""

SINGLE = (
    r"!-&(-/:-@\[-\^`{-~"  # ASCII punctuation but for ' and _
    r"\xa1-\xa9\xab-\xb4\xb6-\xb9\xbb-\xbf\xd7\xf7"  # Latin-1 signs
    r"\u2010-\u2027\u2030-\u205e\u20a0-\u20cf\u2190-\u2bff"  # dashes, quotes, currency, arrows, signs
    r"\u3001-\u3020\u3030\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\ufe30-\ufe4f"  # CJK signs and ideographs
    r"\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65"  # full-width punctuation
    r"\U0001f000-\U0001faff\U00020000-\U000323af"  # emoji, rarer ideographs
)
"""Single: punctuation, signs, emoji and ideographs, each a word of its own."""

PATTERN = f"[{SINGLE}]|[^{SPACE}{SINGLE}]+"
_SPACE, _SINGLE, _WORD = range(3)
_FIND = re.compile(PATTERN).findall
_PLACES = re.compile(PATTERN).finditer
_MASKS = re.compile(r"\[MASK\]|<mask>")
_LOWER = {**LOWER, "\u2019": "'"}
has_surrogate = re.compile("[\ud800-\udfff]").search
"""Whether a word has lone surrogates, which UTF-8 cannot write: a match, or ``None``."""

T = TypeVar("T")


def lower(text: str) -> str:
    """Lower-case code point by code point, and turn U+2019 into an ASCII apostrophe."""
    if text.isascii():
        return text.lower()
    look_up = _LOWER.get
    return "".join([look_up(letter, letter) for letter in text])


def split(text: str) -> list[str]:
    """The words of a text, in order.

    >>> split("Don’t wait: 2 rooms, please!")
    ["don't", 'wait', ':', '2', 'rooms', ',', 'please', '!']
    """
    return _FIND(lower(text))


def tokens(text: str) -> list[tuple[str, int, int]]:
    """The words of a text as they stand in it, each with the offsets of its start and end.

    The words are those of `split` before they are lower-cased: no letter changes its class when it is.

    >>> tokens("Don’t wait!")
    [('Don’t', 0, 5), ('wait', 6, 10), ('!', 10, 11)]
    """
    places = (match.span() for match in _PLACES(text.replace("\u2019", "'")))
    return [(text[start:end], start, end) for start, end in places]


def count_words(texts: Sequence[str]) -> IntArray:
    """Words of each text, ``(n,)``: the lengths of what `split` gives, of all texts at once.

    A word begins at every single code point, and at every word code point behind none.
    """
    # all texts as one string, a line end between them, so that no word reaches into the next text
    sizes = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
    joined = "\n".join(texts).encode("utf-32-le", "surrogatepass")
    kinds = _classes()[np.frombuffer(joined, dtype="<u4")]

    behind_word = np.concatenate([[False], kinds == _WORD])[:-1]
    begun = np.concatenate([[0], np.cumsum((kinds == _SINGLE) | ((kinds == _WORD) & ~behind_word))])
    ends = np.cumsum(sizes + 1) - 1
    return np.asarray(begun[ends] - begun[ends - sizes])


@cache
def _classes() -> npt.NDArray[np.uint8]:
    """The class of every code point, as it is lower-cased: ``(0x110000,)``."""
    every = np.arange(0x110000, dtype="<u4").tobytes().decode("utf-32-le", "surrogatepass")
    classes = np.full(len(every), _WORD, dtype=np.uint8)
    for number, points in ((_SPACE, SPACE), (_SINGLE, SINGLE)):
        for run in re.finditer(f"[{points}]+", every):
            classes[slice(*run.span())] = number
    classes[ord("\u2019")] = _WORD
    return classes


def without_masks(text: str) -> str:
    """A text of the transfer set without the marks of masked words, ``[MASK]`` and ``<mask>``."""
    return _MASKS.sub(" ", text)


def with_masks_as_words(text: str) -> str:
    """A text of the transfer set in which each mark of a masked word is a word like any other."""
    return _MASKS.sub("mask", text)


def build_vocabulary(
    texts: Iterable[str], size: int, *, has_separator: bool = False, further: Sequence[str] = ()
) -> WordVocabulary:
    """The most frequent words of ``texts`` behind the special ones, ``size`` entries together.

    Equal counts are ordered by the word itself, so the same texts in any order give the same vocabulary.
    Words with lone surrogates are left out: the ``tokenizers`` library cannot read them back. No text has
    the word ``[SEP]``, since brackets are words of their own; as a separator it follows the special words.
    Where there is room, ``further`` words that stand in no text come last, in their order.
    """
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(split(without_masks(text)))
    for special in SPECIALS:
        counts.pop(special, None)

    kept = (word for word in counts if not has_surrogate(word))
    ranked = sorted(kept, key=lambda word: (-counts[word], word))
    first = (*SPECIALS, SEP) if has_separator else SPECIALS
    taken = {*first, *counts}
    ranked += [word for word in dict.fromkeys(further) if word not in taken]
    return WordVocabulary((*first, *ranked[: max(0, size - len(first))]))


class WordVocabulary:
    """Words with ids, in the order given; ids 0, 1, 2 are ``[PAD]``, ``[UNK]``, ``[MASK]``.

    Args:
        words: Distinct words; the first three are `SPECIALS`.
        max_words: Longer texts are cut to their first ``max_words`` words; ``None`` cuts nothing.
        reads_masks: Whether ``[MASK]`` in a text is the special word. In training it is; a user's text means
            what it says.

    Raises:
        ArtifactError: the words are not distinct or do not begin with the special ones.
    """

    kind = "words"

    def __init__(
        self, words: Sequence[str], max_words: int | None = None, *, reads_masks: bool = False
    ) -> None:
        self.words = tuple(words)
        self.max_words = max_words
        self.reads_masks = reads_masks
        self.ids = {word: number for number, word in enumerate(self.words)}
        if self.words[: len(SPECIALS)] != SPECIALS or len(self.ids) != len(self.words):
            raise ArtifactError(f"A vocabulary begins with {SPECIALS} and names no word twice.")

    def __len__(self) -> int:
        return len(self.words)

    def encode(self, text: str) -> list[int]:
        """Ids of the words of one text; a text without words is one unknown word."""
        return self._every(text)[: self.max_words]

    def encode_batch(self, texts: Sequence[str]) -> tuple[IntArray, IntArray]:
        """Ids of all texts end to end ``(sum of lengths,)``, and the lengths ``(n,)``; each length ≥ 1."""
        return flattened([self.encode(text) for text in texts])

    def encode_words(self, words: Sequence[str]) -> tuple[IntArray, IntArray]:
        """Ids of given words, none cut: a word of the data may be several of ours, or an unknown one."""
        return flattened([self._every(word) for word in words])

    def encode_pairs(self, first: Sequence[str], second: Sequence[str]) -> tuple[IntArray, IntArray]:
        """Ids of pairs of texts with a separator between; of two long texts the longer is cut first.

        Raises:
            ArtifactError: the vocabulary was built without a separator.
        """
        if SEP not in self.ids:
            raise ArtifactError("This vocabulary has no separator, so it cannot read two texts in one.")
        sides = (map(self._every, first), map(self._every, second))
        return joined(zip(*sides, strict=True), [self.ids[SEP]], self.max_words)

    def words_of(self, text: str) -> list[str]:
        """The words that `encode` reads, unknown ones as they stand there; special ones by name."""
        return self._words(text)[: self.max_words]

    def words_of_pairs(self, first: Sequence[str], second: Sequence[str]) -> list[list[str]]:
        """The words that `encode_pairs` reads, with `SEP` between two texts."""
        sides = (map(self._words, first), map(self._words, second))
        return joined_lists(zip(*sides, strict=True), [SEP], self.max_words)

    def _every(self, text: str) -> list[int]:
        look_up = self.ids.get
        return [look_up(word, UNK_ID) for word in self._words(text)]

    def _words(self, text: str) -> list[str]:
        if self.reads_masks and _MASKS.search(text):
            first, *rest = [split(part) for part in _MASKS.split(text)]
            return first + [word for words in rest for word in (MASK, *words)]
        return _FIND(lower(text)) or [UNK]

    def masked(self) -> WordVocabulary:
        """The same vocabulary for training texts, in which words may be masked."""
        return WordVocabulary(self.words, self.max_words, reads_masks=True)

    def cut(self, max_words: int | None) -> WordVocabulary:
        """The same vocabulary with another limit."""
        return WordVocabulary(self.words, max_words)

    def to_tokenizer(self) -> dict[str, Any]:
        """The same rule as the JSON document that the ``tokenizers`` library reads.

        One thing the library cannot say is left to its caller: a text without words has no ids there.
        """
        truncation = None
        if self.max_words is not None:
            truncation = {
                "direction": "Right", "max_length": self.max_words, "strategy": "LongestFirst", "stride": 0
            }  # fmt: skip

        return {
            "version": "1.0",
            "truncation": truncation,
            "padding": None,
            "added_tokens": [],
            "normalizer": {
                "type": "Sequence",
                "normalizers": [
                    {"type": "Lowercase"},
                    {"type": "Replace", "pattern": {"String": "\u2019"}, "content": "'"},
                ],
            },
            "pre_tokenizer": {
                "type": "Split",
                "pattern": {"Regex": _explicit(PATTERN)},
                "behavior": "Removed",
                "invert": True,
            },
            "post_processor": None,
            "decoder": None,
            "model": {"type": "WordLevel", "vocab": self.ids, "unk_token": UNK},
        }

    def save(self, path: Path) -> None:
        """Write ``tokenizer.json``."""
        path.write_text(json.dumps(self.to_tokenizer(), indent=1), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> WordVocabulary:
        """Read a ``tokenizer.json`` written by `save`.

        Raises:
            ArtifactError: the file is damaged, or describes another rule than this module's.
        """
        try:
            document = parse_json(path.read_bytes())
            vocabulary = document["model"]["vocab"]
            words = sorted(vocabulary, key=vocabulary.__getitem__)
            loaded = cls(words, max_words=(document["truncation"] or {}).get("max_length"))
        except (ValueError, TypeError, LookupError) as error:
            raise ArtifactError(
                f"{path} is not a tokeniser of Understudy, or is damaged: {error}."
            ) from error
        if loaded.to_tokenizer() != document:
            raise ArtifactError(
                f"{path} was not written by Understudy: its splitting rule is a different one."
            )
        return loaded


def joined(
    pairs: Iterable[tuple[list[int], list[int]]], between: list[int], limit: int | None
) -> tuple[IntArray, IntArray]:
    """`joined_lists` of ids: all end to end ``(sum of lengths,)``, and lengths ``(n,)``."""
    return flattened(joined_lists(pairs, between, limit))


def joined_lists(
    pairs: Iterable[tuple[list[T], list[T]]], between: list[T], limit: int | None
) -> list[list[T]]:
    """Two lists in one, with something between, for each pair.

    Where both together are longer than ``limit``, the longer of the two is cut first.
    """
    rows = []
    for one, two in pairs:
        room = len(one) + len(two) if limit is None else max(2, limit - len(between))
        kept = one[: max(room - len(two), room // 2)]
        rows.append([*kept, *between, *two[: room - len(kept)]])
    return rows


def flattened(rows: Sequence[Sequence[int]]) -> tuple[IntArray, IntArray]:
    """Lists of ids end to end ``(sum of lengths,)``, and their lengths ``(n,)``."""
    lengths = np.fromiter(map(len, rows), dtype=np.int64, count=len(rows))
    flat = np.fromiter(itertools.chain.from_iterable(rows), dtype=np.int64, count=int(lengths.sum()))
    return flat, lengths


def _explicit(pattern: str) -> str:
    r"""Turn Python's ``\xhh``, ``\uhhhh`` and ``\Uhhhhhhhh`` into the characters themselves."""
    hexadecimal = r"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8}))"
    return re.sub(hexadecimal, lambda m: rf"\x{{{(m[1] or m[2] or m[3]).lstrip('0') or '0'}}}", pattern)
