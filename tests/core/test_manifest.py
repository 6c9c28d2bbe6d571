import hashlib
import json
import signal
import subprocess
import sys
import textwrap

import pytest

from understudy.core.manifest import (
    MANIFEST,
    digest,
    discard,
    file_digest,
    publish,
    read_json,
    read_manifest,
    verify,
    write_json,
)
from understudy.errors import ArtifactError


def put(folder, **files):
    with publish(folder, {"about": "a test"}) as aside:
        for name, content in files.items():
            (aside / name).write_text(content, encoding="utf-8")


def contents(folder):
    return {path.name: path.read_text() for path in folder.iterdir() if path.name != MANIFEST}


@pytest.fixture
def folder(tmp_path):
    """A finished folder with two files."""
    made = tmp_path / "made"
    put(made, one="first", two="second")
    return made


def test_digest_does_not_depend_on_the_order_of_keys():
    assert digest({"a": 1, "b": [1, 2]}) == digest({"b": [1, 2], "a": 1})
    assert digest([1, 2]) != digest([2, 1])
    assert digest("x") == hashlib.sha256(b'"x"').hexdigest()


def test_digest_takes_lone_surrogates():
    assert digest("\ud83d") != digest("\ud83e")


def test_file_digest_is_sha256(tmp_path):
    (tmp_path / "f").write_bytes(b"abc")
    assert file_digest(tmp_path / "f") == hashlib.sha256(b"abc").hexdigest()


def test_write_json_replaces_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "facts.json"
    write_json(path, {"n": 1})
    write_json(path, {"n": 2})
    assert read_json(path) == {"n": 2}
    assert [p.name for p in tmp_path.iterdir()] == ["facts.json"]


def test_write_json_that_fails_keeps_the_old_file(tmp_path):
    path = tmp_path / "facts.json"
    write_json(path, {"n": 1})
    with pytest.raises(TypeError):
        write_json(path, {"n": 2, "bad": object()})
    assert read_json(path) == {"n": 1}


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"n": ' + b"9" * 5_000 + b"}"], ids=range(5)
)
def test_read_json_names_a_damaged_file(tmp_path, content):
    path = tmp_path / "facts.json"
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match=r"facts\.json is damaged"):
        read_json(path)


def test_read_json_names_a_missing_file(tmp_path):
    with pytest.raises(ArtifactError, match=r"facts\.json is missing"):
        read_json(tmp_path / "facts.json")


def test_publish_makes_parents_and_a_manifest_of_every_file(tmp_path):
    folder = tmp_path / "deep" / "er" / "made"
    with publish(folder, {"stage": "train"}) as aside:
        assert list(aside.iterdir()) == []
        (aside / "sub").mkdir()
        (aside / "sub" / "b.bin").write_bytes(b"\x00\x01")
        (aside / "a.txt").write_text("aa")
        assert not folder.exists()  # nothing is seen before all is there
    manifest = json.loads((folder / MANIFEST).read_text())
    assert manifest["stage"] == "train"
    assert manifest["files"] == {
        "a.txt": {"sha256": hashlib.sha256(b"aa").hexdigest(), "bytes": 2},
        "sub/b.bin": {"sha256": hashlib.sha256(b"\x00\x01").hexdigest(), "bytes": 2},
    }
    assert verify(folder) == read_manifest(folder) == manifest


def test_publish_replaces_the_folder_as_a_whole(folder):
    put(folder, three="third")
    assert contents(folder) == {"three": "third"}
    assert list(verify(folder)["files"]) == ["three"]
    assert [path.name for path in folder.parent.iterdir()] == ["made"]


class Stopped(BaseException):
    """Like KeyboardInterrupt: no Exception."""


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt, Stopped])
def test_an_exception_leaves_the_old_folder(folder, kind):
    before = contents(folder)

    def fail():
        with publish(folder, {}) as aside:
            (aside / "one").write_text("half of it")
            raise kind

    with pytest.raises(kind):
        fail()
    assert contents(folder) == before
    verify(folder)
    assert [path.name for path in folder.parent.iterdir()] == ["made"]


