import numpy as np
import pytest

from understudy.augment.rules.parts_of_speech import (
    NO_TAG,
    TagDictionary,
    TaggedByCallable,
    learn_classes,
    read_tags,
)
from understudy.augment.rules.word_arrays import read_sentences
from understudy.errors import DataError

NOUNS = ("room", "film", "food", "hotel", "plot", "staff")
ADJECTIVES = ("good", "bad", "great", "dull", "clean", "nice")


def made_up(n=600):
    rng = np.random.default_rng(0)
    shapes = ("the {n} was {a} .", "a {a} {n} !", "we liked the {a} {n} .", "it is {a} and {b} .")
    return [
        rng.choice(shapes).format(n=rng.choice(NOUNS), a=rng.choice(ADJECTIVES), b=rng.choice(ADJECTIVES))
        for _ in range(n)
    ]


def test_words_in_like_contexts_share_a_class():
    found = learn_classes(made_up(), classes=8).by_word
    assert len({found[noun] for noun in NOUNS}) == 1
    assert len({found[adjective] for adjective in ADJECTIVES}) == 1
    assert len({found["room"], found["good"], found["the"], found["."]}) == 4


def test_the_same_texts_and_seed_give_the_same_classes():
    assert learn_classes(made_up(), 8, 3).by_word == learn_classes(made_up(), 8, 3).by_word


@pytest.mark.parametrize("texts", [[], [""], ["one"], ["one two three"]])
def test_few_words_are_one_class(texts):
    assert set(learn_classes(texts).by_word.values()) <= {0}


def test_a_dictionary_looks_words_up_as_written_then_in_lower_case():
    parts = TagDictionary({"good": 1, "May": 2, "may": 3})
    assert parts.tags(read_sentences(["Good May may MAY rain"])).tolist() == [1, 2, 3, 3, NO_TAG]


def test_a_tagger_says_a_tag_for_each_word_where_it_stands():
    parts = TaggedByCallable(
        lambda texts: [["first", *["later"] * (len(words) - 1)] if words else [] for words in texts]
    )
    assert parts.tags(read_sentences(["a b a", "", "b"])).tolist() == [0, 1, 1, 0]
    assert parts.tags(read_sentences(["a"])).tolist() == [0]


def test_a_tagger_that_loses_words_is_refused():
    with pytest.raises(DataError, match=r"gave 1 tags to the 2 words \['a', 'b'\]"):
        TaggedByCallable(lambda texts: [["x"] for _ in texts]).tags(read_sentences(["a b"]))


def test_a_tagged_corpus_gives_each_word_its_most_frequent_tag(tmp_path):
    path = tmp_path / "tags.tsv"
    path.write_text("# a comment\nrun\tNOUN\nrun\tVERB\n\nrun\tVERB\n#\tSYM\nroom\tNOUN\n")
    found = read_tags(path).by_word
    assert found["run"] != found["room"]
    assert set(found) == {"run", "room", "#"}


def test_conll_u_is_read(tmp_path):
    path = tmp_path / "tags.conllu"
    rest = "\t_\t_\t_\t_\t_\t_\n"
    path.write_text(f"# text = Rooms run\n1\tRooms\troom\tNOUN{rest}2\trun\trun\tVERB{rest}\n")
    assert set(read_tags(path).by_word) == {"Rooms", "run"}


def test_a_bad_file_of_tags_is_refused(tmp_path):
    with pytest.raises(DataError, match="no file of tags"):
        read_tags(tmp_path / "none")
    (tmp_path / "bad").write_text("run\tVERB\nroom\n")
    with pytest.raises(DataError, match=r"bad, line 2: 'room' is not a word and a tag"):
        read_tags(tmp_path / "bad")
    (tmp_path / "bad").write_bytes(b"good\tJJ\ncaf\xe9\tNN\n")
    with pytest.raises(DataError, match="bad, line 2: byte 0xe9 is not UTF-8"):
        read_tags(tmp_path / "bad")


def test_words_that_cannot_be_told_apart_share_a_class_and_nobody_is_warned():
    found = learn_classes([f"x{number}zz" for number in range(200)], classes=64).by_word
    assert found["x11zz"] == found["x21zz"]
