"""Tables of rows: sparse gradients, moved by Adagrad beside the rest."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from understudy.optim.loop import LoopConfig, optimise

pytestmark = pytest.mark.usefixtures("a_checkpoint_every_epoch")

CONFIG = LoopConfig(epochs=5, learning_rate=0.02)
COLUMNS = torch.from_numpy(np.random.default_rng(1).integers(0, 2, 40))


class Killed(BaseException):
    """Stands for the end of the process."""


def weights(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def equal(one, other):
    return all(torch.equal(value, other.state_dict()[name]) for name, value in one.state_dict().items())


def untimed(curve):
    return [(line.epoch, line.train_loss, line.dev_score, line.dev_loss) for line in curve]


class Bag(nn.Module):
    """The sum of some of twenty rows, and a dense layer with dropout behind it."""

    def __init__(self, seed=0):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.table = nn.EmbeddingBag(20, 4, mode="sum", sparse=True)
            self.rest = nn.Sequential(nn.Dropout(0.3), nn.Linear(4, 2))

    def forward(self, ids):
        return self.rest(self.table(ids))


IDS = torch.from_numpy(np.random.default_rng(0).integers(0, 18, (40, 3)))  # nobody has the last two rows


def train_bag(module, *, config=CONFIG, seed=1, stop=None, **options):
    """Train a bag on `COLUMNS`; with ``stop``, up to the scoring of that epoch."""
    count = 0

    def score():
        nonlocal count
        count += 1
        if count == stop:
            raise Killed
        return 0.0, -float(nn.functional.cross_entropy(module(IDS), COLUMNS))

    return optimise(
        module,
        batches=lambda generator: np.split(generator.permutation(40), 5),
        loss=lambda picked: nn.functional.cross_entropy(module(IDS[picked]), COLUMNS[picked]),
        score=score,
        config=config,
        seed=seed,
        rows=[module.table.weight],
        **options,
    )


def test_rows_and_the_rest_are_trained_together():
    module = Bag()
    before, curve = weights(module), train_bag(module, config=LoopConfig(epochs=15, learning_rate=0.02))
    assert curve[-1].train_loss < 0.8 * curve[0].train_loss
    assert all(not torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_rows_that_no_batch_has_stay():
    module = Bag()
    before = module.table.weight.detach().clone()
    train_bag(module, config=LoopConfig(epochs=3, learning_rate=0.02, weight_decay=0.5))
    assert torch.equal(module.table.weight[18:], before[18:])
    assert (module.table.weight[:18] != before[:18]).any(dim=1).all()


def follow_row(config, steps, gradient=1.0):
    """Where an entry of a row is before each step, and at last."""
    module = nn.Module()
    module.table = nn.EmbeddingBag(3, 1, mode="sum", sparse=True)
    places = []

    def loss(_):
        places.append(float(module.table.weight[1, 0].detach()))
        return gradient * module.table(torch.tensor([[1]])).sum()

    with torch.no_grad():
        module.table.weight.fill_(1.0)
    optimise(
        module,
        batches=lambda _: range(steps),
        loss=loss,
        score=lambda: (len(places), 0),
        config=config,
        seed=0,
        rows=[module.table.weight],
    )
    return np.array([*places, float(module.table.weight[1, 0].detach())])


@pytest.mark.parametrize("gradient", [1.0, -30.0])
def test_rows_move_by_adagrad_at_their_own_rate_unclipped(gradient):
    # Step k divides by the root of the sum of k squares: 0.2 / sqrt(k), whatever the gradient's size is.
    config = LoopConfig(epochs=1, learning_rate=9.0, row_rate=0.2, weight_decay=0.5, decay="constant")
    places = follow_row(config, steps=4, gradient=gradient)
    np.testing.assert_allclose(-np.diff(places), np.sign(gradient) * 0.2 / np.sqrt([1, 2, 3, 4]), rtol=1e-5)


def test_the_rate_of_rows_decays_as_well():
    config = LoopConfig(epochs=2, learning_rate=1.0, row_rate=0.2)
    moved = -np.diff(follow_row(config, steps=2))
    np.testing.assert_allclose(moved, 0.2 * np.array([1, 0.75, 0.5, 0.25]) / np.sqrt([1, 2, 3, 4]), rtol=1e-5)


@pytest.mark.parametrize("epoch", [2, 3, 5])
def test_a_resumed_run_with_rows_equals_a_whole_one_bit_for_bit(tmp_path, epoch):
    whole = Bag()
    expected = train_bag(whole)
    with pytest.raises(Killed):
        train_bag(Bag(), stop=epoch, checkpoint=tmp_path / "c")
    resumed = Bag(seed=99)
    curve = train_bag(resumed, checkpoint=tmp_path / "c")
    assert equal(whole, resumed)
    assert untimed(curve) == untimed(expected)


def test_a_checkpoint_keeps_what_adagrad_has_seen(tmp_path):
    with pytest.raises(Killed):
        train_bag(Bag(), stop=3, checkpoint=tmp_path / "c")
    kept = load_file(tmp_path / "c" / "moments.safetensors")
    (sums,) = [value for name, value in kept.items() if name.endswith(".sum")]
    assert sums.shape == (20, 4)
    assert (sums[:18] > 0).any(dim=1).all()
    assert not sums[18:].any()


def test_a_checkpoint_of_another_rate_of_rows_is_ignored(tmp_path):
    slow, fast = (LoopConfig(epochs=4, learning_rate=0.02, row_rate=rate) for rate in (0.01, 0.5))
    with pytest.raises(Killed):
        train_bag(Bag(), config=slow, stop=3, checkpoint=tmp_path / "c")
    expected, found = Bag(), Bag()
    train_bag(expected, config=fast)
    train_bag(found, config=fast, checkpoint=tmp_path / "c")
    assert equal(expected, found)


def test_frozen_rows_stay():
    module = Bag()
    module.table.weight.requires_grad_(False)
    before = module.table.weight.detach().clone()
    train_bag(module)
    assert torch.equal(module.table.weight, before)
