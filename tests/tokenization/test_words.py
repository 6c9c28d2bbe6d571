import json
import re
import sys
import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer
from tokenizers.models import BPE, Unigram, WordLevel, WordPiece

from understudy.errors import ArtifactError
from understudy.tokenization import words
from understudy.tokenization.words import (
    MASK_ID,
    PAD_ID,
    SEP,
    SPECIALS,
    UNK_ID,
    WordVocabulary,
    build_vocabulary,
    split,
)

ASSIGNED = [
    code for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code)) not in ("Cn", "Cs", "Co")
]
EVERY = [code for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]
SOME_TEXTS = ["the cat sat", "The dog SAT, sat", "Don’t", "日本 ok", "İstanbul Σίσυφος", "naïve 🙂 café"]


@pytest.fixture(scope="module")
def vocabulary():
    return build_vocabulary(SOME_TEXTS, 100)


@pytest.fixture(scope="module")
def library(vocabulary, tmp_path_factory):
    path = tmp_path_factory.mktemp("words") / "tokenizer.json"
    vocabulary.save(path)
    return Tokenizer.from_file(str(path))


def library_split(library, text):
    normal = library.normalizer.normalize_str(text)
    return [word for word, _ in library.pre_tokenizer.pre_tokenize_str(normal)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" \t\r\n\x00\x1f\x7f\x85\xa0\u2003\u3000\ufeff", []),
        ("The CAT", ["the", "cat"]),
        ("Don’t wait: 2 rooms, please!", ["don't", "wait", ":", "2", "rooms", ",", "please", "!"]),
        ("it's it’s", ["it's", "it's"]),
        ("snake_case __init__", ["snake_case", "__init__"]),
        ("a-b...", ["a", "-", "b", ".", ".", "."]),
        ("3.50€ #1 @me", ["3", ".", "50", "€", "#", "1", "@", "me"]),
        ("日本語です", ["日", "本", "語", "です"]),
        ("안녕 hello안녕", ["안녕", "hello안녕"]),
        ("ok🙂👍🏽done", ["ok", "🙂", "👍", "🏽", "done"]),
        ("zero\u200bwidth\u200djoin\ufe0fed", ["zero", "width", "join", "ed"]),
        ("ΟΔΟΣ", ["οδοσ"]),  # a final capital sigma is an ordinary one
        ("İ", ["i\u0307"]),  # one code point may become two
        ("Straße STRASSE", ["straße", "strasse"]),
        ("50µg 2º ª", ["50µg", "2º", "ª"]),  # letters among the Latin-1 signs
        ("«¿qué?»", ["«", "¿", "qué", "?", "»"]),
        ("e\u0301te\u0301", ["e\u0301te\u0301"]),  # combining marks stay
        ("[PAD] [UNK]", ["[", "pad", "]", "[", "unk", "]"]),  # no text can name a special word
    ],
)
def test_the_rule_by_examples(text, expected):
    assert split(text) == expected


def test_ascii_and_other_texts_are_lowered_alike():
    ascii_text = "".join(map(chr, range(128)))
    assert words.lower(ascii_text + "é")[:-1] == words.lower(ascii_text)


def test_words_hold_no_space_and_no_upper_case_letter_is_left():
    for word in split(" ".join(map(chr, ASSIGNED))):
        assert not word.isspace()
        assert len(word) == 1 or split(word) == [word]


def test_every_code_point_is_split_as_the_tokenizers_library_does(library):
    """All of Unicode: the table of lower case is the library's, whatever this Python knows."""
    differ = []
    for start in range(0, len(EVERY), 4096):
        some = EVERY[start : start + 4096]
        text = " ".join(f"a{chr(code)}b" for code in some)
        if library_split(library, text) != split(text):
            for code in some:
                probe = f"a{chr(code)}b"
                differ += [code] if library_split(library, probe) != split(probe) else []
    assert [hex(code) for code in differ] == []


def test_lower_case_is_pythons_where_both_know_a_letter():
    known = [chr(code) for code in ASSIGNED if chr(code) != "\u2019"]
    assert [letter for letter in known if words.lower(f"é{letter}")[1:] != letter.lower()] == []


@pytest.mark.parametrize("letter", ["\u1c89", "\ua7ce", "\U00010d50", "\U00016ea0"])
def test_letters_of_unicode_16_and_17_are_lowered(letter):
    assert words.lower(letter) != letter


def test_random_strings_are_split_and_numbered_as_the_tokenizers_library_does(library, vocabulary):
    generator = np.random.default_rng(20_000)
    letters = np.array(EVERY)
    usual = np.array([ord(c) for c in " .,!?'’-_()\n\t aAbBcCthedogsat日本éİΣ🙂"])
    texts = []
    for _ in range(20_000):
        length = generator.integers(0, 24)
        is_usual = generator.random(length) < generator.random()
        drawn = np.where(is_usual, generator.choice(usual, length), generator.choice(letters, length))
        texts.append("".join(map(chr, drawn)))
    encoded = library.encode_batch(texts, add_special_tokens=False)
    for text, found in zip(texts, encoded, strict=True):
        assert (found.ids or [UNK_ID]) == vocabulary.encode(text), repr(text)
        assert library_split(library, text) == split(text), repr(text)


