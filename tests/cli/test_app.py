import csv
import io
import json
import subprocess
import sys
from types import SimpleNamespace

import pytest
from plain_settings import PLAIN
from typer.testing import CliRunner

import understudy
from understudy.cli import app as cli
from understudy.cli import inputs, results
from understudy.cli.options import FIRST_READER, GROUPS, readers
from understudy.cli.verbs import BASE, OTHERS, STAGES
from understudy.core.configs import DEFAULT_STUDENTS
from understudy.errors import RecipeError, UnderstudyError
from understudy.pipeline.distillation import distill
from understudy.pipeline.recipe import Recipe


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
        teacher__method="finetune",
        teacher__finetune={"epochs": 1},
        training__epochs=2,
        students="cbow.v1",
        **PLAIN,
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
    monkeypatch.setattr(inputs, "MOST_ITEMS", 2)
    (tmp_path / "in.txt").write_text("great\n\nbad\nso so\ngood\n", encoding="utf-8")
    run("predict", student, "--file", tmp_path / "in.txt", "--output", tmp_path / "out.tsv")
    lines = (tmp_path / "out.tsv").read_text(encoding="utf-8").splitlines()
    assert [line.split("\t")[2] for line in lines] == ["great", "", "bad", "so so", "good"]


def test_predict_reads_standard_input(student):
    command = [sys.executable, "-m", "understudy", "predict", str(student)]
    done = subprocess.run(command, input="great\nça va\n", capture_output=True, text=True, check=True)
    assert [line.split("\t")[2] for line in done.stdout.splitlines()] == ["great", "ça va"]


