from dataclasses import dataclass

import pytest
import torch
from torch import nn

from understudy.errors import RecipeError
from understudy.students import STUDENTS, build, registry, spec
from understudy.students.registry import TrainingDefaults, count_parameters, register


@dataclass(frozen=True)
class LineConfig:
    vocabulary_size: int = 4
    max_words: int | None = None


@pytest.fixture
def line(monkeypatch):
    """A third student, registered for one test."""
    monkeypatch.setattr(registry, "STUDENTS", dict(STUDENTS))

    @register(
        "line.v1",
        config=LineConfig,
        head=lambda config, width, labels: nn.Linear(width, labels, bias=False),
        parameters=lambda config, labels, features: config.vocabulary_size * features * labels,
        training=TrainingDefaults(epochs=1, batch_size=2, learning_rate=0.1),
        source="nowhere",
    )
    class Line(nn.Module):
        def __init__(self, config):
            super().__init__()
            self.config = config
            self.width = config.vocabulary_size

    return Line


def test_the_students_of_the_paper_are_there():
    assert {"cbow.v1", "bilstm.v1"} <= set(STUDENTS)


@pytest.mark.parametrize(
    ("name", "guess"), [("cbow", "cbow.v1"), ("bilstm", "bilstm.v1"), ("BiLSTM.v1", "bilstm.v1")]
)
def test_an_unknown_name_suggests_the_nearest(name, guess):
    with pytest.raises(RecipeError, match=f"Unknown student {name!r}. Did you mean {guess!r}"):
        spec(name)
    with pytest.raises(RecipeError, match=r"Known: .*'bilstm\.v1', 'cbow\.v1'"):
        build(name, 2, seed=0)


def test_a_registered_class_stays_itself_and_can_be_built(line):
    assert spec("line.v1").encoder is line
    built = build("line.v1", 3, seed=0, vocabulary_size=5)
    assert isinstance(built.encoder, line)
    assert built.config == LineConfig(vocabulary_size=5)
    assert count_parameters(built) == spec("line.v1").parameters(built.config, 3) == 15


def test_a_name_is_given_once(line):
    defaults = TrainingDefaults(epochs=1, batch_size=1, learning_rate=0.1)
    again = register("line.v1", config=LineConfig, head=None, parameters=None, training=defaults, source="")
    with pytest.raises(RecipeError, match=r"line\.v1"):
        again(nn.Linear)
    assert spec("line.v1").encoder is line


def test_frozen_parameters_count(line):
    built = build("line.v1", 2, seed=0)
    built.head.weight.requires_grad_(False)
    assert count_parameters(built) == 8


def test_a_seed_is_for_the_weights_alone(line):
    torch.manual_seed(1)
    first = build("line.v1", 2, seed=3).head.weight
    torch.manual_seed(2)
    assert torch.equal(build("line.v1", 2, seed=3).head.weight, first)