def test_an_exception_leaves_nothing_where_nothing_was(tmp_path):
    def fail():
        with publish(tmp_path / "new", {}) as aside:
            (aside / "one").write_text("half of it")
            raise ValueError

    with pytest.raises(ValueError, match=r"^$"):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_facts_that_are_not_json_leave_the_old_folder(folder):
    def fail():
        with publish(folder, {"bad": object()}) as aside:
            (aside / "one").write_text("new")

    with pytest.raises(TypeError):
        fail()
    assert contents(folder) == {"one": "first", "two": "second"}
    assert [path.name for path in folder.parent.iterdir()] == ["made"]


@pytest.mark.parametrize("name", ["made", "run [1]", "a*b"])
def test_what_a_killed_run_left_is_cleaned(tmp_path, name):
    put(tmp_path / f".{name}.understudy-old", one="older")
    (tmp_path / f".{name}.understudy-new").mkdir()
    (tmp_path / f".{name}.understudy-new" / "stale").write_text("half")
    put(tmp_path / name, one="first")
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert contents(tmp_path / name) == {"one": "first"}


def test_neighbours_are_left_alone(tmp_path):
    """`cbow` and `cbow.v1` may be written at the same time."""
    with publish(tmp_path / "cbow.v1", {}) as aside:
        (aside / "one").write_text("first")
        put(tmp_path / "cbow", two="second")
    assert contents(tmp_path / "cbow.v1") == {"one": "first"}
    assert contents(tmp_path / "cbow") == {"two": "second"}


def killed(tmp_path, script):
    """Run a script that kills itself with SIGKILL, which no ``finally`` can catch."""
    header = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom understudy.core.manifest import publish\n"
    )
    footer = "\nkill = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
    command = [sys.executable, "-c", header + footer + textwrap.dedent(script), str(tmp_path)]
    assert subprocess.run(command, check=False, timeout=60).returncode == -signal.SIGKILL


def test_a_kill_while_writing_leaves_the_old_folder(folder):
    killed(
        folder,
        """
        with publish(Path(sys.argv[1]), {}) as aside:
            (aside / "one").write_text("half of it")
            kill()
        """,
    )
    assert contents(folder) == {"one": "first", "two": "second"}
    verify(folder)
    assert len(list(folder.parent.iterdir())) == 2  # the part is there, but under another name
    put(folder, three="third")
    assert [path.name for path in folder.parent.iterdir()] == ["made"]


def test_a_kill_while_writing_the_manifest_leaves_the_old_folder(folder):
    killed(
        folder,
        """
        os.fsync = kill
        with publish(Path(sys.argv[1]), {}) as aside:
            (aside / "one").write_text("new")
        """,
    )
    assert contents(folder) == {"one": "first", "two": "second"}
    verify(folder)


def test_a_kill_between_the_two_renames_leaves_no_half_folder(folder):
    killed(
        folder,
        """
        rename = Path.replace
        def replace(self, target):
            kill() if self.name == ".made.understudy-new" else rename(self, target)
        Path.replace = replace
        with publish(Path(sys.argv[1]), {}) as aside:
            (aside / "one").write_text("new")
        """,
    )
    assert not folder.exists()
    with pytest.raises(ArtifactError, match="There is no folder"):
        verify(folder)
    put(folder, three="third")
    assert contents(folder) == {"three": "third"}


def test_a_discarded_folder_is_gone_and_so_is_what_a_killed_run_left(folder):
    put(folder.with_name(".made.understudy-old"), one="older")
    discard(folder)
    assert list(folder.parent.iterdir()) == []
    discard(folder)


def test_there_is_no_manifest_where_nothing_was_finished(tmp_path):
    assert read_manifest(tmp_path) is None
    assert read_manifest(tmp_path / "absent") is None
    with pytest.raises(ArtifactError, match=r"has no manifest\.json: it was not finished"):
        verify(tmp_path)
    with pytest.raises(ArtifactError, match="There is no folder"):
        verify(tmp_path / "absent")


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        "{}",
        "{",
        "null",
        '{"files": []}',
        '{"files": {"one": "x"}}',
        '{"files": {"one": {"sha256": "x"}}}',
    ],
)
def test_a_damaged_manifest_is_named(folder, content):
    (folder / MANIFEST).write_text(content)
    with pytest.raises(ArtifactError, match=r"manifest\.json is damaged"):
        verify(folder)


