import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from chat_server import KEY, Chat, serve
from plain_settings import PLAIN
from typer.testing import CliRunner

from understudy.augment import PoolTexts
from understudy.cli.app import app
from understudy.core.task import Task
from understudy.errors import DataError, RecipeError
from understudy.pipeline.distillation import distill
from understudy.pipeline.stages.augment import gold_names, inspect

SETTINGS = {
    **PLAIN,
    "teacher__method": "finetune",
    "teacher__finetune": {"epochs": 1, "learning_rate": 1e-3},
    "training__epochs": 2,
    "training__vocabulary_size": 60,
}
STEPS = ({"rules": {"passes": 3}}, {"length": {"by": "min-max"}}, {"balance": {"by": "median"}})


@pytest.fixture(scope="session")
def data(tmp_path_factory, toy):
    folder = tmp_path_factory.mktemp("pool") / "toy"
    folder.mkdir()
    for seed, (part, size) in enumerate((("train", 60), ("dev", 30), ("test", 30))):
        texts, labels = toy(size, seed=seed)
        rows = (
            {"text": f"{text} {part}", "label": ("bad", "good")[y]}
            for text, y in zip(texts, labels, strict=True)
        )
        (folder / f"{part}.jsonl").write_text(
            "".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8"
        )
    return str(folder)


@pytest.fixture(scope="session")
def built(data, bare, tmp_path_factory):
    """A run up to its pool; read only."""
    out = tmp_path_factory.mktemp("built") / "run"
    return distill(data, teacher=str(bare), out=out, augment=STEPS, until="augment", **SETTINGS).folder


def pool(folder):
    return [json.loads(line)["text"] for line in (folder / "augment" / "pool.jsonl").read_text().splitlines()]


def test_the_pool_is_made_filtered_and_described(built, data):
    made = pool(built)
    labelled = [json.loads(line)["text"] for line in (Path(data) / "train.jsonl").read_text().splitlines()]
    assert len(made) > 20
    assert not set(made) & set(labelled)
    found = inspect(built)
    assert [step.name for step in found.steps] == ["given", "rules", "length", "balance"]
    assert sum(found.balance.values()) == len(made)
    assert found.labelled_balance == {"bad": 28, "good": 32} or sum(found.labelled_balance.values()) == 60
    assert (built / "augment" / "inspection.html").stat().st_size > 10_000


def test_students_learn_from_the_pool(built, data, bare, tmp_path):
    out = Path(shutil.copytree(built, tmp_path / "run"))
    asked = {"teacher": str(bare), "out": out, "augment": STEPS, "students": "cbow.v1:width=8", **SETTINGS}
    distill(data, until="train", **asked)
    record = json.loads((out / "logits" / "label.json").read_text(encoding="utf-8"))
    labelled = [json.loads(line)["text"] for line in (Path(data) / "train.jsonl").read_text().splitlines()]
    assert record["texts"] == len({*pool(out), *labelled})
    vocabulary = (out / "train" / "cbow.v1-width=8" / "tokenizer.json").read_text(encoding="utf-8")
    assert "[MASK]" in vocabulary


def test_the_same_seed_makes_the_same_pool(built, data, bare, tmp_path):
    again = distill(data, teacher=str(bare), out=tmp_path / "run", augment=STEPS, until="augment", **SETTINGS)
    assert pool(again.folder) == pool(built)


@pytest.mark.parametrize("stream", [False, True])
def test_a_file_that_a_step_names_may_change(data, bare, tmp_path, stream):
    synonyms, asked = tmp_path / "synonyms.tsv", {"teacher": str(bare), "out": tmp_path / "run"}
    steps = ({"eda": {"synonyms": str(synonyms), "operations": ["synonyms"], "stop_words": 0}},)

    def made(word):
        synonyms.write_text(f"film\t{word}\n", encoding="utf-8")
        distill(data, augment=steps, until="augment", data__stream=stream, **asked, **SETTINGS)
        return " ".join(PoolTexts(tmp_path / "run" / "augment") if stream else pool(tmp_path / "run"))

    assert "movie" in made("movie")
    assert "picture" in (second := made("picture"))
    assert "movie" not in second


def test_the_command_shows_the_pool(built, tmp_path):
    drawn = tmp_path / "pool.png"
    result = CliRunner().invoke(app, ["pool", "inspect", str(built), "--picture", str(drawn)])
    assert result.exit_code == 0, result.output
    assert drawn.read_bytes().startswith(b"\x89PNG")
    assert "rules" in result.output
    assert "inspection.html" in result.output
    with pytest.raises(DataError, match="has no pool"):
        inspect(tmp_path)


def test_what_cannot_be_augmented_is_refused(data, tmp_path):
    with pytest.raises(RecipeError, match=r"augment.*'ruls'.*'rules'"):
        distill(data, augment=["ruls"], out=tmp_path / "run")


