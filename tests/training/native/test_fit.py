import numpy as np
import pytest
from audience import Audience

from understudy.core.configs import LossConfig, TrainingConfig
from understudy.core.task import Task
from understudy.errors import RecipeError
from understudy.runtime.fast_format import MOST_LABELS, MOST_WIDTH
from understudy.students import build
from understudy.training.fit import fit
from understudy.training.native import fit as bag
from understudy.training.native import trainer as native
from understudy.training.transfer_set import TransferSet

pytestmark = [
    pytest.mark.skipif(not native.is_available(), reason="the C extension is not built here"),
    pytest.mark.usefixtures("a_checkpoint_every_epoch"),
]

TASK = Task(("bad", "good"))
NATIVE = TrainingConfig(trainer="native", epochs=12)


def corpus(n, seed=0):
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 2, n)
    filler = [f"w{number}" for number in range(30)]
    texts = [" ".join([*generator.choice(filler, 5), ("awful", "lovely")[label]]) for label in labels]
    return tuple(texts), labels


def train(config=NATIVE, loss=None, soft=None, seed=0):
    texts, gold = corpus(400)
    return fit(
        "cbow.v1", TASK, TransferSet(texts, gold, soft), corpus(100, 1), seed=seed, config=config, loss=loss
    )


def accuracy(found):
    texts, gold = corpus(200, 2)
    return (found.student.logits(texts).argmax(axis=1) == gold).mean()


@pytest.mark.parametrize("name", ["gold", "mse", "kl", "hard"])
def test_it_learns_by_every_loss(name):
    _, gold = corpus(400)
    soft = np.eye(2, dtype=np.float32)[gold] * 4 - 2
    found = train(loss=LossConfig(name), soft=None if name == "gold" else soft)
    assert accuracy(found) > 0.95
    assert found.curve[-1].train_loss < found.curve[0].train_loss
    assert found.facts["steps"] > 0


def order(n, seed=0):
    """Texts of the same words, whose order alone says what they are."""
    labels = np.random.default_rng(seed).integers(0, 2, n)
    noise = np.random.default_rng(seed + 9).integers(0, 30, (n, 2))
    said = ("not bad but good", "not good but bad")
    return tuple(f"w{a} {said[label]} w{b}" for label, (a, b) in zip(labels, noise, strict=True)), labels


def test_n_grams_learn_what_words_cannot_say():
    reached = {}
    for name in ("cbow.v1", "dan.v1"):
        lesson = TransferSet(*order(400), None)
        found = fit(name, TASK, lesson, order(100, 1), seed=0, config=NATIVE)
        texts, gold = order(200, 2)
        reached[name] = (found.student.logits(texts).argmax(axis=1) == gold).mean()
    assert reached["cbow.v1"] < 0.7
    assert reached["dan.v1"] > 0.95


def test_n_grams_are_found_in_parts_as_in_one(monkeypatch):
    module = build("dan.v1", 2, seed=0, vocabulary_size=20)
    lengths = np.random.default_rng(0).integers(1, 9, 10)
    ids = np.random.default_rng(1).integers(2, 20, lengths.sum()).astype(np.int32)
    texts = native.TextIds(ids, np.cumsum(lengths))
    whole = bag.with_grams(module, texts)
    for at_once in (1, 3, 5, 10):
        monkeypatch.setattr(bag, "AT_ONCE", at_once)
        part = bag.with_grams(module, texts)
        np.testing.assert_array_equal(part.ids, whole.ids)
        np.testing.assert_array_equal(part.ends, whole.ends)


def test_the_student_has_the_weights_of_its_best_epoch():
    found = train(TrainingConfig(trainer="native", epochs=20))
    texts, gold = corpus(100, 1)
    reached = (found.student.logits(texts).argmax(axis=1) == gold).mean()
    assert reached == pytest.approx(max(epoch.dev_score for epoch in found.curve))


def test_the_same_seed_gives_the_same_student():
    texts, _ = corpus(50, 3)
    one, same, other = (train(seed=seed).student.logits(texts) for seed in (0, 0, 1))
    # exact: the same seed, shapes and machine
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


