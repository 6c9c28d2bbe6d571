import inspect

import numpy as np
import pytest
import torch

from understudy.core.configs import LossConfig, TrainingConfig
from understudy.core.task import Task
from understudy.errors import RecipeError, UnderstudyError
from understudy.optim.losses import combined
from understudy.students import STUDENTS
from understudy.tokenization.wordpiece import train_wordpiece
from understudy.tokenization.words import build_vocabulary
from understudy.training import fit as room
from understudy.training import lesson as lesson_room
from understudy.training.fit import fit
from understudy.training.lesson import usual_batch
from understudy.training.transfer_set import TransferSet, labelled_only

pytestmark = pytest.mark.usefixtures("a_checkpoint_every_epoch")

NAMES = ["bilstm.v1", "cbow.v1"]
"""One student that reads order and one that does not; the contract test has all of them."""


TASK = Task(("bad", "good"))
KINDS = {0: ("bad", "dull", "slow"), 1: ("good", "great", "quick")}
FILLER = ["the", "a", "film", "was", "it", "food", "room", "very", "and", "quite", "really", "so"]
SMALL = {"cbow.v1": {"width": 8, "hidden": 8}, "bilstm.v1": {"width": 8, "hidden": 6}}
QUICK = TrainingConfig(epochs=2, batch_size=32, learning_rate=1e-2, gold_pass=False)
ENOUGH = TrainingConfig(epochs=25, batch_size=16, learning_rate=3e-2, gold_pass=False)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def corpus(n, seed=0, shares=(0.5, 0.5)):
    rng = np.random.default_rng(seed)
    labels = rng.choice(2, n, p=shares).astype(np.int64)
    texts = []
    for label in labels:
        words = [*rng.choice(FILLER, rng.integers(2, 7)), rng.choice(KINDS[int(label)])]
        texts.append(" ".join(rng.permutation(words)))
    return texts, labels


def soft_targets(labels, scale=3.0):
    signs = np.where(np.asarray(labels) == 1, 1.0, -1.0)
    return (scale * np.stack([-signs, signs], axis=1)).astype(np.float32)


def distilled(n=96, seed=0):
    texts, labels = corpus(n, seed)
    return TransferSet(tuple(texts), labels, soft_targets(labels))


def quick(name="cbow.v1", transfer=None, dev=None, config=QUICK, seed=0, **more):
    transfer = labelled_only(TASK, *corpus(96)) if transfer is None else transfer
    return fit(name, TASK, transfer, dev or corpus(40, 1), seed=seed, config=config, **SMALL[name], **more)


def weights(trained):
    return {name: value.clone() for name, value in trained.student.module.state_dict().items()}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_nothing_of_a_test_split_can_be_given():
    assert [name for name in inspect.signature(fit).parameters if "test" in name.lower()] == []
    fields = (*TrainingConfig.__dataclass_fields__, *TransferSet.__dataclass_fields__)
    assert [name for name in fields if "test" in name.lower()] == []


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("is_distilled", [False, True])
def test_it_learns(name, is_distilled):
    texts, labels = corpus(96)
    transfer = distilled() if is_distilled else labelled_only(TASK, texts, labels)
    trained = quick(name, transfer, config=ENOUGH)
    unseen, gold = corpus(100, 2)
    logits = trained.student.logits(unseen)
    assert np.mean(logits.argmax(axis=1) == gold) > 0.95
    assert trained.student.name == name
    assert trained.student.task == TASK
    assert trained.seconds > 0
    assert not trained.student.module.training
    if is_distilled:  # by the default loss it takes the teacher's logits over, not the answers alone
        assert np.abs(logits - soft_targets(gold)).mean() < 1.0


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_weights_and_another_does_not(name):
    torch.manual_seed(1)
    one = weights(quick(name))
    torch.manual_seed(2)
    assert same(one, weights(quick(name)))
    assert not same(one, weights(quick(name, seed=1)))


def test_the_global_randomness_is_left_alone():
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    quick("bilstm.v1")
    assert torch.equal(torch.rand(3), expected)


# ----------------------------------------------------------------------------------------------------- loss


def recorded(monkeypatch, transfer, **more):
    """What the loss is given while fitting: (logits, soft, gold, config, task, weights) per batch."""
    given = []

    def watched(*args, weights):
        given.append((*args, weights))
        return combined(*args, weights=weights)

    monkeypatch.setattr(lesson_room, "combined", watched)
    quick(transfer=transfer, **more)
    return given


