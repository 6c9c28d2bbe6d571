"""The verbs of the base install, as `argparse` reads them; `test_app.py` tests what they answer."""

import gzip
import io
import json
from itertools import chain
from types import SimpleNamespace

import pytest

import understudy
from understudy.cli import predict as verbs
from understudy.cli.inputs import Block
from understudy.core.task import Task
from understudy.data import cells
from understudy.errors import DataError, RecipeError


def collect(seen):
    """A `write_answers` that notes what it was asked."""

    def write(model, source, file_format, output):
        batches = [piece.batches() if isinstance(piece, Block) else [piece] for piece in source]
        items = [item for batch in chain.from_iterable(batches) for item in batch.items]
        seen.append((model.asked, items, file_format, output))

    return write


@pytest.fixture
def asked(monkeypatch):
    """What `predict` loads and writes, without a student."""
    seen = []
    monkeypatch.setattr(
        "understudy.runtime.load",
        lambda folder, threads: SimpleNamespace(task=Task(("no", "yes")), asked=(str(folder), threads)),
        raising=False,
    )
    monkeypatch.setattr("understudy.cli.answers.write_answers", collect(seen))
    return seen


@pytest.mark.parametrize(
    "arguments",
    [
        ["folder", "one", "two", "--format", "csv"],
        ["--format", "csv", "folder", "one", "two"],
        ["folder", "--format=csv", "one", "two"],
        ["folder", "one", "--format", "csv", "two"],
    ],
)
def test_options_may_stand_anywhere(asked, arguments):
    assert verbs.main(["predict", *arguments, "--threads", "2"])
    assert asked == [(("folder", 2), ["one", "two"], "csv", None)]


def test_a_text_may_begin_with_a_dash_behind_two(asked):
    verbs.predict(["folder", "--", "-5 stars"])
    assert asked[0][1] == ["-5 stars"]


@pytest.mark.parametrize(
    "arguments", [[], ["folder", "--format", "xml"], ["folder", "--threads", "0"], ["f", "-x"]]
)
def test_wrong_arguments_end_with_code_2(asked, arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        verbs.predict(arguments)
    assert ended.value.code == 2
    assert "usage: understudy predict" in capsys.readouterr().err
    assert not asked


def test_texts_and_file_together_are_refused(asked):
    with pytest.raises(RecipeError, match="not both"):
        verbs.predict(["folder", "a", "--file", "b"])


def test_a_table_is_read_by_its_column_and_nothing_else_has_one(asked, tmp_path, monkeypatch):
    file = tmp_path / "a.CSV"
    file.write_text("id,said\n1,one\n", encoding="utf-8")
    with pytest.raises(RecipeError, match=r"a\.CSV is a table\. Say which column"):
        verbs.predict(["folder", "--file", str(file)])
    for other in (["folder", "one"], ["folder"], ["folder", "--file", "a.txt"]):
        with pytest.raises(RecipeError, match=r"--column is for a --file that ends in \.csv"):
            verbs.predict([*other, "--column", "said"])
    with pytest.raises(RecipeError, match="This model reads 1 text: give --column once"):
        verbs.predict(["folder", "--file", str(file), "--column", "said", "--column", "id"])
    assert not asked

    seen = []
    monkeypatch.setattr(
        cells, "stream_items", lambda *given: seen.append(given) or iter(["one", "two"]), raising=False
    )
    verbs.predict(["folder", "--file", str(file), "--column", "said"])
    assert asked[0][1] == ["one", "two"]
    assert seen == [(file, ["said"])]


QUOTED = 'id\ttext\n1\t"good\tmorning"\n2\tsay ""hi""\n3\t"two\nlines"\n'
OBJECTS = [{"id": 1, "text": "good\tmorning"}, {"text": "two\nlines"}]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("q.tsv", QUOTED, ["good\tmorning", 'say ""hi""', "two\nlines"]),
        ("q.json", json.dumps(OBJECTS), ["good\tmorning", "two\nlines"]),
        ("q.jsonl", "".join(json.dumps(row) + "\n" for row in OBJECTS), ["good\tmorning", "two\nlines"]),
        ("q.json.gz", json.dumps(OBJECTS), ["good\tmorning", "two\nlines"]),
    ],
)
def test_tables_are_read_as_training_reads_them(asked, tmp_path, name, content, expected):
    file = tmp_path / name
    file.write_bytes(gzip.compress(content.encode()) if name.endswith(".gz") else content.encode())
    verbs.predict(["folder", "--file", str(file), "--column", "text"])
    assert asked[0][1] == expected


def test_a_column_that_is_named_twice_is_refused(asked, tmp_path):
    (tmp_path / "a.csv").write_text("text,text\none,two\n", encoding="utf-8")
    with pytest.raises(DataError, match="text"):
        verbs.predict(["folder", "--file", str(tmp_path / "a.csv"), "--column", "text"])


def test_the_file_that_is_read_is_not_written(asked, tmp_path):
    (tmp_path / "a.txt").write_text("one\n", encoding="utf-8")
    (tmp_path / "same.txt").symlink_to(tmp_path / "a.txt")
    with pytest.raises(RecipeError, match=r"--output is the file that is read, .*a\.txt"):
        verbs.predict(["folder", "--file", str(tmp_path / "a.txt"), "--output", str(tmp_path / "same.txt")])
    assert not asked
    verbs.predict(["folder", "--file", str(tmp_path / "a.txt"), "--output", str(tmp_path / "other.txt")])
    assert asked


@pytest.mark.parametrize("arguments", [["folder"], ["folder", "-"], ["folder", "--file", "-"]])
def test_standard_input_is_read(asked, monkeypatch, arguments):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO("one\nça va\n".encode())))
    verbs.predict(arguments)
    assert asked[0][1] == ["one", "ça va"]


def test_help_says_that_texts_are_optional(capsys):
    with pytest.raises(SystemExit):
        verbs.predict([])
    said = capsys.readouterr().err
    assert "FOLDER [TEXT ...]" in said
    assert "FOLDER is missing" in said


@pytest.mark.parametrize("arguments", [[], ["--help"], ["distill", "x"], ["students"]])
def test_other_verbs_are_not_done_here(arguments):
    assert not verbs.main(arguments)


def test_the_version_needs_no_extra(capsys):
    assert verbs.main(["--version"])
    assert capsys.readouterr().out == f"understudy {understudy.__version__}\n"