@pytest.mark.parametrize(
    ("gold", "step"), [({"labels": ["good"]}, "balance"), ({"score": 1.5}, "confidence")]
)
def test_filters_by_label_need_one_label_a_text(gold, step, tmp_path):
    kind = "multilabel" if "labels" in gold else "regression"
    rows = [{"text": f"text {n}", **gold} for n in range(30)]
    rows[0] |= {"score": 2.5} if "score" in gold else {"labels": ["bad"]}
    (tmp_path / "d.jsonl").write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(RecipeError, match=f"'{step}' reads the one label .* {kind}"):
        distill(str(tmp_path / "d.jsonl"), data__kind=kind, augment=["rules", step], out=tmp_path / "run")


def paraphrase(server, **more):
    facts = {"base_url": server.url, "model": "tiny-chat", "key_env": "TEST_KEY", "backoff": 0.001}
    return {"paraphrase": {**facts, "variants": 2, "labels": {"good": "praise", "bad": "blame"}, **more}}


def test_an_endpoint_is_told_of_the_labels_and_paid_once(data, bare, tmp_path, monkeypatch):
    monkeypatch.setenv("TEST_KEY", KEY)
    more = tmp_path / "more.txt"
    more.write_text("nobody knows\nwhat this is\n")
    asked = {"unlabelled": str(more), "teacher": str(bare), "out": tmp_path / "run", "until": "augment"}
    with serve(Chat()) as server:
        done = distill(data, augment=[paraphrase(server)], **asked, **SETTINGS).folder
        told = {body["messages"][1]["content"]: body["messages"][0]["content"] for body in server.requests}
        rows = [json.loads(line) for line in (Path(data) / "train.jsonl").read_text().splitlines()]
        names, train = {"good": "- good: praise", "bad": "- bad: blame"}, len({row["text"] for row in rows})
        assert all(names[row["label"]] in told[row["text"]] for row in rows)
        assert "label" not in told["nobody knows"]
        assert len(server.requests) == train + 2
        made = pool(done)
        assert made[:2] == ["nobody knows", "what this is"]
        assert set(made[2:]) == {f"variant {n} of {text}" for text in told for n in range(2)}
        again = distill(data, augment=[paraphrase(server, timeout=9.0), "length"], **asked, **SETTINGS)
        assert len(server.requests) == train + 2  # another pool, the same answers
        assert pool(again.folder) != made
        distill(data, augment=[paraphrase(server, labels={"good": "love"})], **asked, **SETTINGS)
        assert len(server.requests) == 2 * train + 2  # only what is labelled is asked another question
        assert not (done / "teacher").exists()
        with pytest.raises(RecipeError, match=r"paraphrase.labels describes 'god'. Did you mean 'good'"):
            distill(data, augment=[paraphrase(server, labels={"god": "?"})], **asked, **SETTINGS)
    assert not any(KEY.encode() in path.read_bytes() for path in done.rglob("*") if path.is_file())


def test_a_text_that_was_set_aside_is_asked_again_once_its_line_is_gone(data, bare, tmp_path, monkeypatch):
    monkeypatch.setenv("TEST_KEY", KEY)
    odd, out = "an odd one", tmp_path / "run"
    more = tmp_path / "more.txt"
    more.write_text(odd + "\nan even one\n")
    is_odd = [True]
    asked = {"unlabelled": str(more), "teacher": str(bare), "out": out, **SETTINGS}
    with serve(Chat(mood_of=lambda text, _: "empty" if text == odd and is_odd[0] else "well")) as server:
        step = {"augment": [paraphrase(server, of="given", repairs=0, price_in=1.0, price_out=2.0)]}
        distill(data, **step, **asked, until="augment")
        assert len(pool(out)) == 4
        is_odd[0] = False
        distill(data, **step, **asked, until="augment")
        assert len(server.requests) == 2  # it was set aside: nobody asks again
        (aside,) = out.glob("paraphrases/*/set_aside.jsonl")
        assert json.loads(aside.read_text())["text"] == odd
        aside.write_text("")
        report = distill(data, **step, **asked).report
        assert len(server.requests) == 3
        assert {f"variant {n} of {odd}" for n in range(2)} < set(pool(out))
    bill = "Variants bought from tiny-chat: 3 requests, 300 tokens of prompt and 30 of answers, 0.0004 USD."
    assert bill in report["data"]["notes"]
    assert bill in (out / "report.md").read_text().replace("\\", "")


def test_labels_have_names_where_there_are_any():
    def names(task, gold, texts=("a", "b", "a")):
        split = SimpleNamespace(texts=texts, labels=np.array(gold))
        return gold_names(SimpleNamespace(task=task, train=split))

    assert names(Task(("x", "y")), [1, -1, 0]) == {"a": ("y",), "b": ()}
    many = Task(("x", "y"), "multilabel")
    assert names(many, [[1, 1], [np.nan, np.nan], [0, 0]], "abc") == {"a": ("x", "y"), "b": (), "c": ()}
    assert names(Task(("value",), "regression", bounds=(0.0, 1.0)), [0.5, 0.1, 0.2]) == {}