def test_soft_targets_and_labels_follow_their_texts(monkeypatch):
    texts, labels = corpus(96)
    soft = np.random.default_rng(0).normal(size=(96, 2)).astype(np.float32)
    pairs = {(tuple(row), int(label)) for row, label in zip(soft.tolist(), labels, strict=True)}
    given = recorded(monkeypatch, TransferSet(tuple(texts), labels, soft), config=QUICK)
    seen = [(tuple(row.tolist()), int(y)) for _, t, ys, *_ in given for row, y in zip(t, ys, strict=True)]
    assert len(seen) == 2 * 96
    assert set(seen) == pairs


def test_the_default_loss_follows_from_the_targets(monkeypatch):
    assert recorded(monkeypatch, distilled())[0][3] == LossConfig("mse")
    given = recorded(monkeypatch, labelled_only(TASK, *corpus(40)))
    assert given[0][3] == LossConfig("gold")
    assert given[0][1] is None


@pytest.mark.parametrize("name", ["mse", "kl", "hard"])
def test_a_loss_that_needs_soft_targets_is_refused_without(name):
    with pytest.raises(RecipeError, match=f"{name}.*soft targets"):
        quick(loss=LossConfig(name))


@pytest.mark.parametrize("name", ["mse", "kl", "hard"])
def test_every_soft_loss_follows_the_teacher_against_the_labels(name):
    texts, labels = corpus(96)
    transfer = TransferSet(tuple(texts), 1 - labels, soft_targets(labels))
    trained = quick(transfer=transfer, config=ENOUGH, loss=LossConfig(name))
    unseen, gold = corpus(60, 2)
    assert np.mean(trained.student.logits(unseen).argmax(axis=1) == gold) > 0.9


@pytest.mark.parametrize(("alpha", "expected"), [(0.0, 1.0), (1.0, 0.0)])
def test_alpha_moves_from_the_teacher_to_the_labels(alpha, expected):
    texts, labels = corpus(96)
    transfer = TransferSet(tuple(texts), 1 - labels, soft_targets(labels))  # the two contradict each other
    unseen, gold = corpus(60, 2)
    trained = quick(
        transfer=transfer,
        dev=(unseen, gold if expected else 1 - gold),
        config=ENOUGH,
        loss=LossConfig("mse", alpha=alpha),
    )
    assert np.mean(trained.student.logits(unseen).argmax(axis=1) == gold) == pytest.approx(expected, abs=0.1)


def test_alpha_mixes_by_arithmetic(monkeypatch):
    texts, labels = corpus(40)
    gold = np.where(np.arange(40) % 2 == 0, labels, -1)
    z, t, y, config, task, _ = recorded(
        monkeypatch, TransferSet(tuple(texts), gold, soft_targets(labels)), loss=LossConfig("mse", alpha=0.25)
    )[0]
    z, t, y = z.detach().numpy().astype(float), t.numpy(), y.numpy()
    rows = []
    for i in range(len(y)):
        soft = np.mean((z[i] - t[i]) ** 2)
        cross = np.log(np.exp(z[i]).sum()) - z[i][y[i]]
        rows.append(soft if y[i] == -1 else 0.25 * cross + 0.75 * soft)
    assert {-1, 0, 1} == set(y.tolist())
    found = combined(torch.tensor(z), torch.from_numpy(t).double(), torch.from_numpy(y), config, task)
    assert float(found) == pytest.approx(np.mean(rows), rel=1e-6)


def test_class_weights_reach_the_loss_without_unlabelled_texts(monkeypatch):
    texts, labels = corpus(90, shares=(0.8, 0.2))
    gold = np.concatenate([labels[:60], np.full(30, -1)])
    transfer = TransferSet(tuple(texts), gold, soft_targets(labels))
    config = TrainingConfig(epochs=1, class_weights=True)
    given = recorded(monkeypatch, transfer, loss=LossConfig("mse", alpha=0.5), config=config)
    tally = np.bincount(labels[:60], minlength=2)
    np.testing.assert_allclose(given[0][5].numpy(), 60 / (2 * tally), rtol=1e-6)
    assert recorded(monkeypatch, transfer, loss=LossConfig("mse", alpha=0.5))[0][5] is None


