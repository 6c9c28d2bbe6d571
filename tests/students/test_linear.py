import numpy as np
import pytest
import torch

from understudy.core.configs import TrainingConfig
from understudy.core.task import Task
from understudy.errors import RecipeError
from understudy.students import Ragged, build, spec
from understudy.students.linear import LinearConfig
from understudy.students.registry import count_parameters
from understudy.training.fit import fit
from understudy.training.transfer_set import TransferSet

NAME = "linear.v1"


@pytest.mark.parametrize(
    ("form", "labels", "expected"), [("text", 3, (7 + 1) * 3), ("compare", 3, (7 + 1) * 3 + 4 * 3)]
)
def test_formula_by_hand(form, labels, expected):
    config = LinearConfig(vocabulary_size=7)
    assert spec(NAME).parameters(config, labels, form) == expected
    assert count_parameters(spec(NAME).module(config, labels, form)) == expected


def test_begins_with_no_opinion():
    module = build(NAME, 3, seed=0, vocabulary_size=9).eval()
    assert not module(Ragged(torch.tensor([3, 4, 5]), torch.tensor([2, 1]))).any()


def test_logits_by_hand():
    module = build(NAME, 2, seed=0, vocabulary_size=6).eval()
    with torch.no_grad():
        module.encoder.weights[3:5] = torch.tensor([3.0, 4.0])
        module.encoder.rows[3:5] = torch.tensor([[1.0, 2.0], [3.0, -2.0]])
        module.head.output.bias.copy_(torch.tensor([0.5, 0.0]))
        found = module(Ragged(torch.tensor([3, 4, 3]), torch.tensor([2, 1])))
    np.testing.assert_allclose(found, [[3.5, -0.4], [1.5, 2.0]], rtol=1e-6)


def test_tells_texts_by_their_pairs_of_words():
    texts = ("a b", "b a", "a b c", "b a c", "c a b", "c b a") * 2
    gold = np.array([0, 1] * 6)
    task, config = Task(("first", "second")), TrainingConfig(batch_size=4, epochs=30)
    right = {}
    for longest in (1, 2):
        done = fit(
            NAME, task, TransferSet(texts, gold), (texts, gold), seed=0, config=config, longest=longest
        )
        right[longest] = (done.student.logits(texts).argmax(axis=1) == gold).mean()
    assert right[2] == 1.0
    assert right[1] < 1.0  # "a b" and "b a" are one bag of words


def test_n_grams_are_as_many_and_as_long_as_asked_for():
    texts = tuple(" ".join(f"w{(n + k) % 9}" for k in range(6)) for n in range(30))
    gold, config = np.arange(30) % 2, TrainingConfig(epochs=1)
    task = Task(("a", "b"))

    def vocabulary(name):
        return fit(
            name, task, TransferSet(texts, gold), (texts, gold), seed=0, config=config
        ).student.vocabulary

    assert vocabulary(f"{NAME}:longest=3").table.longest == 3
    assert vocabulary(f"{NAME}:longest=1").table.longest == 1
    few = vocabulary(f"{NAME}:ngrams=4,longest=3,vocabulary_size=10")
    assert (len(few.base), len(few.table)) == (10, 4)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"dropout": 1.0}, "dropout is 1.0"),
        ({"dropout": -0.1}, "dropout is -0.1"),
        ({"longest": 0}, "longest is 0"),
        ({"ngrams": 0}, "ngrams is 0"),
    ],
)
def test_sizes_that_cannot_be_are_refused(sizes, message):
    with pytest.raises(RecipeError, match=message):
        build(NAME, 2, seed=0, **sizes)


def test_has_no_word_vectors_to_start_from():
    with pytest.raises(RecipeError, match="logits of its own and no vector"):
        build(NAME, 2, seed=0, vocabulary_size=9).encoder.word_table()
