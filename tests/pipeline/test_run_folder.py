"""A run writes into its own folder alone: nothing that somebody else put anywhere is touched."""

import hashlib
import os
import shutil
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from plain_settings import PLAIN

from understudy.core.manifest import publish
from understudy.errors import ArtifactError, DataError, RecipeError
from understudy.pipeline.distillation import distill
from understudy.pipeline.run_folder import claimed

HOLD = """
import sys
from pathlib import Path
from understudy.pipeline.run_folder import claimed
with claimed(Path(sys.argv[1]), None):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_folder_is_one_process_own_until_it_ends_however_it_ends(tmp_path):
    out, data = tmp_path / "run", tmp_path / "data.csv"
    data.write_text(
        "text,label\n" + "".join(f"film {n},{'ab'[n % 2]}\n" for n in range(40)), encoding="utf-8"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(out)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(RecipeError, match=r"Another process is at work in .*run\. Wait .* --out"):
            distill(str(data), out=out, until="data")
        assert not (out / "recipe.yaml").exists()
        distill(str(data), out=tmp_path / "elsewhere", until="data")
    finally:
        other.kill()
        other.wait()
        other.stdin.close()
        other.stdout.close()
    assert distill(str(data), out=out, until="data").folder == out


def test_it_is_let_go_after_an_error(tmp_path):
    with pytest.raises(ZeroDivisionError), claimed(tmp_path, None):
        _ = 1 / 0
    with (
        claimed(tmp_path, None),
        pytest.raises(RecipeError, match="Another process"),
        claimed(tmp_path, None),
    ):
        pass


ROWS = "text,label\n" + "".join(f"film {n},{'ab'[n % 2]}\n" for n in range(40))


def sums(folder):
    """Every file below a folder with the digest of its bytes."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "reviews.csv"
    path.write_text(ROWS)
    return str(path)


def test_the_current_folder_with_data_in_it_is_refused(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "reviews.csv").write_text(ROWS)
    (tmp_path / "data" / "notes.txt").write_text("precious")
    monkeypatch.chdir(tmp_path)
    before = sums(tmp_path)
    with pytest.raises(RecipeError, match=r"does not belong to a run: it holds data\. .* --out"):
        distill("data/reviews.csv", out=".", until="data")
    with pytest.raises(RecipeError, match="out is empty"):
        distill("data/reviews.csv", out="", until="data")
    assert sums(tmp_path) == before


NAMES = st.sampled_from(
    ["data", "data/dataset.json", "data/manifest.json", "teacher/config.json", "models/cbow.v1/config.json",
     "recipe.yaml", "report.md", "augment/pool.jsonl", "logits/label.json", "stages.json", "notes.txt",
     "train/x"]
)  # fmt: skip


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    names=st.sets(NAMES, min_size=1, max_size=6), out=st.sampled_from([".", "data", "models", "new", "a/b"])
)
def test_no_file_that_we_did_not_write_is_touched(tmp_path, names, out):
    shutil.rmtree(tmp_path, ignore_errors=True)
    home = tmp_path / "home"
    for name in sorted(names - {"data"} if any(n.startswith("data/") for n in names) else names):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text('{"mine": true}')
    home.mkdir(exist_ok=True)
    (tmp_path / "reviews.csv").write_text(ROWS)
    before = sums(home)
    try:
        distill(str(tmp_path / "reviews.csv"), out=home / out, until="data")
    except (RecipeError, ArtifactError, NotADirectoryError):
        assert sums(home) == before
    after = sums(home)
    assert {name: after[name] for name in before} == before


def test_a_folder_holds_a_run_on_one_set_of_data(data, tmp_path):
    out = tmp_path / "run"
    distill(data, out=out, until="data")
    other = tmp_path / "other.csv"
    other.write_text(ROWS.replace("film 1,", "another film,"))
    with pytest.raises(RecipeError, match=r"holds a run on .*reviews\.csv, but the data is .*other\.csv now"):
        distill(str(other), out=out, until="data")
    (tmp_path / "reviews.csv").write_text(ROWS.replace("film 3,", "film three,"))
    assert distill(data, out=out, until="data").folder == out


def test_a_run_from_before_the_marker_goes_on(data, tmp_path):
    out = tmp_path / "run"
    distill(data, out=out, until="data")
    (out / ".understudy").unlink()
    assert distill(data, out=out, until="data").folder == out