# ---------------------------------------------------------------------------------- vocabulary, dev, epochs


def test_the_vocabulary_is_that_of_the_transfer_set_unless_texts_are_given():
    texts, _ = corpus(96)
    trained = quick()
    assert trained.student.vocabulary.words == build_vocabulary(texts, 5000).words
    assert trained.student.module.config.vocabulary_size == len(trained.student.vocabulary)
    other = quick(vocabulary_items=iter(["zebra zebra lion"])).student.vocabulary
    assert other.words == ("[PAD]", "[UNK]", "[MASK]", "zebra", "lion")
    assert len(quick(config=TrainingConfig(vocabulary_size=10, epochs=1)).student.vocabulary) == 10


def test_texts_are_cut_where_the_student_says():
    trained = fit(
        "cbow.v1", TASK, labelled_only(TASK, *corpus(20)), corpus(8, 1), seed=0, config=QUICK, max_words=3
    )
    assert trained.student.vocabulary.max_words == 3
    long, short = trained.student.logits(["the film was bad good", "the film was"])
    # Two rows of one product may be added up by different kernels.
    np.testing.assert_allclose(long, short, atol=1e-6)


def test_the_best_epoch_on_dev_is_kept(monkeypatch):
    answers = iter([(0.2, -1.0), (0.9, -1.0), (0.9, -2.0), (0.9, -0.5), (0.1, -0.1)])
    states = []
    real = room.optimise

    def watched(module, *, score, **more):
        def scripted():
            states.append({name: value.clone() for name, value in module.state_dict().items()})
            return next(answers)

        return real(module, score=scripted, **more)

    monkeypatch.setattr(room, "optimise", watched)
    trained = quick(config=TrainingConfig(epochs=5, batch_size=32, learning_rate=1e-2))
    # equal scores are told apart by the dev loss: the fourth is better than the second
    assert [epoch.dev_score for epoch in trained.curve] == [0.2, 0.9, 0.9, 0.9, 0.1]
    assert same(weights(trained), states[3])
    assert not same(weights(trained), states[4])


def test_patience_stops_early(monkeypatch):
    monkeypatch.setattr(lesson_room, "dev_score", lambda *args: (0.5, -1.0))
    trained = quick(config=TrainingConfig(epochs=20, patience=2))
    assert len(trained.curve) == 3


def test_dev_is_scored_by_the_tasks_metric():
    texts, labels = corpus(40, 1, shares=(0.85, 0.15))
    task = Task(TASK.labels, metric="macro_f1")
    config = TrainingConfig(epochs=1, learning_rate=1e-9)
    trained = fit("cbow.v1", task, labelled_only(TASK, *corpus(40)), (texts, labels), seed=0, config=config)
    answers = trained.student.logits(texts).argmax(axis=1)
    from sklearn.metrics import f1_score

    expected = f1_score(labels, answers, average="macro", zero_division=0.0)
    assert trained.curve[0].dev_score == pytest.approx(expected)
    assert expected != pytest.approx(np.mean(answers == labels))


def test_the_students_own_defaults_hold_where_nothing_is_said(monkeypatch):
    seen = {}

    def watched(module, *, config, batches, **more):
        seen.update(config=config, sizes=[len(b) for b in batches(np.random.default_rng(0))])
        return []

    monkeypatch.setattr(room, "optimise", watched)
    quick(config=TrainingConfig(), transfer=labelled_only(TASK, *corpus(300)))
    defaults = STUDENTS["cbow.v1"].training
    assert (seen["config"].epochs, seen["config"].patience) == (defaults.epochs, defaults.patience)
    assert seen["config"].learning_rate == defaults.learning_rate
    assert seen["sizes"] == [16] * 18 + [12]


def test_small_sets_have_small_steps():
    found = [usual_batch(256, texts) for texts in (10, 1_600, 5_000, 25_600, 10_000_000)]
    assert found == [16, 16, 50, 256, 256]


@pytest.mark.parametrize("name", NAMES)
def test_every_epoch_sees_every_text_once(name, monkeypatch):
    seen = []
    real = room.optimise

    def watched(module, *, batches, **more):
        first, second = (batches(np.random.default_rng(seed)) for seed in (0, 1))
        seen.extend([np.concatenate(first), np.concatenate(second)])
        return real(module, batches=batches, **more)

    monkeypatch.setattr(room, "optimise", watched)
    quick(name, config=TrainingConfig(epochs=1, batch_size=7))
    for rows in seen:
        assert sorted(rows.tolist()) == list(range(96))
    assert seen[0].tolist() != seen[1].tolist()


