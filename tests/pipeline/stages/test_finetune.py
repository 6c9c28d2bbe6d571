"""The stage `finetune`: what decides that a teacher is made again, and what is told of how it was chosen."""

import json

import numpy as np
import pytest

from understudy.core.manifest import read_manifest
from understudy.core.progress import Silent
from understudy.errors import RecipeError
from understudy.pipeline.distillation import started
from understudy.pipeline.recipe_file import make_recipe
from understudy.pipeline.stage_cache import wanted_digest
from understudy.pipeline.stages.finetune import finetune
from understudy.teachers import contrastive
from understudy.teachers.transformer import Teacher

FINETUNE = {"epochs": 1, "learning_rate": 1e-3}


@pytest.fixture
def data(toy, tmp_path):
    """Number of texts in dev → a folder with 30 texts in train."""

    def write(dev=20):
        folder = tmp_path / f"toy-{dev}"
        folder.mkdir()
        for seed, (name, size) in enumerate((("train", 30), ("dev", dev), ("test", 20))):
            texts, labels = toy(size, seed=seed)
            names = np.array(["bad", "good"])[labels]
            rows = [
                {"text": f"{text} {name}{number}", "label": str(label)}
                for number, (text, label) in enumerate(zip(texts, names, strict=True))
            ]
            (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        return folder

    return write


@pytest.fixture
def run_of(bare, tmp_path, monkeypatch):
    """Data and settings → the run after its stage, and the digest of what that stage had when it began."""
    monkeypatch.setattr(contrastive, "STEPS", 2)

    def go(data, **settings):
        flags = {f"teacher.{name}": value for name, value in settings.items()}
        recipe = make_recipe(None, {"data.source": str(data), "teacher.model": str(bare), **flags})
        with started(recipe, tmp_path / "run", Silent()) as run:
            finetune(run)
        return run

    return go


def old_digest(run):
    """The digest before there was a choice of methods and of ``auto`` for the precision, key by key."""
    config = {
        "epochs": 1,
        "learning_rate": 1e-3,
        "batch_size": 16,
        "pooling": "auto",
        "class_weights": False,
        "precision": "float32",
        "is_embedding_frozen": False,
    }
    (member,) = run.teacher.members
    inputs = {"source": member.source_key, "data": run.labelled_key, "config": config, "seed": 0}
    return wanted_digest("finetune", inputs)


def manifest(run):
    return read_manifest(run.folder / "teacher")


def facts(run):
    return json.loads((run.folder / "teacher" / "finetuning.json").read_text())


def test_a_teacher_of_many_labels_is_known_by_the_digest_it_always_had(run_of, data, monkeypatch):
    monkeypatch.setattr("understudy.teachers.methods.FEW_LABELS", 29)
    run = run_of(data(), finetune=FINETUNE)
    assert manifest(run)["inputs"] == old_digest(run)
    assert set(facts(run)) == {"curve", "seconds"}
    assert not any("chosen" in note for note in run.dataset.notes)


def test_a_teacher_that_is_fine_tuned_on_request_has_that_digest_too(run_of, data):
    run = run_of(data(), finetune=FINETUNE, method="finetune")
    assert manifest(run)["inputs"] == old_digest(run)


def test_a_machine_with_bfloat16_makes_another_teacher(run_of, data, fast_bfloat16, monkeypatch):
    folder = data()
    monkeypatch.setattr("understudy.teachers.bfloat16.auto_precision", lambda: "bfloat16")
    run = run_of(folder, finetune=FINETUNE, method="finetune")
    assert manifest(run)["inputs"] != old_digest(run)
    assert run.teacher.spec.precision == "bfloat16"
    key = run.teacher.key
    named = run_of(
        folder, finetune={**FINETUNE, "precision": "bfloat16"}, method="finetune", precision="bfloat16"
    )
    assert named.stages.done["finetune"]["skipped"]
    assert named.teacher.key == key


def test_auto_and_float32_are_one_teacher_where_there_is_no_bfloat16(run_of, data):
    folder = data()
    one = run_of(folder, method="frozen")
    two = run_of(folder, method="frozen", precision="float32", finetune={"precision": "float32"})
    assert two.stages.done["finetune"]["skipped"]
    assert one.teacher.key == two.teacher.key


@pytest.mark.parametrize(("dev", "judged"), [(200, "on dev"), (20, "by cross-validation (3 of 3 parts)")])
def test_of_few_labels_the_comparison_is_written_down_and_told(run_of, data, dev, judged):
    folder = data(dev)
    run = run_of(folder, finetune=FINETUNE)
    assert manifest(run)["inputs"] != old_digest(run)
    comparison = facts(run)["comparison"]
    assert comparison["judged"] == judged
    assert set(comparison["scores"]) == {"frozen", "contrastive", "finetune"}
    assert comparison["scores"][comparison["chosen"]] == max(comparison["scores"].values())
    (note,) = (note for note in run.dataset.notes if "chosen" in note)
    assert f": teacher chosen {judged}: " in note

    again = run_of(folder, finetune=FINETUNE)
    assert again.stages.done["finetune"]["skipped"]
    assert again.dataset.notes == run.dataset.notes


@pytest.mark.parametrize("method", ["frozen", "contrastive"])
def test_each_method_leaves_a_teacher_like_any_other(run_of, data, method):
    run = run_of(data(), method=method)
    assert len(facts(run)["curve"]) in ((0,) if method == "frozen" else (2, 3))
    teacher = Teacher.from_pretrained(run.folder / "teacher", task=run.dataset.task)
    assert teacher.logits(["a good film"]).shape == (1, 2)


def test_a_method_is_refused_where_it_has_no_effect(run_of, data, bert):
    with pytest.raises(RecipeError, match="is fine-tuned already"):
        run_of(data(), model=str(bert), method="contrastive")
    with pytest.raises(RecipeError, match="epochs has no effect"):
        run_of(data(21), finetune=FINETUNE, method="frozen")
    with pytest.raises(RecipeError, match="not made of an encoder"):
        make_recipe(None, {"data.source": "x.csv", "teacher.callable": "a:b", "teacher.method": "frozen"})
