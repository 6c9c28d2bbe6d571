"""Teachers from few labels: a head on frozen or tuned embeddings, fine-tuning, and the best of them."""

import numpy as np
import pytest
import torch

from understudy.core.configs import FinetuneConfig
from understudy.core.manifest import read_json
from understudy.core.progress import Silent
from understudy.core.task import Task
from understudy.optim.epochs import Epoch
from understudy.teachers import contrastive, few_labels
from understudy.teachers.contrastive import with_linear_head
from understudy.teachers.few_labels import Comparison, folds, make_teacher
from understudy.teachers.finetune import Finetuned
from understudy.teachers.methods import WAYS
from understudy.teachers.source import Source
from understudy.teachers.transformer import Teacher

pytestmark = pytest.mark.usefixtures("a_checkpoint_every_epoch")

TASK = Task(("bad", "good"))
QUICK = FinetuneConfig(epochs=2, learning_rate=3e-3)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def short(monkeypatch):
    """Tuning by contrasts takes a second: few steps, large ones."""
    monkeypatch.setattr(contrastive, "STEPS", 12)
    monkeypatch.setattr(contrastive, "LEARNING_RATE", 1e-3)


@pytest.fixture(scope="module")
def encoder(write_model):
    return Source("tiny", str(write_model("bert", labels=None, initializer_range=0.02)))


def accuracy(teacher, texts, labels):
    return float(np.mean(teacher.logits(texts).argmax(axis=1) == labels))


@pytest.fixture
def made(encoder, toy):
    def go(*, is_tuned, seed=0, config=QUICK, **more):
        return with_linear_head(
            encoder, TASK, toy(80), toy(40, seed=1), config=config, seed=seed, is_tuned=is_tuned, **more
        )

    return go


def weights(done):
    return {name: value.clone() for name, value in done.teacher.module.state_dict().items()}


