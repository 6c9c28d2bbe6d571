"""`fit` shows a taught student the gold labels once more, and keeps that only where dev improves."""

import math

import numpy as np
import pytest
import torch

from understudy.core.configs import LossConfig, TrainingConfig
from understudy.core.task import Task
from understudy.optim.epochs import Epoch
from understudy.training import fit as room
from understudy.training.fit import fit
from understudy.training.lesson import Targets
from understudy.training.torch_student import Trained
from understudy.training.transfer_set import TransferSet, labelled_only

TASK = Task(("bad", "good"))
CONFIG = TrainingConfig(epochs=6, batch_size=16, learning_rate=3e-2)
MSE = LossConfig("mse")


def soft(labels):
    return (3.0 * np.stack([1 - 2 * labels, 2 * labels - 1], axis=1)).astype(np.float32)


@pytest.fixture
def fitted(toy):
    """Labels that the teacher gives, gold labels of the transfer set, and settings → a student."""

    def run(answers=lambda gold: gold, known=lambda gold: gold, loss=MSE, **config):
        texts, gold = toy(96)
        transfer = TransferSet(tuple(texts), known(gold), soft(answers(gold)))
        more = TrainingConfig(**{**CONFIG.__dict__, **config})
        return fit("cbow.v1", TASK, transfer, toy(60, seed=1), seed=0, loss=loss, config=more, width=8)

    return run


def weights(trained):
    return {name: value.numpy() for name, value in trained.student.module.state_dict().items()}


def same(one, other):
    return all(np.array_equal(one[name], other[name]) for name in one)


def test_gold_labels_help_a_student_whose_teacher_is_wrong_and_are_kept(fitted, toy, monkeypatch):
    monkeypatch.setattr(room, "GOLD_RATE", 1.0)
    monkeypatch.setattr(room, "GOLD_EPOCHS", 25)  # so few texts are not learnt in three passes
    trained = fitted(answers=lambda gold: np.where(np.arange(len(gold)) % 2, gold, 1 - gold))
    done = trained.facts["gold_pass"]
    assert done["is_kept"]
    assert done["dev_after"] > done["dev_before"]
    texts, gold = toy(60, seed=1)
    right = np.mean(trained.student.logits(texts).argmax(axis=1) == gold)
    assert trained.dev_score == trained.facts["dev"] == done["dev_after"] == pytest.approx(right)


def test_gold_labels_that_are_wrong_leave_the_student_as_it_was(fitted):
    spoilt = fitted(known=lambda gold: 1 - gold)
    without = fitted(known=lambda gold: 1 - gold, gold_pass=False)
    assert not spoilt.facts["gold_pass"]["is_kept"]
    assert spoilt.facts["gold_pass"]["dev_after"] <= spoilt.facts["gold_pass"]["dev_before"]
    assert same(weights(spoilt), weights(without))
    assert spoilt.curve[-1].dev_score == without.curve[-1].dev_score
    assert without.facts["gold_pass"] is None


def test_only_texts_with_a_gold_label_are_shown_again(fitted, monkeypatch):
    seen, real = [], Targets.loss

    def watched(targets, logits, rows):
        if not targets.config.needs_teacher:
            seen.extend(rows.tolist())
        return real(targets, logits, rows)

    monkeypatch.setattr(Targets, "loss", watched)
    fitted(known=lambda gold: np.where(np.arange(len(gold)) < 20, gold, -1))
    assert set(seen) == set(range(20))
    assert len(seen) == 20 * room.GOLD_EPOCHS


def test_there_is_no_pass_where_it_would_be_the_same_or_nothing(fitted, toy):
    nothing = fitted(known=lambda gold: np.full_like(gold, -1))
    assert nothing.facts["gold_pass"] is None
    twin = fit(
        "cbow.v1", TASK, labelled_only(TASK, *toy(40)), toy(20, seed=1), seed=0, config=CONFIG, width=8
    )
    assert twin.facts["gold_pass"] is None


@pytest.mark.parametrize(
    ("facts", "score"),
    [({}, 0.75), ({"dev": 0.5}, 0.5), ({"dev": math.nan}, -math.inf)],
    ids=["an older folder", "known", "not a number"],
)
def test_the_score_on_dev_is_that_of_the_weights_that_were_kept(facts, score):
    curve = tuple(Epoch(number, 1.0, dev, 0.0, 1.0) for number, dev in enumerate((0.25, 0.75, math.nan)))
    assert Trained(None, curve, 1.0, facts).dev_score == score


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
