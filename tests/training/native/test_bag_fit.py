"""Weighted bags by the native trainer, from texts to a student: as torch has it, resumable, and as good."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from audience import Audience
from bag_trainer_cases import EACH, EXCLUSIVE, FACTOR, learn, texts_of
from torch.nn import functional

from understudy.core.configs import LossConfig, TrainingConfig
from understudy.core.task import Task
from understudy.errors import RecipeError
from understudy.optim.losses import balanced_weights, combined
from understudy.runtime.fast_format import MOST_LABELS, MOST_WIDTH
from understudy.students import Ragged, build
from understudy.training.fit import fit
from understudy.training.native import bag_fit, bag_trainer
from understudy.training.native.trainer import is_available
from understudy.training.transfer_set import TransferSet

pytestmark = [
    pytest.mark.skipif(not is_available(), reason="the C extension is not built here"),
    pytest.mark.usefixtures("a_checkpoint_every_epoch"),
]

FORMS = ("linear.v1", "cbow.v2", "dan.v2")
TASK = Task(("bad", "good"))
EACH_TASK = Task(("food", "staff", "price"), "multilabel")
NATIVE = TrainingConfig(trainer="native", epochs=8)
FILLER = tuple(f"w{number}" for number in range(30))


def corpus(n, seed=0):
    """One word of six says what a text is."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, n)
    words = [[*rng.choice(FILLER, 5), ("awful", "lovely")[label]] for label in labels]
    return tuple(" ".join(each) for each in words), labels


def each_corpus(n, seed=0):
    """Each label has a word of its own, which stands in a text where the label holds."""
    rng = np.random.default_rng(seed)
    gold = (rng.random((n, 3)) < 0.4).astype(np.float32)
    held = [[word for word, holds in zip(EACH_TASK.labels, row, strict=True) if holds] for row in gold]
    return tuple(" ".join([*rng.choice(FILLER, 5), *words]) for words in held), gold


def train(name="dan.v2", config=NATIVE, loss=None, soft=None, seed=0, n=400, **more):
    texts, gold = corpus(n)
    lesson = TransferSet(texts, gold, soft)
    return fit(name, TASK, lesson, corpus(100, 1), seed=seed, config=config, loss=loss, **more)


def accuracy(found):
    texts, gold = corpus(300, 2)
    return (found.student.logits(texts).argmax(axis=1) == gold).mean()


def small(name, labels, seed=0, **sizes):
    """A student of few rows, none of which is zero, with weights of different features."""
    layers = {} if name == "linear.v1" else {"width": 5, "hidden": 7}
    sizes = {"vocabulary_size": 9, **layers, "dropout": 0.0, **sizes}
    sizes |= {} if name == "cbow.v2" else {"direct": labels}
    module = build(name, labels, seed=seed, **sizes)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.5)
        module.encoder.weights[3:] = torch.rand(6, generator=generator) * 3 + 0.5
    return module


def goals(is_each, rows=2):
    rng = np.random.default_rng(4)
    gold = (rng.random((rows, 3)) < 0.5).astype(np.float32) if is_each else rng.integers(0, 3, rows)
    task = replace(EACH_TASK, thresholds=(0.3, 0.5, 0.8)) if is_each else Task(("a", "b", "c"))
    return task, TransferSet(("x",) * rows, gold, rng.normal(0, 2, (rows, 3)).astype(np.float32))


LOSSES = [(False, name) for name in EXCLUSIVE] + [(True, name) for name in EACH]


