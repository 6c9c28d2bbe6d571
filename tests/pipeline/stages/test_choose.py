"""The stage `choose`: what is open is tried one after another on dev, once, and goes on after a kill."""

from types import SimpleNamespace

import numpy as np
import pytest
from toy_sets import write_rows, write_set

from understudy.core.configs import AUTO, LossConfig, TrainingConfig, candidates
from understudy.core.progress import Silent
from understudy.core.task import Task
from understudy.pipeline import made_pool
from understudy.pipeline.distillation import started
from understudy.pipeline.recipe_file import make_recipe
from understudy.pipeline.stages import choose as room
from understudy.pipeline.stages.augment import augment
from understudy.pipeline.stages.choose import choose
from understudy.pipeline.stages.finetune import finetune
from understudy.pipeline.stages.label import label
from understudy.training.embeddings.known import KnownWords

STATIC, RANDOM = "teacher-static", "random"
LOSSES = candidates(Task(("bad", "good")))
FIXED = {"loss.name": "mse", "training.embeddings": RANDOM, "make_pool": "none"}
TRAIN = 60


class Ears(Silent):
    def __init__(self):
        self.heard = []

    def say(self, sentence):
        self.heard.append(sentence)


class Fits:
    """Stands for `fit`: keeps what was asked for, and scores it by a rule."""

    def __init__(self, rule=lambda way: 0.0, dies_after=None):
        self.rule, self.dies_after, self.ways = rule, dies_after, []

    def __call__(self, name, task, transfer, dev, *, seed, loss, config, teacher, known, progress, what):
        if self.dies_after == len(self.ways):
            raise KeyboardInterrupt
        way = SimpleNamespace(
            name=name, loss=loss, config=config, texts=len(transfer), teacher=teacher, known=known
        )
        self.ways.append(way)
        return SimpleNamespace(dev_score=self.rule(way))

    @property
    def tried(self):
        assert {way.texts for way in self.ways} <= {TRAIN}  # never a pool
        return [(way.config.embeddings, way.loss) for way in self.ways]


@pytest.fixture(scope="module")
def source(tmp_path_factory, toy):
    return write_set(tmp_path_factory.mktemp("data") / "toy", toy)


@pytest.fixture
def go(source, bert, tmp_path, monkeypatch):
    """What stands for `fit`, and settings → the run after `choose`; what it said is ``run.ears``."""
    monkeypatch.setattr(made_pool, "_rate", lambda run: 6.0)

    def until_chosen(fits, function=None, **settings):
        if fits is not None:
            monkeypatch.setattr("understudy.training.fit.fit", fits)
        settings = {key.replace("__", "."): value for key, value in settings.items()}
        flags = {"data.source": source, "teacher.model": str(bert), "make_pool": 10, **settings}
        recipe, ears = make_recipe(None, flags), Ears()
        with started(recipe, tmp_path / "run", ears, function) as run:
            for step in (finetune, augment, label, choose):
                step(run)
        run.ears = ears.heard
        return run

    return until_chosen


def refuse(*args, **more):
    pytest.fail("something was tried")


def test_the_start_is_tried_first_and_the_loss_with_the_better_one(go):
    def rule(way):
        return (way.config.embeddings == RANDOM) + 2 * (way.loss == LOSSES[3])

    fits = Fits(rule)
    run = go(fits)
    assert fits.tried == [
        (STATIC, LOSSES[0]),
        (RANDOM, LOSSES[0]),
        *((RANDOM, loss) for loss in LOSSES[1:]),
    ]
    made = run.decisions
    assert (made.loss, made.embeddings, made.racer) == (LOSSES[3], RANDOM, "cbow.v2")
    assert [trial.what for trial in made.trials] == ["start"] * 2 + ["loss"] * len(LOSSES)
    assert max(trial.dev for trial in made.trials) == 3


def test_where_dev_sees_no_difference_the_first_way_stays(go):
    run = go(Fits(lambda way: 0.5))
    made = run.decisions
    assert (made.loss, made.embeddings) == (LOSSES[0], STATIC)
    assert made.loss.alpha == 0.5


