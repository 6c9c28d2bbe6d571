import math

import pytest

from understudy.core.checks import check_choice, check_positive
from understudy.errors import RecipeError


def test_a_wrong_choice_suggests_the_nearest():
    check_choice("loss", "mse", ("mse", "kl"))
    with pytest.raises(RecipeError, match=r"Unknown loss 'mes'\. Did you mean 'mse'\? Known: 'kl', 'mse'"):
        check_choice("loss", "mes", ("mse", "kl"))


@pytest.mark.parametrize("value", [0, -1, math.inf, math.nan])
def test_numbers_that_are_not_positive_are_refused(value):
    check_positive(epochs=1, rate=0.5, patience=None)
    with pytest.raises(RecipeError, match=r"epochs is .*, but must be greater than 0, and finite"):
        check_positive(epochs=value)