@settings(max_examples=300, deadline=None)
@given(text=st.text(st.characters(exclude_categories=("Cs",))))
def test_any_string_is_split_as_the_tokenizers_library_does(library, vocabulary, text):
    assert library_split(library, text) == split(text)
    assert (library.encode(text, add_special_tokens=False).ids or [UNK_ID]) == vocabulary.encode(text)


@given(text=st.text())
def test_splitting_loses_nothing_but_space(text):
    joined = "".join(split(text))
    space = f"[{words.SPACE}]"
    assert joined == re.sub(space, "", words.lower(text))


def test_ids_by_hand():
    known = WordVocabulary((*SPECIALS, "the", "cat", "."))
    assert (PAD_ID, UNK_ID, MASK_ID) == (0, 1, 2)
    assert known.encode("The cat saw the cat.") == [3, 4, UNK_ID, 3, 4, 5]
    assert known.encode("[PAD][MASK]") == [UNK_ID] * 6
    assert len(known) == 6


@pytest.mark.parametrize("text", ["", "   ", "\n\u200b"])
def test_a_text_without_words_is_one_unknown_word(vocabulary, text):
    assert vocabulary.encode(text) == [UNK_ID]
    assert vocabulary.encode_batch([text])[1].tolist() == [1]


def test_a_batch_is_the_texts_end_to_end(vocabulary):
    texts = ["the cat", "", "Don't sat zebra"]
    flat, lengths = vocabulary.encode_batch(texts)
    assert (flat.dtype, lengths.dtype) == (np.int64, np.int64)
    assert lengths.tolist() == [2, 1, 3]
    assert flat.tolist() == [i for text in texts for i in vocabulary.encode(text)]


def test_an_empty_batch_is_empty(vocabulary):
    flat, lengths = vocabulary.encode_batch([])
    assert (flat.shape, lengths.shape) == ((0,), (0,))


def test_long_texts_are_cut_as_the_library_cuts_them(tmp_path):
    short = WordVocabulary((*SPECIALS, "a", "b", "c"), max_words=3)
    short.save(tmp_path / "tokenizer.json")
    library = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    for text in ("a", "a b c", "c b a a b c", "z " * 9):
        assert short.encode(text) == library.encode(text).ids
    assert short.encode("c b a a b c") == [5, 4, 3]
    assert short.encode("") == [UNK_ID]


@pytest.mark.parametrize("max_words", [None, 1, 512])
def test_save_and_load_are_inverse(tmp_path, max_words):
    saved = WordVocabulary(build_vocabulary(SOME_TEXTS, 50).words, max_words)
    saved.save(tmp_path / "tokenizer.json")
    loaded = WordVocabulary.load(tmp_path / "tokenizer.json")
    assert (loaded.words, loaded.ids, loaded.max_words) == (saved.words, saved.ids, max_words)
    loaded.save(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "tokenizer.json").read_bytes()


def test_lone_surrogates_do_not_crash():
    text = "a \ud83d b\udc00"
    assert split(text) == ["a", "\ud83d", "b\udc00"]
    assert build_vocabulary(["a b"], 9).encode(text) == [3, UNK_ID, UNK_ID]


def test_a_vocabulary_of_texts_with_lone_surrogates_can_be_read_by_the_library(tmp_path):
    path = tmp_path / "tokenizer.json"
    build_vocabulary(["good \ud83d words", "more\udc00 words"], 9).save(path)
    assert Tokenizer.from_file(str(path)).token_to_id("words") == 3


def test_the_vocabulary_is_ordered_by_count_then_word():
    made = build_vocabulary(["b a c b", "C b"], 100)
    assert made.words == (*SPECIALS, "b", "c", "a")


def test_the_vocabulary_does_not_depend_on_the_order_of_texts():
    generator = np.random.default_rng(0)
    texts = [" ".join(generator.choice(["x", "y", "z", "ä", "日"], 4)) for _ in range(50)]
    expected = build_vocabulary(texts, 7).words
    for _ in range(5):
        assert build_vocabulary(generator.permutation(texts).tolist(), 7).words == expected


@pytest.mark.parametrize(("size", "expected"), [(0, 3), (3, 3), (4, 4), (8, 8), (100, 13)])
def test_the_vocabulary_keeps_to_its_size(size, expected):
    assert len(build_vocabulary(["a b c d e f g h i j"], size)) == expected


@pytest.mark.parametrize("listed", [("a", "b"), ("[UNK]", "[PAD]", "[MASK]"), (*SPECIALS, "a", "a"), ()])
def test_refuses_words_that_make_no_vocabulary(listed):
    with pytest.raises(ArtifactError, match=r"\[PAD\]"):
        WordVocabulary(listed)