@pytest.mark.parametrize("alpha", [0.0, 0.4])
@pytest.mark.parametrize(("is_each", "loss"), LOSSES)
@pytest.mark.parametrize("name", FORMS)
def test_losses_and_gradients_are_torchs(name, is_each, loss, alpha, monkeypatch):
    """Of one text; a second one only makes the labels' weights uneven."""
    monkeypatch.setattr(bag_trainer, "FIRST_SQUARE", FACTOR**2)
    module, (task, transfer) = small(name, 3), goals(is_each)
    heat = 2.0 if loss in ("kl", "bce") else 1.0
    config = LossConfig(loss, alpha=0.0 if loss == "gold" else alpha, temperature=heat)
    has_weights = loss == "gold" or alpha > 0
    targets = bag_fit._targets(task, transfer, config, has_weights=has_weights)
    one = replace(targets, gold=targets.gold[:1], soft=None if targets.soft is None else targets.soft[:1])
    first = bag_fit.bag_of(module)
    ids = [3, 5, 0, 8, 5]
    (after,), (found,) = learn(first, texts_of(ids), one, rows=FACTOR, layers=FACTOR)

    answer = module(Ragged(torch.tensor(ids), torch.tensor([len(ids)])))
    soft = torch.from_numpy(transfer.soft[:1])
    weights = balanced_weights(task, transfer.gold) if has_weights else None
    expected = combined(answer, soft, torch.from_numpy(transfer.gold[:1]), config, task, weights=weights)
    expected.backward()
    gradients = [tensor.grad for tensor in bag_fit._layers(module)]
    for old, new, gradient in zip(first.layers, after, gradients, strict=True):
        if gradient is None:  # the empty layers of `linear.v1`
            assert new.size == 0
            continue
        # The step divides by a root of 11 bits; weights of size 1 hold a difference to 1e-7.
        np.testing.assert_allclose(old - new, gradient.to_dense().numpy(), rtol=1e-3, atol=2e-6)
    constant = 0.0
    if loss == "kl":  # the entropy of the teacher's answer, which no weight changes
        share = functional.softmax(soft / 2, dim=-1)
        constant = (1 - alpha) * 4 * float(torch.special.entr(share).sum())
    assert found == pytest.approx(expected.item() + constant, rel=1e-4)


@pytest.mark.parametrize("name", FORMS)
def test_weights_go_out_and_in_unchanged(name):
    module = small(name, 3)
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    bag = bag_fit.bag_of(module)
    assert bag.labels == 3
    assert bag.direct == (0 if name == "cbow.v2" else 3)
    copies = [layer.copy() for layer in bag.layers]
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
    bag_fit.put(module, copies)
    assert all((before[name] == tensor).all() for name, tensor in module.state_dict().items())


@pytest.mark.parametrize(("loss", "alpha"), [("gold", 0), ("mse", 0), ("kl", 0), ("hard", 0), ("kl", 0.5)])
@pytest.mark.parametrize("name", FORMS)
def test_it_learns_labels_that_exclude_each_other(name, loss, alpha):
    texts, gold = corpus(400)
    gold = np.where(np.arange(400) % 2, gold, -1)  # half of the texts have the teacher alone
    soft = np.eye(2, dtype=np.float32)[corpus(400)[1]] * 4 - 2
    lesson = TransferSet(texts, gold, None if loss == "gold" else soft)
    config = LossConfig(loss, alpha=alpha)
    found = fit(name, TASK, lesson, corpus(100, 1), seed=0, config=NATIVE, loss=config)
    assert accuracy(found) > 0.97
    assert found.curve[-1].train_loss < found.curve[0].train_loss
    assert found.facts["steps"] > 0


@pytest.mark.parametrize(("loss", "alpha"), [("gold", 0), ("mse", 0), ("bce", 0), ("hard", 0), ("bce", 0.5)])
@pytest.mark.parametrize("name", FORMS)
def test_it_learns_labels_that_may_hold_together(name, loss, alpha):
    texts, gold = each_corpus(600)
    some = gold.copy()
    some[::2] = np.nan
    soft = None if loss == "gold" else gold * 6 - 3
    config = LossConfig(loss, alpha=alpha)
    found = fit(
        name,
        EACH_TASK,
        TransferSet(texts, some, soft),
        each_corpus(100, 1),
        seed=0,
        config=NATIVE,
        loss=config,
    )
    held, truth = each_corpus(200, 2)
    least = 0.92 if loss == "gold" else 0.95  # of 300 labels: with them the torch loop has 0.95, too
    assert ((found.student.logits(held) > 0) == truth).mean() > least
    assert found.curve[-1].train_loss < found.curve[0].train_loss


