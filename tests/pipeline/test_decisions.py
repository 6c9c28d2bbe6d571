"""What a run chose on dev: which losses are open, and how a choice is kept and told."""

import json

import pytest

from understudy.core.configs import AUTO, LossConfig, candidates
from understudy.core.task import Task
from understudy.pipeline.decisions import Decisions, Trial, describe, losses_to_try

CLASSES = Task(("bad", "good"))
TASKS = (
    CLASSES,
    Task(("bad", "good"), "pair"),
    Task(("a", "b"), "multilabel"),
    Task(("score",), "regression", bounds=(0.0, 5.0)),
    Task(("O", "B-X", "I-X"), "tagging"),
)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.kind)
def test_auto_stands_for_the_candidates_of_the_task(task):
    assert losses_to_try(LossConfig(AUTO), task) == candidates(task)


def test_a_loss_with_a_name_is_the_only_one():
    named = LossConfig("kl", 3.0, 0.2, noise=0.1)
    assert losses_to_try(named, CLASSES, has_gold=False, has_weights=True) == (named,)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.kind)
def test_noise_and_layers_hold_for_every_candidate(task):
    found = losses_to_try(LossConfig(AUTO, noise=0.1, layers=0.5), task)
    assert [(loss.noise, loss.layers) for loss in found] == [(0.1, 0.5)] * len(candidates(task))


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.kind)
def test_weights_of_gold_labels_need_a_share_of_them_in_the_loss(task):
    found = losses_to_try(LossConfig(AUTO), task, has_weights=True)
    assert found
    assert all(loss.alpha > 0 for loss in found)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.kind)
def test_without_gold_labels_no_loss_has_a_share_of_them(task):
    found = losses_to_try(LossConfig(AUTO), task, has_gold=False)
    assert len(set(found)) == len(found)
    assert {loss.alpha for loss in found} == {0.0}


def test_decisions_are_read_back_as_they_were_written():
    made = Decisions(
        LossConfig("kl", 2.0, 0.5),
        "teacher-static",
        racer="cbow.v2",
        trials=(Trial("loss", "kl", 0.5, 1.25), Trial("loss", "mse", -float("inf"), 2.0)),
    )
    assert Decisions.from_dict(json.loads(json.dumps(made.to_dict()))) == made


def test_each_choice_is_told_with_the_scores_of_all_its_ways():
    trials = (
        Trial("start", "teacher", 0.5, 1.0),
        Trial("start", "random", 0.625, 1.0),
        Trial("loss", "mse", 0.75, 0.0),
        Trial("loss", "kl", 0.625, 1.0),
    )
    notes = Decisions(LossConfig("mse"), "random", racer="cbow.v2", trials=trials).notes()
    assert notes == (
        "Loss, chosen on dev with cbow.v2: mse (mse: 0.750; kl: 0.625).",
        "Start of the word tables, chosen on dev with cbow.v2: random (teacher: 0.500; random: 0.625).",
    )
    assert Decisions(LossConfig("mse")).notes() == ()


@pytest.mark.parametrize(
    ("loss", "said"),
    [
        (LossConfig("mse"), "mse"),
        (LossConfig("kl", 2.0, 0.5), "kl, T = 2, half gold"),
        (LossConfig("bce", 1.5, 0.25), "bce, T = 1.5, 25% gold"),
    ],
)
def test_a_loss_is_told_in_a_few_words(loss, said):
    assert describe(loss) == said
