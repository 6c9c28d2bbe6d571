import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from plain_settings import PLAIN, PLAIN_OPTIONS

import understudy
from understudy.core.configs import DEFAULT_STUDENTS
from understudy.core.manifest import file_digest, verify
from understudy.core.progress import Silent
from understudy.errors import DataError, RecipeError, StoreError, TeacherError
from understudy.pipeline.distillation import distill

SETTINGS = {
    **PLAIN,
    "teacher__method": "finetune",
    "teacher__finetune": {"epochs": 2, "learning_rate": 1e-3},
    "training__epochs": 8,
    "training__vocabulary_size": 60,
}


class Ears(Silent):
    def __init__(self):
        self.heard = []

    def say(self, sentence):
        self.heard.append(sentence)


def write_folder(folder, toy, sizes=(200, 60, 80), unlabelled=300):
    folder.mkdir(parents=True, exist_ok=True)
    names = np.array(["bad", "good"])
    for seed, (name, size) in enumerate(zip(("train", "dev", "test"), sizes, strict=True)):
        texts, labels = toy(size, seed=seed)
        rows = [{"text": f"{text} {name}", "label": names[y]} for text, y in zip(texts, labels, strict=True)]
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(lines, encoding="utf-8")
    pool = "\n".join(f"{text} pool" for text in toy(unlabelled, seed=9)[0])
    (folder / "unlabelled.txt").write_text(pool, encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def source(tmp_path_factory, toy):
    return write_folder(tmp_path_factory.mktemp("data") / "toy", toy)


@pytest.fixture(scope="session")
def run(tmp_path_factory, source, bare):
    out = tmp_path_factory.mktemp("run") / "toy"
    return distill(str(source), teacher=str(bare), students="cbow.v1", out=out, **SETTINGS)


@pytest.fixture
def copy(run, tmp_path):
    return Path(shutil.copytree(run.folder, tmp_path / "run"))


def test_the_whole_path_leaves_students_that_answer(run):
    assert list(run.models) == ["cbow.v1"]
    assert run.best == run.folder / "models" / "cbow.v1"
    model = understudy.load(run.best)
    assert model.predict("a great film") in ("bad", "good")
    for name in ("report.json", "report.md", "report.html", "recipe.yaml"):
        assert (run.folder / name).stat().st_size > 100


def test_the_report_has_the_rows_and_facts_it_promises(run):
    report = json.loads((run.folder / "report.json").read_text(encoding="utf-8"))
    assert report == run.report
    assert [row["role"] for row in report["rows"]] == ["teacher", "student", "undistilled", "baseline"]
    teacher, student = report["rows"][:2]
    assert teacher["retention"] is None
    assert student["retention"] == pytest.approx(student["score"] / teacher["score"])
    facts = json.loads((run.folder / "train" / "cbow.v1" / "student.json").read_text(encoding="utf-8"))[
        "facts"
    ]
    assert student["dev"] == facts["dev"]
    assert student["speedup"] == pytest.approx(teacher["latency_us"]["p50"] / student["latency_us"]["p50"])
    assert student["speedup"] > 1
    assert student["compression"] == pytest.approx(teacher["parameters"] / student["parameters"])
    assert 0 <= student["agreement"] <= 1
    assert student["train_seconds"] > 0
    assert len(teacher["curve"]) == 2
    assert {stage["name"] for stage in report["stages"]} >= {"data", "finetune", "label", "evaluate"}
    assert report["data"]["sizes"]["train"] == 200
    assert report["machine"]["threads"] == 1


def test_the_score_of_a_row_is_that_of_the_exported_student(run, source):
    rows = [json.loads(line) for line in (source / "test.jsonl").read_text(encoding="utf-8").splitlines()]
    answers = understudy.load(run.best).predict([row["text"] for row in rows])
    right = np.mean([answer == row["label"] for answer, row in zip(answers, rows, strict=True)])
    assert run.report["rows"][1]["score"] == pytest.approx(right)


def test_the_model_card_and_report_of_a_student_are_in_its_folder(run):
    verify(run.best)
    assert "cbow.v1" in (run.best / "README.md").read_text(encoding="utf-8")
    own = json.loads((run.best / "report.json").read_text(encoding="utf-8"))
    assert own["rows"][0]["name"] == "cbow.v1"


def test_a_second_run_does_nothing_again(run, copy, source, bare):
    ears = Ears()
    before = file_digest(copy / "models" / "cbow.v1" / "model.onnx")
    distill(str(source), teacher=str(bare), students="cbow.v1", out=copy, progress=ears, **SETTINGS)
    skipped = [line for line in ears.heard if "skipped" in line]
    assert len(skipped) == 9
    assert not [line for line in ears.heard if "done in" in line]
    assert "label: all 500 texts are labelled, 0 to do, skipped" in skipped
    assert file_digest(copy / "models" / "cbow.v1" / "model.onnx") == before


def test_a_run_in_the_current_folder_has_its_name(copy, source, bare, monkeypatch):
    monkeypatch.chdir(copy)
    again = distill(str(source), teacher=str(bare), students="cbow.v1", out=".", **SETTINGS)
    assert again.report["name"] == "run"
    assert not list(copy.glob(".recipe*"))


def test_the_baseline_can_be_turned_off(copy, source, bare):
    heard = Ears()
    settings = {**SETTINGS, "baseline": False, "progress": heard}
    result = distill(str(source), teacher=str(bare), students="cbow.v1", out=copy, **settings)
    assert [row["role"] for row in result.report["rows"]] == ["teacher", "student", "undistilled"]
    assert "against_baseline" not in result.report["rows"][1]
    assert result.report["rows"][1]["against_teacher"]["name"] == result.report["rows"][0]["name"]
    assert "baseline" not in (copy / "report.md").read_text(encoding="utf-8").split("## How to read")[0]
    assert not any("train baseline" in line for line in heard.heard)


def test_a_baseline_that_is_too_large_is_left_out_and_said_to_be(copy, source, bare, monkeypatch):
    monkeypatch.setattr("understudy.training.baseline.linear.MOST_NUMBERS", 100)
    shutil.rmtree(copy / "train" / "baseline")
    for is_first in (True, False):
        heard = Ears()
        settings = {**SETTINGS, "progress": heard}
        result = distill(str(source), teacher=str(bare), students="cbow.v1", out=copy, **settings)
        assert [row["role"] for row in result.report["rows"]] == ["teacher", "student", "undistilled"]

        lines = [line for line in heard.heard if line.startswith("train baseline")]
        assert lines[-2].startswith("train baseline: A linear baseline of 2 labels")
        assert lines[-1] == "train baseline: too large, skipped"
        assert lines[:-2] == ["train baseline …"] * is_first  # the second run does not try it again


def test_a_second_student_relabels_nothing(copy, source, bare, monkeypatch):
    from understudy.teachers.transformer import Teacher

    def refuse(self, texts):
        pytest.fail("the teacher was asked again")

    monkeypatch.setattr(Teacher, "logits", refuse)
    settings = {**SETTINGS, "training__epochs": 1}
    result = distill(str(source), teacher=str(bare), students=["cbow.v1", "bilstm.v1"], out=copy, **settings)
    assert set(result.models) == {"cbow.v1", "bilstm.v1"}
    assert [row["role"] for row in result.report["rows"]].count("student") == 2


def test_more_unlabelled_text_labels_only_that(copy, source, bare, tmp_path):
    more = tmp_path / "more.txt"
    more.write_text("so very great\nso very bad\n", encoding="utf-8")
    ears = Ears()
    distill(
        str(source),
        teacher=str(bare),
        unlabelled=str(more),
        out=copy,
        until="label",
        progress=ears,
        **SETTINGS,
    )
    assert "finetune: unchanged, skipped" in ears.heard
    assert "label: 2 texts labelled, 500 found in the store" in ears.heard


def test_a_finetuned_teacher_is_used_as_it_is(source, bert, tmp_path):
    ears = Ears()
    distill(str(source), teacher=str(bert), out=tmp_path / "run", until="label", progress=ears)
    assert any("is fine-tuned already" in line for line in ears.heard)
    assert not (tmp_path / "run" / "teacher").exists()


def test_a_teacher_with_other_labels_is_refused_with_both_lists(source, write_model, tmp_path):
    other = write_model("bert", labels=("ham", "spam"))
    with pytest.raises(TeacherError, match=r"ham.*spam.*bad.*good"):
        distill(str(source), teacher=str(other), out=tmp_path / "run", until="label")


def test_a_damaged_store_is_refused_by_name(copy, source, bare):
    shard = next((copy / "logits").glob("*/shard-*/logits.npy"))
    shard.write_bytes(shard.read_bytes()[:-10])
    settings = {**SETTINGS, "training__epochs": 3}
    with pytest.raises(StoreError, match=shard.name):
        distill(str(source), teacher=str(bare), students="cbow.v1", out=copy, until="train", **settings)


def test_a_run_can_end_after_any_stage(source, bare, tmp_path):
    result = distill(str(source), teacher=str(bare), out=tmp_path / "run", until="data")
    assert result.report is None
    assert (tmp_path / "run" / "data" / "train.jsonl").is_file()
    assert not (tmp_path / "run" / "teacher").exists()
    with pytest.raises(RecipeError, match="ended before its report"):
        _ = result.best


def test_an_unknown_stage_is_refused_with_the_nearest(source):
    with pytest.raises(RecipeError, match="Did you mean 'label'"):
        distill(str(source), until="labels")


def test_recipe_and_settings_together_are_refused(source):
    from understudy.pipeline.recipe_file import make_recipe

    recipe = make_recipe(flags={"data.source": str(source)})
    with pytest.raises(RecipeError, match="not both"):
        distill(recipe=recipe, students="cbow.v1")


def test_the_saved_recipe_names_the_students_that_were_left_open(source, tmp_path):
    made = distill(str(source), out=tmp_path / "run", until="data")
    assert made.students == DEFAULT_STUDENTS["classification"]
    again = distill(recipe=tmp_path / "run" / "recipe.yaml", out=tmp_path / "run", until="data")
    assert again.students == made.students


@pytest.mark.slow
def test_what_is_left_open_is_decided_once_and_for_every_command(toy, bert, tmp_path, monkeypatch):
    monkeypatch.setattr("understudy.pipeline.made_pool._rate", lambda run: 60.0)
    data = write_folder(tmp_path / "toy", toy, (60, 40, 30))
    (data / "unlabelled.txt").unlink()
    settings = {"teacher": str(bert), "training__epochs": 2, "make_pool": 2, "baseline": False}
    first = distill(str(data), out=tmp_path / "run", until="train", **settings)
    ears = Ears()
    whole = distill(recipe=first.folder / "recipe.yaml", out=first.folder, progress=ears)
    done = [line.partition(":")[0] for line in ears.heard if "done in" in line]
    assert all(line.startswith(("export", "evaluate")) for line in done)
    assert list(whole.models) == list(DEFAULT_STUDENTS["classification"])
    notes = whole.report["data"]["notes"]
    assert len(set(notes)) == len(notes)
    for said in ("passes of rules", "Loss, chosen on dev", "Start of the word tables", "linear.v1 was"):
        assert sum(said in note for note in notes) == 1, said

    ears = Ears()
    again = distill(recipe=first.folder / "recipe.yaml", out=first.folder, progress=ears)
    assert not [line for line in ears.heard if "done in" in line]
    assert again.report["data"]["notes"] == notes


def test_bad_data_leaves_an_earlier_run_alone(copy, tmp_path, bare):
    with pytest.raises(DataError):
        distill(str(tmp_path / "none"), teacher=str(bare), out=copy)
    verify(copy / "models" / "cbow.v1")


def watch_and_kill(command, is_time):
    """Start a command, kill it with SIGKILL as soon as ``is_time()``; whether that came before its end."""
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            if is_time():
                process.send_signal(signal.SIGKILL)
                process.wait()
                return True
            time.sleep(0.001)
        assert process.returncode == 0, process.stderr.read().decode()
        return False


@pytest.mark.slow
def test_killed_runs_end_like_an_uninterrupted_one(toy, bare, tmp_path, monkeypatch):
    monkeypatch.setitem(os.environ, "OMP_NUM_THREADS", "1")
    source = write_folder(tmp_path / "toy", toy, unlabelled=6000)
    whole, killed = tmp_path / "whole", tmp_path / "killed"

    def command(out):
        return [
            *(sys.executable, "-m", "understudy", "export", str(source), "--teacher", str(bare)),
            *("--teacher-method", "finetune"),
            *("--out", str(out), "--set", "training.epochs=30", "--set", "training.vocabulary_size=60"),
            *("--student", "cbow.v1", *PLAIN_OPTIONS),
            *("--set", "training.trainer=torch"),  # the native one is done before it could be killed
        ]

    def shards():
        return len(list(killed.glob("logits/*/shard-*/manifest.json"))) >= 2

    def epochs():
        return any(killed.glob(".checkpoints/cbow.v1-*/manifest.json"))

    def exporting():
        return any(killed.glob("models/.cbow.v1.understudy-new/*"))

    for moment, made in ((shards, "logits"), (epochs, "train"), (exporting, "models")):
        for _ in range(5):  # a busy machine may look away at the moment itself
            if watch_and_kill(command(killed), moment):
                break
            shutil.rmtree(killed / made)
        else:
            pytest.fail(f"never caught it while making {made}")
    for out in (killed, whole):
        subprocess.run(command(out), check=True, capture_output=True)
    for kind in ("models", "undistilled"):
        for name in ("model.safetensors", "model.onnx", "tokenizer.json", "config.json"):
            file = Path(kind) / "cbow.v1" / name
            assert file_digest(killed / file) == file_digest(whole / file), file
