"""The stage `train`: no student loses by being taught, the report says so, and word vectors are made once."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from plain_settings import PLAIN, PLAIN_KEYS
from toy_sets import write_set

import understudy
from understudy.core.configs import LossConfig
from understudy.core.manifest import file_digest, read_json
from understudy.core.progress import Silent
from understudy.pipeline import made_pool
from understudy.pipeline.distillation import distill, started
from understudy.pipeline.recipe_file import make_recipe
from understudy.pipeline.stages.augment import augment
from understudy.pipeline.stages.choose import choose
from understudy.pipeline.stages.label import label
from understudy.pipeline.stages.train import has_answers, takes_start, train
from understudy.training import fit as fitting
from understudy.training.embeddings import known

STUDENT = "cbow.v1:width=8"
SLUG = "cbow.v1-width=8"
KINDS = ("models", "undistilled")
SETTINGS = {**PLAIN, "students": STUDENT, "baseline": False, "training__epochs": 12}


class Ears(Silent):
    def __init__(self):
        self.heard = []

    def say(self, sentence):
        self.heard.append(sentence)


def right(texts):
    return [[0.0, 4.0] if {"good", "great"} & set(text.split()) else [4.0, 0.0] for text in texts]


def wrong(texts):
    return [scores[::-1] for scores in right(texts)]


@pytest.fixture(scope="module")
def source(tmp_path_factory, toy):
    return write_set(tmp_path_factory.mktemp("data") / "toy", toy, (120, 60, 40))


def taught(source, out, teacher, **more):
    ears = Ears()
    settings = {"teacher": teacher, "out": out, "progress": ears, **SETTINGS, **more}
    return distill(source, **settings), ears.heard


def facts(folder, slug=SLUG):
    return read_json(folder / "train" / slug / "student.json")["facts"]


def test_a_teacher_that_is_wrong_is_not_followed_and_the_report_says_so(source, tmp_path):
    result, heard = taught(source, tmp_path / "run", wrong)
    found = facts(result.folder)
    assert found["kept"] == "gold"
    assert set(found["tried"]) == {"taught", "mix", "gold"}
    assert max(found["tried"]["taught"], found["tried"]["mix"]) < found["tried"]["gold"] == found["dev"]
    notes = [note for note in result.report["data"]["notes"] if "was worse taught" in note]
    assert notes == [note for note in heard if "was worse taught" in note]
    assert len(notes) == 1
    assert f"{STUDENT} was worse taught than on gold labels, so it learnt from gold labels alone" in notes[0]

    rows = {row["role"]: row for row in result.report["rows"]}
    assert rows["student"]["dev"] == rows["undistilled"]["dev"] == found["dev"]
    student, twin = (file_digest(result.folder / kind / SLUG / "model.safetensors") for kind in KINDS)
    assert student == twin
    assert understudy.load(result.best).predict("a great film") == "good"
    again, heard = taught(source, result.folder, wrong)
    assert again.report["data"]["notes"] == result.report["data"]["notes"]
    assert not [said for said in heard if "done in" in said]


def test_a_teacher_that_helps_is_followed(tmp_path, toy):
    data = write_set(tmp_path / "toy", toy, (16, 60, 40))  # too few to learn from
    (tmp_path / "more.txt").write_text(
        "\n".join(f"{text} m{n}" for n, text in enumerate(toy(400, seed=9)[0]))
    )
    result, heard = taught(
        data, tmp_path / "run", right, unlabelled=str(tmp_path / "more.txt"), until="train"
    )
    found = facts(result.folder)
    assert found["kept"] == "taught"
    assert set(found["tried"]) == {"taught"}
    assert found["dev"] > facts(result.folder, f"{SLUG}.gold")["dev"]
    assert not any("worse taught" in said for said in heard)


@pytest.fixture
def scored(monkeypatch):
    """Rule from a loss and the number of texts to a score on dev → the losses that were fitted, in order."""

    def by(rule):
        real, fitted = fitting.fit, []

        def fit(*args, **more):
            texts = len(args[2])
            fitted.append((more["loss"], texts, more["checkpoint"]))
            trained = real(*args, **{**more, "checkpoint": None})
            return replace(trained, facts={**trained.facts, "dev": rule(more["loss"], texts)})

        monkeypatch.setattr("understudy.training.fit.fit", fit)
        return fitted

    return by


ONE = {"training__epochs": 1, "until": "train"}


def test_a_mix_on_the_labelled_texts_is_kept_where_it_is_best(source, scored, tmp_path):
    score = {"mse": 0.5, "gold": 0.6, "kl": 0.7}
    fitted = scored(lambda loss, texts: score[loss.name])
    result, heard = taught(source, tmp_path / "run", right, **ONE)
    assert [loss for loss, *_ in fitted] == [
        LossConfig("gold"), LossConfig("mse"), LossConfig("kl", 2.0, 0.5)
    ]  # fmt: skip
    assert facts(result.folder)["tried"] == {"taught": 0.5, "mix": 0.7, "gold": 0.6}
    assert facts(result.folder)["kept"] == "mix"
    assert any("half from gold labels, on the labelled texts (on dev: taught 0.500" in said for said in heard)
    folders = [checkpoint.name.rpartition("-")[0] for *_, checkpoint in fitted]
    assert folders == [f"{SLUG}.gold", SLUG, f"{SLUG}.mix"]  # each goes on by itself after a kill


def test_a_student_that_is_as_good_as_its_twin_stays_taught(source, scored, tmp_path):
    fitted = scored(lambda loss, texts: 0.5)
    result, _ = taught(source, tmp_path / "run", right, **ONE)
    assert facts(result.folder)["kept"] == "taught"
    assert len(fitted) == 2


def test_a_mix_that_is_what_was_taught_is_not_tried_twice(source, scored, tmp_path):
    fitted = scored(lambda loss, texts: 0.9 if loss.name == "gold" else 0.1)
    loss = {"loss__name": "kl", "loss__temperature": 2, "loss__alpha": 0.5}
    result, _ = taught(source, tmp_path / "run", right, **{**ONE, **loss})
    assert facts(result.folder)["tried"] == {"taught": 0.1, "gold": 0.9}
    assert len(fitted) == 2


def test_a_mix_keeps_the_noise_and_leaves_the_pool_out(source, scored, tmp_path, toy):
    (tmp_path / "more.txt").write_text("\n".join(f"{text} more" for text in toy(40, seed=9)[0]))
    fitted = scored(lambda loss, texts: 0.9 if loss.name == "gold" else 0.1)
    options = {"unlabelled": str(tmp_path / "more.txt"), "loss__noise": 0.25}
    taught(source, tmp_path / "run", right, **{**ONE, **options})
    (_, gold, _), (_, both, _), (mix, labelled, _) = fitted
    assert (mix.name, mix.noise) == ("kl", 0.25)
    assert labelled == gold < both


def test_without_gold_labels_there_is_nothing_to_fall_back_to(tmp_path, toy):
    (tmp_path / "texts.txt").write_text("\n".join(dict.fromkeys(toy(90)[0])))
    options = {"teacher__labels": ["bad", "good"], "unlabelled": str(tmp_path / "texts.txt"), **ONE}
    result, _ = taught(None, tmp_path / "run", right, **{**options, "loss__name": "auto"})
    assert "kept" not in facts(result.folder)


@pytest.mark.parametrize(
    ("name", "takes"),
    [
        ("cbow.v1", True),
        ("cbow.v2:width=8", True),
        ("bilstm.v1:tang", True),
        ("hybrid.v1", True),
        ("linear.v1", False),  # its rows are logits
        ("cmow.v1", False),  # its words are matrices
        ("bert-tiny.v1", False),
        ("cbow.v1:embeddings=random", False),  # says itself what it starts from
    ],
)
def test_which_students_take_a_start(name, takes):
    assert takes_start(name) is takes


def staged(source, bert, out, **flags):
    flags = {"data.source": source, "teacher.model": str(bert), **PLAIN_KEYS, "baseline": False, **flags}
    ears = Ears()
    with started(make_recipe(None, flags), out, ears) as run:
        for step in (augment, label, choose, train):
            step(run)
    return run, ears.heard


def test_the_teachers_words_are_made_once_for_all_students_and_runs(source, bert, tmp_path, monkeypatch):
    made, real = [], known.known_words
    monkeypatch.setattr(known, "known_words", lambda *args: made.append(1) or real(*args))
    flags = {
        "training.embeddings": "teacher-static",
        "training.epochs": 1,
        "students": [STUDENT, "cbow.v2:width=8"],
    }
    run, heard = staged(source, bert, tmp_path / "run", **flags)
    assert len(made) == 1
    assert heard.count("word vectors …") == 1
    assert facts(run.folder)["start"]["source"] == "teacher-static"
    (run.folder / "vectors" / "words.json").write_text("[]")  # damaged: made again where it is needed
    _, heard = staged(source, bert, run.folder, **flags)
    assert len(made) == 1
    assert not [said for said in heard if "done in" in said]
    _, heard = staged(source, bert, run.folder, **{**flags, "training.epochs": 2})
    assert len(made) == 2
    assert sum("It is made again" in said for said in heard) == 1


def test_a_made_pool_is_kept_where_dev_is_better_with_it(source, bert, scored, tmp_path, monkeypatch):
    monkeypatch.setattr(made_pool, "_rate", lambda run: 240.0)
    options = {"make_pool": 1, **ONE}

    fitted = scored(lambda loss, texts: 0.5 if texts > 120 else 0.6)
    result, heard = taught(source, tmp_path / "without", str(bert), **options)
    assert facts(result.folder)["tried"] == {"taught": 0.6, "made pool": 0.5}
    assert facts(result.folder)["kept"] == "taught"
    assert any("no better with the pool" in said for said in heard)
    assert [texts > 120 for _, texts, _ in fitted] == [False, False, True]  # the twin, then both ways

    scored(lambda loss, texts: 0.7 if texts > 120 else 0.6)
    result, heard = taught(source, tmp_path / "with", str(bert), **options)
    assert facts(result.folder)["kept"] == "made pool"
    assert any("better with the pool that was made (on dev: taught 0.600" in said for said in heard)


@pytest.mark.parametrize(
    ("is_kept", "missing", "answered"),
    [(False, ("a", "b"), True), (True, ("a", "b"), False), (True, ("a",), True), (True, (), True)],
)
def test_whether_the_teacher_answered_any_labelled_text(is_kept, missing, answered):
    run = SimpleNamespace(
        dataset=SimpleNamespace(train=SimpleNamespace(texts=("a", "b", "a"))),
        teacher=SimpleNamespace(is_kept=is_kept),
        store=lambda: SimpleNamespace(missing=lambda texts: missing),
    )
    assert has_answers(run) is answered
