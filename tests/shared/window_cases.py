"""What the tests of folded taggers share: random weights, sentences, and the answer by definition."""

import numpy as np

from understudy.core.chain import in_order
from understudy.core.task import Task
from understudy.runtime.fast_rule import rule_of
from understudy.runtime.fast_tagger import chain_of
from understudy.runtime.window_format import SpellingWeights, WindowWeights, fold_window, pack_window
from understudy.tokenization.spelling import KINDS, build_spelling
from understudy.tokenization.words import SPECIALS, WordVocabulary

NAMES = ("the", "film", "was", "good", "bad", ",", ".", "u", "s", "'s", "i\u0307stanbul", "x" * 20)
SEEN = [
    "The",
    "the",
    "film",
    "U.S.",
    "u.s.",
    "was",
    "walked",
    "talked",
    "İstanbul",
    "E-mail",
    ",",
    "x" * 20,
    "日本",
] * 2
SENTENCES = [
    ("The", "film", "was", "GOOD", "."),
    ("the",),
    (),
    ("U.S.", "u.s.", "balked", "don’t", "1,250", "İSTANBUL", "日本語", "\ud83d", "", " "),
    ("the", "X" * 20, "x" * 20, "x" * 15, "x" * 16, "e-mail", "E-mail", "é" * 300, "!" * 30),
    ("good", "bad") * 40,
]


def words(max_words=None):
    return WordVocabulary((*SPECIALS, *NAMES), max_words)


def spelled():
    return build_spelling(SEEN, 200)


def tagger(hidden=9, seen=5, labels=3, width=6, spelling=None, vocabulary=None, seed=0, traits=4):
    """Random weights of a tagger, with those of a spelling's traits where one is given."""
    rng = np.random.default_rng(seed)

    def normal(*shape):
        return rng.normal(size=shape).astype(np.float32)

    layer = None
    if spelling is not None:
        layer = SpellingWeights(
            normal(len(spelling), traits), normal(width, len(KINDS) * traits), normal(width)
        )
    embedding = normal(len(vocabulary or words()), width)
    return WindowWeights(
        embedding, normal(hidden, width, seen), normal(hidden), normal(labels, hidden), normal(labels), layer
    )


def answer(weights, sentence, spelling=None, vocabulary=None):
    """Logits ``(words, c)`` in float64 of one sentence that is read at once: every window by itself."""
    vectors, firsts = [], []
    for word in sentence:
        added = 0
        if spelling is not None:
            layer = weights.spelling
            added = (
                layer.map @ layer.table[spelling.encode([word])[0]].astype(np.float64).reshape(-1)
                + layer.bias
            )
        firsts.append(len(vectors))
        ids, _ = (vocabulary or words()).encode_words([word])
        vectors += [weights.embedding[i] + added for i in ids]
    reach = weights.seen // 2
    around = [np.zeros(weights.embedding.shape[1])] * reach
    text = np.array([*around, *vectors, *around], dtype=np.float64)
    hidden = [
        np.maximum(
            np.einsum("kd,hdk->h", text[i : i + weights.seen], weights.around) + weights.around_bias, 0
        )
        for i in firsts
    ]
    return np.array(hidden).reshape(-1, len(weights.around)) @ weights.output.T + weights.output_bias


def folded(weights, table="float32", spelling=None, vocabulary=None):
    vocabulary = vocabulary or words()
    return fold_window(weights, vocabulary.words, spelling, vocabulary.max_words, table)


def packed(weights, table="float32", spelling=None, vocabulary=None):
    return pack_window(rule_of(vocabulary or words()), folded(weights, table, spelling, vocabulary))


def ordered(labels, seed=0):
    """A task whose tags follow each other by chance."""
    steps = np.random.default_rng(seed).normal(size=(labels + 1, labels)) * 2
    return Task(tuple(f"t{n}" for n in range(labels)), "tagging", "accuracy", transitions=steps.tolist())


def chained(task):
    """A task's transitions as C reads them."""
    return chain_of(task.steps)


def in_sentences(task, logits, sentences):
    """Logits in order, of sentences that are read at once."""
    return in_order(task, logits, np.array(list(map(len, sentences))))