class KilledError(Exception):
    pass


@pytest.mark.parametrize("name", NAMES)
def test_a_killed_run_resumes_to_the_same_weights(name, monkeypatch, tmp_path):
    config = TrainingConfig(epochs=4, batch_size=16, learning_rate=1e-2)
    whole = quick(name, distilled(), config=config)
    real, calls = lesson_room.dev_score, []

    def dies(*args):
        calls.append(1)
        if len(calls) == 3:
            raise KilledError
        return real(*args)

    with monkeypatch.context() as patch:
        patch.setattr(lesson_room, "dev_score", dies)
        with pytest.raises(KilledError):
            quick(name, distilled(), config=config, checkpoint=tmp_path / "c")
    sentences = []

    class Audience(room.Progress):
        say = staticmethod(sentences.append)

        def bar(self, what, total, unit):
            from understudy.core.progress import Silent

            return Silent().bar(what, total, unit)

    resumed = quick(
        name, distilled(), config=config, checkpoint=tmp_path / "c", progress=Audience(), what="a student"
    )
    assert sentences == ["  a student: resumed after epoch 2"]
    assert same(weights(resumed), weights(whole))
    assert [e.train_loss for e in resumed.curve] == [e.train_loss for e in whole.curve]


# ------------------------------------------------------------------------------------------ what is refused


def test_unknown_names_are_refused_with_the_nearest():
    with pytest.raises(RecipeError, match=r"Did you mean 'cbow\.v2'"):
        fit("cbow", TASK, labelled_only(TASK, *corpus(4)), corpus(4), seed=0)
    with pytest.raises(RecipeError, match="Did you mean 'hidden'"):
        fit("cbow.v1", TASK, labelled_only(TASK, *corpus(4)), corpus(4), seed=0, hiden=3)


@pytest.mark.parametrize("option", ["epochs", "batch_size", "learning_rate", "patience", "vocabulary_size"])
def test_zero_is_refused_and_not_taken_for_the_default(option):
    with pytest.raises(RecipeError, match=option):
        quick(config=TrainingConfig(**{"epochs": 1, option: 0}))


def test_a_dev_split_without_texts_is_refused():
    with pytest.raises(UnderstudyError):
        fit(
            "cbow.v1",
            TASK,
            labelled_only(TASK, *corpus(8)),
            ([], np.zeros(0, dtype=np.int64)),
            seed=0,
            config=QUICK,
        )


def test_noise_on_the_teachers_logits_is_seeded_and_changes_what_is_learnt():
    def noisy(noise, seed=0):
        return weights(quick(transfer=distilled(), loss=LossConfig("mse", noise=noise), seed=seed))

    assert same(noisy(0.5), noisy(0.5))
    assert not same(noisy(0.5), noisy(0.0))
    assert same(noisy(0.0), weights(quick(transfer=distilled(), loss=LossConfig("mse"))))


def test_noise_leaves_the_targets_themselves_alone():
    transfer = distilled()
    before = transfer.soft.copy()
    quick(transfer=transfer, loss=LossConfig("mse", noise=1.0))
    np.testing.assert_array_equal(transfer.soft, before)


@pytest.mark.parametrize("vocabulary", ["wordpiece", "teacher"])
def test_pieces_of_words_can_be_the_vocabulary(vocabulary):
    own = train_wordpiece(corpus(96)[0], 40)
    config = TrainingConfig(vocabulary=vocabulary, vocabulary_size=40, epochs=2)
    done = quick(config=config, teacher_vocabulary=own)
    assert done.student.vocabulary.document == own.document
    assert done.student.logits(["", "unknowable"]).shape == (2, len(TASK.labels))


def test_a_teachers_vocabulary_must_be_given():
    with pytest.raises(RecipeError, match="vocabulary 'teacher'"):
        quick(config=TrainingConfig(vocabulary="teacher"))


def test_class_weights_without_a_gold_part_are_refused():
    with pytest.raises(RecipeError, match="no gold part"):
        quick(transfer=distilled(), loss=LossConfig("mse"), config=TrainingConfig(class_weights=True))