def test_a_trial_is_the_racers_own_whatever_the_students_are_trained_with(go):
    fits = Fits()
    more = {
        "epochs": 3,
        "learning_rate": 1e-5,
        "batch_size": 7,
        "vocabulary": "wordpiece",
        "trainer": "torch",
    }
    go(fits, students=["bilstm.v1"], **{f"training.{key}": value for key, value in more.items()})
    assert {way.name for way in fits.ways} == {room.RACER}
    usual = TrainingConfig(epochs=3, gold_pass=False)
    assert {way.config for way in fits.ways} == {
        TrainingConfig(**{**usual.__dict__, "embeddings": start}) for start in (STATIC, RANDOM)
    }
    assert all(isinstance(way.known, KnownWords) for way in fits.ways)


def test_a_second_run_tries_nothing_and_decides_and_says_the_same(go):
    first = go(Fits(lambda way: way.loss.temperature))
    second = go(refuse)
    assert second.decisions == first.decisions
    assert second.dataset.notes == first.dataset.notes
    assert len(set(second.dataset.notes)) == len(second.dataset.notes)
    assert "choose: unchanged, skipped" in second.ears
    assert not [said for said in second.ears if "done in" in said]
    assert not (second.folder / ".checkpoints").exists() or not any(
        (second.folder / ".checkpoints").iterdir()
    )


def test_a_race_that_was_killed_goes_on_with_the_next_way(go):
    def rule(way):
        return way.loss.temperature + (way.config.embeddings == STATIC)

    killed, rest = Fits(rule, dies_after=3), Fits(rule)
    with pytest.raises(KeyboardInterrupt):
        go(killed)
    run = go(rest)
    assert len(killed.tried) == 3
    assert not set(killed.tried) & set(rest.tried)
    assert len(killed.tried) + len(rest.tried) == 2 + len(LOSSES) - 1
    assert [trial.dev for trial in run.decisions.trials][:2] == [3, 2]