def test_a_stage_replaces_only_folders_of_ours_and_keeps_files_beside(tmp_path):
    folder = tmp_path / "model"
    with publish(folder, {}) as aside:
        (aside / "weights").write_text("1")
    (folder / "notes.txt").write_text("mine")
    with publish(folder, {}) as aside:
        (aside / "weights").write_text("2")
    assert (folder / "weights").read_text() == "2"
    assert (folder / "notes.txt").read_text() == "mine"

    others = tmp_path / "others"
    others.mkdir()
    (others / "manifest.json").write_text('{"name": "a web app"}')
    with pytest.raises(ArtifactError, match="was not written by Understudy"), publish(others, {}) as aside:
        (aside / "weights").write_text("3")
    assert [path.name for path in others.iterdir()] == ["manifest.json"]


def test_a_link_is_not_followed(tmp_path):
    target, link = tmp_path / "target", tmp_path / "link"
    target.mkdir()
    (target / "mine").write_text("1")
    link.symlink_to(target, target_is_directory=True)
    with pytest.raises(ArtifactError, match="a link or a file"), publish(link, {}):
        pass
    assert (target / "mine").read_text() == "1"


def test_files_of_one_name_do_not_share_a_default_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "train.csv").write_text(ROWS.replace("film 1,", f"film of {folder},"))
    assert distill("a/train.csv", until="data").folder.as_posix() == "runs/train"
    with pytest.raises(RecipeError, match=r"runs/train holds .*a/train\.csv, but .*b/train\.csv now"):
        distill("b/train.csv", until="data")
    assert distill("a/train.csv", until="data").folder.as_posix() == "runs/train"


def good(texts):
    return [[0.0, 1.0] for _ in texts]


def test_texts_without_labels_do_not_share_a_default_folder_either(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "pool.txt").write_text("\n".join(f"film {n}" for n in range(40)))
    options = {"teacher": good, "teacher__labels": ["bad", "good"], "until": "data"}
    distill(unlabelled="a/pool.txt", **options)
    with pytest.raises(RecipeError, match=r"runs/pool holds a run on .*a/pool\.txt, but .*b/pool\.txt now"):
        distill(unlabelled="b/pool.txt", **options)
    distill(unlabelled="a/*.txt", out="other", **options)
    distill(unlabelled="a/*.txt", out="other", **options)


def test_names_that_are_not_utf8_are_refused(data, tmp_path):
    strange = os.fsdecode(os.fsencode(tmp_path) + b"/r\xff")
    with pytest.raises(RecipeError, match=r"The folder of the run is '.*', whose name is not UTF-8"):
        distill(data, out=strange, until="data")
    other = os.fsdecode(os.fsencode(tmp_path) + b"/d\xff.csv")
    shutil.copy(data, other)
    with pytest.raises(DataError, match=r"is not valid UTF-8\. Rename the file"):
        distill(other, out=tmp_path / "run", until="data")
    assert not os.path.lexists(strange)
    assert not (tmp_path / "run").exists()


def test_an_exported_student_that_is_a_link_is_not_replaced(data, tmp_path):
    options = {
        "teacher": good,
        "out": tmp_path / "run",
        "until": "export",
        **PLAIN,
        "training__epochs": 1,
        "students": "cbow.v1",
    }
    (folder,) = distill(data, **options).models.values()
    elsewhere = tmp_path / "elsewhere"
    shutil.move(folder, elsewhere)
    (elsewhere / "config.json").unlink()
    folder.symlink_to(elsewhere, target_is_directory=True)
    before = sums(elsewhere)
    with pytest.raises(ArtifactError, match="is not a folder, but a link or a file"):
        distill(data, **options)
    assert sums(elsewhere) == before
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_a_project_that_moved_keeps_its_run(data, tmp_path):
    out = tmp_path / "run"
    distill(data, out=out, until="data")
    moved = tmp_path / "elsewhere" / "reviews.csv"
    moved.parent.mkdir()
    shutil.move(data, moved)
    assert distill(moved, out=out, until="data").folder == out


def test_paid_labels_of_a_killed_run_are_not_a_dead_end(data, tmp_path):
    ledger = tmp_path / "run" / "logits" / "key" / "ledger.jsonl"
    ledger.parent.mkdir(parents=True)
    ledger.write_text("{}\n")
    (tmp_path / "run" / ".lock").touch()
    assert distill(data, out=tmp_path / "run", until="data").folder == tmp_path / "run"
    assert ledger.is_file()
