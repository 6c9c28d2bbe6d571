"""What a teacher's folder may hold: no code runs, and whatever is damaged is one sentence."""

import json
import shutil

import pytest
import torch

from understudy.core.task import Task
from understudy.errors import TeacherError
from understudy.teachers.finetune import new_module
from understudy.teachers.loading import load_body, load_config, read_ability
from understudy.teachers.source import FACTS_FILE, Source
from understudy.teachers.transformer import Teacher

CODE = """
from pathlib import Path
from transformers import BertConfig, BertForSequenceClassification

Path({mark!r}).write_text("this code ran")


class OwnConfig(BertConfig):
    model_type = "own"


class OwnForSequenceClassification(BertForSequenceClassification):
    config_class = OwnConfig
"""


@pytest.fixture
def with_code(bert, tmp_path):
    """A folder whose config asks for code of its own, and the file that this code would write."""
    folder, mark = shutil.copytree(bert, tmp_path / "own"), tmp_path / "mark"
    (folder / "own.py").write_text(CODE.format(mark=str(mark)), encoding="utf-8")
    facts = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    classes = {"AutoConfig": "OwnConfig"} | {
        f"AutoModel{suffix}": "OwnForSequenceClassification" for suffix in ("", "ForSequenceClassification")
    }
    facts |= {"model_type": "own", "auto_map": {name: f"own.{value}" for name, value in classes.items()}}
    (folder / "config.json").write_text(json.dumps(facts), encoding="utf-8")
    return folder, mark


def answers_yes(monkeypatch):
    """Whoever is asked says yes, as a pipe from ``yes`` would."""
    monkeypatch.setattr("builtins.input", lambda *_: "y")


def test_code_of_a_teacher_is_not_run_whoever_says_yes(with_code, monkeypatch):
    answers_yes(monkeypatch)
    folder, mark = with_code
    source = Source("own", str(folder))
    for work in (
        lambda: Teacher.from_pretrained(folder),
        lambda: load_config(source),
        lambda: load_body(source),
        lambda: new_module(source, Task(("bad", "good")), "auto", 0),
    ):
        with pytest.raises(TeacherError, match=r"code of its own.*teacher\.trust_remote_code: true"):
            work()
    assert not mark.exists()


def test_code_of_a_teacher_runs_where_it_is_trusted_with_a_warning(with_code, monkeypatch, tmp_path):
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "cache"))
    monkeypatch.syspath_prepend(str(tmp_path / "cache"))
    folder, mark = with_code
    with pytest.warns(UserWarning, match="trust_remote_code is set"):
        teacher = Teacher.from_pretrained(folder, trust_remote_code=True)
    assert teacher.logits(["a good film"]).shape == (1, 2)
    assert mark.exists()


def test_models_of_augmentation_run_no_code(with_code, monkeypatch):
    from understudy.augment.neural.loading import load
    from understudy.errors import RecipeError

    answers_yes(monkeypatch)
    folder, mark = with_code
    with pytest.raises(RecipeError, match="brings Python code of its own, which is never run"):
        load("mlm", "MaskedLM", str(folder))
    assert not mark.exists()


def test_weights_of_another_shape_are_told(bert, tmp_path):
    folder = shutil.copytree(bert, tmp_path / "shape")
    facts = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps({**facts, "intermediate_size": 48}), encoding="utf-8")
    with pytest.raises(TeacherError, match=r"do not fit its config\.json"):
        Teacher.from_pretrained(folder)


class Evil:
    def __reduce__(self):
        return (print, ("this code ran",))


@pytest.mark.parametrize("content", ["pickled", "truncated"])
def test_pickled_and_damaged_weights_are_refused(bert, tmp_path, content, capsys):
    folder = shutil.copytree(bert, tmp_path / "pickled")
    (folder / "model.safetensors").unlink()
    weights = folder / "pytorch_model.bin"
    torch.save({"a": Evil()}, weights)
    if content == "truncated":
        weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(TeacherError, match=r"pickled objects|cannot be loaded") as caught:
        Teacher.from_pretrained(folder)
    assert str(folder) in str(caught.value)
    assert "this code ran" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        "{}",
        "3",
        '{"labels": "bad"}',
        '{"labels": [1, 2]}',
        '{"labels": ["a", "b"], "kinds": []}',
        '{"labels": ["a", "b"], "texts": 3}',
        '{"labels": ["a"], "bounds": [1]}',
        '{"labels": ["a"], "bounds": ["low", "high"]}',
        "[" * 100_000,
        '{"labels": ' + "9" * 5000 + "}",
    ],
)
def test_an_odd_file_of_facts_is_named(bert, tmp_path, content):
    folder = shutil.copytree(bert, tmp_path / "odd")
    (folder / FACTS_FILE).write_text(content, encoding="utf-8")
    with pytest.raises(TeacherError, match=r"understudy\.json"):
        Teacher.from_pretrained(folder)


@pytest.mark.parametrize("content", ["[]", "3", "{", '{"model_type": "bert", "id2label": {"x": "y"}}'])
def test_an_odd_config_is_one_sentence(bert, tmp_path, content):
    folder = shutil.copytree(bert, tmp_path / "config")
    (folder / "config.json").write_text(content, encoding="utf-8")
    with pytest.raises(TeacherError, match=r"teacher|config"):
        Teacher.from_pretrained(folder)


def test_what_was_written_by_earlier_versions_is_still_read(bert, tmp_path):
    folder = shutil.copytree(bert, tmp_path / "old")
    (folder / FACTS_FILE).write_text('{"pooling": "head", "labels": ["bad", "good"]}', encoding="utf-8")
    source = Source("x", str(folder))
    ability = read_ability(source, load_config(source))
    assert (ability.labels, ability.kinds, ability.texts) == (("bad", "good"), ("classification",), 1)