def test_scores_of_a_killed_race_that_are_damaged_are_tried_again(go, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        go(Fits(dies_after=2))
    (file,) = (tmp_path / "run").glob(".checkpoints/choose-*/scores.json")
    file.write_text("{")
    fits = Fits()
    go(fits)
    assert len(fits.tried) == 2 + len(LOSSES) - 1


def test_nothing_is_tried_where_the_recipe_says_everything(go):
    run = go(refuse, **FIXED)
    assert run.decisions.loss == LossConfig("mse")
    assert run.decisions.embeddings == RANDOM
    assert not run.decisions.trials
    assert not (run.folder / "choice").exists()


@pytest.mark.parametrize(
    ("settings", "tried"),
    [
        ({"loss.name": "auto"}, {"loss"}),
        ({"training.embeddings": None}, {"start"}),
    ],
    ids=["loss", "start"],
)
def test_only_what_is_open_is_tried(settings, tried, go):
    flags = {key: value for key, value in {**FIXED, **settings}.items() if value is not None}
    run = go(Fits(), **flags)
    assert {trial.what for trial in run.decisions.trials} == tried


def test_starts_are_tried_only_for_students_that_take_one(go):
    fits = Fits()
    run = go(fits, students=["linear.v1", "cmow.v1", "cbow.v1:embeddings=random", "bert-tiny.v1"])
    assert {trial.what for trial in run.decisions.trials} == {"loss"}
    assert {way.config.embeddings for way in fits.ways} == {None}


@pytest.mark.parametrize("start", ["teacher", STATIC])
def test_a_start_that_the_recipe_names_is_the_racers_too(start, go):
    fits = Fits()
    go(fits, make_pool="none", training__embeddings=start)
    assert {way.config.embeddings for way in fits.ways} == {start}
    for way in fits.ways:
        assert (way.teacher is not None) is (start == "teacher")
        assert (way.known is not None) is (start == STATIC)


def test_noise_holds_for_all_losses_and_layers_for_all_but_the_racers(go):
    fits = Fits()
    loss = {"name": AUTO, "noise": 0.1, "layers": 1.0}
    run = go(fits, students=["bert-tiny.v1"], make_pool="none", loss=loss)
    assert {(way.loss.noise, way.loss.layers) for way in fits.ways} == {(0.1, 0.0)}
    assert (run.decisions.loss.noise, run.decisions.loss.layers) == (0.1, 1.0)


def test_weighed_gold_labels_leave_only_losses_with_a_share_of_them(go):
    fits = Fits()
    go(fits, make_pool="none", **{"training.class_weights": True})
    assert {way.loss.alpha for way in fits.ways} == {0.5}
    assert all(way.config.class_weights for way in fits.ways)


def right(texts):
    return [[0.0, 3.0] if {"good", "great"} & set(text.split()) else [3.0, 0.0] for text in texts]


def test_a_function_that_teaches_leaves_only_the_loss_open(go):
    run = go(Fits(), function=right, **{"teacher.model": None, "teacher.callable": "any:thing"})
    assert {trial.what for trial in run.decisions.trials} == {"loss"}


def test_nothing_is_tried_where_the_teacher_answered_no_labelled_text(go, monkeypatch):
    monkeypatch.setattr(room, "has_answers", lambda run: False)
    run = go(refuse, function=right, **{"teacher.model": None, "teacher.callable": "any:thing"})
    assert run.decisions.loss == LOSSES[0]


def test_without_labelled_data_the_first_loss_has_no_share_of_gold_labels(go, tmp_path, toy):
    (tmp_path / "texts.txt").write_text("\n".join(dict.fromkeys(toy(80)[0])))
    run = go(
        refuse,
        function=right,
        **{"data.source": None, "data.unlabelled": [str(tmp_path / "texts.txt")]},
        **{"teacher.model": None, "teacher.callable": "any:thing", "teacher.labels": ["bad", "good"]},
    )
    assert run.decisions.loss == LossConfig("kl", 2.0)


def test_taggers_take_half_of_each_without_a_race(go, bare, tmp_path):
    rows = [{"tokens": ["a", "film", f"w{n}"], "tags": ["O", "B-X", "O"]} for n in range(100)]
    data = write_rows(tmp_path / "tags", rows, (60, 20, 20))
    teacher = {"teacher.model": str(bare), "teacher.method": "finetune", "teacher.finetune": {"epochs": 1}}
    run = go(refuse, **{"data.source": data, **teacher})
    assert run.decisions.loss == LossConfig("kl", alpha=0.5)


@pytest.mark.parametrize("kind", ["classification", "pair", "multilabel", "regression"])
def test_the_racer_reads_every_kind_of_task(kind, go, bare, toy, tmp_path, monkeypatch):
    monkeypatch.setattr(room, "EPOCHS", 1)
    texts = [f"{text} {n}" for n, text in enumerate(toy(120, seed=5)[0])]
    good = np.array(right(texts))[:, 1] > 0
    rows = {
        "classification": [
            {"text": t, "label": "yes" if g else "no"} for t, g in zip(texts, good, strict=True)
        ],
        "pair": [
            {"sentence1": t, "sentence2": "a film", "label": "yes" if g else "no"}
            for t, g in zip(texts, good, strict=True)
        ],
        "multilabel": [
            {"text": t, "labels": ["glad"] * bool(g) + ["film"] * ("film" in t)}
            for t, g in zip(texts, good, strict=True)
        ],
        "regression": [
            {"text": t, "score": 4.0 * bool(g) + len(t) / 50} for t, g in zip(texts, good, strict=True)
        ],
    }[kind]
    data = write_rows(tmp_path / "rows", rows)
    more = {"data.kind": "regression", "data.label_column": "score"} if kind == "regression" else {}
    teacher = {"teacher.model": str(bare), "teacher.method": "finetune", "teacher.finetune": {"epochs": 1}}
    run = go(None, **{"data.source": data, **teacher, **more})
    every = candidates(run.dataset.task)
    assert run.decisions.loss in every
    assert len(run.decisions.trials) == 2 + len(every)
    assert all(-1 <= trial.dev <= 1 for trial in run.decisions.trials)
    assert go(refuse, **{"data.source": data, **teacher, **more}).decisions == run.decisions
