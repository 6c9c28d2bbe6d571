import numpy as np
import pytest
import torch
from torch import nn

from understudy.core.configs import TrainingConfig
from understudy.core.task import Task
from understudy.students import Ragged
from understudy.students.layers.lstm import count, last_states
from understudy.students.layers.recurrence import every_state
from understudy.students.registry import count_parameters
from understudy.training.fit import fit
from understudy.training.transfer_set import TransferSet

LENGTHS = torch.tensor([2, 5, 1])


@pytest.fixture
def lstm():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.LSTM(3, 4, num_layers=2, bidirectional=True, batch_first=True).eval()


def test_states_are_those_of_each_text_by_itself(lstm):
    states = torch.randn(8, 3, generator=torch.Generator().manual_seed(0))
    batch = Ragged(torch.zeros(8, dtype=torch.int64), LENGTHS)
    with torch.inference_mode():
        last, every = last_states(lstm, states, batch), every_state(lstm, states, batch)
        for row, (start, length) in enumerate(zip(batch.offsets.tolist(), LENGTHS.tolist(), strict=True)):
            alone, (end, _) = lstm(states[None, start : start + length])
            torch.testing.assert_close(every[start : start + length], alone[0], atol=5e-6, rtol=1e-5)
            expected = torch.cat([end[-2, 0], end[-1, 0]])
            torch.testing.assert_close(last[row], expected, atol=5e-6, rtol=1e-5)


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_the_formula_counts(layers):
    made = nn.LSTM(7, 5, num_layers=layers, bidirectional=True)
    assert count(7, 5, layers) == count_parameters(made)


@pytest.mark.parametrize("name", ["cmow.v1", "hybrid.v1", "bihybrid.v1"])
def test_an_lstm_over_matrices_learns(name):
    texts = ("a b c d", "d c b a", "b a d c", "c d a b", "a c b d", "d b c a")
    gold = np.array([0, 1, 1, 0, 0, 1])
    config = TrainingConfig(epochs=40, batch_size=6, learning_rate=1e-2, patience=40)
    sizes = {"size": 5, "head": "bilstm", "states": 16, **({} if name == "cmow.v1" else {"width": 10})}
    done = fit(
        name, Task(("x", "y")), TransferSet(texts, gold), (texts, gold), seed=0, config=config, **sizes
    )
    assert (done.student.logits(texts).argmax(axis=1) == gold).all()  # what counts is the order of words
