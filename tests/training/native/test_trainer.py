"""The native trainer: its gradients are torch's, its losses are those of `losses.py`, and it learns."""

import sys
from dataclasses import replace

import native_cases
import numpy as np
import pytest
import torch
from native_cases import encode, first_weights
from torch.nn import functional

from understudy.core.configs import LossConfig
from understudy.core.task import Task
from understudy.errors import MissingExtraError, RecipeError
from understudy.optim import losses
from understudy.runtime.fast_format import Weights
from understudy.students import Ragged, build
from understudy.tokenization.words import SPECIALS, WordVocabulary, build_vocabulary
from understudy.training.native import fit as bag
from understudy.training.native import trainer as native
from understudy.training.native.trainer import Targets, TextIds, train

pytest.importorskip("understudy._fast", reason="the C extension was not built")

LEVELS = (0, 1, 2)
SIZES = [(16, 32, 2), (5, 7, 3), (20, 40, 18)]


def encoded(lengths, vocabulary=9, seed=0):
    rng = np.random.default_rng(seed)
    return TextIds(rng.integers(1, vocabulary, sum(lengths)).astype(np.int32), np.cumsum(lengths))


def module_of(weights):
    """`cbow.v1` in torch with these weights."""
    hidden, width = weights.hidden.shape
    module = build(
        "cbow.v1",
        len(weights.output),
        seed=0,
        vocabulary_size=len(weights.embedding),
        width=width,
        hidden=hidden,
    )
    parts = (weights.embedding, weights.hidden, weights.hidden_bias, weights.output, weights.output_bias)
    with torch.no_grad():
        for parameter, part in zip(module.parameters(), parts, strict=True):
            parameter.copy_(torch.from_numpy(part))
    return module


def arrays(weights):
    return (weights.embedding, weights.hidden, weights.hidden_bias, weights.output, weights.output_bias)


def batch_of(texts):
    lengths = np.diff(texts.ends, prepend=0)
    return Ragged(torch.from_numpy(texts.ids.astype(np.int64)), torch.from_numpy(lengths))


@pytest.fixture(params=SIZES, ids=str)
def weights(request):
    width, hidden, labels = request.param
    made = first_weights(9, width, hidden, labels, np.random.default_rng(3))
    return Weights(made.embedding * 10, *arrays(made)[1:])


def targets_of(kind, labels):
    rng = np.random.default_rng(1)
    soft = rng.normal(size=(1, labels)).astype(np.float32)
    gold = np.array([1])
    return {
        "mse": (Targets("mse", soft), LossConfig("mse")),
        "kl": (Targets("kl", soft, temperature=2.5), LossConfig("kl", temperature=2.5)),
        "hard": (Targets("hard", soft), LossConfig("hard")),
        "gold": (Targets("gold", gold=gold), LossConfig("gold")),
        "mixed": (Targets("mse", soft, gold, alpha=0.3), LossConfig("mse", alpha=0.3)),
        "unlabelled": (Targets("kl", soft, np.array([-1]), alpha=0.3), LossConfig("kl", alpha=0.3)),
    }[kind]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("kind", ["mse", "kl", "hard", "gold", "mixed", "unlabelled"])
