import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from understudy.core.progress import Silent
from understudy.core.task import Task
from understudy.errors import ArtifactError, RecipeError
from understudy.optim.loop import LoopConfig, dev_score, optimise

CONFIG = LoopConfig(epochs=5, learning_rate=0.02)
POINTS = torch.randn(40, 6, generator=torch.Generator().manual_seed(0))
COLUMNS = (POINTS[:, 0] > POINTS[:, 1]).long()


def network(seed=0, hidden=8):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(6, hidden), nn.Tanh(), nn.Dropout(0.5), nn.Linear(hidden, 2))


def train(module=None, *, config=CONFIG, seed=1, score=None, **options):
    """Train a small network with dropout; returns it with its curve."""
    module = module or network()

    def accuracy():
        logits = module(POINTS)
        loss = nn.functional.cross_entropy(logits, COLUMNS)
        return float((logits.argmax(-1) == COLUMNS).float().mean()), -float(loss)

    curve = optimise(
        module,
        batches=lambda generator: np.split(generator.permutation(40), 5),
        loss=lambda picked: nn.functional.cross_entropy(module(POINTS[picked]), COLUMNS[picked]),
        score=score or accuracy,
        config=config,
        seed=seed,
        **options,
    )
    return module, curve


def weights(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def equal(one, other):
    return all(torch.equal(value, other.state_dict()[name]) for name, value in one.state_dict().items())


def untimed(curve):
    return [(line.epoch, line.train_loss, line.dev_score, line.dev_loss) for line in curve]


def test_learns():
    module, curve = train(config=LoopConfig(epochs=20, learning_rate=0.05))
    assert curve[-1].train_loss < 0.7 * curve[0].train_loss
    assert max(line.dev_score for line in curve) > 0.9
    assert not module.training


def test_the_curve_has_a_line_for_each_epoch():
    _, curve = train(score=lambda: (0.5, -0.25))
    assert [line.epoch for line in curve] == [1, 2, 3, 4, 5]
    assert all((line.dev_score, line.dev_loss) == (0.5, 0.25) for line in curve)
    assert all(line.seconds > 0 for line in curve)


def test_the_train_loss_is_the_mean_over_batches():
    module = nn.Linear(1, 1)
    values = iter([1.0, 2.0, 6.0])
    curve = optimise(
        module,
        batches=lambda _: [0, 1, 2],
        loss=lambda _: next(values) + 0.0 * module.weight.sum(),
        score=lambda: (0.0, 0.0),
        config=LoopConfig(epochs=1, learning_rate=0.1),
        seed=0,
    )
    assert curve[0].train_loss == 3.0


def test_same_seed_same_weights():
    (one, first), (other, second) = train(seed=3), train(seed=3)
    assert equal(one, other)
    assert untimed(first) == untimed(second)


def test_another_seed_other_weights():
    assert not equal(train(seed=3)[0], train(seed=4)[0])


def test_the_seed_reaches_dropout_alone_too():
    """The same order of batches, but another seed: only dropout can differ."""

    def run(seed):
        module = network()
        optimise(
            module,
            batches=lambda _: [slice(0, 20), slice(20, 40)],
            loss=lambda picked: nn.functional.cross_entropy(module(POINTS[picked]), COLUMNS[picked]),
            score=lambda: (0.0, 0.0),
            config=CONFIG,
            seed=seed,
        )
        return module

    assert equal(run(0), run(0))
    assert not equal(run(0), run(1))


def test_each_epoch_is_shuffled_anew():
    seen = []
    module = nn.Linear(1, 1)
    optimise(
        module,
        batches=lambda generator: [seen.append(generator.permutation(50).tolist())],
        loss=lambda _: module.weight.sum(),
        score=lambda: (0.0, 0.0),
        config=LoopConfig(epochs=3, learning_rate=0.1),
        seed=0,
    )
    assert len(seen) == 3
    assert seen[0] != seen[1] != seen[2]


def test_global_randomness_is_neither_read_nor_changed():
    torch.manual_seed(11)
    before = torch.random.get_rng_state()
    one, _ = train()
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(12)
    other, _ = train()
    assert equal(one, other)


def test_global_randomness_is_restored_after_an_error():
    def fail():
        raise ValueError("no")

    before = torch.random.get_rng_state()
    with pytest.raises(ValueError, match="no"):
        train(score=fail)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_training_and_evaluation_mode_and_gradients():
    module = network()
    modes = []

    def score():
        modes.append((module.training, torch.is_grad_enabled()))
        return 0.0, 0.0

    module.register_forward_hook(lambda *_: modes.append((module.training, torch.is_grad_enabled())))
    train(module, score=score, config=LoopConfig(epochs=2, learning_rate=0.1))
    assert modes == [*[(True, True)] * 5, (False, False)] * 2


@pytest.mark.parametrize(
    ("scores", "best"),
    [
        ([(0.1, -1), (0.5, -1), (0.3, -1), (0.4, -1)], 2),
        ([(0.5, -0.9), (0.5, -0.5), (0.5, -0.7), (0.4, -0.1)], 2),  # ties are broken by the loss
        ([(0.5, -0.5), (0.5, -0.5), (0.5, -0.5), (0.5, -0.5)], 1),  # the first of equals
        ([(0.1, -1), (0.2, -1), (0.3, -1), (0.4, -1)], 4),
    ],
)
def test_the_best_epochs_weights_are_restored(scores, best):
    module, kept = network(), []

    def score():
        kept.append(weights(module))
        return scores[len(kept) - 1]

    train(module, score=score, config=LoopConfig(epochs=4, learning_rate=0.05))
    same = [all(torch.equal(old[k], v) for k, v in module.state_dict().items()) for old in kept]
    assert same == [number == best for number in (1, 2, 3, 4)]


@pytest.mark.parametrize(("patience", "epochs"), [(1, 3), (2, 4), (3, 8), (None, 8)])
def test_patience_counts_epochs_without_a_better_score(patience, epochs):
    scores = iter([(0.1, 0), (0.2, 0), (0.2, 0), (0.1, 0), (0.3, 0), (0.3, 1), (0.2, 0), (0.1, 0)])
    _, curve = train(
        config=LoopConfig(epochs=8, learning_rate=0.01, patience=patience), score=lambda: next(scores)
    )
    assert len(curve) == epochs


def follow(config, steps, value=lambda p: p.sum(), shape=(1, 1)):
    """Where a single parameter is before each step, and at last."""
    module = nn.Module()
    module.p = nn.Parameter(torch.ones(shape, dtype=torch.float64))
    places = []

    def loss(_):
        places.append(module.p.detach().clone())
        return value(module.p)

    optimise(
        module,
        batches=lambda _: range(steps),
        loss=loss,
        score=lambda: (len(places), 0),
        config=config,
        seed=0,
    )
    return module.p, torch.stack([*places, module.p.detach()]).flatten(1)[:, 0].numpy()


def test_linear_decay_reaches_about_zero():
    # With a constant gradient Adam moves by exactly the learning rate. Two epochs of four steps: at step k
    # that is 0.1 · (1 - k/8).
    config = LoopConfig(epochs=2, learning_rate=0.1, weight_decay=0.0)
    _, places = follow(config, steps=4)
    moved = -np.diff(places)
    np.testing.assert_allclose(moved, 0.1 * (1 - np.arange(8) / 8), rtol=1e-5)
    assert moved[-1] == pytest.approx(0.1 / 8)


def test_constant_rate_stays():
    config = LoopConfig(epochs=2, learning_rate=0.1, weight_decay=0.0, decay="constant")
    _, places = follow(config, steps=4)
    np.testing.assert_allclose(-np.diff(places), 0.1, rtol=1e-5)


@pytest.mark.parametrize(("shape", "expected"), [((2, 2), 1 - 0.1 * 0.5), ((2,), 1.0)])
def test_weight_decay_is_for_matrices_alone(shape, expected):
    # One step without a gradient: p · (1 - rate · decay)
    config = LoopConfig(epochs=1, learning_rate=0.1, weight_decay=0.5)
    _, places = follow(config, steps=1, value=lambda p: 0.0 * p.sum(), shape=shape)
    assert places[-1] == pytest.approx(expected)


@pytest.mark.parametrize(("clip", "norm"), [(1.0, 1.0), (2.5, 2.5), (None, 100.0)])
def test_gradients_are_clipped_to_their_norm(clip, norm):
    config = LoopConfig(epochs=1, learning_rate=0.1, clip=clip)
    parameter, _ = follow(config, steps=1, value=lambda p: 100.0 * p.sum())
    assert float(parameter.grad.norm()) == pytest.approx(norm, rel=1e-4)


def test_frozen_parameters_stay():
    module = network()
    module[0].weight.requires_grad_(False)
    before = weights(module)
    train(module)
    assert torch.equal(module[0].weight, before["0.weight"])
    assert not torch.equal(module[3].weight, before["3.weight"])


class Killed(BaseException):
    """Stands for the end of the process."""


def killed_in(epoch, checkpoint, **options):
    """Train a network, and stop while scoring an epoch."""
    module, count = network(), 0

    def score():
        nonlocal count
        count += 1
        if count == epoch:
            raise Killed
        logits = module(POINTS)
        return 0.0, -float(nn.functional.cross_entropy(logits, COLUMNS))

    with pytest.raises(Killed):
        train(module, score=score, checkpoint=checkpoint, **options)


def by_loss(module):
    return lambda: (0.0, -float(nn.functional.cross_entropy(module(POINTS), COLUMNS)))


@pytest.mark.parametrize("epoch", [1, 2, 3, 5])
def test_a_resumed_run_equals_a_whole_one_bit_for_bit(tmp_path, epoch):
    whole = network()
    _, expected = train(whole, score=by_loss(whole))
    killed_in(epoch, tmp_path / "checkpoint")
    resumed = network(seed=0 if epoch == 1 else 99)  # first weights do not matter once there is a checkpoint
    _, curve = train(resumed, score=by_loss(resumed), checkpoint=tmp_path / "checkpoint")
    assert equal(whole, resumed)
    assert untimed(curve) == untimed(expected)


def test_resuming_keeps_the_best_epoch_and_patience(tmp_path):
    config = LoopConfig(epochs=9, learning_rate=0.05, patience=3)
    kept, scores = [], [(0.1, 0), (0.9, 0), (0.2, 0), (0.3, 0), (0.4, 0)]

    def run(module, stop):
        def score():
            kept.append(weights(module))
            if len(kept) == stop:
                kept.pop()
                raise Killed
            return scores[len(kept) - 1]

        return train(module, config=config, score=score, checkpoint=tmp_path / "c")

    with pytest.raises(Killed):
        run(network(), stop=4)
    module, curve = run(network(), stop=None)
    assert len(curve) == 5  # best in epoch 2, then three without a better one
    assert all(torch.equal(value, kept[1][name]) for name, value in module.state_dict().items())


def test_a_finished_run_is_not_trained_again(tmp_path):
    one, curve = train(checkpoint=tmp_path / "c")

    def fail():
        raise AssertionError

    other, again = train(network(seed=5), checkpoint=tmp_path / "c", score=fail)
    assert equal(one, other)
    assert again == curve


@pytest.mark.parametrize(
    ("hidden", "options"),
    [(8, {"config": LoopConfig(epochs=5, learning_rate=0.03)}), (8, {"seed": 2}), (9, {})],
    ids=["config", "seed", "shapes"],
)
def test_a_checkpoint_of_another_run_is_ignored(tmp_path, hidden, options):
    expected, _ = train(network(hidden=hidden), **options)
    killed_in(3, tmp_path / "c")
    found, curve = train(network(hidden=hidden), **options, checkpoint=tmp_path / "c")
    assert len(curve) == 5
    assert equal(expected, found)


@pytest.mark.parametrize("name", ["now.safetensors", "best.safetensors", "moments.safetensors", "state.json"])
def test_a_damaged_checkpoint_is_refused_by_name(tmp_path, name):
    killed_in(3, tmp_path / "c")
    path = tmp_path / "c" / name
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ArtifactError, match=name):
        train(checkpoint=tmp_path / "c")


