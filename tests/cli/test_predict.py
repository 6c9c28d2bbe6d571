"""The verbs of the base install, as `argparse` reads them; `test_cli.py` tests what they answer."""

from types import SimpleNamespace

import pytest

from understudy.cli import errors
from understudy.cli import predict as verbs
from understudy.errors import MissingExtraError, RecipeError, UnderstudyError


def encoding_error(text, encoding):
    try:
        return text.encode(encoding)
    except UnicodeEncodeError as error:
        return error


@pytest.fixture
def asked(monkeypatch):
    """What `predict` loads and writes, without a student."""
    seen = []
    monkeypatch.setattr(
        "understudy.runtime.load", lambda folder, threads: (str(folder), threads), raising=False
    )
    monkeypatch.setattr("understudy.cli.answers.write_answers", lambda *given: seen.append(given))
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
    assert not asked
    model = SimpleNamespace(task=SimpleNamespace(texts=1))
    monkeypatch.setattr("understudy.runtime.load", lambda folder, threads: model, raising=False)
    with pytest.raises(RecipeError, match="This model reads 1 text: give --column once"):
        verbs.predict(["folder", "--file", str(file), "--column", "said", "--column", "id"])
    verbs.predict(["folder", "--file", str(file), "--column", "said"])
    assert list(asked[0][1]) == ["one"]


def test_the_file_that_is_read_is_not_written(asked, tmp_path):
    (tmp_path / "a.txt").write_text("one\n", encoding="utf-8")
    (tmp_path / "same.txt").symlink_to(tmp_path / "a.txt")
    with pytest.raises(RecipeError, match=r"--output is the file that is read, .*a\.txt"):
        verbs.predict(["folder", "--file", str(tmp_path / "a.txt"), "--output", str(tmp_path / "same.txt")])
    assert not asked
    verbs.predict(["folder", "--file", str(tmp_path / "a.txt"), "--output", str(tmp_path / "other.txt")])
    assert asked


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (RecipeError("a reason."), 2, "Error: a reason.\n"),
        (OSError(28, "No space left on device"), 2, "Error: No space left on device.\n"),
        (PermissionError(13, "Permission denied", "x"), 2, "Error: x cannot be used: Permission denied.\n"),
        (
            encoding_error("é", "ascii"),
            2,
            "Error: 'é' cannot be written in ascii. Set PYTHONIOENCODING=utf-8.\n",
        ),
        (encoding_error("\udcff", "utf-8"), 2, "Error: '\\udcff' cannot be written in utf-8.\n"),
        (BrokenPipeError(32, "Broken pipe"), 0, ""),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_what_is_no_defect_is_told_in_one_message(capsys, error, code, message):
    with pytest.raises(SystemExit) as ended, errors.exit_on_error():
        raise error
    assert ended.value.code == code
    assert capsys.readouterr().err == message


def test_a_defect_shows_itself():
    for error in (KeyError("a"), OSError("of a library, not of the system")):
        with pytest.raises(type(error)), errors.exit_on_error():
            raise error


@pytest.mark.parametrize("arguments", [[], ["--help"], ["distill", "x"], ["students"]])
def test_other_verbs_are_not_done_here(arguments):
    assert not verbs.main(arguments)


def test_without_training_says_what_there_is(capsys):
    verbs.without_training([])
    said = capsys.readouterr().out
    assert "predict  Answer texts" in said
    assert "understudy[train]" in said
    with pytest.raises(MissingExtraError, match=r"predict and info.*'distill'"):
        verbs.without_training(["distill"])


def test_errors_are_told_once(capsys):
    with pytest.raises(SystemExit) as ended, errors.exit_on_error():
        raise UnderstudyError("what is wrong")
    assert (ended.value.code, capsys.readouterr().err) == (2, "Error: what is wrong\n")
    with pytest.raises(SystemExit) as ended, errors.exit_on_error():
        raise BrokenPipeError
    assert ended.value.code == 0