def test_errors_are_one_message_and_exit_code_1(tmp_path):
    command = [sys.executable, "-m", "understudy", "predict", str(tmp_path / "none"), "x"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
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
    monkeypatch.setattr("understudy.report.record.ReportDocument.from_dict", lambda report: report)
    folder = tmp_path / "my run" / "models" / "cbow.v1"
    result = SimpleNamespace(
        report={"task": {"texts": texts}}, html="", models={"cbow.v1": folder}, best=folder
    )
    results.print_result(result)
    assert f"Try it: understudy predict '{folder}' {example}\n" in capsys.readouterr().out


def help_of(*verb):
    return " ".join(run(*verb, "--help").replace("│", " ").split())


def test_help_says_the_defaults():
    said = help_of("distill")
    recipe = Recipe.model_validate({"data": {"source": "x"}})
    usual, (tagger,) = DEFAULT_STUDENTS["classification"], DEFAULT_STUDENTS["tagging"]
    defaults = (
        *(
            f"[{', '.join(usual[:-1])} and {usual[-1]}; for tagging {tagger}]",
            f"[{recipe.make_pool:g}]",
            f"[{recipe.teacher.model}]",
            f"[{recipe.loss.name}]",
            f"[{recipe.seed}]",
        ),
        *(f"[{recipe.data.dev_fraction}]", f"[{recipe.training.vocabulary}]", f"[{recipe.quantize}]"),
        *(f"[{recipe.table}]", "[runs/NAME]", "[guessed]", "[none: the value itself]"),
    )
    assert [default for default in defaults if default not in said] == []
    assert recipe.data.test_fraction == recipe.data.dev_fraction
    assert "`understudy students`" in said or "understudy students lists them" in said


@pytest.mark.parametrize("verb", STAGES)
def test_a_verb_shows_the_options_that_it_reads(verb):
    said = help_of(verb)
    for group, options in GROUPS.items():
        assert (f" {group} ─" in said) is (verb in readers(group)), group
        for option in options:
            assert (f"{option.flag} " in said) is (verb in readers(group)), option.flag
    for option in ("--out", "--recipe", "--set", "--dry-run"):
        assert option in said
    assert "<bool>" not in said


def test_every_group_has_a_first_reader():
    assert set(FIRST_READER) == set(GROUPS)
    assert readers("Training") == ("distill", "train", "export", "evaluate", "report")


@pytest.mark.parametrize(
    ("verb", "option", "right"),
    [
        ("finetune", ("--quantize", "int8"), "distill, export, evaluate, report"),
        ("train", ("--prune", "0.1"), "distill, export, evaluate, report"),
        ("augment", ("--student", "dan.v1"), "distill, train, export, evaluate, report"),
        ("label", ("--frozen",), "distill, train, export, evaluate, report"),
        ("finetune", ("--augment", "rules"), "distill, augment, label, train, export, evaluate, report"),
    ],
)
def test_an_option_of_a_later_stage_is_refused_with_the_verbs_that_read_it(verb, option, right):
    with pytest.raises(
        RecipeError, match=rf"`understudy {verb}` does not read {option[0]}\. These do: {right}\."
    ):
        run(verb, "sst2", *option)


@pytest.mark.parametrize("arguments", [(), ("-h",), ("--help",)])
def test_the_help_names_every_verb_and_the_exit_codes(arguments):
    said = " ".join(run(*arguments).split())
    for verb in (*STAGES, *OTHERS, *BASE):
        assert f"│ {verb} " in said, verb
    assert "--version" in said
    assert "--install-completion" in said
    assert "2 wrong command line or recipe" in said
    assert "<bool>" not in said


@pytest.mark.parametrize("verb", [("train",), ("buy",), ("students",), ("pool",), ("pool", "inspect")])
def test_h_is_help(verb):
    assert run(*verb, "-h") == run(*verb, "--help")


def test_the_version_is_printed():
    assert run("--version") == f"understudy {understudy.__version__}\n"


@pytest.mark.parametrize("arguments", [("distill", "--no-such"), ("distil",), ("students", "--labels", "x")])
def test_a_mistyped_command_line_ends_with_code_2(arguments):
    assert CliRunner().invoke(cli.app, list(arguments)).exit_code == 2


def test_flags_reach_the_recipe(tmp_path, monkeypatch):
    seen = {}
    monkeypatch.setattr("understudy.pipeline.distillation.distill", lambda **given: seen.update(given))
    monkeypatch.setattr(cli, "print_result", lambda result: None)
    run(
        *("export", "sst2", "--student", "bilstm.v1", "--teacher", "owner/name", "--teacher-labels", "a,b"),
        *("--unlabelled", "x.txt", "--unlabelled", "y.txt", "--out", tmp_path, "--set", "training.epochs=3"),
        *("--text-column", "t", "--label-column", "l", "--delimiter", ";", "--no-header"),
        *("--dev-fraction", "0.2", "--test-fraction", "0.3", "--metric", "mcc", "--loss", "kl"),
        *("--teacher-method", "finetune"),
        *("--precision", "bfloat16", "--quantize", "auto", "--table", "auto", "--seed", "7"),
        *("--prune", "0.1"),
    )
    recipe = seen["recipe"]
    assert seen["until"] == "export"
    assert seen["out"] == tmp_path
    assert recipe.students == ("bilstm.v1",)
    assert recipe.teacher.model == "owner/name"
    assert recipe.teacher.labels == ("a", "b")
    assert recipe.teacher.method == "finetune"
    assert recipe.teacher.precision == recipe.teacher.finetune.precision == "bfloat16"
    assert recipe.data.unlabelled == ("x.txt", "y.txt")
    assert (recipe.data.text_column, recipe.data.label_column) == ("t", "l")
    assert (recipe.data.delimiter, recipe.data.header) == (";", False)
    assert (recipe.data.dev_fraction, recipe.data.test_fraction) == (0.2, 0.3)
    assert (recipe.data.metric, recipe.loss.name, recipe.seed) == ("mcc", "kl", 7)
    assert recipe.training.epochs == 3
    assert (recipe.quantize, recipe.table, recipe.prune) == ("auto", "auto", 0.1)


def test_what_is_read_is_told_before_torch_is_imported(tmp_path, monkeypatch):
    monkeypatch.setattr("understudy.pipeline.distillation.distill", lambda **given: None)
    monkeypatch.setattr(cli, "print_result", lambda result: None)
    done = CliRunner().invoke(cli.app, ["train", "sst2", "--out", str(tmp_path)])
    assert (done.exit_code, done.stderr) == (0, "Reading sst2 …\n")


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
    assert rows["linear.v1"]["parameters"] is None


def test_students_are_listed_for_pairs_that_are_compared():
    asked = ("students", "--vocab-size", "100", "--labels", "3", "--pair", "compare")
    rows = {row["name"]: row for row in json.loads(run(*asked, "--json"))}
    assert rows["linear.v1"]["parameters"] == (100 + 1) * 3 + 4 * 3
    assert rows["cbow.v1"]["parameters"] is None
    shown = run(*asked)
    assert "cbow.v1 cannot read two texts as 'compare'" in shown
    assert "all but pair, tagging" in shown


@pytest.mark.parametrize("name", ["", "  "])
@pytest.mark.parametrize("verb", ["distill", "buy"])
def test_an_empty_folder_is_refused(verb, name):
    done = CliRunner().invoke(cli.app, [verb, "sst2", "--out", name])
    assert done.exit_code == 2
    assert "the name is empty" in done.output
