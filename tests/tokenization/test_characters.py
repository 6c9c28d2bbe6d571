"""Parts of words: which a word has, which are kept, and where their ids stand."""

import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from understudy.errors import ArtifactError
from understudy.tokenization.characters import (
    CHARACTERS,
    FEWEST,
    LONGEST,
    MARK,
    SHORTEST,
    PartTable,
    frequent_parts,
    parts_of,
)
from understudy.tokenization.ngrams import NGRAMS, NgramVocabulary, build_ngrams, load_vocabulary
from understudy.tokenization.wordpiece import train_wordpiece
from understudy.tokenization.words import (
    MASK_ID,
    SEP,
    SPECIALS,
    UNK_ID,
    WordVocabulary,
    build_vocabulary,
    split,
)

BASE = WordVocabulary((*SPECIALS, "red", "reed"))
RED, REED, PAIR = 3, 4, 5
PAIRS = np.array([[RED, REED]], dtype=np.int32)
PARTS = (" re", "ed ", "eed ")
"""The ids 6, 7 and 8, behind those of the words and of ``red reed``."""

texts = st.lists(st.text(alphabet="abeBÉß '!\u2019漢", max_size=25), max_size=8)


def vocabulary_of(base=BASE, pairs=PAIRS, parts=PARTS):
    return NgramVocabulary(base, pairs).with_parts(PartTable(len(base) + len(pairs), parts))


# --------------------------------------------------------------------------------------- the parts of a word


def test_parts_by_hand():
    assert list(parts_of("red")) == [" re", "red", "ed ", " red", "red ", " red "]
    assert list(parts_of("to")) == [" to", "to ", " to "]
    assert list(parts_of("!")) == [" ! "]
    assert [part for part in parts_of("réunion") if len(part) == 5] == [
        " réun", "réuni", "éunio", "union", "nion ",
    ]  # fmt: skip


@pytest.mark.parametrize("word", [*SPECIALS, SEP])
def test_special_words_have_none(word):
    assert list(parts_of(word)) == []


@settings(deadline=None)
@given(st.text(alphabet="abéß'漢", min_size=1, max_size=12))
def test_a_word_has_the_parts_that_scikit_learn_finds(word):
    text = pytest.importorskip("sklearn.feature_extraction.text")
    vectorizer = text.CountVectorizer(analyzer="char_wb", ngram_range=(SHORTEST, LONGEST), lowercase=False)
    assert Counter(parts_of(word)) == Counter(vectorizer.build_analyzer()(word))


# -------------------------------------------------------------------------------------- ids behind the others


def test_ids_of_parts_follow_those_of_words_and_n_grams():
    vocabulary = vocabulary_of()
    assert len(vocabulary) == 9
    assert vocabulary.encode("red reed") == [RED, REED, PAIR, 6, 7, 6, 7, 8]
    assert vocabulary.encode("Reread") == [UNK_ID, 6]  # an unknown word has parts
    assert vocabulary.encode("so") == [UNK_ID]
    assert vocabulary.encode("") == [UNK_ID]
    ids, lengths = vocabulary.encode_batch(["red", "", "bleed", "of"])
    assert ids.tolist() == [RED, 6, 7, UNK_ID, UNK_ID, 7, 8, UNK_ID]
    assert lengths.tolist() == [3, 1, 3, 1]
    assert [each.tolist() for each in vocabulary.encode_batch([])] == [[], []]


def test_a_limit_cuts_words_before_their_parts_are_looked_for():
    assert vocabulary_of().cut(1).encode("red reed") == [RED, 6, 7]
    assert vocabulary_of().cut(1).cut(None).encode("red red") == [RED, RED, 6, 7, 6, 7]


def test_a_masked_word_has_no_parts_and_a_users_brackets_are_words():
    vocabulary = vocabulary_of(parts=(" ma", "sk "))
    assert vocabulary.masked().encode("red [MASK]") == [RED, MASK_ID]
    assert vocabulary.encode("[MASK]") == [UNK_ID, UNK_ID, UNK_ID, 6, 7]


def test_two_texts_in_one_have_the_parts_of_both_and_none_of_the_separator():
    base = WordVocabulary((*SPECIALS, SEP, "red"))
    vocabulary = vocabulary_of(base, np.zeros((0, 2), np.int32), ("[SE", "SEP", "EP]", "ed ", "red"))
    ids, lengths = vocabulary.encode_pairs(["red", ""], ["bed", "red"])
    assert ids.tolist() == [4, 3, 1, 9, 8, 8, 1, 3, 4, 9, 8]
    assert lengths.tolist() == [6, 5]
    # of two long texts the longer is cut first, and what is cut has no parts
    ids, _ = vocabulary.cut(3).encode_pairs(["red red red"], ["bed"])
    assert ids.tolist() == [4, 3, 1, 9, 8, 8]


def test_given_words_have_no_parts():
    assert [each.tolist() for each in vocabulary_of().encode_words(["red", "bed"])] == [[RED, 1], [1, 1]]


