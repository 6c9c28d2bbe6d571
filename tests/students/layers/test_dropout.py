import pytest
import torch

from understudy.students.layers.dropout import drop


@pytest.fixture(autouse=True)
def _seeded():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


@pytest.mark.parametrize("share", [0.1, 0.2, 0.5, 0.9])
def test_a_share_is_dropped_and_the_mean_stays(share):
    states = torch.ones(400, 251)  # 100,400 numbers: four standard deviations of a share of 0.5 are 0.0064
    dropped = drop(states, share, is_training=True)
    assert abs(float((dropped == 0).double().mean()) - share) < 0.0064
    kept, rounding = dropped[dropped != 0], 2**-17 / (1 - share)  # a share is one of 65,536 parts
    torch.testing.assert_close(kept, torch.ones_like(kept) / (1 - share), rtol=rounding + 1e-6, atol=0)
    by_row, by_column = (dropped == 0).double().mean(dim=1), (dropped == 0).double().mean(dim=0)
    assert (by_row - share).abs().max() < 0.2  # six standard deviations of 251 numbers
    assert (by_column - share).abs().max() < 0.16


def test_every_number_is_drawn_by_itself():
    one, other = (drop(torch.ones(100_000), 0.5, is_training=True) == 0 for _ in range(2))
    for first, second in ((one, other), (one[1:], one[:-1]), (one[4:], one[:-4])):
        assert abs(float((first & second).double().mean()) - 0.25) < 0.0055  # four standard deviations


def test_gradients_are_dropped_alike():
    states = torch.randn(7, 9, requires_grad=True)
    dropped = drop(states, 0.4, is_training=True)
    dropped.sum().backward()
    torch.testing.assert_close(states.grad * states.detach(), dropped.detach())


def test_the_seed_decides():
    found = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        found.append(drop(torch.ones(50), 0.5, is_training=True))
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


def test_nothing_is_dropped_outside_of_training():
    states = torch.randn(5)
    assert drop(states, 0.5, is_training=False) is states
    assert drop(states, 0.0, is_training=True) is states
    assert not drop(states, 1.0, is_training=True).any()
    assert set(drop(torch.ones(99).double(), 0.5, is_training=True).tolist()) == {0.0, 2.0}
