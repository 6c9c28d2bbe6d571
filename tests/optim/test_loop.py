import numpy as np
import pytest
import torch
from torch import nn

from understudy.core.progress import Silent
from understudy.core.task import Task
from understudy.errors import ArtifactError, RecipeError
from understudy.optim.loop import LoopConfig, dev_score, optimise

pytestmark = pytest.mark.usefixtures("a_checkpoint_every_epoch")

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
