"""Every student × kind of task: trained, saved, exported and answered without torch, or refused."""

import numpy as np
import pytest

import understudy
from understudy.core.configs import LossConfig, TrainingConfig
from understudy.core.task import Task
from understudy.errors import RecipeError
from understudy.evaluation.metrics import score
from understudy.export.folder import export
from understudy.export.parity import TOLERANCE
from understudy.students import STUDENTS, spec
from understudy.students.registry import count_parameters
from understudy.tokenization.encoding import input_mode_of
from understudy.training.fit import fit
from understudy.training.torch_student import load_trained, save_trained
from understudy.training.transfer_set import TransferSet

WORDS = [f"w{number}" for number in range(30)]
TEXTS = 24

CELLS = {
    "many labels": (Task(tuple(f"intent_{number}" for number in range(150))), None),
    "pair, joint": (Task(("no", "yes"), "pair"), "joint"),
    "pair, apart": (Task(("no", "yes"), "pair"), None),
    "multilabel": (Task(("a", "b", "c", "d"), "multilabel"), None),
    "regression": (Task(("score",), "regression", texts=2, bounds=(0.0, 5.0)), None),
    "regression of texts": (Task(("score",), "regression", bounds=(-1.0, 1.0)), None),
    "binned regression": (Task(("0", "0.5", "1", "1.5", "2"), "regression", texts=2), None),
    "tagging": (Task(("O", "B-X", "I-X", "B-Y"), "tagging"), None),
}


def way_of(name, cell):
    """How a student reads the two texts of a cell: joined, or apart in its own way."""
    return CELLS[cell][1] or spec(name).apart


def items_of(task, generator, count=TEXTS):
    def words(fewest=1):
        return generator.choice(WORDS, generator.integers(fewest, 9)).tolist()

    if task.kind == "tagging":
        return tuple(tuple(words()) for _ in range(count))
    if task.texts == 2:
        return tuple((" ".join(words()), " ".join(words())) for _ in range(count))
    return tuple(" ".join(words()) for _ in range(count))


def gold_of(task, items, generator):
    """Labels drawn without looking at the items, but for tags, which follow the word."""
    rows = int(task.rows(items).sum())
    if task.kind == "tagging":
        return np.array([int(word[1:]) % len(task.labels) for words in items for word in words])
    if task.is_exclusive:
        return generator.integers(0, len(task.labels), rows)
    if task.kind == "multilabel":
        return (generator.random((rows, len(task.labels))) < 0.4).astype(np.float32)
    low, high = task.bounds or (0.0, 2.0)
    return generator.uniform(low, high, rows).astype(np.float32)


@pytest.fixture(scope="module")
def trained(smaller):
    """Student and cell → it, trained on gold labels, with what it was trained on."""
    done = {}

    def get(name, cell):
        if (name, cell) not in done:
            task, pair = CELLS[cell][0], way_of(name, cell)
            generator = np.random.default_rng(0)
            items = items_of(task, generator)
            gold = gold_of(task, items, generator)
            config = TrainingConfig(batch_size=8, epochs=24, learning_rate=1e-2, pair=pair)
            found = fit(
                name, task, TransferSet(items, gold), (items, gold), seed=0, config=config, **smaller(name)
            )
            done[name, cell] = (found, items, gold)
        return done[name, cell]

    return get


@pytest.fixture(params=sorted(CELLS))
def cell(request):
    return request.param


def is_refused(name, cell):
    return cell == "tagging" and not hasattr(spec(name).encoder, "tokens")


@pytest.fixture
def supported(name, cell):
    """A student and a kind that go together."""
    if is_refused(name, cell):
        pytest.skip("refused, as tested below")
    return name, cell


