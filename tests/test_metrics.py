import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    f1_score,
    matthews_corrcoef,
    precision_recall_fscore_support,
)

from understudy.errors import DataError, RecipeError
from understudy.metrics import confusion, macro_f1, margins, per_label, score, score_margins

# Three labels, ten texts:        predicted
#                                  0  1  2
#                       gold 0  [  3  1  0 ]
#                            1  [  1  2  1 ]
#                            2  [  0  0  2 ]
GOLD = np.array([0, 0, 0, 0, 1, 1, 1, 1, 2, 2])
PREDICTED = np.array([0, 0, 0, 1, 0, 1, 1, 2, 2, 2])


def test_confusion_has_gold_rows_and_predicted_columns():
    assert confusion(GOLD, PREDICTED, 3).tolist() == [[3, 1, 0], [1, 2, 1], [0, 0, 2]]


def test_scores_by_hand():
    assert score("accuracy", GOLD, PREDICTED, 3) == pytest.approx(7 / 10)
    # F1 = 2 hits / (golds + answers): 6/8, 4/7, 4/5
    assert score("macro_f1", GOLD, PREDICTED, 3) == pytest.approx((6 / 8 + 4 / 7 + 4 / 5) / 3)
    # golds 4, 4, 2; answers 4, 3, 3: (7*10 - (16+12+6)) / sqrt((100-36) * (100-34))
    assert score("mcc", GOLD, PREDICTED, 3) == pytest.approx(36 / np.sqrt(64 * 66))


@pytest.mark.parametrize("seed", range(5))
def test_scores_equal_those_of_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    labels = int(rng.integers(2, 12))
    gold, predicted = rng.integers(0, labels, 60), rng.integers(0, labels, 60)
    predicted = np.where(rng.random(60) < 0.5, gold, predicted)
    assert score("accuracy", gold, predicted, labels) == pytest.approx(accuracy_score(gold, predicted))
    assert macro_f1(gold, predicted, labels) == pytest.approx(f1_score(gold, predicted, average="macro"))
    assert score("mcc", gold, predicted, labels) == pytest.approx(matthews_corrcoef(gold, predicted))
    columns = list(range(labels))
    assert np.array_equal(
        confusion(gold, predicted, labels), confusion_matrix(gold, predicted, labels=columns)
    )
    expected = precision_recall_fscore_support(gold, predicted, labels=columns, zero_division=0)
    found = [(p.precision, p.recall, p.f1, p.support) for p in per_label(gold, predicted, labels)]
    assert np.allclose(found, np.array(expected).T)


def test_macro_f1_leaves_out_a_label_that_does_not_occur_but_counts_one_that_is_never_right():
    assert macro_f1([0, 1], [0, 1], 5) == 1.0
    # label 0: 2*1/(2+1); label 1 has no text but was answered: 0
    assert macro_f1([0, 0], [0, 1], 5) == pytest.approx((2 / 3 + 0) / 2)


def test_mcc_of_a_constant_answer_is_zero():
    assert score("mcc", [0, 1, 1], [1, 1, 1], 2) == 0.0


def test_margins_of_many_matrices_are_scored_at_once():
    one = margins(confusion(GOLD, PREDICTED, 3))
    both = type(one)(*(np.stack([part, part * 2], axis=1) for part in (one.hits, one.golds, one.answers)))
    for metric in ("accuracy", "macro_f1", "mcc"):
        assert np.allclose(score_margins(metric, both), score(metric, GOLD, PREDICTED, 3))


def test_unknown_metric_suggests_the_nearest():
    with pytest.raises(RecipeError, match="'accuracy'"):
        score("acuracy", [0], [0], 2)


@pytest.mark.parametrize(
    ("gold", "predicted", "message"),
    [
        ([], [], "no text"),
        ([0, 1], [0], "one length"),
        ([[0]], [[0]], "one length"),
        ([0, 2], [0, 1], "column 2 does not exist"),
        ([0, 1], [0, -1], "column -1 does not exist"),
        ([0.0, 1.0], [0, 1], "float64"),
    ],
)
def test_labels_that_cannot_be_scored_are_refused(gold, predicted, message):
    with pytest.raises(DataError, match=message):
        score("accuracy", gold, predicted, 2)
