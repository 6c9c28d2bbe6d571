from collections import Counter

import numpy as np
import pytest

from understudy.errors import ArtifactError
from understudy.tokenization import ngrams as module
from understudy.tokenization.ngrams import (
    FEWEST,
    NGRAMS,
    NgramTable,
    NgramVocabulary,
    build_ngrams,
    load_vocabulary,
)
from understudy.tokenization.wordpiece import SubwordVocabulary, train_wordpiece
from understudy.tokenization.words import MASK_ID, SPECIALS, UNK_ID, WordVocabulary, build_vocabulary

BASE = WordVocabulary((*SPECIALS, "a", "b", "c", "d"))
A, B, C, D = 3, 4, 5, 6
PAIRS = np.array([[A, B], [B, C], [7, C]], dtype=np.int32)
"""``a b`` is 7, ``b c`` 8, and ``a b c``, which continues 7, is 9."""


def random_texts(count=60, words=9, seed=0):
    generator = np.random.default_rng(seed)
    letters = [f"w{number}" for number in range(words)]
    return [" ".join(generator.choice(letters, generator.integers(0, 12))) for _ in range(count)]


def grams_of(vocabulary):
    """Each n-gram of a table as the ids of its words, in order."""
    table, known = vocabulary.table, {}
    for row, (prefix, word) in enumerate(table.pairs.tolist()):
        known[table.first + row] = (*known.get(prefix, (prefix,)), word)
    return list(known.values())


def naive_counts(base, texts, longest):
    """How often each n-gram of known words stands in the texts, by slices of lists."""
    counts = Counter()
    for text in texts:
        ids = base.encode(text)
        for order in range(2, longest + 1):
            for begin in range(len(ids) - order + 1):
                gram = tuple(ids[begin : begin + order])
                if min(gram) >= len(SPECIALS):
                    counts[gram] += 1
    return counts


def naive_encode(vocabulary, text):
    """Ids of a text's words, then of its n-grams, by slices of lists."""
    ids = vocabulary.base.encode(text)
    numbers = {gram: vocabulary.table.first + row for row, gram in enumerate(grams_of(vocabulary))}
    found = [
        numbers[tuple(ids[begin : begin + order])]
        for order in range(2, len(ids) + 1)
        for begin in range(len(ids) - order + 1)
        if tuple(ids[begin : begin + order]) in numbers
    ]
    return [*ids, *found]


def test_ids_of_n_grams_follow_those_of_words():
    vocabulary = NgramVocabulary(BASE, PAIRS)
    assert vocabulary.encode("a b c") == [A, B, C, 7, 8, 9]
    assert vocabulary.encode("a b a b") == [A, B, A, B, 7, 7]
    assert vocabulary.encode("b a c") == [B, A, C]
    assert vocabulary.encode("a zzz b") == [A, UNK_ID, B]
    assert vocabulary.encode("") == [UNK_ID]
    assert (len(vocabulary), vocabulary.table.longest, vocabulary.kind) == (10, 3, "words")
    assert vocabulary.table.orders.tolist() == [2, 2, 3]


def test_no_n_gram_reaches_into_the_next_text():
    ids, lengths = NgramVocabulary(BASE, PAIRS).encode_batch(["d a", "b c", "", "a b"])
    assert ids.tolist() == [D, A, B, C, 8, UNK_ID, A, B, 7]
    assert lengths.tolist() == [2, 3, 1, 3]
    assert [each.tolist() for each in NgramVocabulary(BASE, PAIRS).encode_batch([])] == [[], []]


def test_given_words_have_no_n_grams():
    ids, lengths = NgramVocabulary(BASE, PAIRS).encode_words(["a", "b c"])
    assert (ids.tolist(), lengths.tolist()) == ([A, B, C], [1, 2])


def test_two_texts_in_one_have_the_n_grams_of_both_and_none_across_the_separator():
    base = build_vocabulary(["a b", "c d"] * 2, 20, has_separator=True)
    vocabulary = build_ngrams(base, ["a b", "b c", "c d"] * 2, longest=2, most=9)
    ids, lengths = vocabulary.encode_pairs(["a b"], ["c d"])
    by_word = base.ids
    assert lengths.tolist() == [7]
    assert ids[:5].tolist() == [by_word[word] for word in ("a", "b", "[SEP]", "c", "d")]
    assert [grams_of(vocabulary)[number - len(base)] for number in ids[5:]] == [
        (by_word["a"], by_word["b"]),
        (by_word["c"], by_word["d"]),
    ]


