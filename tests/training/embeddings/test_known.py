"""The teacher's vectors of single words: of those of the texts, and of those that it knows besides."""

from types import SimpleNamespace

import numpy as np
import pytest

from understudy.core.manifest import read_manifest
from understudy.errors import ArtifactError, TeacherError
from understudy.teachers.transformer import Teacher
from understudy.tokenization.words import SPECIALS, WordVocabulary
from understudy.training.embeddings import known as room
from understudy.training.embeddings.known import KnownWords, known_words
from understudy.training.embeddings.teacher import output_vectors

SMALL = KnownWords(("film", "good"), np.array([[1.0, 2.0], [3.0, 4.0]], dtype=np.float32))


@pytest.fixture(scope="module")
def teacher(bert):
    return Teacher.from_pretrained(bert)


def test_words_of_the_texts_stand_before_those_that_only_the_teacher_knows(teacher):
    found = known_words(teacher, ["a great film", "a film zebra"])
    assert found.words[:3] == ("a", "film", "great")
    assert found.words[3:] == tuple(sorted(found.words[3:]))
    assert {"dull", "room", "really"} <= set(found.words[3:])
    assert "zebra" not in found.words  # the teacher does not know it either
    assert not {*SPECIALS, "[CLS]", "."} & set(found.words)
    assert len(set(found.words)) == len(found.words) == len(found.rows)


def test_a_vector_is_the_teachers_of_the_word_by_itself(teacher):
    found = known_words(teacher, ["a great film"])
    alone = output_vectors(teacher, WordVocabulary((*SPECIALS, "film", "dull")))
    given = found.vectors(["film", "dull"])
    np.testing.assert_allclose(given.rows, alone.rows[-2:], atol=1e-5)  # batches differ in their padding
    assert given.is_found.all()


def test_both_texts_of_a_pair_are_read(teacher):
    assert known_words(teacher, [("dull", "room")]).words[:2] == ("dull", "room")


def test_only_so_many_words_of_the_texts_are_shown_to_the_teacher(teacher, monkeypatch):
    monkeypatch.setattr(room, "MOST_OF_TEXTS", len(SPECIALS) + 1)
    monkeypatch.setattr(room, "_whole_words", lambda tokenizer: set())
    assert known_words(teacher, ["a film", "a room"]).words == ("a",)


def test_a_word_without_a_vector_has_zeros_and_is_not_found():
    given = SMALL.vectors(["zebra", "good", "film", "good"])
    assert given.is_found.tolist() == [False, True, True, True]
    assert given.rows.tolist() == [[0, 0], [3, 4], [1, 2], [3, 4]]
    assert given.rows.dtype == np.float32


def test_a_teacher_that_knows_no_word_gives_zeros():
    nothing = KnownWords((), np.zeros((0, 3), dtype=np.float32))
    given = nothing.vectors(["film"])
    assert given.rows.tolist() == [[0, 0, 0]]
    assert not given.is_found.any()


def test_words_are_read_back_as_they_were_written_and_damage_is_noticed(tmp_path):
    SMALL.save(tmp_path / "vectors", {"inputs": "x"})
    again = KnownWords.load(tmp_path / "vectors")
    assert again.words == SMALL.words
    assert np.array_equal(again.rows, SMALL.rows)
    assert read_manifest(tmp_path / "vectors")["inputs"] == "x"
    (tmp_path / "vectors" / "words.json").write_text('["film", "bad"]')
    with pytest.raises(ArtifactError):
        KnownWords.load(tmp_path / "vectors")


def test_whole_words_are_told_from_pieces_that_continue_one():
    def whole(*pieces):
        return room._whole_words(SimpleNamespace(get_vocab=lambda: dict.fromkeys(pieces, 0)))

    assert whole("film", "##s", "[CLS]", ".", "Film") == {"film"}
    assert whole("Ġfilm", "s", "Ġ", "<s>", "Ġroom") == {"film", "room"}
    assert whole("▁film", "s") == {"film"}
    assert room._whole_words(None) == set()


def test_a_teacher_that_is_no_transformer_is_refused():
    with pytest.raises(TeacherError):
        known_words(SimpleNamespace(module=None, tokenizer=None), ["a film"])