def test_the_audience_hears_of_resuming(tmp_path):
    class Listener(Silent):
        heard: list[str] = []  # noqa: RUF012

        def say(self, sentence):
            self.heard.append(sentence)

    killed_in(3, tmp_path / "c")
    train(checkpoint=tmp_path / "c", progress=Listener(), what="a student")
    assert Listener.heard == ["  a student: resumed after epoch 2"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"decay": "cosine"}, "Unknown decay 'cosine'"),
        ({"epochs": 0}, "epochs is 0"),
        ({"epochs": -1}, "epochs is -1"),
        ({"patience": 0}, "patience is 0"),
        ({"learning_rate": 0.0}, "learning_rate is 0"),
        ({"learning_rate": -1.0}, "learning_rate is -1"),
        ({"row_rate": 0.0}, "row_rate is 0"),
    ],
)
def test_refuses_what_it_cannot_honour(options, message):
    with pytest.raises(RecipeError, match=message):
        LoopConfig(**{"epochs": 1, "learning_rate": 0.1, **options})


def test_dev_score_by_hand():
    # answers: 0, 1, 1; two of three right. Losses: ln(4/3), ln(4/3) and ln 4.
    logits = np.log(np.array([[3, 1], [1, 3], [1, 3]], dtype=np.float32))
    reached, minus_loss = dev_score(Task(("a", "b")), logits, np.array([0, 1, 0]))
    assert reached == pytest.approx(2 / 3)
    assert minus_loss == pytest.approx(-(2 * np.log(4 / 3) + np.log(4)) / 3)


def test_dev_score_uses_the_tasks_metric():
    # F1 = 2 hits / (golds + answers): 2 · 1 / (2 + 1) and 2 · 2 / (2 + 3)
    logits = np.array([[1, 0], [0, 1], [0, 1], [0, 1]], dtype=np.float32)
    reached, _ = dev_score(Task(("a", "b"), metric="macro_f1"), logits, np.array([0, 0, 1, 1]))
    assert reached == pytest.approx((2 / 3 + 4 / 5) / 2)


# Tables of rows: sparse gradients, moved by Adagrad.


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
