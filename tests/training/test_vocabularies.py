"""Which words a student has: those of its texts, those that its teacher knows, and n-grams."""

import numpy as np
import pytest

from understudy.core.configs import TrainingConfig
from understudy.core.task import Task
from understudy.errors import RecipeError
from understudy.tokenization.characters import PartTable, frequent_parts
from understudy.tokenization.ngrams import NgramVocabulary, build_ngrams
from understudy.tokenization.wordpiece import train_wordpiece
from understudy.tokenization.words import SEP, SPECIALS, WordVocabulary, build_vocabulary
from understudy.training.embeddings.known import KnownWords
from understudy.training.vocabularies import vocabulary_for

TASK = Task(("bad", "good"))
PAIRS = Task(("no", "yes"), "pair")
TEXTS = tuple(" ".join(f"w{(n + k) % 9}" for k in range(6)) for n in range(30))


def vocabulary(name, task=TASK, items=TEXTS, teacher=None, **options):
    return vocabulary_for(name, {}, TrainingConfig(**options), task, items=iter(items), teacher=teacher)


def test_students_without_n_grams_have_words_alone():
    for name in ("cbow.v1", "cbow.v2"):
        found = vocabulary(name)
        assert isinstance(found, WordVocabulary)
        assert found.words == build_vocabulary(TEXTS, 5000).words


def test_n_grams_are_as_many_and_as_long_as_asked_for():
    found = vocabulary("linear.v1:ngrams=4,longest=3")
    expected = build_ngrams(build_vocabulary(TEXTS, 99), TEXTS, longest=3, most=4)
    assert found.base.words == expected.base.words
    np.testing.assert_array_equal(found.table.pairs, expected.table.pairs)
    assert vocabulary("dan.v2").table.longest == 2


def test_the_usual_size_is_the_students():
    many = [" ".join(f"w{n}" for n in range(start, start + 400)) for start in range(0, 60_000, 400)]
    sizes = {name: len(vocabulary(name, items=many)) for name in ("cbow.v1", "cbow.v2")}
    assert sizes == {"cbow.v1": 5000, "cbow.v2": 30_000}
    assert len(vocabulary("linear.v1", items=many).base) == 50_000
    assert len(vocabulary("linear.v1", items=many, vocabulary_size=70).base) == 70


def test_of_a_teacher_with_n_grams_a_student_takes_the_words_and_has_n_grams_of_its_own():
    words = build_vocabulary(TEXTS, 8)
    teacher = build_ngrams(words, TEXTS, longest=3, most=2)
    one = vocabulary("cbow.v2", teacher=teacher, vocabulary="teacher")
    assert isinstance(one, WordVocabulary)
    assert one.words == words.words
    other = vocabulary("linear.v1", teacher=teacher, vocabulary="teacher")
    assert other.base.words == words.words
    assert other.table.longest == 2
    assert len(other.table) > 2


def test_a_teachers_vocabulary_must_be_given():
    with pytest.raises(RecipeError, match="vocabulary 'teacher'"):
        vocabulary("dan.v2", vocabulary="teacher")


@pytest.mark.parametrize(("pair", "is_joint"), [(None, False), ("compare", False), ("joint", True)])
def test_only_texts_that_are_joined_need_a_separator(pair, is_joint):
    items = list(zip(TEXTS, reversed(TEXTS), strict=True))
    found = vocabulary("linear.v1", task=PAIRS, items=items, pair=pair)
    assert (SEP in found.base.ids) == is_joint
    assert len(found.table) > 5


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


# ----------------------------------------------------------------------------------------- parts of words


def test_parts_of_words_stand_behind_the_n_grams_where_they_are_asked_for():
    plain, found = made("dan.v2"), made("dan.v2:characters=true", items=iter(ITEMS))
    assert plain.parts is None
    assert (found.base.words, found.table.pairs.tolist()) == (plain.base.words, plain.table.pairs.tolist())
    assert list(found.parts.parts) == frequent_parts(ITEMS, 99)
    assert found.parts.first == len(plain)
    assert len(made("linear.v1:characters=true,parts=3").parts) == 3
    sized = vocabulary_for("linear.v1", {"characters": True, "parts": 2}, TrainingConfig(), TASK, items=ITEMS)
    assert len(sized.parts) == 2


def test_parts_are_those_of_both_texts_of_a_pair():
    found = made("linear.v1:characters=true", task=PAIRS, items=(("goodness", "blue"), ("badness", "glue")))
    assert {"ness ", "lue "} <= set(found.parts.parts)


def test_a_teachers_parts_are_left_out_and_its_words_have_parts_of_the_items():
    base = WordVocabulary((*SPECIALS, "only"))
    teacher = build_ngrams(base, ["only only"] * 2, longest=2, most=1)
    teacher = teacher.with_parts(PartTable(len(teacher), ["nly"]))
    found = made("linear.v1:characters=true", TrainingConfig(vocabulary="teacher"), teacher=teacher)
    assert found.base.words == base.words
    assert list(found.parts.parts) == frequent_parts(ITEMS, 99)


@pytest.mark.parametrize("kind", ["wordpiece", "teacher"])
def test_pieces_have_no_parts(kind):
    teacher = train_wordpiece(ITEMS * 3, 40)
    config = TrainingConfig(vocabulary=kind, vocabulary_size=40)
    with pytest.raises(RecipeError, match=f"characters=true reads parts of words.* '{kind}' has pieces"):
        made("linear.v1:characters=true", config, teacher=teacher)