def same(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


def test_a_frozen_body_is_left_as_it_was(made, encoder, toy):
    done = made(is_tuned=False)
    fresh = contrastive.new_module(encoder, TASK, "mean", 0).state_dict()
    found = weights(done)
    assert all(torch.equal(found[name], fresh[name]) for name in fresh if not name.startswith("head"))
    assert not torch.equal(found["head.weight"], fresh["head.weight"])
    assert done.curve == ()
    assert accuracy(done.teacher, *toy(100, seed=2)) > 0.7


def test_contrasts_tune_the_body_but_not_the_embeddings(made, encoder, toy, short):
    done = made(is_tuned=True)
    fresh = contrastive.new_module(encoder, TASK, "mean", 0).state_dict()
    changed = {name for name, value in weights(done).items() if not torch.equal(value, fresh[name])}
    assert not any("word_embeddings" in name for name in changed)
    assert any("layer.1.attention" in name for name in changed)
    assert "head.weight" in changed
    assert 2 <= len(done.curve) <= 3
    assert done.curve[-1].train_loss < done.curve[0].train_loss
    assert accuracy(done.teacher, *toy(400, seed=2)) > 0.7


def test_the_part_that_is_best_on_dev_is_kept_with_its_head(made, toy, short):
    done = made(is_tuned=True)
    best = max((epoch.dev_score, -epoch.dev_loss) for epoch in done.curve)
    assert accuracy(done.teacher, *toy(40, seed=1)) == pytest.approx(best[0])


@pytest.mark.parametrize(("most", "size"), [(10_000, 32), (100, 12), (10, 8)])
def test_long_texts_share_smaller_batches(made, short, monkeypatch, most, size):
    seen = []
    real = contrastive.label_batches

    def watched(labels, size, steps, generator):
        seen.append(size)
        return real(labels, size, steps, generator)

    monkeypatch.setattr(contrastive, "STEPS", 1)
    monkeypatch.setattr(contrastive, "label_batches", watched)
    monkeypatch.setattr(contrastive, "MOST_TOKENS", most)
    made(is_tuned=True)
    assert seen[0] == pytest.approx(size, abs=2 if size == 12 else 0)


def test_the_same_seed_gives_the_same_teacher_and_another_does_not(made, short):
    one, two, other = (weights(made(is_tuned=True, seed=seed)) for seed in (0, 0, 1))
    assert same(one, two)
    assert not same(one, other)


def test_such_a_teacher_is_saved_and_loaded_like_any_other(made, toy, short, tmp_path):
    texts, _ = toy(20, seed=3)
    for is_tuned in (False, True):
        teacher = made(is_tuned=is_tuned).teacher
        folder = tmp_path / str(is_tuned)
        folder.mkdir()
        teacher.save(folder)
        again = Teacher.from_pretrained(folder, task=TASK)
        assert again.fingerprint == teacher.fingerprint
        np.testing.assert_allclose(again.logits(texts), teacher.logits(texts), atol=1e-5)  # another call


class KilledError(Exception):
    pass


class Killer(Silent):
    """Ends the training after some epochs."""

    def __init__(self, epochs):
        self.left = epochs

    def bar(self, what, total, unit):
        killer, bar = self, super().bar(what, total, unit)

        class Bar:
            def __enter__(self):
                self.advance = bar.__enter__()
                return self.step

            def __exit__(self, *error):
                return bar.__exit__(*error)

            def step(self, count):
                self.advance(count)
                if count == 1:
                    killer.left -= 1
                if killer.left < 0:
                    raise KilledError

        return Bar()


def test_a_killed_tuning_goes_on_from_its_checkpoint(made, short, tmp_path, monkeypatch):
    whole = weights(made(is_tuned=True))
    with pytest.raises(KilledError):
        made(is_tuned=True, checkpoint=tmp_path / "c", progress=Killer(1))
    told = []
    monkeypatch.setattr(Silent, "say", lambda self, text: told.append(text))
    assert same(whole, weights(made(is_tuned=True, checkpoint=tmp_path / "c")))
    assert any("resumed after epoch" in text for text in told)


# ----------------------------------------------------------------------------------------- the comparison


SCORES = {"frozen": 0.7, "contrastive": 0.8, "finetune": 0.75}


@pytest.fixture
def fake(monkeypatch):
    """Trainings that only note what they were given, with these scores on what judges."""
    calls = []

    def note(way, train, dev, config, seed, checkpoint):
        calls.append((way, len(train[0]), len(dev[0]), checkpoint and checkpoint.name))
        curve = (Epoch(1, 0.0, SCORES[way], 0.5, 0.0), Epoch(2, 0.0, 0.1, 0.5, 0.0))
        return Finetuned(way, curve, 1.0)

    def finetuning(source, task, train, dev, *, config, seed, checkpoint, progress):
        return note("finetune", train, dev, config, seed, checkpoint)

    def heads(source, task, train, dev, *, config, seed, checkpoint, progress, is_tuned):
        return note("contrastive" if is_tuned else "frozen", train, dev, config, seed, checkpoint)

    monkeypatch.setattr(few_labels, "finetune", finetuning)
    monkeypatch.setattr(few_labels, "with_linear_head", heads)
    return calls


def chosen(toy, train, dev, ways=WAYS, **more):
    return make_teacher(
        Source("tiny", "nowhere"), TASK, toy(train), toy(dev, seed=1), ways=ways, config=QUICK, seed=0, **more
    )


def test_with_a_large_dev_each_way_is_made_once_and_the_best_is_kept(fake, toy):
    done, comparison = chosen(toy, 60, 200)
    assert fake == [(way, 60, 200, None) for way in WAYS]
    assert done.teacher == comparison.chosen == "contrastive"
    assert comparison.scores == SCORES
    assert comparison.sentence == "teacher chosen on dev: contrastive 80.0, fine-tuned 75.0, frozen 70.0"


def test_with_a_small_dev_parts_judge_and_the_best_is_made_of_all_of_train(fake, toy):
    done, comparison = chosen(toy, 160, 20)
    assert [call[1:3] for call in fake[:9]] == [(120, 60)] * 9
    assert fake[9:] == [("contrastive", 160, 20, None)]
    assert done.teacher == "contrastive"
    assert comparison.sentence.startswith("teacher chosen by cross-validation (3 of 3 parts): contrastive")


def test_two_texts_are_enough_for_a_comparison(fake, toy):
    _, comparison = chosen(toy, 1, 1)
    assert [call[1:3] for call in fake[:6]] == [(1, 1)] * 6
    assert comparison.judged == "by cross-validation (2 of 3 parts)"


@pytest.mark.parametrize(("train", "turns"), [(280, 2), (1000, 1)])
def test_no_more_parts_judge_than_are_needed(fake, toy, train, turns):
    _, comparison = chosen(toy, train, 50)
    assert len(fake) == 3 * turns + 1
    assert comparison.judged == f"by cross-validation ({turns} of 3 parts)"


def test_a_single_way_is_not_compared(fake, toy, tmp_path):
    done, comparison = chosen(toy, 60, 20, ways=("frozen",), checkpoint=tmp_path / "c")
    assert (done.teacher, comparison) == ("frozen", None)
    assert fake == [("frozen", 60, 20, "c")]


def test_the_first_of_equally_good_ways_is_chosen(fake, toy, monkeypatch):
    monkeypatch.setitem(SCORES, "finetune", 0.8)
    assert chosen(toy, 60, 200)[1].chosen == "contrastive"


def test_a_score_that_is_not_a_number_is_the_lowest(fake, toy, monkeypatch, tmp_path):
    monkeypatch.setitem(SCORES, "contrastive", float("nan"))
    assert chosen(toy, 60, 200, checkpoint=tmp_path)[1].chosen == "finetune"


@pytest.mark.parametrize("dev", [200, 20])
def test_scores_outlive_a_kill(fake, toy, tmp_path, monkeypatch, dev):
    whole = chosen(toy, 160, dev)
    expected = len(fake)
    fake.clear()

    def killed(*_, **__):
        raise KilledError

    with monkeypatch.context() as patched:
        patched.setattr(few_labels, "finetune", killed)
        with pytest.raises(KilledError):
            chosen(toy, 160, dev, checkpoint=tmp_path)
    assert set(read_json(tmp_path / "scores.json")) == {name for *_, name in fake}

    before = len(fake)
    again = chosen(toy, 160, dev, checkpoint=tmp_path)
    assert again[1] == whole[1]
    assert again[0].teacher == whole[0].teacher
    # With a large dev the winner was lost with the process, and is made once more.
    assert len(fake) == expected + (1 if dev == 200 else 0)
    assert not set(fake[before:]) & set(fake[:before])


def test_parts_have_the_labels_in_equal_shares():
    gold = np.array([0] * 31 + [1] * 9)
    parts = folds(gold, seed=0)
    tallies = np.array([np.bincount(gold[parts == part], minlength=2) for part in range(3)])
    assert (np.ptp(tallies, axis=0) <= 1).all()
    assert (np.ptp(tallies.sum(axis=1)) <= 1).all()
    assert not np.array_equal(parts, folds(gold, seed=1))


def test_a_comparison_is_written_as_it_stands():
    facts = Comparison("on dev", SCORES, "contrastive").to_dict()
    assert facts == {"judged": "on dev", "scores": SCORES, "chosen": "contrastive"}


def test_real_ways_are_compared_and_the_teacher_answers(encoder, toy, short, tmp_path):
    done, comparison = make_teacher(
        encoder,
        TASK,
        toy(60),
        toy(200, seed=1),
        ways=WAYS,
        config=QUICK,
        seed=0,
        checkpoint=tmp_path / "c",
    )
    assert set(comparison.scores) == set(WAYS)
    best = comparison.scores[comparison.chosen]
    assert best == max(comparison.scores.values())
    assert accuracy(done.teacher, *toy(200, seed=1)) == pytest.approx(best)
