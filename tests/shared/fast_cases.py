"""What the tests of the C extension share: texts, vocabularies of every kind, random weights."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

from understudy.runtime.fast_format import Weights, pack
from understudy.runtime.fast_rule import rule_of
from understudy.tokenization.wordpiece import SubwordVocabulary, train_wordpiece
from understudy.tokenization.words import SPECIALS, WordVocabulary, build_vocabulary

LABELS = ("bad", "fair", "good")
LEVELS = (0, 1, 2)
TEXTS = [
    "The film was good, very good: a naïve CAFÉ story — don’t miss it!",
    "unbelievably long-winded and uncharacteristically disproportionate internationalisations",
    "snake_case it's 3.50€ #1 @me [UNK] [CLS] x\ty\x00z\x7f 日本語 한국어 🙂",
    "e\u0301te\u0301 ǅ İstanbul ΟΔΟΣ \u212a \u2028",
    "",
    " ",
    "word " * 900 + "end",
    "a\ud83d b\ude42 \ud83d\ude42 \udc00",
    "x" * 16 + " " + "x" * 17 + " " + "y" * 100 + " " + "y" * 101 + " " + "é" * 101,
    "!" * 3000,
    "\u2019" * 700,
]
LETTERS = st.sampled_from(
    "aAzZ09'_-.,![] \t\n\x00\x7f\x85éÉßİΣςǅ’“\u0301\u0334\u200b\u212a日本한🙂\ud83d\ude42xyexaltedly"
)
STRINGS = st.text(LETTERS, max_size=80) | st.text(max_size=40) | st.text(st.characters(), max_size=80)


def bert_like(texts):
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    trainer = trainers.WordPieceTrainer(vocab_size=150, special_tokens=specials, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return SubwordVocabulary(json.loads(tokenizer.to_str()), 64)


@pytest.fixture(scope="module")
def vocabularies():
    return {
        "words": build_vocabulary(TEXTS, 1000),
        "cut": build_vocabulary(TEXTS, 1000).cut(5),
        "pieces": train_wordpiece(TEXTS, 150),
        "cut pieces": train_wordpiece(TEXTS, 60).cut(5),
        "bert": bert_like(TEXTS[:4]),
    }


def weights(rows, width=20, hidden=9, labels=3, seed=0, **more):
    draw = np.random.default_rng(seed).normal
    shapes = [(rows, width), (hidden, width), (hidden,), (labels, hidden), (labels,)]
    return Weights(*(draw(size=shape).astype(np.float32) for shape in shapes), **more)


def refuse(text):
    raise LookupError(text)


@pytest.fixture(scope="module")
def file():
    return pack(rule_of(WordVocabulary((*SPECIALS, "good", "bad", "x" * 20))), weights(6))


def check_strings(vocabulary, students, answer, near, examples=60):
    """Any string has the ids of its vocabulary, and by each student the logits that `answer` makes."""

    def check(text):
        ids = vocabulary.encode(text)
        expected = answer(np.array(ids))
        for one in students:
            assert one.encode(text) == ids
            np.testing.assert_allclose(one.logits(text), expected, rtol=near, atol=near)

    for text in TEXTS:
        check(text)
    settings(max_examples=examples, deadline=None)(given(text=STRINGS)(check))()


def check_ways(one, texts, expected, near):
    """However many texts are asked for, by however many threads, the answers are the same."""
    found = np.empty((len(texts), 3), np.float32)
    for threads in (1, 3, 64):
        one.fill(texts, found, threads)
        np.testing.assert_allclose(found, expected, rtol=near, atol=near)
        assert one.labels(texts, threads) == [f"l{n}" for n in found.argmax(axis=1)]
    answers = one.answer_lines("".join(f"{text}\n" for text in texts).encode(), (b"0 ", b"1 ", b"2 "), 2)
    assert [int(line[:1]) for line in answers.splitlines()] == found.argmax(axis=1).tolist()
