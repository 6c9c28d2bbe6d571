"""Which words a student has: those of its texts, those that its teacher knows, and n-grams."""

import numpy as np
import pytest

from understudy.core.configs import TrainingConfig
from understudy.core.task import Task
from understudy.errors import RecipeError
from understudy.tokenization.ngrams import NgramVocabulary
from understudy.tokenization.words import SPECIALS, WordVocabulary
from understudy.training.embeddings.known import KnownWords
from understudy.training.vocabularies import vocabulary_for

TASK = Task(("bad", "good"))
ITEMS = ("a good film", "a bad film", "a film")
KNOWN = KnownWords(("film", "marvellous", "dreadful"), np.ones((3, 4), dtype=np.float32))


def made(name, config=None, task=TASK, items=ITEMS, **more):
    return vocabulary_for(name, {}, config or TrainingConfig(), task, items=items, **more)


def test_words_of_the_texts_come_first_and_then_those_that_only_the_teacher_knows():
    vocabulary = made("cbow.v2", known=KNOWN)
    assert vocabulary.words == (*SPECIALS, "a", "film", "bad", "good", "marvellous", "dreadful")


def test_words_of_the_teacher_take_only_what_room_there_is():
    small = TrainingConfig(vocabulary_size=10)
    items = ("one two three four five six", "one")
    vocabulary = made("cbow.v2", small, items=items, known=KNOWN)
    assert len(vocabulary) == 10
    assert vocabulary.words[-1] == "film"
    assert "one" in vocabulary.words


@pytest.mark.parametrize("name", ["cbow.v1", "linear.v1"])
def test_a_student_without_vectors_that_generalise_has_the_words_of_its_texts_alone(name):
    vocabulary = made(name, known=KNOWN)
    words = vocabulary.base if isinstance(vocabulary, NgramVocabulary) else vocabulary
    assert "marvellous" not in words.words
    assert "good" in words.words


def test_ngrams_stand_behind_all_words_also_where_the_texts_can_be_read_only_once():
    vocabulary = made("dan.v2", items=iter(ITEMS), known=KNOWN)
    assert isinstance(vocabulary, NgramVocabulary)
    assert vocabulary.base.words[-2:] == ("marvellous", "dreadful")
    a, film, good = (vocabulary.base.words.index(word) for word in ("a", "film", "good"))
    ids = vocabulary.encode("a film")
    assert ids[:2] == [a, film]
    assert len(ids) == 2 or ids[2] >= len(vocabulary.base)
    assert good < len(vocabulary.base)


def test_each_student_has_its_own_size_unless_the_recipe_says_one():
    items = tuple(f"word{number}" for number in range(6000))
    assert len(made("cbow.v1", items=items)) == 5000
    assert len(made("cbow.v1", TrainingConfig(vocabulary_size=50), items=items)) == 50
    assert len(made("cbow.v2", items=items)) == 6000 + len(SPECIALS)


def test_only_a_joint_reading_of_pairs_has_a_separator():
    pairs, task = (("a film", "a room"),), Task(("no", "yes"), "pair")
    assert "[SEP]" in made("cbow.v1", TrainingConfig(pair="joint"), task, pairs).words
    assert "[SEP]" not in made("cbow.v1", None, task, pairs).words


def test_a_vocabulary_of_the_teacher_is_taken_as_it_is_and_missed_where_there_is_none():
    config = TrainingConfig(vocabulary="teacher")
    own = WordVocabulary((*SPECIALS, "only"))
    assert made("cbow.v1", config, teacher=own) is own
    with pytest.raises(RecipeError, match="this teacher has none to give"):
        made("cbow.v1", config)


def test_pieces_are_trained_on_the_items():
    vocabulary = made("cbow.v2", TrainingConfig(vocabulary="wordpiece", vocabulary_size=40), known=KNOWN)
    assert vocabulary.kind == "pieces"
    assert len(vocabulary) <= 40
