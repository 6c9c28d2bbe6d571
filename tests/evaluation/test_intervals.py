import json

import numpy as np
import pytest

from understudy.core.task import METRICS, Task
from understudy.errors import DataError, RecipeError
from understudy.evaluation import intervals
from understudy.evaluation.intervals import bootstrap_interval, paired_bootstrap
from understudy.evaluation.metrics import Margins, score, score_margins

# True cell probabilities of an unbalanced task with three labels; rows gold, columns predicted.
TRUTH = np.array([[0.50, 0.06, 0.04], [0.05, 0.18, 0.02], [0.03, 0.02, 0.10]])


THREE, TWO = Task(("a", "b", "c")), Task(("a", "b"))
TWELVE = Task(tuple("abcdefghijkl"))
TAGS = Task(("O", "B-X", "I-X", "B-Y"), "tagging")
SETS = Task(("a", "b", "c"), "multilabel")
VALUES = Task(("score",), "regression", bounds=(0, 1))


def sample(rng, n, truth=TRUTH):
    cells = rng.choice(truth.size, size=n, p=truth.ravel())
    return cells // len(truth), cells % len(truth)


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1", "mcc"])
def test_interval_covers_the_true_score_as_often_as_it_says(metric):
    rng = np.random.default_rng(7)
    true_score = float(score_margins(metric, Margins(np.diag(TRUTH), TRUTH.sum(axis=1), TRUTH.sum(axis=0))))
    hits = 0
    for seed in range(300):
        gold, predicted = sample(rng, 400)
        found = bootstrap_interval(THREE, gold, predicted, metric=metric, seed=seed, resamples=400)
        hits += found.low <= true_score <= found.high
    assert 0.91 <= hits / 300 <= 0.98


def test_a_lower_level_covers_less():
    gold, predicted = sample(np.random.default_rng(0), 300)
    wide = bootstrap_interval(THREE, gold, predicted, metric="accuracy", seed=0, level=0.95)
    narrow = bootstrap_interval(THREE, gold, predicted, metric="accuracy", seed=0, level=0.5)
    assert wide.low < narrow.low < score(THREE, gold, predicted) < narrow.high < wide.high


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1", "mcc"])
def test_drawing_cells_equals_drawing_texts(metric):
    rng = np.random.default_rng(3)
    gold = rng.integers(0, 12, 250)
    predicted = np.where(rng.random(250) < 0.7, gold, rng.integers(0, 12, 250))  # many cells of one text
    naive = []
    for _ in range(3000):
        rows = rng.integers(0, 250, 250)
        naive.append(score(TWELVE, gold[rows], predicted[rows], metric=metric))
    found = bootstrap_interval(TWELVE, gold, predicted, metric=metric, seed=0, resamples=20_000)
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
    found = bootstrap_interval(THREE, gold, predicted, metric="accuracy", seed=0, resamples=1005)
    error = np.sqrt(0.78 * 0.22 / 200)
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.15)


def test_same_seed_same_interval_other_seed_another():
    gold, predicted = sample(np.random.default_rng(2), 300)
    first, again, other = (
        bootstrap_interval(THREE, gold, predicted, metric="mcc", seed=s) for s in (1, 1, 2)
    )
    assert first == again != other


def test_all_right_gives_a_point():
    found = bootstrap_interval(TWO, [0, 1, 1], [0, 1, 1], seed=0)
    assert (found.low, found.high) == (1.0, 1.0)


def test_paired_bootstrap_of_equal_answers_is_zero():
    gold, predicted = sample(np.random.default_rng(2), 100)
    found = paired_bootstrap(THREE, gold, predicted, predicted, metric="macro_f1", seed=0)
    assert (found.difference, found.interval.low, found.interval.high) == (0, 0, 0)
    assert found.share_not_better == 1.0


def test_paired_bootstrap_by_normal_approximation():
    # 1000 texts: both right on 700, only a on 120, only b on 80, neither on 100.
    gold = np.zeros(1000, dtype=int)
    a = np.repeat([0, 0, 1, 1], [700, 120, 80, 100])
    b = np.repeat([0, 1, 0, 1], [700, 120, 80, 100])
    found = paired_bootstrap(TWO, gold, a, b, seed=0, resamples=10_000)
    error = np.sqrt((0.12 + 0.08 - 0.04**2) / 1000)  # of a mean of +1, 0 and -1
    assert found.difference == pytest.approx(0.04)
    assert found.interval.low == pytest.approx(0.04 - 1.96 * error, abs=0.002)
    assert found.interval.high == pytest.approx(0.04 + 1.96 * error, abs=0.002)
    assert found.share_not_better == pytest.approx(0.0024, abs=0.002)  # P(Z <= -0.04 / error) = 0.0023
    turned = paired_bootstrap(TWO, gold, b, a, seed=0, resamples=10_000)
    assert turned.difference == pytest.approx(-0.04)
    assert turned.share_not_better > 0.99


