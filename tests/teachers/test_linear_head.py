import numpy as np
import pytest
import torch

from understudy.core.task import Task
from understudy.teachers.finetune import new_module
from understudy.teachers.linear_head import HeadFit, embeddings, features_of, logistic
from understudy.teachers.loading import load_tokenizer
from understudy.teachers.source import Source
from understudy.teachers.transformer import Teacher

TASK = Task(("bad", "good"))


@pytest.fixture
def teacher(bare):
    source = Source("tiny", str(bare))
    return Teacher(new_module(source, TASK, "mean", 0), load_tokenizer(source), TASK, name="tiny")


def test_embeddings_are_the_means_that_the_head_reads(teacher, texts):
    found = embeddings(teacher.module, teacher.encode(texts))
    head = teacher.module.head
    logits = found @ head.weight.detach().numpy().T + head.bias.detach().numpy()
    # Sums in another order: the same to a tolerance.
    np.testing.assert_allclose(logits, teacher.logits(texts), atol=1e-4)


def test_features_with_gradients_are_the_same_in_the_order_they_name(teacher, texts):
    encoded, picked = teacher.encode(texts), np.array([7, 3, 21, 12])
    teacher.module.train()
    teacher.module.body.eval()
    found, order = features_of(teacher.module, encoded, picked)
    assert sorted(order) == sorted(picked)
    assert found.requires_grad
    expected = embeddings(teacher.module, encoded)[order]
    np.testing.assert_allclose(found.detach().numpy(), expected, atol=1e-5)  # batches of other shapes


def test_embeddings_leave_the_mode_as_it_was(teacher, texts):
    teacher.module.train()
    embeddings(teacher.module, teacher.encode(texts[:2]))
    assert teacher.module.training


def test_the_head_is_fitted_and_its_strength_chosen_on_dev(teacher, toy):
    train, dev = toy(200), toy(60, seed=1)
    fit = HeadFit(teacher.module, TASK, teacher.encode(train[0]), train[1], teacher.encode(dev[0]), dev[1])
    reached, loss = fit.fit()
    decided = teacher.logits(dev[0]).argmax(axis=1)
    assert np.mean(decided == dev[1]) == pytest.approx(reached)
    assert reached > 0.65  # a body with random weights tells words apart, but not well
    assert loss < 0


def test_two_labels_have_opposite_logits():
    features = np.random.default_rng(0).normal(size=(40, 5)).astype(np.float32)
    weight, bias = logistic(features, (features[:, 0] > 0).astype(np.int64), 2, 1.0, is_balanced=False)
    np.testing.assert_allclose(weight[0], -weight[1])
    np.testing.assert_allclose(bias[0], -bias[1])
    assert weight[1, 0] > 0


def test_a_label_without_texts_is_never_the_answer():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(60, 5)).astype(np.float32)
    gold = np.array([0, 2, 3])[features[:, :3].argmax(axis=1)]
    weight, bias = logistic(features, gold, 4, 1.0, is_balanced=False)
    logits = features @ weight.T + bias
    assert np.isfinite(logits).all()
    assert not (logits.argmax(axis=1) == 1).any()
    assert np.mean(logits.argmax(axis=1) == gold) > 0.9


def test_one_label_alone_is_always_the_answer():
    weight, bias = logistic(np.ones((3, 2), np.float32), np.array([1, 1, 1]), 3, 1.0, is_balanced=False)
    assert not weight.any()
    assert bias.argmax() == 1


def test_balanced_weights_find_more_of_a_rare_label():
    rng = np.random.default_rng(0)
    gold = (rng.random(400) < 0.1).astype(np.int64)
    features = (rng.normal(size=(400, 3)) + gold[:, None]).astype(np.float32)
    shares = []
    for is_balanced in (False, True):
        weight, bias = logistic(features, gold, 2, 1.0, is_balanced=is_balanced)
        shares.append((features @ weight.T + bias).argmax(axis=1).mean())
    assert shares[1] > shares[0] + 0.05


def test_fitting_needs_no_gradients_left_behind(teacher, toy):
    train = toy(50)
    encoded = teacher.encode(train[0])
    with torch.inference_mode():
        HeadFit(teacher.module, TASK, encoded, train[1], encoded, train[1]).fit()
    teacher.module.head(torch.ones(1, 32)).sum().backward()
