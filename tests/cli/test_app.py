import csv
import io
import json
import subprocess
import sys
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

import understudy
from understudy.cli import answers as writing
from understudy.cli import app as cli
from understudy.errors import UnderstudyError
from understudy.pipeline.distillation import distill


@pytest.fixture(scope="module")
def student(tmp_path_factory, toy, bare):
    folder = tmp_path_factory.mktemp("cli")
    texts, labels = toy(120, seed=0)
    rows = "".join(
        f"{t} {i},{['bad', 'good'][y]}\n" for i, (t, y) in enumerate(zip(texts, labels, strict=True))
    )
    (folder / "rows.csv").write_text("text,label\n" + rows, encoding="utf-8")
    result = distill(
        str(folder / "rows.csv"),
        teacher=str(bare),
        out=folder / "run",
        until="export",
        teacher__finetune={"epochs": 1},
        training__epochs=2,
    )
    return result.models["cbow.v1"]


def run(*arguments, **more):
    result = CliRunner().invoke(cli.app, [str(a) for a in arguments], **more)
    if isinstance(result.exception, UnderstudyError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def test_predict_answers_arguments(student):
    texts = ["a great film", "dull"]
    lines = [line.split("\t") for line in run("predict", student, *texts).splitlines()]
    assert [line[0] for line in lines] == understudy.load(student).predict(texts)
    assert [line[2] for line in lines] == texts
    assert all(0.5 <= float(line[1]) <= 1 for line in lines)


def test_predict_writes_jsonl(student):
    row = json.loads(run("predict", student, "so dull", "--format", "jsonl"))
    assert row["text"] == "so dull"
    assert row["label"] == max(row["probabilities"], key=row["probabilities"].get)
    assert sum(row["probabilities"].values()) == pytest.approx(1, abs=1e-5)


def test_predict_writes_csv_with_a_header_and_quotes(student):
    rows = list(csv.reader(io.StringIO(run("predict", student, 'a "dull", film', "--format", "csv"))))
    assert rows[0] == ["text", "label", "bad", "good"]
    assert rows[1][0] == 'a "dull", film'


def test_predict_reads_a_file_and_writes_one(student, tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "CHUNK", 2)
    (tmp_path / "in.txt").write_text("great\n\nbad\nso so\ngood\n", encoding="utf-8")
    run("predict", student, "--file", tmp_path / "in.txt", "--output", tmp_path / "out.tsv")
    lines = (tmp_path / "out.tsv").read_text(encoding="utf-8").splitlines()
    assert [line.split("\t")[2] for line in lines] == ["great", "", "bad", "so so", "good"]


def test_predict_reads_standard_input(student):
    command = [sys.executable, "-m", "understudy", "predict", str(student)]
    done = subprocess.run(command, input="great\nça va\n", capture_output=True, text=True, check=True)
    assert [line.split("\t")[2] for line in done.stdout.splitlines()] == ["great", "ça va"]


def test_errors_are_one_message_and_exit_code_2(student, tmp_path):
    command = [sys.executable, "-m", "understudy", "predict", str(tmp_path / "none"), "x"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("Error: There is no folder")
    assert "Traceback" not in done.stderr


def test_a_byte_that_is_not_utf8_is_named_with_its_line(student, tmp_path):
    (tmp_path / "in.txt").write_bytes(b"good\nba\xffd\n")
    with pytest.raises(UnderstudyError, match=r"in.txt, line 2: byte 0xff"):
        run("predict", student, "--file", tmp_path / "in.txt")


def test_texts_and_file_together_are_refused(student, tmp_path):
    with pytest.raises(UnderstudyError, match="not both"):
        run("predict", student, "x", "--file", tmp_path / "in.txt")


def test_a_missing_file_is_said(student, tmp_path):
    with pytest.raises(UnderstudyError, match="cannot be read"):
        run("predict", student, "--file", tmp_path / "none.txt")


def test_a_stage_of_an_earlier_run_is_continued_from_its_recipe(student):
    run_folder = student.parents[1]
    before = (run_folder / "recipe.yaml").read_text(encoding="utf-8")
    assert "Done:" in run("train", run_folder)
    assert (run_folder / "recipe.yaml").read_text(encoding="utf-8") == before
    with pytest.raises(UnderstudyError, match="not both"):
        run("train", run_folder, "--recipe", run_folder / "recipe.yaml")


def test_the_report_is_printed_with_the_next_step(student):
    said = run("distill", student.parents[1])
    assert "report.html" in said
    assert "TF-IDF" in said
    assert "understudy distill your.csv" in said


@pytest.mark.parametrize(("texts", "example"), [(1, '"..."'), (2, "$'...\\t...'")])
def test_what_to_try_can_be_pasted(monkeypatch, capsys, tmp_path, texts, example):
    monkeypatch.setattr("understudy.report.terminal.table", lambda report: "")
    folder = tmp_path / "my run" / "models" / "cbow.v1"
    result = SimpleNamespace(
        report={"task": {"texts": texts}}, html="", models={"cbow.v1": folder}, best=folder
    )
    cli._print_result(result)
    assert f"Try it: understudy predict '{folder}' {example}\n" in capsys.readouterr().out


def test_help_says_the_defaults():
    said = " ".join(run("distill", "--help").replace("│", " ").split())
    for default in ("[runs/NAME]", "[guessed]", "[minilm]", "[words]", "[none: the value itself]"):
        assert default in said


def test_flags_reach_the_recipe(tmp_path, monkeypatch):
    seen = {}
    monkeypatch.setattr("understudy.pipeline.distillation.distill", lambda **given: seen.update(given))
    monkeypatch.setattr(cli, "_print_result", lambda result: None)
    run(
        *("label", "sst2", "--student", "bilstm.v1", "--teacher", "owner/name", "--teacher-labels", "a,b"),
        *("--unlabelled", "x.txt", "--unlabelled", "y.txt", "--out", tmp_path, "--set", "training.epochs=3"),
        *("--text-column", "t", "--label-column", "l", "--delimiter", ";", "--no-header"),
        *("--dev-fraction", "0.2", "--test-fraction", "0.3", "--metric", "mcc", "--loss", "kl"),
        *("--precision", "bfloat16", "--quantize", "auto", "--table", "auto", "--seed", "7"),
    )
    recipe = seen["recipe"]
    assert seen["until"] == "label"
    assert seen["out"] == tmp_path
    assert recipe.students == ("bilstm.v1",)
    assert recipe.teacher.model == "owner/name"
    assert recipe.teacher.labels == ("a", "b")
    assert recipe.teacher.precision == recipe.teacher.finetune.precision == "bfloat16"
    assert recipe.data.unlabelled == ("x.txt", "y.txt")
    assert (recipe.data.text_column, recipe.data.label_column) == ("t", "l")
    assert (recipe.data.delimiter, recipe.data.header) == (";", False)
    assert (recipe.data.dev_fraction, recipe.data.test_fraction) == (0.2, 0.3)
    assert (recipe.data.metric, recipe.loss.name, recipe.seed) == ("mcc", "kl", 7)
    assert recipe.training.epochs == 3
    assert (recipe.quantize, recipe.table) == ("auto", "auto")


def test_training_without_its_packages_says_what_to_install(monkeypatch):
    monkeypatch.setattr(cli, "TRAINING_MODULES", ("torch", "no_such_module"))
    with pytest.raises(UnderstudyError, match=r"no_such_module.*understudy\[train\]"):
        run("distill", "sst2")


def test_info_names_versions():
    assert json.loads(run("info"))["understudy"] == understudy.__version__


def test_students_are_listed_with_their_parameters():
    rows = {row["name"]: row for row in json.loads(run("students", "--json"))}
    assert rows["cbow.v1"]["parameters"] == 80_610
    assert rows["bilstm.v1"]["parameters"] == 684_578
    shown = run("students")
    assert "cbow.v1" in shown
    assert "all but tagging" in shown
    assert "cbow.v1 has no features of single words, so it cannot tag them." in shown
    assert "bilstm.v1:tang" in shown
    assert "attn-bilstm.v1:classification" in shown
    assert "…" not in shown


def test_students_are_listed_for_other_sizes_and_pairs():
    asked = ("students", "--json", "--vocab-size", "100", "--labels", "3", "--pair", "diffcat")
    rows = {row["name"]: row for row in json.loads(run(*asked))}
    # 100·16 + (3·16 + 1)·32 + 33·3
    assert rows["cbow.v1"]["parameters"] == 1600 + 1568 + 99
