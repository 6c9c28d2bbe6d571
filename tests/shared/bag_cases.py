"""What the tests of weighted bags share: random weights, tables of n-grams, and the answer in numpy."""

import numpy as np

from understudy.runtime.bag_format import TINY, BagWeights, pack_bag
from understudy.runtime.fast_rule import rule_of
from understudy.tokenization.words import SPECIALS, WordVocabulary

FORMS = ("linear.v1", "cbow.v2", "dan.v2")
NAMES = ("the", "film", "was", "good", "bad", ",", "x" * 20)


def words():
    return WordVocabulary((*SPECIALS, *NAMES))


def draw_grams(rng, words, count, longest, first=3):
    """Different n-grams ``(count, 2)`` of words from `first` on; each prolongs a word or an earlier one."""
    grams, lengths, seen = [], [], set()
    while len(grams) < count:
        prolongs_gram = longest > 2 and grams and rng.random() < 0.5
        place = int(rng.integers(len(grams))) if prolongs_gram else 0
        if prolongs_gram and lengths[place] >= longest:
            continue
        words_before = lengths[place] if prolongs_gram else 1
        prefix = words + place if prolongs_gram else int(rng.integers(first, words))
        gram = prefix, int(rng.integers(first, words))
        if gram not in seen:
            seen.add(gram)
            grams.append(gram)
            lengths.append(words_before + 1)
    return np.array(grams, np.int32).reshape(-1, 2)


def bag(form, words, grams=0, longest=2, width=20, hidden=9, labels=3, seed=0, first=3):
    """Random weights of a form; ids before `first` have weight 0 and stand in no n-gram."""
    rng = np.random.default_rng(seed)
    longest = 1 if form == "cbow.v2" else longest
    pairs = draw_grams(rng, words, 0 if longest == 1 else grams, longest, first)
    width = 0 if form == "linear.v1" else width
    direct = 0 if form == "cbow.v2" else labels
    weights = rng.uniform(0.5, 8, words + len(pairs)).astype(np.float32)
    weights[:first] = 0

    def normal(*shape):
        return rng.normal(size=shape).astype(np.float32)

    layers = (normal(hidden, width), normal(hidden), normal(labels, hidden)) if width else ()
    rows = normal(len(weights), width + direct) * weights[:, None]
    return BagWeights(rows, weights**2, normal(labels), pairs, longest, *layers)


def features(grams, longest, words, ids):
    """The features of a text: its words, then its n-grams."""
    table = {(int(prefix), int(word)): words + k for k, (prefix, word) in enumerate(grams)}
    found = list(ids)
    for start in range(len(ids)):
        feature = ids[start]
        for n in range(2, longest + 1):
            feature = table.get((feature, ids[start + n - 1])) if start + n <= len(ids) else None
            if feature is None:
                break
            found.append(feature)
    return found


def answer(weights, ids):
    """Logits ``(c,)`` in float64, as `bag_format.py` states them."""
    words = len(weights.rows) - len(weights.grams)
    found = features(weights.grams, weights.longest, words, ids)
    total = weights.rows[found].sum(axis=0, dtype=np.float64)
    pooled = total / np.sqrt(max(weights.squares[found].sum(dtype=np.float64), TINY))
    logits = weights.output_bias.astype(np.float64)
    if weights.hidden is not None:
        active = np.maximum(weights.hidden @ pooled[: weights.width] + weights.hidden_bias, 0)
        logits = logits + weights.output @ active
    return logits + pooled[weights.width :] if weights.is_direct else logits


def packed(vocabulary, weights, table="float32", version=None):
    return pack_bag(rule_of(vocabulary), weights, table, version)