def test_a_limit_cuts_words_before_n_grams_are_looked_for():
    vocabulary = NgramVocabulary(BASE, PAIRS).cut(2)
    assert vocabulary.max_words == 2
    assert vocabulary.encode("a b c") == [A, B, 7]
    assert vocabulary.cut(None).encode("a b c") == [A, B, C, 7, 8, 9]


def test_an_n_gram_is_known_only_with_its_prefix():
    # b c is known and c d is not: b c d would need both words behind "b", one after the other
    vocabulary = NgramVocabulary(BASE, np.array([[B, C], [7, D]], dtype=np.int32))
    assert vocabulary.encode("c d") == [C, D]
    assert vocabulary.encode("b c d") == [B, C, D, 7, 8]


@pytest.mark.parametrize(
    "pairs",
    [
        [[A, 7]],  # the second is no word
        [[8, C], [A, B]],  # a prefix that comes later
        [[7, C]],  # a prefix that is itself
        [[A, B], [A, B]],
        [[-1, B]],
    ],
)
def test_a_table_that_cannot_be_is_refused(pairs):
    with pytest.raises(ArtifactError, match="not before it in the table, or stands there twice"):
        NgramTable(len(BASE), np.array(pairs, dtype=np.int32))


@pytest.mark.parametrize(
    "pairs", [np.zeros((2, 2)), np.zeros((2, 3), np.int32), np.zeros(4, np.int32), np.zeros((), np.int32)]
)
def test_a_table_of_another_shape_or_type_is_refused(pairs):
    with pytest.raises(ArtifactError, match="two columns of int32"):
        NgramTable(len(BASE), pairs)


@pytest.mark.parametrize("longest", [1, 2, 3, 5])
@pytest.mark.parametrize("seed", range(3))
def test_all_n_grams_that_stand_there_twice_are_found(longest, seed):
    texts = random_texts(seed=seed)
    base = build_vocabulary(texts, 10)  # two of nine words are unknown
    vocabulary = build_ngrams(base, texts, longest=longest, most=10_000)
    counts = naive_counts(base, texts, longest)
    found = grams_of(vocabulary)
    assert set(found) == {gram for gram, count in counts.items() if count >= FEWEST}
    assert len(found) == len(set(found))
    ranks = [(len(gram), -counts[gram]) for gram in found]
    assert ranks == sorted(ranks)  # by length, then by count
    asked = [*texts, *random_texts(seed=seed + 50), "zzz w1 w2"]
    ids, lengths = vocabulary.encode_batch(asked)
    alone = [naive_encode(vocabulary, text) for text in asked]
    assert [part.tolist() for part in np.split(ids, np.cumsum(lengths)[:-1])] == alone
    assert [vocabulary.encode(text) for text in asked] == alone


@pytest.mark.parametrize("most", [0, 1, 5, 20, 60])
@pytest.mark.parametrize("longest", [2, 3, 4])
def test_the_most_frequent_are_kept_and_each_with_its_prefix(most, longest):
    texts = random_texts(200, words=4)
    base = build_vocabulary(texts, 20)
    counts = {gram: n for gram, n in naive_counts(base, texts, longest).items() if n >= FEWEST}
    kept = grams_of(build_ngrams(base, texts, longest=longest, most=most))
    assert len(kept) == min(most, len(counts))
    assert sorted(counts[gram] for gram in kept) == sorted(sorted(counts.values())[len(counts) - len(kept) :])
    assert all(len(gram) == 2 or gram[:-1] in kept for gram in kept)
    ranks = [(len(gram), -counts[gram]) for gram in kept]
    assert ranks == sorted(ranks)


def test_the_order_of_the_texts_and_the_blocks_do_not_matter(monkeypatch):
    texts = random_texts(100)
    base = build_vocabulary(texts, 20)
    one = build_ngrams(base, texts, longest=3, most=40).table.pairs
    monkeypatch.setattr(module, "AT_ONCE", 7)
    other = build_ngrams(base, reversed(texts), longest=3, most=40).table.pairs
    np.testing.assert_array_equal(one, other)
    assert len(one) == 40