def test_verify_names_a_missing_file(folder):
    (folder / "two").unlink()
    with pytest.raises(ArtifactError, match="two is missing"):
        verify(folder)


def test_verify_names_a_truncated_file_and_both_sizes(folder):
    (folder / "two").write_text("sec")
    with pytest.raises(ArtifactError, match="two has 3 bytes, but the manifest says 6"):
        verify(folder)


def test_verify_names_an_altered_file_of_the_same_size(folder):
    (folder / "one").write_text("worst")
    with pytest.raises(ArtifactError, match="one was altered"):
        verify(folder)


def test_verify_can_leave_the_content_of_files_that_are_not_read(folder):
    (folder / "one").write_text("worst")
    assert set(verify(folder, read=("two",))["files"]) == {"one", "two"}
    with pytest.raises(ArtifactError, match="one was altered"):
        verify(folder, read=("one",))
    (folder / "one").write_text("longer than it was")
    with pytest.raises(ArtifactError, match="one has 18 bytes"):
        verify(folder, read=("two",))


def test_a_kill_between_the_two_renames_loses_nothing_of_others(folder):
    put(folder, one="first")
    (folder / "notes.txt").write_text("mine")
    folder.replace(folder.with_name(".made.understudy-old"))  # as a kill leaves it
    put(folder, two="second")
    assert contents(folder) == {"two": "second", "notes.txt": "mine"}
    assert [path.name for path in folder.parent.iterdir()] == ["made"]


def test_whatever_stands_beside_our_files_moves_along(folder, tmp_path):
    put(folder, one="first")
    (folder / "half.tmp").write_text("mine")
    (folder / "empty").mkdir()
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "deep" / "er" / "x").write_text("mine")
    (folder / "broken").symlink_to(tmp_path / "nowhere")
    (folder / "two").write_text("mine too")
    put(folder, two="second")
    assert {path.name for path in folder.iterdir()} == {
        "manifest.json", "two", "two.kept", "half.tmp", "empty", "deep", "broken"
    }  # fmt: skip
    assert (folder / "deep" / "er" / "x").read_text() == "mine"
    assert (folder / "two").read_text() == "second"
    assert (folder / "two.kept").read_text() == "mine too"


@pytest.mark.parametrize("text", ['["a.csv"]', "{}", '{"files": ["user.txt"]}', '{"name": "app"}', "null"])
def test_a_manifest_of_something_else_is_not_ours(folder, text):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.json").write_text(text)
    (folder / "user.txt").write_text("mine")
    for act in (lambda: put(folder, one="first"), lambda: discard(folder)):
        with pytest.raises(ArtifactError, match="was not written by Understudy"):
            act()
    assert (folder / "user.txt").read_text() == "mine"


def test_a_folder_with_a_garbled_manifest_is_set_aside(folder):
    put(folder, one="first")
    (folder / "notes.txt").write_text("mine")
    (folder / "manifest.json").write_text('{"files": {"one"')
    put(folder, one="second")
    assert contents(folder) == {"one": "second"}
    damaged = folder.with_name("made.damaged")
    assert (damaged / "notes.txt").read_text() == "mine"


def test_a_discarded_folder_keeps_what_others_put_there(folder):
    put(folder, one="first")
    (folder / "notes.txt").write_text("mine")
    discard(folder)
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]


def test_folders_of_other_tools_with_like_names_stay(folder):
    for word in ("old", "new"):
        folder.with_name(f".made.{word}").mkdir(parents=True)
    put(folder, one="first")
    put(folder, one="second")
    assert {path.name for path in folder.parent.iterdir()} == {"made", ".made.old", ".made.new"}


def test_a_manifest_that_names_a_file_outside_removes_nothing_there(folder):
    put(folder, one="first")
    outside = folder.parent / "mine"
    outside.write_text("mine")
    facts = json.loads((folder / "manifest.json").read_text())
    facts["files"]["../mine"] = facts["files"]["one"]
    (folder / "manifest.json").write_text(json.dumps(facts))
    discard(folder)
    assert outside.read_text() == "mine"
    assert not folder.exists()
