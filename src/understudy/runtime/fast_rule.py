"""How text becomes ids, where C can follow it: the rule of a vocabulary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from understudy.runtime.fast_header import BERT, PIECES, WORDS
from understudy.tokenization.ngrams import NgramVocabulary, Vocabulary
from understudy.tokenization.wordpiece import PREFIX, SubwordVocabulary, is_own
from understudy.tokenization.words import UNK_ID, WordVocabulary

BERT_NORMALIZER = {
    "type": "BertNormalizer",
    "clean_text": True,
    "handle_chinese_chars": True,
    "strip_accents": None,
    "lowercase": True,
}
BERT_SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


@dataclass(frozen=True)
class Rule:
    """How text becomes ids, where C can follow it.

    Attributes:
        kind: `WORDS`, `PIECES` or `BERT`.
        words: The vocabulary by id; a piece that continues a word begins with ``##``.
        max_words: Most ids that are read of a text, those around it included; 0 reads all.
        unknown: Id of a word that cannot be spelled.
        before: Id before every text, or -1.
        after: Id after every text, or -1.
        longest_word: Letters of the longest word that is split into pieces.
    """

    kind: int
    words: Sequence[str]
    max_words: int
    unknown: int
    before: int = -1
    after: int = -1
    longest_word: int = 0


def rule_of(vocabulary: Vocabulary) -> Rule | None:
    """The rule of a vocabulary's words, or ``None`` where only the reference path can follow it."""
    if isinstance(vocabulary, NgramVocabulary):
        vocabulary = vocabulary.base
    if isinstance(vocabulary, WordVocabulary):
        rule: Rule | None = Rule(WORDS, vocabulary.words, vocabulary.max_words or 0, UNK_ID)
    else:
        rule = _pieces(vocabulary)
    if rule is None or not all(map(_is_text, rule.words)):
        return None
    return rule


def _is_text(word: str) -> bool:
    try:
        word.encode()
    except UnicodeEncodeError:
        return False
    return True


def _pieces(vocabulary: SubwordVocabulary) -> Rule | None:
    """The rule of a WordPiece vocabulary: one of ours, or one like BERT's."""
    document = vocabulary.document
    model = document["model"]
    if (
        model.get("type") != "WordPiece"
        or model.get("continuing_subword_prefix") != PREFIX
        or sorted(model["vocab"].values()) != list(range(len(model["vocab"])))
        or len(vocabulary) != len(model["vocab"])
        or model["unk_token"] not in model["vocab"]
    ):
        return None

    ids, is_ours = model["vocab"], is_own(document)
    around = (-1, -1) if is_ours else _bert_around(document, ids)
    if around is None or 0 < (vocabulary.max_words or 0) <= sum(i >= 0 for i in around):
        return None
    return Rule(
        PIECES if is_ours else BERT,
        sorted(ids, key=ids.__getitem__),
        vocabulary.max_words or 0,
        ids[model["unk_token"]],
        *around,
        longest_word=int(model["max_input_chars_per_word"]),
    )


def _bert_around(document: Mapping[str, Any], ids: Mapping[str, int]) -> tuple[int, int] | None:
    """Ids before and after a text, where a tokeniser is exactly uncased BERT's; else ``None``."""
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    for token in document["added_tokens"]:
        if (
            token["content"] not in BERT_SPECIALS
            or ids.get(token["content"]) != token["id"]
            or any(token[key] is not value for key, value in plain.items())
        ):
            return None
    if document["normalizer"] != BERT_NORMALIZER or document["pre_tokenizer"] != {"type": "BertPreTokenizer"}:
        return None
    return _around(document["post_processor"], ids)


def _around(processor: Mapping[str, Any] | None, ids: Mapping[str, int]) -> tuple[int, int] | None:
    if processor is None:
        return -1, -1
    if processor["type"] == "BertProcessing":
        before, after = (processor[key] for key in ("cls", "sep"))
        return (before[1], after[1]) if all(ids.get(word) == n for word, n in (before, after)) else None
    if processor["type"] != "TemplateProcessing":
        return None
    single = [next(iter(part.items())) for part in processor["single"]]
    if [kind for kind, _ in single] != ["SpecialToken", "Sequence", "SpecialToken"]:
        return None
    names = [single[0][1]["id"], single[2][1]["id"]]
    found = [processor["special_tokens"][name]["ids"] for name in names]
    return (found[0][0], found[1][0]) if all(len(each) == 1 for each in found) else None
