import numpy as np
import pytest
import torch

from understudy.students import Ragged, build, spec
from understudy.students.cbow import CBoWConfig
from understudy.students.registry import count_parameters

NAME = "cbow.v1"


def test_has_80_610_parameters_with_two_labels():
    # 5000·16 + (16 + 1)·32 + (32 + 1)·2 = 80,000 + 544 + 66
    assert count_parameters(build(NAME, 2, seed=0)) == 80_610
    assert spec(NAME).parameters(CBoWConfig(), 2) == 80_610


@pytest.mark.parametrize(("sizes", "expected"), [((10, 1, 1), 10 + 2 + 6), ((10, 4, 3), 40 + 15 + 12)])
def test_formula_by_hand(sizes, expected):
    config = CBoWConfig(*sizes)
    assert spec(NAME).parameters(config, 3) == expected
    assert count_parameters(spec(NAME).module(config, 3)) == expected


def test_logits_by_hand():
    module = build(NAME, 2, seed=0, vocabulary_size=5, width=2, hidden=2).eval()
    with torch.no_grad():
        module.encoder.embedding.weight.copy_(torch.tensor([[0, 0], [9, 9], [9, 9], [1, 2], [3, -2.0]]))
        module.head.hidden.weight.copy_(torch.tensor([[1, 0], [0, 1.0]]))
        module.head.hidden.bias.copy_(torch.tensor([0, -1.0]))
        module.head.output.weight.copy_(torch.tensor([[1, 1], [1, -1.0]]))
        module.head.output.bias.copy_(torch.tensor([0, 0.5]))
        # words 3, 4: mean (2, 0), hidden relu(2, -1) = (2, 0), logits (2, 2.5)
        # word 3: mean (1, 2), hidden (1, 1), logits (2, 0.5)
        found = module(Ragged(torch.tensor([3, 4, 3]), torch.tensor([2, 1])))
    assert found.tolist() == [[2.0, 2.5], [2.0, 0.5]]


def test_is_blind_to_word_order(make, logits_of):
    module, lengths = make(NAME, vocabulary_size=9), torch.tensor([4])
    one = logits_of(module, Ragged(torch.tensor([3, 4, 5, 6]), lengths))
    other = logits_of(module, Ragged(torch.tensor([6, 3, 5, 4]), lengths))
    np.testing.assert_allclose(one, other, atol=1e-6)


def test_reads_all_words_by_default():
    assert CBoWConfig().max_words is None
