import numpy as np
import pytest

from understudy.core.task import Task
from understudy.errors import DataError
from understudy.evaluation.agreement import agreement, disagreements

TASK = Task(("bad", "fair", "good"))


def logs(*rows):
    return np.log(np.array(rows, dtype=np.float32))


TEACHER = logs([0.9, 0.05, 0.05], [0.6, 0.3, 0.1], [0.1, 0.2, 0.7], [0.25, 0.5, 0.25])
STUDENT = logs([0.3, 0.4, 0.3], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8], [0.1, 0.1, 0.8])
TEXTS = ["a", "b", "c", "d"]
GOLD = [0, 1, 2, 2]


def alike(teacher, student, task=TASK):
    return agreement((task, teacher), (task, student))


def find(teacher, student, task=TASK, items=TEXTS, gold=GOLD, **options):
    return disagreements(items, gold, (task, teacher), (task, student), **options)


def test_agreement_is_the_share_of_equal_answers():
    assert alike(TEACHER, STUDENT) == 0.25
    assert alike(TEACHER, TEACHER * 3 + 1) == 1.0


@pytest.mark.parametrize("shape", [(3, 3), (4, 2), (0, 3)])
def test_agreement_of_other_shapes_is_refused(shape):
    with pytest.raises(DataError, match=r"\(n, labels\)"):
        alike(np.zeros(shape, np.float32), STUDENT if shape[0] else np.zeros(shape, np.float32))


def test_disagreements_come_worst_first():
    found = find(TEACHER, STUDENT)
    # teacher's probability of its answer - student's of the same: a 0.9 - 0.3, b 0.6 - 0.1, d 0.5 - 0.1
    assert [item.text for item in found] == ["a", "b", "d"]
    assert (found[0].gold, found[0].teacher, found[0].student) == ("bad", "bad", "fair")
    assert (found[1].gold, found[1].teacher, found[1].student) == ("fair", "bad", "fair")
    assert found[0].teacher_confidence == pytest.approx(0.9, abs=1e-6)
    assert found[0].student_confidence == pytest.approx(0.4, abs=1e-6)


def test_disagreements_are_limited_and_ties_keep_their_order():
    teacher, student = np.tile(TEACHER[:1], (5, 1)), np.tile(STUDENT[:1], (5, 1))
    found = find(teacher, student, items="vwxyz", gold=[0] * 5, limit=3)
    assert [item.text for item in found] == ["v", "w", "x"]


def test_full_agreement_shows_nothing():
    assert find(TEACHER, TEACHER) == []


def test_disagreements_of_what_does_not_belong_together_are_refused():
    with pytest.raises(DataError, match="3 items and 3 labels"):
        find(TEACHER, STUDENT, items=TEXTS[:3])


def test_pairs_are_shown_with_a_bar():
    task = Task(TASK.labels, "pair")
    found = find(TEACHER, STUDENT, task, items=[("a", "b"), ("c", "d"), ("e", "f"), ("g", "h")], limit=1)
    assert found[0].text == "a | b"


def logits_of(probabilities):
    p = np.array(probabilities)
    return np.log(p / (1 - p)).astype(np.float32)


def test_sets_of_labels_agree_only_as_a_whole_and_by_their_own_thresholds():
    strict, loose = (Task(("x", "y"), "multilabel", thresholds=least) for least in ((0.5, 0.5), (0.5, 0.2)))
    teacher = logits_of([[0.9, 0.4], [0.9, 0.9], [0.3, 0.1], [0.45, 0.1]])
    student = logits_of([[0.9, 0.3], [0.9, 0.8], [0.2, 0.1], [0.95, 0.1]])
    assert agreement((strict, teacher), (strict, student)) == 0.75
    assert agreement((strict, teacher), (loose, student)) == 0.5
    gold = np.array([[1, 0], [1, 1], [0, 0], [1, 1]])
    found = disagreements(TEXTS, gold, (strict, teacher), (loose, student))
    assert [(f.text, f.gold, f.teacher, f.student) for f in found] == [
        ("d", "x, y", "(none)", "x"), ("a", "x", "x", "x, y")
    ]  # fmt: skip
    # d: x is disputed: the teacher says no with 0.55, the student yes with 0.95
    assert (found[0].teacher_confidence, found[0].student_confidence) == pytest.approx((0.55, 0.95))
    assert (found[1].teacher_confidence, found[1].student_confidence) == pytest.approx((0.6, 0.3))


def test_values_agree_by_correlation_and_differ_by_size():
    task = Task(("score",), "regression", bounds=(0, 10))
    teacher = np.array([[0.1], [0.2], [0.3], [0.4]], dtype=np.float32)
    assert alike(teacher, teacher * 0.5 + 0.1, task) == pytest.approx(1)
    student = np.array([[0.1], [0.3], [0.9], [0.35]], dtype=np.float32)
    assert alike(teacher, student, task) == pytest.approx(np.corrcoef(teacher.T, student.T)[0, 1], abs=1e-6)
    found = find(teacher, student, task, gold=np.array([1, 2, 3.25, 4]))
    assert [f.text for f in found] == ["c", "b", "d"]
    assert (found[0].gold, found[0].teacher, found[0].student) == ("3.25", "3", "9")
    assert found[0].teacher_confidence is found[0].student_confidence is None


SENTENCES = [("Ann", "saw", "Bo"), ("it", "rained"), ("New", "York", "slept", "late")]


def tagged(labels, rows, sure=0.8):
    other = (1 - sure) / (len(labels) - 1)
    return logs(*(np.where(np.array(labels) == tag, sure, other) for tag in rows.split()))


def test_sentences_with_the_most_differing_words_come_first():
    labels = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")
    task = Task(labels, "tagging")
    gold = [labels.index(tag) for tag in ["B-PER", "O", "B-PER", "O", "O", "B-LOC", "I-LOC", "O", "O"]]
    teacher = tagged(labels, "B-PER O B-PER O O B-LOC I-LOC O O", sure=0.9)
    student = tagged(labels, "B-PER O O O O B-LOC O B-PER O", sure=0.6)
    assert alike(teacher, student, task) == pytest.approx(6 / 9)
    found = find(teacher, student, task, items=SENTENCES, gold=gold)
    assert [f.text for f in found] == ["New York slept late", "Ann saw Bo"]
    assert found[0].gold == found[0].teacher == "New York (LOC)"
    assert found[0].student == "New (LOC), slept (PER)"
    assert found[1].student == "Ann (PER)"
    assert (found[0].teacher_confidence, found[0].student_confidence) == pytest.approx((0.9, 0.6))


def test_a_sentence_without_spans_says_so_and_tags_are_shown_as_tags():
    labels = ("O", "B-LOC")
    spans = find(
        tagged(labels, "O O"), tagged(labels, "O B-LOC"), Task(labels, "tagging"), [("a", "b")], [0, 0]
    )
    assert (spans[0].gold, spans[0].teacher, spans[0].student) == ("(none)", "(none)", "b (LOC)")
    labels = ("N", "V")
    tags = find(
        tagged(labels, "N V"),
        tagged(labels, "N N"),
        Task(labels, "tagging", "accuracy"),
        [("a", "b")],
        [0, 1],
    )
    assert (tags[0].gold, tags[0].student) == ("N V", "N N")