def order(n, seed=0):
    """Texts of the same words, whose order alone says what they are."""
    rng = np.random.default_rng(seed)
    labels, noise = rng.integers(0, 2, n), rng.integers(0, 30, (n, 2))
    said = ("not bad but good", "not good but bad")
    return tuple(f"w{a} {said[label]} w{b}" for label, (a, b) in zip(labels, noise, strict=True)), labels


def test_n_grams_learn_what_words_cannot_say():
    reached = {}
    for name in FORMS:
        found = fit(name, TASK, TransferSet(*order(400), None), order(100, 1), seed=0, config=NATIVE)
        texts, gold = order(200, 2)
        reached[name] = (found.student.logits(texts).argmax(axis=1) == gold).mean()
    assert reached["cbow.v2"] < 0.7
    assert min(reached["linear.v1"], reached["dan.v2"]) > 0.95


def noisy(n, seed=0):
    """Four words for and four against: the majority says what a text is, but for a tenth of the labels."""
    rng = np.random.default_rng(seed)
    picked = rng.integers(0, 8, (n, 5))
    labels = (picked >= 4).sum(axis=1) > 2
    texts = (" ".join([f"k{k}" for k in row] + list(rng.choice(FILLER, 6))) for row in picked)
    return tuple(texts), (labels ^ (rng.random(n) < 0.1)).astype(np.int64), labels.astype(np.int64)


@pytest.mark.parametrize("name", FORMS)
def test_it_is_about_as_good_as_the_torch_loop(name):
    """On 1,200 texts, a tenth of whose labels are wrong.

    Fewer are not enough to say so: of 400, over four seeds, `cbow.v2` is 2.7 points worse than by torch, and
    `linear.v1` and `dan.v2` are 2.3 and 1.5 points better.
    """
    held, _, truth = noisy(500, 9)
    lesson, dev, reached = TransferSet(*noisy(1200)[:2]), noisy(200, 5)[:2], {}
    for trainer in ("native", "torch"):
        config = TrainingConfig(trainer=trainer, epochs=5)
        found = fit(name, TASK, lesson, dev, seed=0, config=config)
        reached[trainer] = (found.student.logits(held).argmax(axis=1) == truth).mean()
    assert reached["native"] > reached["torch"] - 0.03
    assert reached["native"] > 0.83


def test_the_student_has_the_weights_of_its_best_epoch():
    found = train(config=TrainingConfig(trainer="native", epochs=12))
    texts, gold = corpus(100, 1)
    reached = (found.student.logits(texts).argmax(axis=1) == gold).mean()
    assert reached == pytest.approx(max(epoch.dev_score for epoch in found.curve))


def test_the_same_seed_gives_the_same_student():
    texts, _ = corpus(50, 3)
    one, same, other = (train(seed=seed).student.logits(texts) for seed in (0, 0, 1))
    # exact: the same seed, shapes and machine
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


def test_dev_is_scored_without_dropout():
    """The student drops most of what it reads while it learns, and nothing while it is judged."""
    config = TrainingConfig(trainer="native", epochs=3)
    found = train(config=config, dropout=0.8)
    assert max(epoch.dev_score for epoch in found.curve) > 0.95
    again = train(config=config, dropout=0.8)
    expected = [epoch.dev_loss for epoch in found.curve]
    assert [epoch.dev_loss for epoch in again.curve] == pytest.approx(expected, rel=1e-5)


def test_rare_labels_weigh_more_where_the_recipe_says_so():
    """Nothing else differs, and texts of words that say nothing are answered by the share of labels."""
    texts, gold = corpus(400)
    kept = np.flatnonzero((gold == 0) | (np.arange(400) % 8 == 0))
    lesson = TransferSet(tuple(texts[i] for i in kept), gold[kept])
    leanings = []
    for class_weights in (False, True):
        config = replace(NATIVE, class_weights=class_weights)
        found = fit("linear.v1", TASK, lesson, corpus(100, 1), seed=0, config=config)
        answers = found.student.logits([" ".join(FILLER[k : k + 5]) for k in range(20)])
        leanings.append(float((answers[:, 1] - answers[:, 0]).mean()))
    assert leanings[1] > leanings[0] + 0.5


