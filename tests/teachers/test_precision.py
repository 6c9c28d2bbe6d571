import numpy as np
import pytest
import torch
from torch import nn

from understudy.task import Task
from understudy.teachers.precision import NEAR, near_ties, rounded

TASK = Task(("a", "b", "c"))


class Two(nn.Module):
    """Two layers that remember in what type they answered."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.body, self.head = nn.Linear(8, 8), nn.Linear(8, 3)
        self.types = []

    def forward(self, x):
        states = self.body(x)
        logits = self.head(states)
        self.types.append((states.dtype, logits.dtype))
        return logits


def test_products_are_rounded_and_the_last_layer_is_not():
    module, x = Two(), torch.randn(5, 8, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        with rounded(module, 3):
            low = module(x)
            states = module.body(x).float()
        expected = nn.functional.linear(states, module.head.weight, module.head.bias)
        full = module(x)
    assert module.types == [(torch.bfloat16, torch.float32), (torch.float32, torch.float32)]
    torch.testing.assert_close(low, expected, rtol=0, atol=0)
    assert 0 < float((low - full).abs().max()) < 0.05


def test_nothing_is_left_behind_by_an_error():
    module = Two()
    with pytest.raises(RuntimeError), rounded(module, 3):
        module(torch.zeros(1, 7))
    assert not module.head._forward_hooks
    assert not torch.is_autocast_enabled("cpu")


def test_near_ties_are_those_whose_two_best_labels_are_close():
    logits = np.array([[3, 1, 2.9], [3, 3.1, -9], [0, 1, 2], [0, NEAR, -1]], np.float32)
    assert near_ties(TASK, logits, np.ones(4, np.int64)).tolist() == [0, 1]


def test_a_sequence_is_near_a_tie_where_one_of_its_rows_is():
    tagging = Task(("O", "B-x", "I-x"), kind="tagging")
    logits = np.array([[9, 0, 0], [9, 0, 0], [1, 1.1, 0], [9, 0, 0], [1, 1, 1]], np.float32)
    assert near_ties(tagging, logits, np.array([1, 0, 2, 1, 1])).tolist() == [2, 4]


@pytest.mark.parametrize(
    ("task", "logits"),
    [
        (Task(("a", "b"), kind="multilabel"), np.zeros((2, 2), np.float32)),
        (Task(("score",), kind="regression", bounds=(0.0, 5.0)), np.zeros((2, 1), np.float32)),
        (TASK, np.zeros((0, 3), np.float32)),
    ],
)
def test_where_labels_do_not_exclude_each_other_there_are_no_ties(task, logits):
    assert len(near_ties(task, logits, np.ones(len(logits), np.int64))) == 0
