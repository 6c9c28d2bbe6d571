from collections import Counter

import numpy as np
import pytest

from understudy.augment.rules.eda import EdaConfig, eda_rule, frequent_words
from understudy.augment.rules.word_arrays import read_sentences
from understudy.errors import RecipeError

TABLE = {"good": ["fine", "nice"], "room": ["chamber"], "bad": ["poor"]}


def synonyms(words):
    return [TABLE.get(word.lower(), []) for word in words]


def once(operation, texts, share=0.1, seed=0, stop_words=0, source=synonyms):
    config = EdaConfig(share=share, operations=(operation,), stop_words=stop_words)
    varied, changed = eda_rule(config, texts, source)(read_sentences(texts))(np.random.default_rng(seed), 0)
    made = varied.texts(np.arange(len(texts)))
    assert changed.tolist() == [m != " ".join(t.split()) for m, t in zip(made, texts, strict=True)]
    return made


def test_words_give_way_to_their_synonyms():
    made = once("synonyms", ["The room, good."] * 400 + ["no entry"])
    assert set(made) == {"The chamber, good.", "The room, fine.", "The room, nice.", "no entry"}


def test_as_many_words_are_replaced_as_the_share_says():
    made = once("synonyms", ["good room bad day it is so on the go"] * 50, share=0.2)
    assert {sum(w in ("fine", "nice", "chamber", "poor") for w in m.split()) for m in made} == {2}
    made = once("synonyms", ["good room bad day"] * 50, share=1.0)
    assert all(m.endswith("chamber poor day") for m in made)


def test_synonyms_are_inserted_anywhere():
    made = once("insertion", ["A room."] * 500)
    assert set(made) == {"chamber A room.", "A chamber room.", "A room chamber.", "A room. chamber"}


def test_two_words_change_places_with_the_space_before_them():
    assert set(once("swap", ["a b, c"] * 300)) == {
        "b a, c",
        ", b a c",
        "c b, a",
        "a, b c",
        "a c, b",
        "a b c,",
    }
    assert set(once("swap", ["(a b"] * 50)) == {"a ( b", "b a (", "( b a"}
    assert once("swap", ["one", ""]) == ["one", ""]


def test_words_are_deleted_with_the_chance_and_one_is_left():
    made = once("deletion", ["a b c d"] * 4000, share=0.3)
    left = Counter(word for text in made for word in text.split())
    assert np.array([left[word] for word in "abcd"]) / 4000 == pytest.approx([0.7] * 4, abs=0.03)
    assert set(once("deletion", ["a b", "", "c"] * 50, share=1.0)) == {"a", "b", "", "c"}


def test_stop_words_and_words_without_letters_are_left_alone():
    texts = ["good good good room", "bad 12"]
    assert frequent_words(texts, 1) == {"good"}
    made = once("synonyms", texts * 20, stop_words=1, share=1.0, source=lambda ws: [["x"] for _ in ws])
    assert set(made) == {"good good good x", "x 12"}


def test_operations_take_turns():
    rule = eda_rule(EdaConfig(operations=("swap", "deletion"), share=1.0), ["a b c"])
    change = rule(read_sentences(["a b c"]))
    sizes = [int(change(np.random.default_rng(0), number)[0].lengths[0]) for number in range(4)]
    assert sizes == [3, 1, 3, 1]


def test_without_synonyms_only_what_needs_none_is_done():
    with pytest.raises(
        RecipeError, match=r"\['synonyms', 'insertion'\] of eda need synonyms.*swap, deletion"
    ):
        eda_rule(EdaConfig(), ["a b"])
    eda_rule(EdaConfig(operations=("swap", "deletion")), ["a b"])


def test_sources_are_read_from_files(tmp_path):
    (tmp_path / "s.tsv").write_text("room\tchamber\n")
    (tmp_path / "v.txt").write_text("room 1 0\nhall 0.9 0.1\nrain 0 1\n")
    for option, path, new in (("synonyms", "s.tsv", "chamber"), ("vectors", "v.txt", "hall")):
        options = {option: str(tmp_path / path), "neighbours": 1, "stop_words": 0}
        rule = eda_rule(EdaConfig(operations=("synonyms",), **options), [])
        varied, _ = rule(read_sentences(["a Room"]))(np.random.default_rng(0), 0)
        assert varied.texts(np.array([0])) == [f"a {new}"]