def test_weighted_bags_are_the_native_trainers_unless_torch_is_asked_for(monkeypatch):
    def refuse(*_, **__):
        pytest.fail("the native trainer was used")

    monkeypatch.setattr(bag_fit, "learn", refuse)
    train(config=TrainingConfig(trainer="torch", epochs=1))
    train(config=TrainingConfig(batch_size=32, epochs=1))
    train(name="cbow.v1", config=TrainingConfig(epochs=1))
    with pytest.raises(pytest.fail.Exception):
        train(config=TrainingConfig(epochs=1))


@pytest.mark.parametrize(
    ("config", "loss", "said"),
    [
        ({"learning_rate": 1e-3}, {}, "learning rate or batch size was set"),
        ({"batch_size": 8}, {}, "learning rate or batch size was set"),
        ({}, {"noise": 0.1}, "adds no noise"),
    ],
)
def test_what_it_cannot_do_is_said(config, loss, said):
    soft = np.zeros((400, 2), np.float32)
    with pytest.raises(RecipeError, match=f"cannot train this: .*{said}"):
        train(config=TrainingConfig(trainer="native", **config), loss=LossConfig("mse", **loss), soft=soft)


@pytest.mark.parametrize(
    ("name", "task", "sizes", "reason"),
    [
        ("dan.v2", Task(tuple(map(str, range(MOST_LABELS + 1)))), {}, f"{MOST_LABELS:,} labels at most"),
        ("dan.v2", TASK, {"width": MOST_WIDTH + 1}, f"{MOST_WIDTH:,} wide at most"),
        ("cbow.v2", TASK, {"hidden": MOST_WIDTH + 1}, f"{MOST_WIDTH:,} wide at most"),
        ("dan.v2", Task(("score",), "regression", bounds=(0.0, 5.0)), {}, "labels, no values"),
        ("dan.v2", EACH_TASK, {"width": MOST_WIDTH, "hidden": MOST_WIDTH}, ""),
        ("linear.v1", Task(tuple(map(str, range(MOST_LABELS)))), {}, ""),
    ],
)
def test_what_the_extension_cannot_hold_is_the_torch_loops(name, task, sizes, reason):
    direct = {} if name == "cbow.v2" else {"direct": len(task.labels)}
    module = build(name, len(task.labels), seed=0, vocabulary_size=9, **direct, **sizes)
    found = bag_fit.why_not(task, module, LossConfig("mse"), TrainingConfig())
    assert reason in found
    assert bool(found) == bool(reason)


def resumable(folder, audience, name="dan.v2", **more):
    config = TrainingConfig(trainer="native", epochs=6, patience=6)
    return train(name, config, n=200, checkpoint=folder, progress=audience, **more)


@pytest.mark.parametrize("name", FORMS)
def test_a_killed_training_goes_on_and_ends_the_same(name, tmp_path):
    whole = resumable(tmp_path / "whole", Audience(), name)
    with pytest.raises(KeyboardInterrupt):
        resumable(tmp_path / "killed", Audience(dies_after=3), name)
    ears = Audience()
    again = resumable(tmp_path / "killed", ears, name)
    assert ears.heard == [f"  training {name}: resumed after epoch 3"]
    assert ears.epochs == 6
    assert [e.train_loss for e in again.curve] == [e.train_loss for e in whole.curve]
    kept = whole.student.module.state_dict()
    assert all((kept[key] == value).all() for key, value in again.student.module.state_dict().items())


@pytest.mark.parametrize("other", [{"seed": 1}, {"dropout": 0.3}, {"hidden": 40}], ids=str)
def test_another_training_does_not_go_on_from_a_checkpoint(other, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        resumable(tmp_path / "killed", Audience(dies_after=3))
    ears = Audience()
    resumable(tmp_path / "killed", ears, **other)
    assert not ears.heard


def test_checkpoints_take_a_small_share_of_the_time(tmp_path, monkeypatch):
    monkeypatch.setattr("understudy.optim.epochs.SAVING_SHARE", 1e-9)
    with pytest.raises(KeyboardInterrupt):
        resumable(tmp_path / "killed", Audience(dies_after=3))
    ears = Audience()
    resumable(tmp_path / "killed", ears)
    assert not ears.heard  # none was written: it would have been a large share
