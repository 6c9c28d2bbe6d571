import torch

from understudy.students import Ragged
from understudy.students.layers.ragged import mean, real

BATCH = Ragged(torch.tensor([3, 4, 5]), torch.tensor([1, 2]))


def test_real_positions():
    assert real(BATCH).tolist() == [[True, False], [True, True]]


def test_the_mean_leaves_out_what_stands_behind_the_end():
    states = torch.tensor([[[1.0, 2.0], [99, 99]], [[3, 4], [5, 0]]])
    assert mean(states, BATCH).tolist() == [[1, 2], [4, 2]]
