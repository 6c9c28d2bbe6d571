import numpy as np
import pytest

from understudy.core.configs import TrainingConfig
from understudy.core.task import Task
from understudy.errors import RecipeError
from understudy.tokenization.ngrams import build_ngrams
from understudy.tokenization.words import SEP, WordVocabulary, build_vocabulary
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