def test_it_learns(trained, supported):
    found, items, gold = trained(*supported)
    task = found.student.task
    if task.is_exclusive:
        losses = [epoch.train_loss for epoch in found.curve]
        assert losses[-1] < 0.9 * losses[0]
    else:  # these heads start near the best that is known without a text, so the loss has little to fall
        assert max(epoch.dev_score for epoch in found.curve) > 0.6
    reached = score(task, gold, task.decisions(found.student.logits(items)), task.rows(items))
    order, best = found.facts["transitions"], max(epoch.dev_score for epoch in found.curve)
    assert (order is None) == (task.kind != "tagging")
    assert reached == pytest.approx(best if order is None else order["dev_after"], abs=1e-6)
    assert order is None or order["dev_after"] >= order["dev_before"] == pytest.approx(best, abs=1e-6)


def test_it_answers_alone_as_in_any_batch(trained, supported):
    found, items, _ = trained(*supported)
    alone = np.concatenate([found.student.logits([item]) for item in items])
    np.testing.assert_allclose(found.student.logits(items), alone, atol=1e-5, rtol=1e-5)


def test_without_torch_it_answers_the_same(trained, supported, tmp_path):
    found, items, _ = trained(*supported)
    save_trained(found, tmp_path / "trained", {})
    student = load_trained(tmp_path / "trained").student
    assert student.task == found.student.task
    assert export(student, tmp_path / "model", teacher={}, about={}) < TOLERANCE
    model = understudy.load(tmp_path / "model")
    strange = [tuple(WORDS * 30), ("zzz", "w1")] if student.task.kind == "tagging" else []
    if not strange:
        long = " ".join(WORDS * 30)
        strange = [("", "w1"), (long, "w2 zzz")] if student.task.texts == 2 else ["", long, "zzz w1"]
    asked = [*items, *strange]
    expected = student.logits(asked)
    np.testing.assert_allclose(model.logits(asked), expected, atol=1e-4, rtol=1e-5)
    np.testing.assert_allclose(model.logits(asked[0]), expected[: len(model.logits(asked[0]))], atol=1e-4)
    assert model.task == student.task


def test_the_number_of_parameters_is_the_formulas(trained, supported):
    found, _, _ = trained(*supported)
    name, cell = supported
    task, pair = CELLS[cell][0], way_of(name, cell)
    module = found.student.module
    assert module.form == input_mode_of(task, pair)
    formula = spec(name).parameters(module.config, len(task.labels), module.form)
    assert count_parameters(module) == formula


def test_it_learns_a_teachers_logits(supported, smaller):
    name, cell = supported
    task, pair = CELLS[cell][0], way_of(name, cell)
    generator = np.random.default_rng(1)
    items = items_of(task, generator)
    soft = generator.normal(0, 1, (int(task.rows(items).sum()), len(task.labels))).astype(np.float32)
    transfer = TransferSet(items, task.no_gold(len(soft)), soft)
    config = TrainingConfig(batch_size=8, epochs=24, learning_rate=1e-2, pair=pair)
    gold = gold_of(task, items, generator)
    loss = LossConfig("mse")
    found = fit(name, task, transfer, (items, gold), seed=0, loss=loss, config=config, **smaller(name))
    assert found.curve[-1].train_loss < 0.96 * found.curve[0].train_loss


@pytest.mark.parametrize("name", [name for name in sorted(STUDENTS) if is_refused(name, "tagging")])
def test_what_cannot_be_is_refused_in_a_sentence(name):
    task, _ = CELLS["tagging"]
    items = (("w1", "w2"),)
    with pytest.raises(RecipeError, match=rf"{name} .*cannot tag"):
        fit(name, task, TransferSet(items, np.array([0, 1])), (items, np.array([0, 1])), seed=0)


def test_every_cell_is_supported_or_refused():
    cells = [(name, cell) for name in STUDENTS for cell in CELLS]
    refused = [pair for pair in cells if is_refused(*pair)]
    assert len(cells) == len(STUDENTS) * len(CELLS)
    assert 0 < len(refused) < len(STUDENTS)