def test_pairing_narrows_the_interval_of_predictors_that_err_alike():
    rng = np.random.default_rng(4)
    gold, a = sample(rng, 500)
    b = np.where(rng.random(500) < 0.02, (a + 1) % 3, a)
    paired = paired_bootstrap(THREE, gold, a, b, seed=0).interval
    alone = bootstrap_interval(THREE, gold, a, metric="accuracy", seed=0)
    assert paired.high - paired.low < (alone.high - alone.low) / 2


def answers(task, rng, n):
    """Gold, two sets of decisions and lengths of a task of any kind."""
    if task.kind == "regression":
        gold = rng.random(n)
        return gold, gold + rng.normal(size=n), gold + 2 * rng.normal(size=n), None
    if task.kind == "multilabel":
        gold = (rng.random((n, 3)) < 0.4).astype(np.float32)
        return gold, *(np.where(rng.random((n, 3)) < share, gold, 1 - gold) for share in (0.8, 0.7)), None
    lengths = rng.integers(1, 7, n)
    gold = rng.integers(0, 4, lengths.sum())
    noise = rng.integers(0, 4, len(gold))
    return gold, *(np.where(rng.random(len(gold)) < share, gold, noise) for share in (0.8, 0.7)), lengths


@pytest.mark.parametrize(
    ("task", "metric"), [(task, metric) for task in (TAGS, SETS, VALUES) for metric in METRICS[task.kind]]
)
def test_the_intervals_of_every_kind_equal_those_of_resampled_items(task, metric):
    rng = np.random.default_rng(1)
    gold, a, b, lengths = answers(task, rng, 80)
    counts = np.ones(80, dtype=np.int64) if lengths is None else lengths
    ends = np.cumsum(counts)
    naive = []
    for _ in range(600):
        items = rng.integers(0, 80, 80)
        rows = np.concatenate([np.arange(ends[i] - counts[i], ends[i]) for i in items])
        naive.append([score(task, gold[rows], part[rows], counts[items], metric) for part in (a, b)])
    naive = np.array(naive)
    error = 0.2 * naive[:, 0].std() + 0.005
    alone = bootstrap_interval(task, gold, a, lengths, metric=metric, seed=0, resamples=3000)
    assert np.allclose([alone.low, alone.high], np.quantile(naive[:, 0], [0.025, 0.975]), atol=2 * error)
    found = paired_bootstrap(task, gold, a, b, lengths, metric=metric, seed=0, resamples=3000)
    gaps = naive[:, 0] - naive[:, 1]
    expected = np.quantile(gaps, [0.025, 0.975])
    assert np.allclose([found.interval.low, found.interval.high], expected, atol=2 * error)
    assert found.share_not_better == pytest.approx(np.mean(gaps <= 0), abs=0.05)
    assert found.difference == score(task, gold, a, lengths, metric) - score(task, gold, b, lengths, metric)


def test_words_of_a_sentence_are_drawn_together():
    # 40 sentences of 25 words, each all right or all wrong: 40 draws, not 1,000.
    lengths = np.full(40, 25)
    gold = np.zeros(1000, dtype=int)
    predicted = np.repeat(np.arange(40) % 2, 25)
    found = bootstrap_interval(TAGS, gold, predicted, lengths, metric="accuracy", seed=0)
    assert found.high - found.low == pytest.approx(2 * 1.96 * np.sqrt(0.25 / 40), rel=0.1)


def test_a_comparison_is_json_ready():
    found = paired_bootstrap(TWO, [0, 1, 1], [0, 1, 1], [0, 1, 0], seed=0)
    document = found.to_dict()
    assert json.loads(json.dumps(document)) == document
    assert document["interval"] == [found.interval.low, found.interval.high]
    assert document["difference"] == pytest.approx(1 / 3)


def test_what_cannot_be_resampled_is_refused():
    with pytest.raises(RecipeError, match="level"):
        bootstrap_interval(TWO, [0], [0], seed=0, level=95)
    with pytest.raises(RecipeError, match="resamples"):
        bootstrap_interval(TWO, [0], [0], seed=0, resamples=0)
    with pytest.raises(RecipeError, match="metric"):
        bootstrap_interval(TWO, [0], [0], seed=0, metric="auc")
    with pytest.raises(DataError, match="no answer"):
        paired_bootstrap(TWO, [], [], [], seed=0)
    with pytest.raises(DataError, match="sum to 2"):
        bootstrap_interval(TAGS, [0, 1], [0, 1], seed=0)
