import numpy as np
import pytest
from scipy import sparse

from understudy.core.task import Task
from understudy.errors import DataError
from understudy.training.baseline import linear
from understudy.training.baseline.linear import (
    NEVER,
    PAIR_STRENGTHS,
    PASSES,
    STRENGTHS,
    TAGGING_STRENGTHS,
    BaselineTooLargeError,
    fit_each,
)

FEATURES = sparse.csr_array(np.random.default_rng(0).normal(size=(40, 5)).astype(np.float32))
SIGNS = (FEATURES.toarray()[:, 0] > 0).astype(np.int64)


def logits(fitted):
    return FEATURES @ fitted.weight + fitted.bias


@pytest.mark.parametrize(
    ("task", "gold", "strengths"),
    [
        (Task(("a", "b")), SIGNS, STRENGTHS),
        (Task(("a", "b"), "pair"), SIGNS, PAIR_STRENGTHS),
        (Task(("a", "b"), "tagging", "accuracy"), SIGNS, TAGGING_STRENGTHS),
        (Task(("a", "b"), "multilabel"), np.stack([SIGNS, 1 - SIGNS], axis=1), STRENGTHS),
        (Task(("0", "1"), "regression"), SIGNS.astype(np.float32), STRENGTHS),
        (Task(("s",), "regression", bounds=(0, 1)), SIGNS.astype(np.float32), STRENGTHS),
        (Task(("s",), "regression", texts=2, bounds=(0, 1)), SIGNS.astype(np.float32), PAIR_STRENGTHS),
    ],
)
def test_every_kind_is_fitted_once_for_each_strength(task, gold, strengths):
    fits = list(fit_each(task, FEATURES, gold, seed=0))
    assert tuple(fitted.strength for fitted in fits) == strengths
    for fitted in fits:
        assert (fitted.weight.shape, fitted.bias.shape) == ((5, len(task.labels)), (len(task.labels),))
    sizes = [np.abs(fitted.weight).sum() for fitted in fits]
    assert sizes == sorted(sizes)  # the less regularised, the larger
    decided = task.decisions(logits(fits[-1]).astype(np.float32))
    assert np.mean((decided > 0.5) == (gold > 0.5)) > 0.85


def test_ridge_solves_its_normal_equations():
    task = Task(("s",), "regression", bounds=(2, 6))
    gold = np.random.default_rng(1).uniform(2, 6, 40).astype(np.float32)
    x, y = FEATURES.toarray().astype(np.float64), (gold - 2) / 4
    centred = x - x.mean(axis=0)
    for fitted in fit_each(task, FEATURES, gold, seed=0):
        weight = np.linalg.solve(
            centred.T @ centred + np.eye(5) / fitted.strength, centred.T @ (y - y.mean())
        )
        assert np.allclose(fitted.weight[:, 0], weight, atol=1e-3)
        assert np.allclose(fitted.bias, y.mean() - x.mean(axis=0) @ weight, atol=1e-3)


def test_labels_of_all_rows_or_none_get_a_bias_alone():
    task = Task(("all", "none", "some"), "multilabel")
    gold = np.stack([np.ones(40), np.zeros(40), SIGNS], axis=1)
    for fitted in fit_each(task, FEATURES, gold, seed=0):
        shares = task.probabilities(logits(fitted))
        assert (shares[:, 0] == 1).all()
        assert (shares[:, 1] == 0).all()
        assert not fitted.weight[:, :2].any()
        assert 0 < shares[:, 2].min() < 0.5 < shares[:, 2].max() < 1


def test_a_label_that_no_row_has_is_never_answered():
    for task in (Task(("a", "b", "c")), Task(("0", "5", "9"), "regression")):
        gold = 2 * SIGNS if task.is_exclusive else np.where(SIGNS, 9, 0).astype(np.float32)
        for fitted in fit_each(task, FEATURES, gold, seed=0):
            assert fitted.bias[1] == NEVER
            assert task.probabilities(logits(fitted))[:, 1].max() == 0
            assert np.allclose(fitted.weight[:, 0], -fitted.weight[:, 2])


def test_stopping_early_warns_nobody(monkeypatch):
    monkeypatch.setitem(PASSES, "tagging", 1)  # warnings are errors in tests
    assert len(list(fit_each(Task(("a", "b"), "tagging", "accuracy"), FEATURES, SIGNS, seed=0))) == 3


def test_a_single_label_is_refused():
    for task, what in ((Task(("a", "b")), "texts"), (Task(("a", "b"), "tagging", "accuracy"), "words")):
        with pytest.raises(DataError, match=f"All train {what} have the label 'b'"):
            list(fit_each(task, FEATURES, np.ones(40, dtype=np.int64), seed=0))


def named(labels):
    return Task(tuple(map(str, range(labels))))


@pytest.mark.parametrize(
    ("labels", "rows", "width", "expected"),
    [
        (64, 10_000, 60_000, ("lbfgs", 1000)),
        (500, 20_000, 50_000, ("saga", 10)),  # L-BFGS would hold 5 GB
        (5_000, 15_000, 15_000, ("saga", 10)),  # L-BFGS would hold 15 GB
    ],
)
def test_the_solver_fits_into_memory(labels, rows, width, expected):
    assert linear._solver(named(labels), rows, width) == expected


def test_a_baseline_that_no_solver_could_hold_is_refused_by_its_sizes():
    with pytest.raises(
        BaselineTooLargeError, match=r"20,000 labels and 50,000 features .* 4 GB.* baseline: false"
    ):
        linear._solver(named(20_000), 40_000, 50_000)


def test_many_labels_are_learnt_by_the_solver_that_needs_less(monkeypatch):
    monkeypatch.setattr(linear, "MOST_NUMBERS", 22_000)
    gold = np.arange(300) % 30
    features = sparse.csr_matrix(np.eye(30, dtype=np.float32)[gold])
    fitted = list(fit_each(named(30), features, gold, seed=0))[-1]
    assert ((features @ fitted.weight + fitted.bias).argmax(axis=1) == gold).mean() > 0.95
