import numpy as np
import pytest
import torch

from understudy.errors import RecipeError
from understudy.students import Ragged, build, spec
from understudy.students.cbow_v2 import CBoW2Config
from understudy.students.registry import count_parameters

NAME = "cbow.v2"


def test_has_1_288_578_parameters_with_two_labels():
    # 20,000·64 + (64 + 1)·128 + (128 + 1)·2 = 1,280,000 + 8,320 + 258
    assert count_parameters(build(NAME, 2, seed=0)) == 1_288_578


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("text", 10 * 4 + (4 + 1) * 3 + (3 + 1) * 2),
        ("compare", 10 * 4 + (16 + 4 + 1) * 3 + (3 + 1) * 2 + 4 * 2),
    ],
)
def test_formula_by_hand(form, expected):
    config = CBoW2Config(10, 4, 3)
    assert spec(NAME).parameters(config, 2, form) == expected
    assert count_parameters(spec(NAME).module(config, 2, form)) == expected


def test_logits_by_hand():
    module = build(NAME, 2, seed=0, vocabulary_size=5, width=2, hidden=2).eval()
    with torch.no_grad():
        module.encoder.weights[3:5] = torch.tensor([3.0, 4.0])
        module.encoder.rows[3:5] = torch.tensor([[1.0, 2.0], [3.0, -2.0]])
        module.head.hidden.weight.copy_(torch.tensor([[1, 0], [0, 1.0]]))
        module.head.hidden.bias.copy_(torch.tensor([0, -1.0]))
        module.head.output.weight.copy_(torch.tensor([[1, 1], [1, -1.0]]))
        module.head.output.bias.copy_(torch.tensor([0, 0.5]))
        # words 3, 4: (15, -2)/5, hidden relu(3, -1.4) = (3, 0), logits (3, 3.5)
        # word 3: (1, 2), hidden (1, 1), logits (2, 0.5)
        found = module(Ragged(torch.tensor([3, 4, 3]), torch.tensor([2, 1])))
    np.testing.assert_allclose(found, [[3.0, 3.5], [2.0, 0.5]], rtol=1e-6)


def test_is_blind_to_word_order(make, logits_of):
    module, lengths = make(NAME, vocabulary_size=9), torch.tensor([4])
    one = logits_of(module, Ragged(torch.tensor([3, 4, 5, 6]), lengths))
    other = logits_of(module, Ragged(torch.tensor([6, 3, 5, 4]), lengths))
    np.testing.assert_allclose(one, other, atol=1e-6)


@pytest.mark.parametrize("sizes", [{"width": 0}, {"hidden": 0}, {"dropout": 1.5}])
def test_sizes_that_cannot_be_are_refused(sizes):
    with pytest.raises(RecipeError, match=f"{next(iter(sizes))} is"):
        CBoW2Config(**sizes)
