import numpy as np
import pytest

from understudy.augment import StepContext
from understudy.augment.filters.decision import keep_rows, teacher_logits, word_counts
from understudy.errors import RecipeError


def test_words_of_a_text_or_a_pair_are_counted_and_a_mask_is_one():
    assert word_counts(["Don't stop, now!", "", ("a b", "c."), "a [MASK] b", "<mask> b"]).tolist() == [
        5,
        0,
        4,
        3,
        2,
    ]


def test_rows_are_kept_in_order():
    found = keep_rows(np.array([3, 1, 1]), 5, "why")
    assert (found.kept.tolist(), found.removed.tolist()) == ([1, 1, 3], [0, 2, 4])


def test_the_teacher_answers_or_its_absence_is_told():
    tools = StepContext(predict=lambda items: np.zeros((len(items), 2), dtype=np.float32))
    assert teacher_logits("balance", ["a", "b"], tools).shape == (2, 2)
    with pytest.raises(RecipeError, match="'balance' reads the teacher's answers, but there is no teacher"):
        teacher_logits("balance", ["a"], StepContext())
