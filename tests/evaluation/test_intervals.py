import numpy as np
import pytest

from understudy.errors import DataError, RecipeError
from understudy.evaluation import intervals
from understudy.evaluation.intervals import bootstrap_interval, paired_bootstrap
from understudy.metrics import margins, score, score_margins

# True cell probabilities of an unbalanced task with three labels; rows gold, columns predicted.
TRUTH = np.array([[0.50, 0.06, 0.04], [0.05, 0.18, 0.02], [0.03, 0.02, 0.10]])


def sample(rng, n, truth=TRUTH):
    cells = rng.choice(truth.size, size=n, p=truth.ravel())
    return cells // len(truth), cells % len(truth)


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1", "mcc"])
def test_interval_covers_the_true_score_as_often_as_it_says(metric):
    rng = np.random.default_rng(7)
    true_score = float(score_margins(metric, margins(TRUTH)))
    hits = 0
    for seed in range(300):
        gold, predicted = sample(rng, 400)
        found = bootstrap_interval(metric, gold, predicted, 3, seed=seed, resamples=400)
        hits += found.low <= true_score <= found.high
    assert 0.91 <= hits / 300 <= 0.98


def test_a_lower_level_covers_less():
    gold, predicted = sample(np.random.default_rng(0), 300)
    wide = bootstrap_interval("accuracy", gold, predicted, 3, seed=0, level=0.95)
    narrow = bootstrap_interval("accuracy", gold, predicted, 3, seed=0, level=0.5)
    assert wide.low < narrow.low < score("accuracy", gold, predicted, 3) < narrow.high < wide.high


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1", "mcc"])
def test_drawing_cells_equals_drawing_texts(metric):
    rng = np.random.default_rng(3)
    gold = rng.integers(0, 12, 250)
    predicted = np.where(rng.random(250) < 0.7, gold, rng.integers(0, 12, 250))  # many cells of one text
    naive = []
    for _ in range(3000):
        rows = rng.integers(0, 250, 250)
        naive.append(score(metric, gold[rows], predicted[rows], 12))
    found = bootstrap_interval(metric, gold, predicted, 12, seed=0, resamples=20_000)
    assert np.allclose([found.low, found.high], np.quantile(naive, [0.025, 0.975]), atol=0.01)


def test_draws_have_the_mean_and_covariance_of_a_multinomial():
    counts = np.array([5, 1, 1, 3])
    draws = intervals._draw(counts, 200_000, np.random.default_rng(0))
    assert (draws.sum(axis=0) == 10).all()
    share = counts / 10
    assert np.allclose(draws.mean(axis=1), counts, atol=0.02)
    assert np.allclose(np.cov(draws), 10 * (np.diag(share) - np.outer(share, share)), atol=0.03)


def test_memory_is_bounded_by_parts(monkeypatch):
    gold, predicted = sample(np.random.default_rng(1), 200)
    monkeypatch.setattr(intervals, "_DRAWS_AT_ONCE", 90)  # nine cells: ten resamples at once
    found = bootstrap_interval("accuracy", gold, predicted, 3, seed=0, resamples=1005)
    error = np.sqrt(0.78 * 0.22 / 200)
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.15)


def test_same_seed_same_interval_other_seed_another():
    gold, predicted = sample(np.random.default_rng(2), 300)
    first, again, other = (bootstrap_interval("mcc", gold, predicted, 3, seed=s) for s in (1, 1, 2))
    assert first == again != other


def test_all_right_gives_a_point():
    found = bootstrap_interval("accuracy", [0, 1, 1], [0, 1, 1], 2, seed=0)
    assert (found.low, found.high) == (1.0, 1.0)


def test_paired_bootstrap_of_equal_answers_is_zero():
    gold, predicted = sample(np.random.default_rng(2), 100)
    found = paired_bootstrap("macro_f1", gold, predicted, predicted, 3, seed=0)
    assert (found.difference, found.interval.low, found.interval.high) == (0, 0, 0)
    assert found.share_not_better == 1.0


def test_paired_bootstrap_by_normal_approximation():
    # 1000 texts: both right on 700, only a on 120, only b on 80, neither on 100.
    gold = np.zeros(1000, dtype=int)
    a = np.repeat([0, 0, 1, 1], [700, 120, 80, 100])
    b = np.repeat([0, 1, 0, 1], [700, 120, 80, 100])
    found = paired_bootstrap("accuracy", gold, a, b, 2, seed=0, resamples=10_000)
    error = np.sqrt((0.12 + 0.08 - 0.04**2) / 1000)  # of a mean of +1, 0 and -1
    assert found.difference == pytest.approx(0.04)
    assert found.interval.low == pytest.approx(0.04 - 1.96 * error, abs=0.002)
    assert found.interval.high == pytest.approx(0.04 + 1.96 * error, abs=0.002)
    assert found.share_not_better == pytest.approx(0.0024, abs=0.002)  # P(Z <= -0.04 / error) = 0.0023
    turned = paired_bootstrap("accuracy", gold, b, a, 2, seed=0, resamples=10_000)
    assert turned.difference == pytest.approx(-0.04)
    assert turned.share_not_better > 0.99


def test_pairing_narrows_the_interval_of_predictors_that_err_alike():
    rng = np.random.default_rng(4)
    gold, a = sample(rng, 500)
    b = np.where(rng.random(500) < 0.02, (a + 1) % 3, a)
    paired = paired_bootstrap("accuracy", gold, a, b, 3, seed=0).interval
    alone = bootstrap_interval("accuracy", gold, a, 3, seed=0)
    assert paired.high - paired.low < (alone.high - alone.low) / 2


def test_what_cannot_be_resampled_is_refused():
    with pytest.raises(RecipeError, match="level"):
        bootstrap_interval("accuracy", [0], [0], 2, seed=0, level=95)
    with pytest.raises(RecipeError, match="resamples"):
        bootstrap_interval("accuracy", [0], [0], 2, seed=0, resamples=0)
    with pytest.raises(RecipeError, match="metric"):
        bootstrap_interval("auc", [0], [0], 2, seed=0)
    with pytest.raises(DataError, match="no text"):
        paired_bootstrap("accuracy", [], [], [], 2, seed=0)
