import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models

from understudy.errors import ArtifactError
from understudy.tokenization.ngrams import load_vocabulary
from understudy.tokenization.wordpiece import (
    SubwordVocabulary,
    is_own,
    teacher_vocabulary,
    train_wordpiece,
)
from understudy.tokenization.words import MASK_ID, PAD_ID, UNK_ID, WordVocabulary

TEXTS = [
    f"{a} {b}{c}" for a in ("the", "a", "one") for b in ("walk", "talk", "jump") for c in ("ed", "ing", "s")
]


@pytest.fixture(scope="module")
def pieces():
    return train_wordpiece(TEXTS, 60)


def test_pieces_spell_the_words(pieces):
    spelled = pieces.tokenizer.encode("The jumpwalks one").tokens
    assert "".join(piece.removeprefix("##") for piece in spelled) == "thejumpwalksone"
    assert len(spelled) > 3


LETTERS = "aAwalkedjumpingsTHone '_-.,\x00\x85éÉßİΣς’“\u0301\u200b\u212a日한🙂\ud83d\ude42"
STRINGS = st.text(st.sampled_from(LETTERS), max_size=60) | st.text(max_size=40)


@given(STRINGS)
@example("x" * 100)
@example("x" * 101 + " walked")
def test_our_own_code_spells_as_the_library_does(pieces, text):
    library = pieces.tokenizer.encode(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
    assert pieces.encode(text) == (library.ids or [UNK_ID])


def test_what_is_not_ours_is_left_to_the_library(pieces):
    assert is_own(pieces.document)
    for key, value in {"added_tokens": [1], "normalizer": None, "model": {"type": "BPE"}}.items():
        assert not is_own({**pieces.document, key: value})
    assert not is_own(pieces.masked().document)
    walk = pieces.masked().encode("a [MASK] walked")
    assert MASK_ID in walk
    assert MASK_ID not in pieces.encode("a [MASK] walked")


def test_special_words_have_the_first_ids_and_are_not_read_from_text(pieces):
    assert [pieces.tokenizer.id_to_token(i) for i in range(3)] == ["[PAD]", "[UNK]", "[MASK]"]
    assert PAD_ID not in pieces.encode("[PAD] [MASK]")


def test_the_same_texts_in_any_order_give_the_same_pieces(pieces):
    assert train_wordpiece(TEXTS[::-1], 60).document == pieces.document
    assert len(pieces) <= 60


def test_batch_and_single_agree_and_nothing_is_empty(pieces):
    texts = ["the walk", "", "zzz €", "\ud800 a", "one jumping"]
    flat, lengths = pieces.encode_batch(texts)
    assert flat.tolist() == [i for text in texts for i in pieces.encode(text)]
    assert lengths.tolist() == [len(pieces.encode(text)) for text in texts]
    assert pieces.encode("") == [UNK_ID]


def test_long_texts_are_cut(pieces):
    assert pieces.cut(2).encode("the walk the walk") == pieces.encode("the walk the walk")[:2]
    assert pieces.cut(2).cut(None).encode("the walk the walk") == pieces.encode("the walk the walk")


def test_what_is_saved_is_read_back(pieces, tmp_path):
    pieces.cut(7).save(tmp_path / "tokenizer.json")
    loaded = load_vocabulary(tmp_path / "tokenizer.json")
    assert isinstance(loaded, SubwordVocabulary)
    assert (loaded.max_words, loaded.document) == (7, pieces.cut(7).document)


def test_words_are_read_by_our_own_code(tmp_path):
    WordVocabulary(("[PAD]", "[UNK]", "[MASK]", "a"), 5).save(tmp_path / "tokenizer.json")
    assert isinstance(load_vocabulary(tmp_path / "tokenizer.json"), WordVocabulary)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"model": {"type": "WordPiece"}}'])
def test_other_files_are_refused(tmp_path, content):
    (tmp_path / "tokenizer.json").write_text(content, encoding="utf-8")
    with pytest.raises(ArtifactError):
        load_vocabulary(tmp_path / "tokenizer.json")


def words(vocabulary):
    tokenizer = vocabulary.tokenizer
    return lambda text: [tokenizer.id_to_token(i) for i in vocabulary.encode(text)]


@pytest.mark.parametrize("kind", ["list", "table"])
def test_the_padding_of_a_teacher_moves_to_id_0(kind):
    names = ["<s>", "<pad>", "</s>", "<unk>", "a", "b"]
    if kind == "list":
        model = models.Unigram([(name, -1.0) for name in names], unk_id=3)
    else:
        model = models.WordLevel({name: i for i, name in enumerate(names)}, unk_token="<unk>")
    tokenizer = Tokenizer(model)
    tokenizer.add_special_tokens(["<s>", "<pad>", "</s>"])
    document = json.loads(tokenizer.to_str())
    document["post_processor"] = {
        "type": "Sequence",
        "processors": [
            {
                "type": "RobertaProcessing",
                "sep": ["</s>", 2],
                "cls": ["<s>", 0],
                "trim_offsets": True,
                "add_prefix_space": False,
            }
        ],
    }
    before = SubwordVocabulary(document)
    after = teacher_vocabulary(document, "<pad>")
    assert after.tokenizer.token_to_id("<pad>") == PAD_ID
    assert words(after)("a") == words(before)("a") == ["<s>", "a", "</s>"]
    assert words(after)("<pad>") == words(before)("<pad>")


def test_a_teacher_whose_padding_is_first_stays_as_it_is(pieces):
    assert teacher_vocabulary(pieces.document, "[PAD]").document == pieces.document


def test_a_teacher_without_that_padding_is_refused(pieces):
    with pytest.raises(ArtifactError, match="<pad>"):
        teacher_vocabulary(pieces.document, "<pad>")


def test_masks_are_read_in_training_alone():
    vocabulary = train_wordpiece(["a bee [MASK] sees a bee"] * 9, 40)
    assert MASK_ID not in vocabulary.encode("a [MASK] bee")
    masked = vocabulary.masked()
    assert masked.encode("a [MASK] bee") == [*vocabulary.encode("a"), MASK_ID, *vocabulary.encode("bee")]
    assert masked.encode("a bee sees") == vocabulary.encode("a bee sees")
    assert masked.masked() is masked