def test_the_first_step_is_adagrads_with_torchs_gradients(weights, kind, level, monkeypatch):
    """Words that stand once: then a text's step is one step for each weight.

    The first squares are so large that a step is as long as its gradient, but for a factor.
    """
    monkeypatch.setattr(native, "FIRST_SQUARE", 1e4)
    texts = TextIds(np.array([3, 5, 8], np.int32), np.array([3]))
    targets, config = targets_of(kind, len(weights.output))
    seen = []
    after = train(
        weights, texts, targets, epochs=1, learning_rate=5000.0, seed=0, level=level,
        after_epoch=lambda *facts: seen.append(facts) or True,
    )  # fmt: skip
    module = module_of(weights)
    logits = module(batch_of(texts))
    soft = None if targets.soft is None else torch.from_numpy(targets.soft)
    gold = torch.from_numpy(np.array([-1]) if targets.gold is None else targets.gold)
    task = Task(tuple(map(str, range(logits.shape[1]))))
    loss = losses.combined(logits, soft, gold, config, task)
    loss.backward()
    for old, new, parameter in zip(arrays(weights), arrays(after), module.parameters(), strict=True):
        gradient = parameter.grad.numpy()
        step = -5000.0 * gradient / np.sqrt(gradient**2 + 1e4)
        np.testing.assert_allclose(new - old, step, rtol=3e-3, atol=2e-5)
        assert np.abs(step).max() > 1e-3
    constant = 0.0
    if kind in ("kl", "unlabelled"):  # the entropy of the teacher's answer, which no weight changes
        share = functional.softmax(soft / config.temperature, dim=-1)
        constant = config.temperature**2 * float(-(share * share.log()).sum())
    assert seen[0][0] == 1
    assert seen[0][1] == pytest.approx(loss.item() + constant, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("labels", [2, 3, 18, 300])
@pytest.mark.parametrize("spread", [1.0, 30.0])
def test_losses_and_gradients_of_probabilities_are_torchs_to_a_hundred_thousandth(
    labels, spread, level, monkeypatch
):
    """The first squares dwarf the gradient's, so that all steps are gradients times one factor."""
    monkeypatch.setattr(native, "FIRST_SQUARE", 1e12)
    first = first_weights(9, 16, 32, labels, np.random.default_rng(3))
    first = Weights(*arrays(first)[:-1], np.random.default_rng(4).normal(0, spread, labels).astype("f4"))
    soft = np.random.default_rng(5).normal(0, spread, (1, labels)).astype(np.float32)
    texts, seen = TextIds(np.array([3, 5, 8], np.int32), np.array([3])), []
    after = train(
        first, texts, Targets("kl", soft, temperature=2.0), epochs=1, learning_rate=1e10, seed=0, level=level,
        after_epoch=lambda *facts: seen.append(facts) or True,
    )  # fmt: skip
    module = module_of(first)
    loss = losses.kl(module(batch_of(texts)), torch.from_numpy(soft), 2.0).mean()
    loss.backward()
    share = functional.softmax(torch.from_numpy(soft) / 2, dim=-1)
    entropy = 4 * float(torch.special.entr(share).sum())
    assert seen[0][1] == pytest.approx(loss.item() + entropy, rel=1e-5, abs=1e-5)
    step, gradient = after.output_bias - first.output_bias, module.head.output.bias.grad.numpy()
    np.testing.assert_allclose(
        -step / np.linalg.norm(step), gradient / np.linalg.norm(gradient), rtol=0, atol=1e-5
    )


def test_class_weights_weigh_the_gold_loss(weights):
    texts = TextIds(np.array([3, 5, 8], np.int32), np.array([3]))
    found = []
    for factor in (1.0, 2.5):
        shares = np.full(len(weights.output), factor, np.float32)
        goal = Targets("gold", gold=np.array([0]), class_weights=shares)
        train(
            weights,
            texts,
            goal,
            epochs=1,
            learning_rate=0.1,
            seed=0,
            after_epoch=lambda _, loss, __: found.append(loss),
        )
    assert found[1] == pytest.approx(2.5 * found[0], rel=1e-5)


def test_n_grams_follow_the_words_of_their_text():
    texts = TextIds(np.array([3, 4, 5, 6], np.int32), np.array([3, 4]))
    made = texts.with_grams(np.array([[2, 7], [1, 0], [0, 0], [0, 0]]), 10)
    assert made.ids.tolist() == [3, 4, 5, 12, 17, 11, 6]
    assert made.ends.tolist() == [6, 7]
    assert made.words.tolist() == [3, 1]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("sizes", [(16, 32), (32, 32), (5, 7)], ids=str)
def test_the_first_step_with_n_grams_is_adagrads_with_torchs_gradients(sizes, level, monkeypatch):
    """One text in which every word and every n-gram stands once."""
    monkeypatch.setattr(native, "FIRST_SQUARE", 1e4)
    width, hidden = sizes
    more = {"buckets": 500, "longest": 3, "gram_weight": 0.3, "vocabulary_size": 9}
    module = build("dan.v1", 3, seed=0, width=width, hidden=hidden, **more)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.mul_(10)
    first, words = bag.weights_of(module), TextIds(np.array([3, 5, 8, 4], np.int32), np.array([4]))
    first = replace(first, **{part: getattr(first, part).copy() for part in bag.PLACES})
    texts, soft = bag.with_grams(module, words), np.array([[1.0, -1.0, 0.5]], np.float32)
    assert len(set(texts.ids.tolist())) == len(texts.ids) == 4 + 3 + 2
    after = train(first, texts, Targets("mse", soft), epochs=1, learning_rate=5000.0, seed=0, level=level)
    losses.mse(module(batch_of(words)), torch.from_numpy(soft)).mean().backward()
    for part, place in bag.PLACES.items():
        gradient = module.get_parameter(place).grad.numpy()
        step = -5000.0 * gradient / np.sqrt(gradient**2 + 1e4)
        np.testing.assert_allclose(getattr(after, part) - getattr(first, part), step, rtol=3e-3, atol=2e-5)
        assert np.abs(step).max() > 1e-3
    assert (np.abs(after.grams - first.grams).max(axis=1) > 0).sum() == 5
    assert not after.grams[0].any()


@pytest.mark.parametrize("level", LEVELS)
def test_what_is_not_there_is_not_changed(weights, level):
    texts = TextIds(np.array([3, 5, 3, 3], np.int32), np.array([2, 4]))
    goal = Targets("gold", gold=np.array([0, -1]))
    after = train(weights, texts, goal, epochs=2, learning_rate=0.1, seed=0, level=level)
    changed = np.abs(after.embedding - weights.embedding).max(axis=1) > 0
    assert np.flatnonzero(changed).tolist() == [3, 5]
    assert (
        arrays(train(weights, texts, goal, epochs=0, learning_rate=0.1, seed=0))[0] is not weights.embedding
    )


def toy_task(toy, n=600):
    texts, labels = toy(n)
    held, answers = toy(200, seed=1)
    vocabulary = build_vocabulary(texts, 50)
    return vocabulary, encode(vocabulary, texts), labels, (encode(vocabulary, held), answers)


def accuracy(weights, texts, answers):
    with torch.inference_mode():
        return float((module_of(weights)(batch_of(texts)).argmax(dim=1).numpy() == answers).mean())


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("loss", native.LOSSES)
def test_it_learns(toy, loss, level):
    vocabulary, texts, labels, held = toy_task(toy)
    soft = np.where(np.eye(2)[labels] > 0, 2.0, -2.0).astype(np.float32)
    goal = Targets("gold", gold=labels) if loss == "gold" else Targets(loss, soft, temperature=2.0)
    first = first_weights(len(vocabulary), 16, 32, 2, np.random.default_rng(0))
    curve = []
    last = train(
        first, texts, goal, epochs=8, learning_rate=0.1, seed=0, level=level,
        after_epoch=lambda _, loss, __: curve.append(loss) or True,
    )  # fmt: skip
    assert curve[-1] < 0.6 * curve[0] or loss == "kl"
    assert accuracy(last, *held) > 0.97
    assert accuracy(first, *held) < 0.8


def test_it_is_about_as_good_as_the_torch_loop(toy):
    vocabulary, texts, labels, held = toy_task(toy, 150)
    scores = {"native": [], "torch": []}
    for seed in range(3):
        first = first_weights(len(vocabulary), 16, 32, 2, np.random.default_rng(seed))
        goal = Targets("gold", gold=labels)
        scores["native"].append(
            accuracy(train(first, texts, goal, epochs=5, learning_rate=0.1, seed=seed), *held)
        )
        module = module_of(first)
        optimizer = torch.optim.Adagrad(module.parameters(), lr=0.1)
        batch, gold = batch_of(texts), torch.from_numpy(labels)
        for _ in range(60):
            optimizer.zero_grad()
            functional.cross_entropy(module(batch), gold).backward()
            optimizer.step()
        with torch.inference_mode():
            answers = module(batch_of(held[0])).argmax(dim=1).numpy()
        scores["torch"].append(float((answers == held[1]).mean()))
    assert np.mean(scores["native"]) > np.mean(scores["torch"]) - 0.03


def test_the_same_seed_gives_the_same_weights(weights):
    texts = encoded([3, 1, 7, 2] * 10)
    goal = Targets("mse", np.random.default_rng(0).normal(size=(40, len(weights.output))).astype(np.float32))
    one, two, three = (train(weights, texts, goal, epochs=3, learning_rate=0.1, seed=s) for s in (0, 0, 1))
    assert all(np.array_equal(a, b) for a, b in zip(arrays(one), arrays(two), strict=True))
    assert not np.array_equal(one.embedding, three.embedding)


def test_training_stops_when_it_is_told(weights):
    texts, goal = encoded([3, 2]), Targets("gold", gold=np.array([0, 1]))
    epochs = []
    train(
        weights,
        texts,
        goal,
        epochs=9,
        learning_rate=0.1,
        seed=0,
        after_epoch=lambda n, *_: epochs.append(n) or n < 3,
    )
    assert epochs == [1, 2, 3]


def test_texts_are_encoded_as_the_vocabulary_does(monkeypatch):
    vocabulary = WordVocabulary((*SPECIALS, "a", "b"))
    texts = ["a b c", "", "B a"]
    for _ in range(2):
        made = encode(vocabulary, texts)
        assert made.ids.tolist() == [3, 4, 1, 1, 4, 3]
        assert made.ends.tolist() == [3, 4, 6]
        assert len(made) == 3
        monkeypatch.setattr(native_cases, "rule_of", lambda _: None)


@pytest.mark.parametrize(
    ("texts", "goal", "what"),
    [
        (TextIds(np.array([9], np.int32), np.array([1])), {}, "not in the vocabulary"),
        (TextIds(np.array([-1], np.int32), np.array([1])), {}, "not in the vocabulary"),
        (TextIds(np.array([1], np.int32), np.array([2])), {}, "after the last id"),
        (TextIds(np.array([1], np.int32), np.array([0])), {}, "ends before it begins"),
        (TextIds(np.array([1], np.int32), np.array([1])), {"gold": np.array([2])}, "not one of the labels"),
        (TextIds(np.array([1], np.int32), np.array([1])), {"gold": np.array([-2])}, "not one of the labels"),
        (TextIds(np.array([1], np.int32), np.array([1])), {"gold": np.array([0, 1])}, "16 bytes, but 8"),
        (TextIds(np.array([1], np.int32), np.array([1])), {"class_weights": np.ones(3)}, "12 bytes, but 8"),
    ],
)
def test_what_lies_outside_is_refused(texts, goal, what):
    first = first_weights(9, 16, 32, 2, np.random.default_rng(0))
    targets = Targets("gold", **{"gold": np.array([0]), **goal})
    with pytest.raises(RecipeError, match=what):
        train(first, texts, targets, epochs=1, learning_rate=0.1, seed=0)


def test_what_it_cannot_do_is_said(weights, monkeypatch):
    with pytest.raises(RecipeError, match="huber"):
        Targets("huber", np.zeros((1, 2), np.float32))
    with pytest.raises(RecipeError, match="needs soft targets"):
        Targets("kl", gold=np.array([0]))
    with pytest.raises(RecipeError, match="needs gold labels"):
        Targets("gold", np.zeros((1, 2), np.float32))
    texts, goal = encoded([2]), Targets("gold", gold=np.array([0]))
    grams = Weights(*arrays(weights), grams=weights.embedding)
    followed = texts.with_grams(np.array([[1], [0]]), 9)
    for some, words in ((grams, texts), (weights, followed)):
        with pytest.raises(RecipeError, match="n-grams"):
            train(some, words, goal, epochs=1, learning_rate=0.1, seed=0)
    for counts in ([0], [4]):
        wrong = TextIds(followed.ids, followed.ends, np.array(counts))
        with pytest.raises(RecipeError, match="no word, or more words than ids"):
            train(grams, wrong, goal, epochs=1, learning_rate=0.1, seed=0)
    assert native.is_available()
    monkeypatch.setitem(sys.modules, "understudy._fast", None)
    assert not native.is_available()
    with pytest.raises(MissingExtraError, match="not built"):
        train(weights, texts, goal, epochs=1, learning_rate=0.1, seed=0)
