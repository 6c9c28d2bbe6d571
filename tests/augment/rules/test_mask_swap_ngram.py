import numpy as np
import pytest

from understudy.augment.rules.mask_swap_ngram import (
    MaskingConfig,
    NgramConfig,
    RulesConfig,
    count_words,
    cut_to_ngrams,
    tang_rule,
)
from understudy.augment.rules.parts_of_speech import TagDictionary
from understudy.augment.rules.word_arrays import read_sentences
from understudy.errors import RecipeError

NOUNS, VERBS = ("room", "food", "film"), ("was", "is")
PARTS = TagDictionary({**dict.fromkeys(NOUNS, 0), **dict.fromkeys(VERBS, 1)})
TEXTS = ["room was film", "food is room", "room room is", "Zebra is food"]


def once(config, texts, parts=None, seed=0):
    sentences = read_sentences(texts)
    varied, changed = tang_rule(config, texts, parts)(sentences)(np.random.default_rng(seed), 0)
    return varied.texts(np.arange(len(texts))), changed


def test_each_word_is_masked_with_chance_p():
    texts = ["a b c d"] * 5000
    made, changed = once(MaskingConfig(p=0.1).rules, texts)
    masked = sum(text.count("[MASK]") for text in made)
    assert masked / 20_000 == pytest.approx(0.1, abs=0.01)
    assert changed.mean() == pytest.approx(1 - 0.9**4, abs=0.02)
    assert [text != "a b c d" for text in made] == changed.tolist()


def test_the_mask_is_what_the_config_says():
    made, _ = once(MaskingConfig(p=1.0, mask="<mask>").rules, ["Good, really."])
    assert made == ["<mask> <mask> <mask> <mask>"]


def test_words_are_swapped_within_their_part_of_speech_by_frequency():
    texts = TEXTS * 2000
    made, _ = once(RulesConfig(0.0, 1.0, 0.0), texts, PARTS)
    firsts = [text.split()[0] for text in made]
    kinds = [[PARTS.by_word.get(w) for w in text.split()] for text in made]
    assert kinds == [[PARTS.by_word.get(w) for w in text.split()] for text in texts]
    nouns = [w for w in firsts if w != "Zebra"]
    # room stands four times among seven nouns, food twice, film once
    for noun, share in (("room", 4 / 7), ("food", 2 / 7), ("film", 1 / 7)):
        assert nouns.count(noun) / len(nouns) == pytest.approx(share, abs=0.03)
    assert firsts.count("Zebra") == 2000  # of no known part: never swapped


def test_a_word_that_is_drawn_again_is_no_change():
    texts = ["room was", "film"]
    made, changed = once(RulesConfig(0.0, 1.0, 0.0), texts, TagDictionary({"room": 0, "was": 1, "film": 2}))
    assert made == texts
    assert not changed.any()


def test_one_draw_decides_between_mask_and_swap():
    parts = TagDictionary({"room": 0, "food": 0})
    made, _ = once(RulesConfig(0.3, 0.7, 0.0), ["room"] * 4000 + ["food"] * 4000, parts)
    assert made.count("[MASK]") / 8000 == pytest.approx(0.3, abs=0.02)
    assert made[:4000].count("food") / 4000 == pytest.approx(0.35, abs=0.03)


def test_ngrams_begin_anywhere_and_have_one_to_five_words():
    words = "a b c d e f g h"
    made, changed = once(NgramConfig(p=1.0).rules, [words] * 8000)
    assert changed.all()
    counts = np.bincount([len(text.split()) for text in made])
    assert counts[1:] / 8000 == pytest.approx([0.2] * 5, abs=0.02)
    assert all(text in words for text in made)
    singles = [text for text in made if len(text) == 1]
    assert {singles.count(letter) / len(singles) > 0.09 for letter in words.split()} == {True}


def test_ngrams_have_the_chance_p_and_leave_short_texts():
    sentences = read_sentences(["a", "a b c d e f"] * 2000)
    cut, changed = cut_to_ngrams(sentences, np.random.default_rng(0), 0.25, 5)
    assert not changed[::2].any()
    assert changed[1::2].mean() == pytest.approx(0.25, abs=0.03)
    assert set(cut.texts(np.arange(0, 4000, 2))) == {"a"}


def test_texts_without_words_stay():
    made, changed = once(RulesConfig(0.5, 0.5, 1.0), ["", "room was", " "], PARTS)
    assert (made[0], made[2]) == ("", "")
    assert not changed[[0, 2]].any()
    assert count_words([], PARTS).words == ()


def test_tags_that_the_counts_do_not_know_are_not_swapped():
    table = count_words(["room food"], TagDictionary({"room": 1, "food": 1}))
    assert table.has(np.array([-1, 0, 1, 2])).tolist() == [False, False, True, False]


def test_swaps_without_parts_of_speech_are_refused():
    with pytest.raises(RecipeError, match="by part of speech"):
        tang_rule(RulesConfig(), TEXTS)
