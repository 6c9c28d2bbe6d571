"""The short way of `understudy predict`: the same output, and little is loaded for it."""

import contextlib
import json
import os
import shlex
import shutil
import subprocess
import sys

import pytest

from understudy import __main__ as entry
from understudy.cli import predict as verbs
from understudy.cli.quick import answer
from understudy.core.manifest import file_digest
from understudy.core.task import Task
from understudy.export.folder import export
from understudy.runtime.fast import status
from understudy.students import build
from understudy.tokenization.words import WordVocabulary
from understudy.training.torch_student import TorchStudent

WORDS = ("[PAD]", "[UNK]", "[MASK]", "the", "film", "was", "good", "bad")
TEXTS = ["the film was good", "bad", "é"]

needs_extension = pytest.mark.skipif(not status().is_active, reason="the C extension was not built")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("students")
    for name in ("cbow.v1", "cnn.v1"):
        module = build(name, 2, seed=0, vocabulary_size=len(WORDS)).eval()
        one = TorchStudent(
            name, module, WordVocabulary(WORDS, module.config.max_words), Task(("bad", "good"))
        )
        export(one, root / name, teacher={}, about={})
    return root


def written(capsys, monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["understudy", *map(str, arguments)])
    with contextlib.suppress(SystemExit):
        entry.main()
    return capsys.readouterr()


@needs_extension
def test_both_ways_write_the_same(folder, capsys, monkeypatch):
    arguments = ("predict", folder / "cbow.v1", *TEXTS)
    monkeypatch.setattr(verbs, "main", lambda _: pytest.fail("the long way was taken"))
    quick = written(capsys, monkeypatch, *arguments).out
    monkeypatch.undo()
    monkeypatch.setenv("UNDERSTUDY_FAST", "0")
    assert quick == written(capsys, monkeypatch, *arguments).out
    assert [line.split("\t")[2] for line in quick.splitlines()] == TEXTS


@pytest.mark.parametrize(
    "arguments",
    [
        [], ["predict"], ["predict", "cbow.v1"], ["predict", "cbow.v1", "a", "--format", "csv"],
        ["predict", "cbow.v1", "-a"], ["predict", "cnn.v1", "a"], ["predict", "nowhere", "a"],
        ["info", "cbow.v1", "a"],
    ],
)  # fmt: skip
def test_all_else_is_left_to_the_command_line(folder, arguments, capsys):
    paths = [str(folder / a) if a.endswith(".v1") or a == "nowhere" else a for a in arguments]
    assert not answer(paths)
    assert capsys.readouterr().out == ""


def test_a_text_of_several_lines_is_one_line_both_ways(folder, capsys, monkeypatch):
    for more in ([], ["--format", "text"]):
        out = written(capsys, monkeypatch, "predict", folder / "cbow.v1", "the film\nwas bad", *more).out
        assert out.count("\n") == 1
        assert out.endswith("\tthe film was bad\n")


@needs_extension
@pytest.mark.parametrize("end", ["", "\n"])
@pytest.mark.parametrize("odd", ["", "a\x0bb\n", "a\u2028b\n", "two\r\n"])
def test_lines_are_answered_by_the_extension_as_by_the_reference(folder, tmp_path, monkeypatch, odd, end):
    content = f"the film was good\n\n{odd}é ★\n" * 40 + f"bad{end}"
    (tmp_path / "lines.txt").write_bytes(content.encode())
    answered = []
    for is_fast in ("1", "0"):
        monkeypatch.setenv("UNDERSTUDY_FAST", is_fast)
        out = tmp_path / f"out{is_fast}"
        verbs.predict([str(folder / "cbow.v1"), "--file", str(tmp_path / "lines.txt"), "--output", str(out)])
        lines = out.read_text(encoding="utf-8").split("\n")
        answered.append([line.split("\t", 2) for line in lines[:-1]])
    fast, reference = answered
    assert [(label, text) for label, _, text in fast] == [(label, text) for label, _, text in reference]
    assert len(fast) == content.removesuffix("\n").count("\n") + 1
    # Sums of floats in another order: the fourth decimal may be rounded the other way.
    assert all(abs(float(a[1]) - float(b[1])) < 1.5e-4 for a, b in zip(fast, reference, strict=True))


def test_a_damaged_folder_is_told_as_ever(folder, tmp_path, capsys, monkeypatch):
    found = written(capsys, monkeypatch, "predict", tmp_path / "nowhere", "a")
    assert found.out == ""
    assert "There is no folder" in found.err


@needs_extension
def test_the_first_answer_loads_no_big_library(folder):
    code = (
        "import json, sys\n"
        "from understudy.__main__ import main\n"
        "main()\n"
        "print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))\n"
    )
    arguments = ["predict", str(folder / "cbow.v1"), "the film"]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True, timeout=60
    )
    modules = set(json.loads(done.stdout.splitlines()[-1]))
    assert modules.isdisjoint({"numpy", "typer", "rich", "tokenizers", "onnxruntime", "click", "pydantic"})


def test_info_says_which_path_serves(capsys, monkeypatch):
    monkeypatch.setenv("UNDERSTUDY_FAST", "0")
    found = json.loads(written(capsys, monkeypatch, "info").out)
    assert found["fast_path"] == {"is_active": False, "why": "UNDERSTUDY_FAST=0 turns it off"}


@needs_extension
@pytest.mark.parametrize("more", [[], ["--format", "jsonl"]])
def test_a_closed_pipe_is_no_error(folder, more):
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "understudy", "predict", str(folder / "cbow.v1"), *TEXTS, *more]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, env=environment, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (0, b"")


@needs_extension
def test_a_task_without_a_kind_is_a_classification(folder, tmp_path, capsys):
    """Folders from before tasks had kinds have none in their config."""
    old = shutil.copytree(folder / "cbow.v1", tmp_path / "old")
    config = json.loads((old / "config.json").read_text(encoding="utf-8"))
    del config["task"]["kind"]
    (old / "config.json").write_text(json.dumps(config), encoding="utf-8")
    manifest = json.loads((old / "manifest.json").read_text(encoding="utf-8"))
    manifest["files"]["config.json"] = {
        "sha256": file_digest(old / "config.json"), "bytes": (old / "config.json").stat().st_size
    }  # fmt: skip
    (old / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")

    assert answer(["predict", str(old), "the film was good"])
    assert capsys.readouterr().out.endswith("\tthe film was good\n")


@pytest.mark.parametrize("more", [["a film"], []])
def test_answers_are_not_lost_in_a_closed_output(folder, more):
    command = (sys.executable, "-m", "understudy", "predict", folder / "cbow.v1", *more)
    words = " ".join(shlex.quote(str(word)) for word in command)
    done = subprocess.run(
        ["/bin/sh", "-c", f"echo a film | {words} >&-"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "Standard output is closed" in done.stderr