@settings(deadline=None, max_examples=60)
@given(texts, texts, st.sampled_from([None, 2, 5]))
def test_alone_as_in_a_batch_and_as_found_one_by_one(seen, asked, limit):
    base = build_vocabulary(seen, 6)
    words = build_ngrams(base, seen, longest=2, most=5)
    known = frequent_parts(seen, 30)
    vocabulary = words.with_parts(PartTable(len(words), known)).cut(limit)
    ids, lengths = vocabulary.encode_batch(asked)
    rows = [row.tolist() for row in np.split(ids, np.cumsum(lengths))[:-1]]
    assert rows == [vocabulary.encode(text) for text in asked]
    for text, row in zip(asked, rows, strict=True):
        found = [part for word in split(text)[:limit] for part in parts_of(word) if part in known]
        expected = [len(words) + known.index(part) for part in found]
        assert row == [*words.cut(limit).encode(text), *expected]


# --------------------------------------------------------------------------------------------- which are kept


@settings(deadline=None, max_examples=60)
@given(texts, st.integers(0, 40))
def test_the_most_frequent_parts_are_kept_in_order(seen, most):
    counts = Counter(part for text in seen for word in split(text) for part in parts_of(word))
    expected = sorted((part for part in counts if counts[part] >= FEWEST), key=lambda p: (-counts[p], p))
    assert frequent_parts(seen, most) == expected[:most]
    assert frequent_parts(reversed(seen), most) == expected[:most]


def test_masks_and_lone_surrogates_have_no_part_in_the_count():
    assert frequent_parts(["[MASK] <mask>", "\ud800ab \ud800ab"], 99) == []


@pytest.mark.parametrize("parts", [("ab",), ("abcdef",), ("a b",), ("   ",), ("abc", "abc")])
def test_what_is_no_table_of_parts_is_refused(parts):
    with pytest.raises(ArtifactError, match="A part of a word has 3 to 5 letters"):
        PartTable(9, parts)


def test_parts_must_follow_the_n_grams_of_words():
    with pytest.raises(ArtifactError, match="begin with 5, but must with 6"):
        NgramVocabulary(BASE, PAIRS, PartTable(5, PARTS))
    pieces = train_wordpiece(["red reed"] * 5, 20)
    with pytest.raises(ArtifactError, match="Parts are those of words, but this vocabulary has pieces"):
        NgramVocabulary(pieces, np.zeros((0, 2), np.int32), PartTable(len(pieces), PARTS))


# -------------------------------------------------------------------------------------------------- the file


def saved(folder, parts=PARTS):
    vocabulary = vocabulary_of(parts=parts)
    vocabulary.save(folder / "tokenizer.json")
    return vocabulary


@pytest.mark.parametrize("parts", [(), PARTS, (" é漢", "a'ß", 'a"\\')])
def test_save_and_load_are_inverse(tmp_path, parts):
    vocabulary = saved(tmp_path, parts)
    assert sorted(path.name for path in tmp_path.iterdir()) == [CHARACTERS, NGRAMS, "tokenizer.json"]
    loaded = load_vocabulary(tmp_path / "tokenizer.json")
    assert loaded.parts.parts == parts
    assert loaded.encode("Red reed a'ßé") == vocabulary.encode("Red reed a'ßé")
    assert load_vocabulary(tmp_path / "tokenizer.json", ["tokenizer.json", NGRAMS]).parts is None


DAMAGES = {
    "empty": (b"", "does not hold parts of words, or is damaged"),
    "list": (b"[]", "does not hold parts of words, or is damaged"),
    "no parts": (b'{"form": 1, "letters": [3, 5]}', "does not hold parts of words, or is damaged"),
    "numbers": (b'{"form": 1, "letters": [3, 5], "parts": [1]}', "not a list of strings"),
    "text": (b'{"form": 1, "letters": [3, 5], "parts": "abc"}', "not a list of strings"),
    "twice": (b'{"form": 1, "letters": [3, 5], "parts": ["abc", "abc"]}', "stands in the table once"),
    "long": (b'{"form": 1, "letters": [3, 5], "parts": ["abcdef"]}', "3 to 5 letters"),
    "later": (b'{"form": 2, "letters": [3, 5], "parts": []}', "another rule of parts than 1"),
    "other letters": (b'{"form": 1, "letters": [2, 6], "parts": []}', "another rule of parts than 1"),
}


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_file_is_refused_by_name(tmp_path, how):
    saved(tmp_path)
    whole, said = DAMAGES[how]
    (tmp_path / CHARACTERS).write_bytes(whole)
    with pytest.raises(ArtifactError, match=rf"characters\.json .*{said}"):
        load_vocabulary(tmp_path / "tokenizer.json")


def test_a_file_that_is_cut_off_is_refused(tmp_path):
    saved(tmp_path)
    whole = (tmp_path / CHARACTERS).read_bytes()
    (tmp_path / CHARACTERS).write_bytes(whole[:-3])
    with pytest.raises(ArtifactError, match=r"characters\.json does not hold parts"):
        load_vocabulary(tmp_path / "tokenizer.json")


def test_parts_without_a_table_of_n_grams_are_refused(tmp_path):
    saved(tmp_path)
    (tmp_path / NGRAMS).unlink()
    with pytest.raises(ArtifactError, match=r"characters\.json .* but ngrams\.npy is missing"):
        load_vocabulary(tmp_path / "tokenizer.json")


def test_the_file_says_its_rule(tmp_path):
    saved(tmp_path)
    document = json.loads((tmp_path / CHARACTERS).read_text(encoding="utf-8"))
    assert document == {"form": 1, "letters": [SHORTEST, LONGEST], "parts": list(PARTS)}
    assert MARK == " "
