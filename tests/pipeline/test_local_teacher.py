"""Models that teach a run: their names, and keys that change with the weights and the settings."""

import shutil

import pytest

from understudy.pipeline.local_teacher import members_of
from understudy.pipeline.recipe_file import make_recipe


def members(tmp_path, *assignments, model):
    recipe = make_recipe(None, {"data.source": "sst2", "teacher.model": model}, assignments)
    return members_of(recipe, tmp_path / "run")


def test_a_teacher_outside_has_no_members(tmp_path):
    recipe = make_recipe(None, {"data.source": "sst2", "teacher.callable": "module:function"})
    assert members_of(recipe, tmp_path) == ()


def test_a_finetuned_model_is_opened_where_it_is(write_model, tmp_path):
    folder = str(write_model("bert"))
    (member,) = members(tmp_path, "teacher.precision=bfloat16", model=folder)
    assert member.is_finetuned
    assert (member.name, member.spec.kind, member.spec.location) == ("teacher", "teacher", folder)
    assert member.spec.precision == "bfloat16"


def test_a_bare_encoder_is_opened_where_it_is_saved_after_finetuning(write_model, tmp_path):
    (member,) = members(tmp_path, model=str(write_model("bert", labels=None)))
    assert not member.is_finetuned
    assert member.spec.location == str(tmp_path / "run" / "teacher")


def test_members_of_an_ensemble_have_folders_of_their_own(write_model, tmp_path):
    models = [str(write_model("bert", labels=None, seed=seed)) for seed in (0, 1)]
    assert [member.name for member in members(tmp_path, model=models)] == ["teacher-1", "teacher-2"]


@pytest.mark.parametrize(
    ("change", "is_same"), [("nothing", True), ("weights", False), ("precision", False), ("notes", True)]
)
def test_the_key_changes_with_all_that_decides_the_answers(write_model, tmp_path, change, is_same):
    folder = tmp_path / "model"
    shutil.copytree(write_model("bert"), folder)
    (before,) = members(tmp_path, model=str(folder))
    key = before.key
    if change == "weights":
        with (folder / "model.safetensors").open("ab") as file:
            file.write(b" ")
    if change == "notes":
        (folder / "README.md").write_text("a note")
    precision = "bfloat16" if change == "precision" else "float32"
    (after,) = members(tmp_path, f"teacher.precision={precision}", model=str(folder))
    assert (after.key == key) is is_same
