import numpy as np
import pytest

from understudy.core.task import Task
from understudy.errors import DataError, RecipeError
from understudy.evaluation.calibration import calibrate, calibration, reliability


def rows(*confidences):
    first = np.array(confidences, dtype=np.float64)
    return np.stack([first, 1 - first], axis=1)


def test_bins_and_error_by_hand():
    # Five bins. (0.4, 0.6]: 0.55, 0.6, one right; (0.6, 0.8]: 0.7, right; (0.8, 1]: 0.9, 1.0, both right.
    found = calibration(rows(0.55, 0.6, 0.7, 0.9, 1.0), [0, 1, 0, 0, 0], bins=5)
    assert np.allclose(found.bins, [(0.575, 0.5, 2), (0.7, 1.0, 1), (0.95, 1.0, 2)])
    assert found.ece == pytest.approx((2 * 0.075 + 1 * 0.3 + 2 * 0.05) / 5)
    assert sum(part.answers for part in found.bins) == 5


def test_confidence_is_of_the_answer_whatever_its_column():
    assert calibration(rows(0.1, 0.1), [1, 0], bins=10).bins == ((0.9, 0.5, 2),)


def test_sure_and_right_is_perfect_and_sure_and_wrong_is_worst():
    assert calibration(rows(1.0, 1.0), [0, 0]).ece == 0
    assert calibration(rows(1.0, 1.0), [1, 1]).ece == 1


def test_answers_drawn_from_the_probabilities_are_calibrated():
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet([1, 1, 1], 20_000).astype(np.float32)
    gold = (rng.random((20_000, 1)) > probabilities.cumsum(axis=1)[:, :2]).sum(axis=1)
    assert calibration(probabilities, gold).ece < 0.02
    sharper = probabilities**4 / (probabilities**4).sum(axis=1, keepdims=True)
    assert calibration(sharper, gold).ece > 0.1


@pytest.mark.parametrize(
    ("probabilities", "gold"),
    [
        (rows(0.5), [0, 1]),
        (np.zeros((0, 2)), []),
        (np.array([[3.0, -2.0]]), [0]),
        (np.array([[2.0, 1.0]]), [0]),
    ],
)
def test_what_is_no_distribution_is_refused(probabilities, gold):
    with pytest.raises(DataError, match="probabilities"):
        calibration(probabilities, gold)


def test_no_bins_is_refused():
    with pytest.raises(RecipeError, match="bins is 0"):
        calibration(rows(0.5), [0], bins=0)


def test_every_label_of_a_set_is_an_answer():
    task = Task(("a", "b"), "multilabel", thresholds=(0.5, 0.2))
    probabilities = np.array([[0.9, 0.3], [0.4, 0.1]])
    logits = np.log(probabilities / (1 - probabilities)).astype(np.float32)
    # Decided yes 0.9, yes 0.3, no 0.6, no 0.9; right: yes, no, yes, yes.
    found = calibrate(task, [[1, 0], [0, 0]], logits, bins=5)
    assert np.allclose(found.bins, [(0.3, 0, 1), (0.6, 1, 1), (0.9, 1, 2)])
    assert found.ece == pytest.approx((0.3 + 0.4 + 2 * 0.1) / 4)


def test_bins_of_a_regression_are_answers_and_values_are_not():
    binned = Task(("0", "1", "2"), "regression")
    logits = np.log(np.array([[0.1, 0.7, 0.2], [0.6, 0.2, 0.2]], dtype=np.float32))
    found = calibrate(binned, np.array([1.2, 1.6]), logits, bins=5)
    assert np.allclose(found.bins, [(0.6, 0, 1), (0.7, 1, 1)])
    direct = Task(("score",), "regression", bounds=(0, 2))
    assert calibrate(direct, np.array([1.0]), np.zeros((1, 1), dtype=np.float32)) is None


def test_words_are_answers_like_texts():
    logits = np.array([[1, 0], [0, 2]], dtype=np.float32)
    task = Task(("N", "V"), "tagging", "accuracy")
    assert calibrate(task, [0, 0], logits) == calibration(task.probabilities(logits), [0, 0])


def test_reliability_needs_bins():
    with pytest.raises(RecipeError, match="bins is -1"):
        reliability(np.array([0.5]), np.array([True]), bins=-1)
