import numpy as np
import pytest

from understudy.core.task import Task
from understudy.errors import ArtifactError, DataError
from understudy.tokenization.encoding import encode, input_mode_of
from understudy.tokenization.wordpiece import SubwordVocabulary, train_wordpiece
from understudy.tokenization.words import PAD_ID, SEP, UNK_ID, WordVocabulary, build_vocabulary

TEXT = Task(("no", "yes"))
PAIR = Task(("no", "yes"), "pair")
TAGS = Task(("O", "B-X", "I-X"), "tagging")
WORDS = ("[PAD]", "[UNK]", "[MASK]", "[SEP]", "a", "b", "c", "d", ".")
A, B, C, D, DOT = range(4, 9)


@pytest.fixture
def vocabulary():
    return WordVocabulary(WORDS)


def lists(side):
    return [part.tolist() for part in np.split(side.ids, np.cumsum(side.lengths)[:-1])]


def test_forms():
    assert input_mode_of(TEXT, "joint") == input_mode_of(TEXT, "diffcat") == "text"
    assert (input_mode_of(PAIR, "joint"), input_mode_of(PAIR, "diffcat")) == ("text", "diffcat")
    assert input_mode_of(TAGS, "joint") == "tokens"


def test_texts(vocabulary):
    encoded = encode(TEXT, "text", vocabulary, ["a b", "c", "zebra"])
    assert lists(encoded.sides[0]) == [[A, B], [C], [UNK_ID]]
    feeds = encoded.feeds("text", np.array([0, 2]))
    assert feeds["ids"].tolist() == [[A, B], [UNK_ID, PAD_ID]]
    assert feeds["lengths"].tolist() == [2, 1]
    assert encoded.rows(np.array([2, 0])).tolist() == [2, 0]


def test_pairs_apart_have_two_sides(vocabulary):
    encoded = encode(PAIR, "diffcat", vocabulary, [("a b", "c"), ("d", "a a a")])
    assert [lists(side) for side in encoded.sides] == [[[A, B], [D]], [[C], [A, A, A]]]
    assert encoded.lengths.tolist() == [3, 4]
    assert set(encoded.feeds("diffcat", np.array([1]))) == {"ids", "lengths", "ids_2", "lengths_2"}


def test_pairs_in_one_have_a_separator_between(vocabulary):
    sep = vocabulary.ids[SEP]
    items = [("a b", "c"), ("a [SEP] b", "d")]
    (side,) = encode(PAIR, "text", vocabulary, items).sides
    assert lists(side)[0] == [A, B, sep, C]
    assert lists(side)[1].count(sep) == 1  # brackets in a text are words of their own


@pytest.mark.parametrize(
    ("one", "two", "expected"),
    [
        ("a a a a a a", "b", [A, A, A, 3, B]),
        ("a", "b b b b b b", [A, 3, B, B, B]),
        ("a a a a", "b b b b", [A, A, 3, B, B]),
        ("a a", "b b", [A, A, 3, B, B]),
    ],
)
def test_of_two_long_texts_the_longer_is_cut_first(vocabulary, one, two, expected):
    (side,) = encode(PAIR, "text", vocabulary.cut(5), [(one, two)]).sides
    assert lists(side) == [expected]


def test_a_vocabulary_without_separator_reads_no_two_texts():
    with pytest.raises(ArtifactError, match="no separator"):
        encode(PAIR, "text", WordVocabulary(WORDS[:3]), [("a", "b")])
    assert SEP in build_vocabulary(["a b"], 10, has_separator=True).words
    assert SEP not in build_vocabulary(["a b"], 10).words


def test_pieces_have_a_separator_too():
    vocabulary = train_wordpiece(["a bee sees a bee"] * 5, 40, has_separator=True)
    (side,) = encode(PAIR, "text", vocabulary, [("a bee", "sees")]).sides
    sep = vocabulary.tokenizer.token_to_id(SEP)
    assert lists(side) == [[*vocabulary.encode("a bee"), sep, *vocabulary.encode("sees")]]
    with pytest.raises(ArtifactError, match="has none of"):
        encode(PAIR, "text", train_wordpiece(["a bee"], 20), [("a", "bee")])


def test_a_teachers_tokeniser_joins_pairs_by_its_own_rule():
    document = train_wordpiece(["a bee sees a bee"] * 5, 40, has_separator=True).document
    special = [{"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": SEP, "type_id": 0}}]
    document = {
        **document,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": special,
            "pair": [*special, {"Sequence": {"id": "B", "type_id": 1}}, special[1]],
            "special_tokens": {SEP: {"id": SEP, "ids": [3], "tokens": [SEP]}},
        },
    }
    vocabulary = SubwordVocabulary(document)
    (side,) = encode(PAIR, "text", vocabulary, [("a", "bee")]).sides
    assert lists(side)[0].count(3) == 2
    (side,) = encode(TAGS, "tokens", vocabulary, [("a", "bee")]).sides
    assert 3 not in lists(side)[0]


def test_words_are_answered_at_their_first_id(vocabulary):
    items = [("a.b", "c"), (), ("D", "zebra", "\u200b")]
    encoded = encode(TAGS, "tokens", vocabulary, items)
    assert lists(encoded.sides[0]) == [[A, DOT, B, C], [D, UNK_ID, UNK_ID]]
    assert encoded.places.tolist() == [0, 3, 0, 1, 2]
    assert encoded.counts.tolist() == [2, 3]
    rows, columns = encoded.answered(np.array([1, 0]))
    assert rows.tolist() == [0, 0, 0, 1, 1]
    assert columns.tolist() == [0, 1, 2, 0, 3]
    assert encoded.rows(np.array([1, 0])).tolist() == [2, 3, 4, 0, 1]


def test_long_sentences_are_read_in_windows(vocabulary):
    words = tuple("abcd"[i % 4] for i in range(23))
    encoded = encode(TAGS, "tokens", vocabulary.cut(8), [("a",), words, ("b", "c")])
    assert encoded.lengths.max() <= 8
    assert encoded.counts.sum() == 26
    ids = [
        unit[place]
        for unit, number in zip(lists(encoded.sides[0]), range(len(encoded.counts)), strict=True)
        for place in encoded.places[encoded.rows(np.array([number]))]
    ]
    assert ids == [A, *(range(A, A + 4)[i % 4] for i in range(23)), B, C]


@pytest.mark.parametrize(
    ("task", "item", "wanted"),
    [
        (TEXT, ("a", "b"), "must be a text for this classification"),
        (PAIR, "a b", "must be two texts for this pair"),
        (PAIR, ("a", "b", "c"), "must be two texts"),
        (TAGS, "a b", "must be words for this tagging"),
    ],
)
def test_items_of_another_form_are_refused(vocabulary, task, item, wanted):
    with pytest.raises(DataError, match=wanted):
        encode(task, "text", vocabulary, [item])
