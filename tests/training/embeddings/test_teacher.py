import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from understudy.errors import TeacherError
from understudy.teachers.modules import body_of
from understudy.teachers.transformer import Teacher
from understudy.tokenization.wordpiece import SubwordVocabulary, teacher_vocabulary, train_wordpiece
from understudy.tokenization.words import SPECIALS, WordVocabulary, build_vocabulary
from understudy.training.embeddings.teacher import input_vectors, output_vectors, pieces

CLS, SEP, UNK, MASK = 2, 3, 1, 4
FAMILIES = ("bert", "roberta", "deberta", "distilbert")


@pytest.fixture(scope="module")
def teacher(bert):
    return Teacher.from_pretrained(bert)


@pytest.fixture
def words():
    return WordVocabulary((*SPECIALS, "film", "zebra", "good"))


class Spelling:
    """A tokeniser that knows single letters, a few pieces, and nothing else."""

    unk_token, mask_token, unk_token_id, pad_token_id = "<unk>", None, 1, 0

    def __init__(self, *known):
        self.known = {piece: number for number, piece in enumerate(("<pad>", "<unk>", *known))}
        self.asked = []

    def get_vocab(self):
        return self.known

    def __call__(self, texts, add_special_tokens=True):
        self.asked += texts
        return {"input_ids": [[self.known.get(letter, 1) for letter in text] for text in texts]}


def test_a_words_vector_is_the_mean_of_its_pieces(teacher):
    tokenizer = Spelling("g", "o", "d")
    twin = SimpleNamespace(module=teacher.module, tokenizer=tokenizer)
    found = input_vectors(twin, WordVocabulary((*SPECIALS, "good", "xx", "ox")))
    table = teacher.module.model.bert.embeddings.word_embeddings.weight.detach().numpy()
    np.testing.assert_allclose(found.rows[3], table[[2, 3, 3, 4]].mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(found.rows[1], table[1])  # [UNK] is the teacher's <unk>
    assert found.is_found.tolist() == [False, True, False, True, False, True]  # it has no mask, and no x
    assert not found.rows[~found.is_found].any()


def test_words_are_tokenised_as_inside_a_text():
    byte_level = Spelling("Ġgood", "good", "g")
    assert pieces(byte_level, WordVocabulary((*SPECIALS, "good")))[3] == [1, 4, 1, 1, 1]
    assert byte_level.asked == [" good"]
    plain = Spelling("good", "g")
    pieces(plain, WordVocabulary((*SPECIALS, "good")))
    assert plain.asked == ["good"]


def test_a_piece_of_the_teachers_own_is_that_piece():
    vocabulary = train_wordpiece(["go going"], 40)
    own = Spelling("go", "##i", "g", "i")
    row = vocabulary.tokenizer.token_to_id
    found = pieces(own, vocabulary)
    assert found[row("##i")] == [3]
    assert found[row("go")] == [2]
    assert "n" in own.asked  # ##n is none of its pieces
    marked = Spelling("Ġgo", "go", "g", "o", "i")
    found = pieces(marked, vocabulary)
    assert found[row("go")] == [1, 4, 5]  # its "go" continues a word
    assert found[row("##i")] == [6]
    assert {" go", "i"} <= set(marked.asked)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_teachers_own_vocabulary_takes_its_rows(write_model, family):
    teacher = Teacher.from_pretrained(write_model(family))
    document = teacher.tokenizer.backend_tokenizer.to_str()
    vocabulary = teacher_vocabulary(json.loads(document), teacher.tokenizer.pad_token)
    table = body_of(teacher.module).get_input_embeddings().weight.detach().numpy()
    found = input_vectors(teacher, vocabulary)
    np.testing.assert_array_equal(found.rows[1:], table[1:])
    assert not found.is_found[0]
    assert found.is_found[1:].all()


def test_the_padding_that_was_moved_takes_its_piece_along(teacher):
    document = json.loads(teacher.tokenizer.backend_tokenizer.to_str())
    vocabulary = teacher_vocabulary(document, "[MASK]")
    assert isinstance(vocabulary, SubwordVocabulary)
    table = body_of(teacher.module).get_input_embeddings().weight.detach().numpy()
    found = input_vectors(teacher, vocabulary)
    np.testing.assert_array_equal(found.rows[5:], table[5:])
    np.testing.assert_array_equal(found.rows[4], table[0])  # [PAD], now an ordinary entry
    assert not found.is_found[0]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_word_goes_through_the_teacher_alone(write_model, words, family):
    teacher = Teacher.from_pretrained(write_model(family))
    found = output_vectors(teacher, words)
    body = body_of(teacher.module)
    for row, ids in ((3, [5 + 2]), (1, [UNK]), (2, [MASK])):
        with torch.inference_mode():
            states = body(input_ids=torch.tensor([[CLS, *ids, SEP]])).last_hidden_state[0]
        np.testing.assert_allclose(found.rows[row], states[1].numpy(), atol=1e-5)
    assert found.is_found.tolist() == [False, True, True, True, False, True]


def test_a_word_of_several_pieces_is_their_mean_and_batches_do_not_matter(teacher):
    words = ["good bad", "film", "a the film was good"]  # each one entry here
    vocabulary = WordVocabulary((*SPECIALS, *words))
    together = output_vectors(teacher, vocabulary)
    for row, word in enumerate(words, start=3):
        with torch.inference_mode():
            ids = torch.tensor([teacher.tokenizer(word)["input_ids"]])
            states = body_of(teacher.module)(input_ids=ids).last_hidden_state[0]
        np.testing.assert_allclose(together.rows[row], states[1:-1].mean(dim=0).numpy(), atol=1e-5)


def test_a_tokeniser_without_special_tokens_gets_none(teacher):
    twin = SimpleNamespace(module=teacher.module, tokenizer=Spelling("g", "o"))
    found = output_vectors(twin, WordVocabulary((*SPECIALS, "go")))
    with torch.inference_mode():
        states = body_of(teacher.module)(input_ids=torch.tensor([[2, 3]])).last_hidden_state[0]
    np.testing.assert_allclose(found.rows[3], states.mean(dim=0).numpy(), atol=1e-5)


def test_a_vocabulary_of_specials_alone_asks_for_nothing(teacher):
    assert pieces(Spelling("a"), build_vocabulary([], 5)) == [[], [1], []]


@pytest.mark.parametrize("other", [None, object(), SimpleNamespace(module=nn.Linear(1, 1), tokenizer=None)])
def test_what_is_no_transformer_is_refused(other, words):
    with pytest.raises(TeacherError, match="is not a transformer that could give vectors"):
        input_vectors(other, words)