def test_equal_counts_are_ordered_by_ids():
    vocabulary = build_ngrams(BASE, ["c d", "a b", "b a"] * 2, longest=2, most=2)
    assert grams_of(vocabulary) == [(A, B), (B, A)]


def test_no_n_gram_holds_an_unknown_or_a_masked_word():
    texts = ["a b zzz c", "a b [MASK] c", "c a b"] * 3
    vocabulary = build_ngrams(BASE.masked(), texts, longest=3, most=99)
    assert set(grams_of(vocabulary)) == {(A, B), (C, A), (C, A, B)}
    assert vocabulary.masked().encode("a [MASK] b") == [A, MASK_ID, B]
    # a user's text means what it says: three words, of which "[" and "]" are unknown, like "mask"
    assert vocabulary.encode("a [MASK] b") == [A, UNK_ID, UNK_ID, UNK_ID, B]


def test_an_empty_table_changes_nothing():
    for longest, texts in ((1, ["a b"] * 5), (3, ["a b", "c d"]), (3, [])):
        vocabulary = build_ngrams(BASE, texts, longest=longest, most=9)
        assert (len(vocabulary.table), len(vocabulary), vocabulary.table.longest) == (0, len(BASE), 1)
        assert vocabulary.encode("a b c") == [A, B, C]


def test_pieces_have_n_grams_too(tmp_path):
    texts = random_texts(80)
    base = train_wordpiece(texts, 30)
    vocabulary = build_ngrams(base.masked(), texts, longest=3, most=50)
    assert (vocabulary.kind, len(vocabulary.table)) == ("pieces", 50)
    assert all(vocabulary.encode(text) == naive_encode(vocabulary, text) for text in texts)
    vocabulary.save(tmp_path / "tokenizer.json")
    loaded = load_vocabulary(tmp_path / "tokenizer.json")
    assert isinstance(loaded.base, SubwordVocabulary)
    assert [loaded.encode(text) for text in texts] == [vocabulary.encode(text) for text in texts]


def test_save_and_load_are_inverse(tmp_path):
    vocabulary = NgramVocabulary(BASE, PAIRS).cut(5)
    vocabulary.save(tmp_path / "tokenizer.json")
    assert sorted(path.name for path in tmp_path.iterdir()) == [NGRAMS, "tokenizer.json"]
    loaded = load_vocabulary(tmp_path / "tokenizer.json")
    assert (loaded.base.words, loaded.max_words) == (BASE.words, 5)
    np.testing.assert_array_equal(loaded.table.pairs, PAIRS)
    assert loaded.encode("a b c") == vocabulary.encode("a b c")


def test_a_vocabulary_without_a_table_is_one_of_words(tmp_path):
    BASE.save(tmp_path / "tokenizer.json")
    assert isinstance(load_vocabulary(tmp_path / "tokenizer.json"), WordVocabulary)


def damage(path, how):
    whole = path.read_bytes()
    if how == "zip":
        with path.open("wb") as file:
            np.savez(file, pairs=PAIRS)
    elif how == "objects":
        np.save(path, np.array([[A, B]], dtype=object), allow_pickle=True)
    elif how == "floats":
        np.save(path, PAIRS.astype(np.float32))
    else:
        path.write_bytes({"short": whole[:-3], "empty": b"", "text": b"not a table at all"}[how])


@pytest.mark.parametrize("how", ["short", "empty", "text", "zip", "objects", "floats"])
def test_a_damaged_table_is_refused(tmp_path, how):
    NgramVocabulary(BASE, PAIRS).save(tmp_path / "tokenizer.json")
    damage(tmp_path / NGRAMS, how)
    with pytest.raises(ArtifactError, match="table of n-grams"):
        load_vocabulary(tmp_path / "tokenizer.json")


def test_a_table_of_another_vocabulary_is_refused(tmp_path):
    NgramVocabulary(BASE, PAIRS).save(tmp_path / "tokenizer.json")
    WordVocabulary(BASE.words[:5]).save(tmp_path / "tokenizer.json")
    with pytest.raises(ArtifactError, match="n-gram"):
        load_vocabulary(tmp_path / "tokenizer.json")
