"""A run writes into its own folder alone: nothing that somebody else put anywhere is touched."""

import hashlib
import shutil
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from understudy.core.manifest import publish
from understudy.errors import ArtifactError, RecipeError
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
    other.write_text(ROWS)
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