NUMBERED = {word: number for number, word in enumerate((*SPECIALS, "a"))}


@pytest.mark.parametrize(
    "model",
    [
        WordLevel(NUMBERED, unk_token="[UNK]"),
        WordPiece(NUMBERED, unk_token="[UNK]"),
        BPE({"a": 0, "b": 1, "ab": 2}, [("a", "b")]),
        Unigram([("<unk>", 0.0), ("a", -1.0)], 0, False),
    ],
    ids=["WordLevel", "WordPiece", "BPE", "Unigram"],
)
def test_refuses_the_tokenizers_of_others(tmp_path, model):
    path = tmp_path / "tokenizer.json"
    Tokenizer(model).save(str(path))
    with pytest.raises(ArtifactError):
        WordVocabulary.load(path)


@pytest.mark.parametrize("content", ["{}", "[]", '{"model": {}}', '{"model": null}', "{", ""])
def test_refuses_what_is_no_tokenizer(tmp_path, content):
    path = tmp_path / "tokenizer.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ArtifactError):
        WordVocabulary.load(path)


def change_pattern(document):
    document["pre_tokenizer"]["pattern"]["Regex"] = r"\w+"


def drop_normalizer(document):
    document["normalizer"] = None


def leave_a_gap(document):
    document["model"]["vocab"]["zebra"] = 99


@pytest.mark.parametrize("change", [change_pattern, drop_normalizer, leave_a_gap])
def test_refuses_another_rule(tmp_path, vocabulary, change):
    path = tmp_path / "tokenizer.json"
    vocabulary.save(path)
    document = json.loads(path.read_text(encoding="utf-8"))
    change(document)
    path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(ArtifactError, match=r"tokenizer\.json"):
        WordVocabulary.load(path)


def test_tokens_are_the_words_as_they_stand():
    text = "  Don’t WAIT, İki\u00a0oda!"
    assert words.tokens(text) == [
        ("Don’t", 2, 7), ("WAIT", 8, 12), (",", 12, 13), ("İki", 14, 17), ("oda", 18, 21), ("!", 21, 22),
    ]  # fmt: skip
    assert words.tokens(" \n") == []


@given(st.text())
def test_tokens_lower_cased_are_the_words(text):
    found = words.tokens(text)
    assert [words.lower(word) for word, _, _ in found] == split(text)
    assert [text[start:end] for _, start, end in found] == [word for word, _, _ in found]


def test_no_code_point_changes_its_class_when_it_is_lower_cased():
    text = " ".join(f"a{chr(code)}b" for code in EVERY)
    assert [words.lower(word) for word, _, _ in words.tokens(text)] == split(text)


def test_masks_are_read_in_training_alone():
    vocabulary = WordVocabulary((*SPECIALS, "a", "b", "mask", "[", "]"))
    assert vocabulary.encode("a [MASK] b") == [3, 6, 5, 7, 4]
    masked = vocabulary.masked()
    assert masked.encode("a [MASK] b") == masked.encode("a<mask>b") == [3, 2, 4]
    assert masked.encode("[MASK]") == [2]
    assert masked.encode("a b") == [3, 4]
    assert build_vocabulary(["a [MASK] [MASK] [MASK] b"], 9).words == (*SPECIALS, "a", "b")


LETTERS = st.sampled_from("ab'’_ \n\t.,!中é\u00a0\ud800\U0001f600") | st.characters()


@given(st.lists(st.text(LETTERS), max_size=8))
def test_words_are_counted_as_they_are_split(texts):
    assert words.count_words(texts).tolist() == [len(split(text)) for text in texts]


def test_every_code_point_counts_as_it_is_split():
    points = [chr(point) for point in range(0x110000)]
    found = words.count_words([f"a{point}b" for point in points])
    assert found.min() == 1
    assert all(len(split(f"a{points[n]}b")) == found[n] for n in range(0x3000))
    kinds = {1: words.PATTERN, 2: f"[{words.SPACE}]", 3: f"[{words.SINGLE}]"}
    for count in (2, 3):
        there = re.findall(kinds[count], "".join(points).replace("\u2019", ""))
        assert [points[n] for n in np.flatnonzero(found == count)] == there


@settings(deadline=None, max_examples=60)
@given(st.text(alphabet="abB \u2019!", max_size=20), st.booleans(), st.sampled_from([None, 1, 4]))
def test_the_words_that_are_read_are_those_whose_ids_are_given(text, reads_masks, limit):
    vocabulary = WordVocabulary((*SPECIALS, SEP, "a", "b", "!"), limit, reads_masks=reads_masks)
    masked = f"{text} [MASK] {text}"
    for asked in (text, masked):
        words = vocabulary.words_of(asked)
        assert [vocabulary.ids.get(word, UNK_ID) for word in words] == vocabulary.encode(asked)
    (words,) = vocabulary.words_of_pairs([text], [masked])
    ids, _ = vocabulary.encode_pairs([text], [masked])
    assert [vocabulary.ids.get(word, UNK_ID) for word in words] == ids.tolist()
