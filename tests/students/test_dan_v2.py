import numpy as np
import pytest
import torch

from understudy.errors import RecipeError
from understudy.students import Ragged, build, spec
from understudy.students.dan_v2 import DAN2Config
from understudy.students.registry import count_parameters

NAME = "dan.v2"


def test_has_3_308_578_parameters_with_two_labels():
    # 50,000·(64 + 2) + (64 + 1)·128 + (128 + 1)·2 = 3,300,000 + 8,320 + 258
    assert count_parameters(build(NAME, 2, seed=0)) == 3_308_578


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("text", 10 * (4 + 5) + (4 + 1) * 3 + (3 + 1) * 5),
        ("compare", 10 * (4 + 5) + (16 + 4 + 1) * 3 + (3 + 1) * 5 + 4 * 5),
    ],
)
def test_formula_by_hand(form, expected):
    config = DAN2Config(10, 4, 3)
    assert spec(NAME).parameters(config, 5, form) == expected
    assert count_parameters(spec(NAME).module(config, 5, form)) == expected


def test_logits_by_hand():
    module = build(NAME, 2, seed=0, vocabulary_size=5, width=2, hidden=2).eval()
    with torch.no_grad():
        module.encoder.weights[3:5] = torch.tensor([3.0, 4.0])
        module.encoder.rows[3:5] = torch.tensor([[1.0, 2.0, 10.0, 0.0], [3.0, -2.0, 0.0, 5.0]])
        module.head.hidden.weight.copy_(torch.tensor([[1, 0], [0, 1.0]]))
        module.head.hidden.bias.copy_(torch.tensor([0, -1.0]))
        module.head.output.weight.copy_(torch.tensor([[1, 1], [1, -1.0]]))
        module.head.output.bias.copy_(torch.tensor([0, 0.5]))
        # the logits of `cbow.v2`'s test, and directly (3·10, 4·5)/5 for both words, (10, 0) for the first
        found = module(Ragged(torch.tensor([3, 4, 3]), torch.tensor([2, 1])))
    np.testing.assert_allclose(found, [[3.0 + 6, 3.5 + 4], [2.0 + 10, 0.5]], rtol=1e-6)


def test_can_do_what_linear_v1_does(make, batch_of, logits_of):
    batch = batch_of((7, 1, 3), 20)
    linear = make("linear.v1", 4, vocabulary_size=20)
    module = build(NAME, 4, seed=0, vocabulary_size=20, width=3, hidden=2).eval()
    with torch.no_grad():
        module.encoder.rows[:, 3:] = linear.encoder.rows
        module.head.output.weight.zero_()
        module.head.output.bias.copy_(linear.head.output.bias)
    np.testing.assert_allclose(logits_of(module, batch), logits_of(linear, batch), atol=1e-6)


def test_the_direct_part_of_a_row_begins_at_zero():
    module = build(NAME, 3, seed=0, vocabulary_size=20, width=5)
    assert module.encoder.rows[3:, :5].std() > 0.05
    assert not module.encoder.rows[:, 5:].any()
    assert module.config.direct == 3


@pytest.mark.parametrize(
    "sizes", [{"width": 0}, {"hidden": 0}, {"longest": 0}, {"ngrams": 0}, {"dropout": 1}]
)
def test_sizes_that_cannot_be_are_refused(sizes):
    with pytest.raises(RecipeError, match=f"{next(iter(sizes))} is"):
        DAN2Config(**sizes)