@pytest.mark.parametrize("name", ["cbow.v1", "dan.v1"])
def test_weights_go_out_and_in_unchanged(name):
    module = build(name, 3, seed=0, vocabulary_size=20)
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    bag.put(module, bag.weights_of(module))
    assert all((before[name] == tensor).all() for name, tensor in module.state_dict().items())


@pytest.mark.parametrize(
    ("config", "loss", "said"),
    [
        ({"learning_rate": 1e-3}, {}, "learning rate or batch size was set"),
        ({"batch_size": 8}, {}, "learning rate or batch size was set"),
        ({}, {"name": "mse", "noise": 0.1}, "adds no noise"),
    ],
)
def test_what_it_cannot_do_is_said(config, loss, said):
    _, gold = corpus(400)
    soft = np.eye(2, dtype=np.float32)[gold]
    with pytest.raises(RecipeError, match=f"cannot train this: .*{said}"):
        train(TrainingConfig(trainer="native", **config), LossConfig(**loss or {"name": "mse"}), soft)


@pytest.mark.parametrize(
    ("labels", "sizes", "reason"),
    [
        (MOST_LABELS + 1, {}, f"{MOST_LABELS:,} labels at most"),
        (2, {"width": MOST_WIDTH + 1}, f"{MOST_WIDTH:,} wide at most"),
        (2, {"hidden": MOST_WIDTH + 76}, f"{MOST_WIDTH:,} wide at most"),
        (MOST_LABELS, {"width": MOST_WIDTH, "hidden": MOST_WIDTH}, ""),
    ],
)
@pytest.mark.parametrize("name", ["cbow.v1", "dan.v1"])
def test_what_the_extension_cannot_hold_is_the_torch_loops(name, labels, sizes, reason):
    module = build(name, labels, seed=0, vocabulary_size=9, **sizes)
    task = Task(tuple(map(str, range(labels))))
    found = bag.why_not(name, task, module, LossConfig("mse"), TrainingConfig())
    assert reason in found
    assert bool(found) == bool(reason)


def test_few_texts_and_other_students_are_the_torch_loops(monkeypatch):
    def refuse(*_, **__):
        pytest.fail("the native trainer was used")

    monkeypatch.setattr(bag, "learn", refuse)
    train(TrainingConfig(epochs=1))
    train(TrainingConfig(trainer="torch", epochs=1))
    monkeypatch.setattr(bag, "FEWEST_TEXTS", 100)
    with pytest.raises(pytest.fail.Exception):
        train(TrainingConfig(epochs=1))


def fit_resumably(folder, audience, seed=0, name="cbow.v1"):
    texts, gold = corpus(400)
    config = TrainingConfig(trainer="native", epochs=6, patience=6)
    given = {"seed": seed, "config": config, "checkpoint": folder, "progress": audience}
    return fit(name, TASK, TransferSet(texts, gold), corpus(100, 1), **given)


@pytest.mark.parametrize("name", ["cbow.v1", "dan.v1"])
def test_a_killed_training_goes_on_and_ends_the_same(name, tmp_path):
    whole = fit_resumably(tmp_path / "whole", Audience(), name=name)
    with pytest.raises(KeyboardInterrupt):
        fit_resumably(tmp_path / "killed", Audience(dies_after=3), name=name)
    ears = Audience()
    again = fit_resumably(tmp_path / "killed", ears, name=name)
    assert ears.heard == [f"  training {name}: resumed after epoch 3"]
    assert ears.epochs == 6
    assert [e.dev_loss for e in again.curve] == [e.dev_loss for e in whole.curve]
    texts, _ = corpus(50, 3)
    kept = whole.student.module.state_dict()
    assert all((kept[key] == value).all() for key, value in again.student.module.state_dict().items())
    # The weights are equal; loaded ones lie elsewhere in memory, so sums may differ in the last bit.
    np.testing.assert_allclose(again.student.logits(texts), whole.student.logits(texts), atol=1e-6)


def test_another_training_does_not_go_on_from_a_checkpoint(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        fit_resumably(tmp_path / "killed", Audience(dies_after=3))
    ears = Audience()
    fit_resumably(tmp_path / "killed", ears, seed=1)
    assert not ears.heard
