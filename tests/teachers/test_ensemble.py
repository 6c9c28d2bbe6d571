from dataclasses import replace

import numpy as np
import pytest

from understudy.core.task import Predictor, Task
from understudy.errors import RecipeError, TeacherError
from understudy.teachers.ensemble import Ensemble
from understudy.teachers.transformer import Teacher

TASK = Task(("bad", "good"))
LN3 = np.log(3.0)


class Fixed:
    """Answers the same rows, whatever it is asked."""

    parameters = 7

    def __init__(self, task, rows, name="fixed"):
        self.task, self.rows, self.name = task, np.array(rows, dtype=np.float32), name
        self.fingerprint = f"{name}{rows}"

    def logits(self, texts):
        return self.rows[: len(texts)]


def test_the_mean_of_logits_by_hand():
    found = Ensemble([Fixed(TASK, [[1, 2], [0, 0]]), Fixed(TASK, [[3, 6], [1, 0]])]).logits(["a", "b"])
    assert found.dtype == np.float32
    assert found.tolist() == [[2, 4], [0.5, 0]]


def test_the_mean_of_probabilities_by_hand():
    # (1/4, 3/4), (1/2, 1/2) and (1/2, 1/2): (5/12, 7/12); a shift of logits changes nothing
    members = [Fixed(TASK, [[0, LN3]]), Fixed(TASK, [[5, 5]]), Fixed(TASK, [[-9, -9]])]
    found = Ensemble(members, "probabilities").logits(["a"])
    half = np.log(7 / 5) / 2  # centred: the logarithms less their mean
    np.testing.assert_allclose(found, [[-half, half]], rtol=1e-5)
    np.testing.assert_allclose(TASK.probabilities(found), [[5 / 12, 7 / 12]], rtol=1e-6)


def test_the_mean_of_probabilities_of_multilabel_by_hand():
    # label by label: (1/4 + 3/4) / 2 = 1/2, whose logit is 0; (1/2 + 3/4) / 2 = 5/8, whose logit is ln 5/3
    task = Task(("a", "b"), kind="multilabel")
    members = [Fixed(task, [[-LN3, 0]]), Fixed(task, [[LN3, LN3]])]
    found = Ensemble(members, "probabilities").logits(["x"])
    np.testing.assert_allclose(found, [[0, np.log(5 / 3)]], atol=1e-6)
    np.testing.assert_allclose(task.probabilities(found), [[1 / 2, 5 / 8]], rtol=1e-6)


def test_a_member_has_a_veto_in_logits_alone():
    members = [Fixed(TASK, [[-40, 0]]), Fixed(TASK, [[2, 0]])]
    assert Ensemble(members).logits(["x"]).argmax() == 1
    assert TASK.probabilities(Ensemble(members, "probabilities").logits(["x"]))[0, 0] > 0.4


@pytest.mark.parametrize("mean", ["logits", "probabilities"])
def test_values_are_averaged(mean):
    task = Task(("score",), kind="regression", bounds=(0.0, 5.0))
    found = Ensemble([Fixed(task, [[0.2]]), Fixed(task, [[0.6]])], mean).logits(["x"])
    np.testing.assert_allclose(found, [[0.4]], rtol=1e-6)


def test_extreme_logits_stay_finite():
    for kind in ("classification", "multilabel"):
        task = Task(("a", "b"), kind=kind)
        members = [Fixed(task, [[1e4, -1e4]]), Fixed(task, [[1e4, -1e4]])]
        found = Ensemble(members, "probabilities").logits(["x"])
        assert np.isfinite(found).all()
        assert found.argmax() == 0


def test_columns_are_matched_by_name(write_model, texts):
    task = Task(("good", "bad"))
    one, other = (Teacher.from_pretrained(write_model("bert", seed=seed)) for seed in (0, 1))
    straight = Ensemble([one, other])
    turned = Ensemble([one, other.arranged(task)])
    np.testing.assert_allclose(turned.logits(texts), straight.logits(texts), atol=1e-6)
    np.testing.assert_allclose(
        straight.logits(texts), (one.logits(texts) + other.logits(texts)) / 2, atol=1e-6
    )
    back = straight.arranged(task)
    assert back.task.labels == ("good", "bad")
    np.testing.assert_allclose(back.logits(texts), straight.logits(texts)[:, ::-1], atol=1e-6)
    assert isinstance(back, Predictor)
    assert straight.parameters == one.parameters + other.parameters
    assert straight.logits([]).shape == (0, 2)


@pytest.mark.parametrize("mean", ["logits", "probabilities"])
def test_a_teacher_of_four_families(family_folder, items, mean):
    task = Task(("O", "B-X", "I-X"), kind="tagging")
    members = [
        Teacher.from_pretrained(family_folder(family, task), task=task)
        for family in ("bert", "roberta", "deberta", "distilbert")
    ]
    asked = items(task)
    parts = np.stack([member.logits(asked) for member in members])
    found = Ensemble(members, mean).logits(asked)
    if mean == "logits":
        np.testing.assert_allclose(found, parts.mean(axis=0), atol=1e-5)
    else:
        expected = np.mean([task.probabilities(part) for part in parts], axis=0)
        np.testing.assert_allclose(task.probabilities(found), expected, atol=1e-5)


def test_the_fingerprint_covers_members_order_and_mean():
    one, two, three = (Fixed(TASK, [[n, 0]], name=f"t{n}") for n in range(3))
    seen = [
        Ensemble(members, mean).fingerprint
        for members in ([one, two], [two, one], [one, three], [one, two, three])
        for mean in ("logits", "probabilities")
    ]
    assert len(set(seen)) == 8
    assert Ensemble([one, two]).fingerprint == seen[0]
    assert Ensemble([one, two]).name == "t0 + t1"
    assert Ensemble([one, two], name="both").name == "both"


def test_what_is_refused():
    one = Fixed(TASK, [[0, 0]])
    with pytest.raises(RecipeError, match=r"Unknown mean 'logit'.*Did you mean 'logits'"):
        Ensemble([one, one], "logit")
    with pytest.raises(TeacherError, match="at least two teachers, but has 1"):
        Ensemble([one])
    with pytest.raises(TeacherError, match=r"answers \['x', 'y'\]"):
        Ensemble([one, Fixed(Task(("x", "y")), [[0, 0]])])


def test_members_that_answer_another_task_are_refused(bert):
    teacher = Teacher.from_pretrained(bert)
    with pytest.raises(TeacherError, match="does not answer this task"):
        Ensemble([Fixed(Task(("x", "y")), [[0, 0]]), teacher])


def test_thresholds_of_members_do_not_matter():
    task = Task(("a", "b"), kind="multilabel")
    members = [Fixed(task, [[0, 1]]), Fixed(replace(task, thresholds=(0.1, 0.2)), [[0, 1]])]
    assert Ensemble(members).task == task
