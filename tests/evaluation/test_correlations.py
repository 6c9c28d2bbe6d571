import numpy as np
import pytest
from scipy import stats

from understudy.evaluation.correlations import pearson, spearman


def test_pearson_stays_precise_far_from_zero():
    rng = np.random.default_rng(0)
    x, y = rng.random(50), rng.random(50)
    one = np.ones((50, 1))
    assert pearson(x + 1e7, y * 1e-7, one) == pytest.approx(pearson(x, y, one), abs=1e-6)


@pytest.mark.parametrize("correlate", [pearson, spearman])
def test_weights_stand_for_repeated_pairs(correlate):
    rng = np.random.default_rng(1)
    x, y, weights = rng.integers(0, 6, 30), rng.integers(0, 6, 30), rng.integers(0, 4, (30, 3))
    reference = stats.pearsonr if correlate is pearson else stats.spearmanr
    for column, found in zip(weights.T, correlate(x, y, weights), strict=True):
        assert found == pytest.approx(reference(np.repeat(x, column), np.repeat(y, column))[0])
