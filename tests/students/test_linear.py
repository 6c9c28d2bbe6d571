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
from understudy.training.torch_student import load_trained, save_trained
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
        ({"parts": 0}, "parts is 0"),
    ],
)
def test_sizes_that_cannot_be_are_refused(sizes, message):
    with pytest.raises(RecipeError, match=message):
        build(NAME, 2, seed=0, **sizes)


def test_has_no_word_vectors_to_start_from():
    with pytest.raises(RecipeError, match="logits of its own and no vector"):
        build(NAME, 2, seed=0, vocabulary_size=9).encoder.word_table()


STEMS = [
    f"{one}{two}" for one in ("bal", "cor", "dim", "fen", "gul", "hop") for two in ("an", "ek", "is", "ot")
]
"""Two thirds of them are trained on, and the others are asked."""


def by_suffix(stems):
    """Each stem in two texts, of which the word's ending alone tells the label."""
    texts = tuple(f"the {stem}{ending} was {where}" for stem in stems for ending in ("ment", "ward")
                  for where in ("here", "there"))  # fmt: skip
    return texts, np.array([0, 0, 1, 1] * len(stems))


@pytest.mark.parametrize("name", ["linear.v1", "dan.v2"])
@pytest.mark.parametrize("trainer", ["native", "torch"])
def test_with_parts_of_words_it_knows_unknown_words_by_their_endings(name, trainer):
    task, config = Task(("noun", "way")), TrainingConfig(epochs=30, trainer=trainer)
    (texts, gold), (asked, answers) = by_suffix(STEMS[:16]), by_suffix(STEMS[16:])
    right = {}
    for characters in (False, True):
        done = fit(
            f"{name}:vocabulary_size=12,ngrams=4",
            task,
            TransferSet(texts, gold),
            (texts, gold),
            seed=0,
            config=config,
            characters=characters,
        )
        student = done.student
        right[characters] = (student.logits(asked).argmax(axis=1) == answers).mean()
        assert student.module.config.characters == characters
        assert student.parameters == spec(name).parameters(student.module.config, 2)
    assert (student.vocabulary.parts is not None, len(student.vocabulary.base)) == (True, 12)
    assert right[True] == 1.0
    assert right[False] == 0.5  # all of these words are unknown, so texts of both labels are the same


def test_parts_are_as_many_as_asked_for_and_trained_students_keep_them(tmp_path):
    texts, gold = by_suffix(STEMS)
    task, config = Task(("noun", "way")), TrainingConfig(epochs=2)
    name = f"{NAME}:characters=true,parts=9"
    done = fit(name, task, TransferSet(texts, gold), (texts, gold), seed=0, config=config)
    vocabulary = done.student.vocabulary
    assert len(vocabulary.parts) == 9
    assert len(vocabulary) == len(vocabulary.base) + len(vocabulary.table) + 9
    assert done.student.module.encoder.weights[-9:].min() > 0.99  # they are weighed as words are
    save_trained(done, tmp_path / "s", {})
    again = load_trained(tmp_path / "s").student
    assert again.vocabulary.parts.parts == vocabulary.parts.parts
    np.testing.assert_allclose(again.logits(texts), done.student.logits(texts), atol=1e-6)


def test_of_pairs_it_compares_parts_too():
    task = Task(("other", "same"), "pair")
    pairs = [(f"{stem}ment", f"{stem}ward" if n % 2 else f"zz{stem[::-1]}ed") for n, stem in enumerate(STEMS)]
    gold = np.arange(len(pairs)) % 2
    right = {}
    for characters in (False, True):
        done = fit(
            f"{NAME}:vocabulary_size=10",
            task,
            TransferSet(tuple(pairs), gold),
            (pairs, gold),
            seed=0,
            config=TrainingConfig(epochs=30, batch_size=8),
            characters=characters,
        )
        right[characters] = (done.student.logits(pairs).argmax(axis=1) == gold).mean()
    assert done.student.module.form == "compare"
    assert right[True] == 1.0 > right[False]
