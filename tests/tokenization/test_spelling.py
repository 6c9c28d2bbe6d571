import json

import numpy as np
import pytest

from understudy.core.task import Task
from understudy.errors import ArtifactError
from understudy.tokenization.encoding import encode
from understudy.tokenization.spelling import KINDS, Spelling, build_spelling, shape, traits
from understudy.tokenization.words import SPECIALS, WordVocabulary

TAGS = Task(("X", "Y"), "tagging", metric="accuracy")


def test_a_word_has_a_trait_of_each_kind():
    assert dict(zip(KINDS, traits("Was"), strict=True)) == {
        "first 1": "w", "first 2": "wa", "first 3": "was",
        "last 1": "s", "last 2": "as", "last 3": "was", "last 4": "",
        "shape": "Xx", "word": "Was",
    }  # fmt: skip
    assert traits("")[:-1] == ("",) * 8


@pytest.mark.parametrize(
    ("word", "expected"),
    {"McDonald's": "XxXx'x", "U.S.": "X.X.", "1,250": "0,0", "ÉTÉ": "X", "été": "x", "don’t": "x’x",
     "co_op": "x_x", "٣": "x", "漢字": "漢字", "": ""}.items(),
)  # fmt: skip
def test_shapes(word, expected):
    assert shape(word) == expected


def test_frequent_traits_have_numbers_and_single_ones_do_not():
    spelling = build_spelling(["walked", "talked", "Walked"], 100)
    one, two, other = spelling.encode(["walked", "balked", "1,2"])
    suffixes = slice(len(KINDS) - 6, len(KINDS) - 2)
    assert (one[suffixes] == two[suffixes]).all()
    assert one[suffixes].all()
    assert not other.any()
    assert one[KINDS.index("word")] == 0  # it stands once as it is written
    assert spelling.encode([]).shape == (0, len(KINDS))


def test_the_order_of_words_does_not_matter_and_the_size_is_kept():
    words = ["is", "was", "is", "as", "has", "was"]
    assert build_spelling(words, 100).known == build_spelling(words[::-1], 100).known
    small = build_spelling(words, 5)
    assert len(small) == 5
    assert small.known == build_spelling(words, 100).known[:4]
    assert small.encode(words).max() < 5


def test_half_surrogates_are_answered_but_not_kept():
    spelling = build_spelling(["a\ud800", "a\ud800", "ab", "ab"], 50)
    assert all("\ud800" not in trait for _, trait in spelling.known)
    assert spelling.encode(["a\ud800"]).any()


def test_save_and_load_are_inverse(tmp_path):
    spelling = build_spelling(["été", "été", "walked", "talked"], 50)
    spelling.save(tmp_path / "spelling.json")
    assert Spelling.load(tmp_path / "spelling.json").known == spelling.known


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"form": "understudy.spelling.v9"}, "another rule of spelling"),
        ({"kinds": ["word"]}, "another rule of spelling"),
        ({"known": [[0, "a"], [0, "a"]]}, "names no trait twice"),
        ({"known": [[99, "a"]]}, "only traits of known kinds"),
        ({"known": [["x", "a"]]}, "is damaged"),
        ({"known": None}, "is damaged"),
    ],
)
def test_damaged_files_are_refused(tmp_path, change, message):
    path = tmp_path / "spelling.json"
    build_spelling(["walked", "talked"], 50).save(path)
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(ArtifactError, match=message):
        Spelling.load(path)
    path.write_text("{")
    with pytest.raises(ArtifactError, match="is damaged"):
        Spelling.load(path)


def test_every_id_of_a_word_has_the_words_spelling():
    vocabulary = WordVocabulary((*SPECIALS, "e", "-", "mail", "a"))
    spelling = build_spelling(["E-mail", "E-mail", "a", "a"], 50)
    encoded = encode(TAGS, "tokens", vocabulary, [("a", "E-mail"), ("zzz",)], spelling)
    (side,) = encoded.sides
    mail, a, none = spelling.encode(["E-mail", "a", "zzz"])
    np.testing.assert_array_equal(side.spelling, [a, mail, mail, mail, none])

    feeds = encoded.feeds("tokens", np.array([0, 1]))
    assert list(feeds) == ["ids", "lengths", "spelling"]
    np.testing.assert_array_equal(feeds["spelling"][0], [a, mail, mail, mail])
    np.testing.assert_array_equal(feeds["spelling"][1], [none, none * 0, none * 0, none * 0])


def test_windows_of_long_sentences_have_the_spelling_of_their_words():
    words = tuple(f"w{number}" for number in range(10))
    vocabulary = WordVocabulary((*SPECIALS, *words), max_words=4)
    spelling = build_spelling([*words, *words], 99)
    (side,) = encode(TAGS, "tokens", vocabulary, [words], spelling).sides
    assert len(side.lengths) > 2
    np.testing.assert_array_equal(side.spelling, spelling.encode([words[number - 3] for number in side.ids]))
