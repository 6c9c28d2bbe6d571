"""Runs whose teacher is an endpoint: bought once, resumed anywhere, the bill counted right."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import understudy
from understudy.core.progress import Silent
from understudy.core.task import Task
from understudy.errors import DataError, RecipeError, StoreError, TeacherError
from understudy.pipeline.distillation import distill
from understudy.pipeline.dry_run import estimate
from understudy.pipeline.recipe_file import make_recipe, to_yaml
from understudy.targets.buying import buy
from understudy.targets.ledger import ASIDE, LEDGER, Ledger
from understudy.targets.store import LogitStore

from ..teachers.chat_server import KEY  # noqa: TID252 -- tests are no package

TASK = Task(("bad", "good"))
TEXTS = [f"a {word} film {n}" for n in range(20) for word in ("good", "bad", "great", "dull")]


pytestmark = pytest.mark.usefixtures("key")


class Ears(Silent):
    def __init__(self):
        self.heard = []

    def say(self, sentence):
        self.heard.append(sentence)


def teacher(server, **more):
    """The recipe's part of an endpoint."""
    config = server.config(**more)
    names = ("base_url", "model", "labels", "key_env", "backoff", "timeout", "concurrency", *more)
    return {name: getattr(config, name) for name in names}


def bill(folder):
    return Ledger(folder / LEDGER).bill


@pytest.fixture(scope="session")
def labelled(tmp_path_factory, toy):
    """A folder with train, dev, test and unlabelled texts."""
    folder = tmp_path_factory.mktemp("data") / "toy"
    folder.mkdir()
    names = ("bad", "good")
    for seed, (part, size) in enumerate((("train", 60), ("dev", 30), ("test", 30))):
        texts, labels = toy(size, seed=seed)
        rows = ({"text": f"{t} {part}", "label": names[y]} for t, y in zip(texts, labels, strict=True))
        (folder / f"{part}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "unlabelled.txt").write_text("\n".join(f"{text} pool" for text in toy(80, seed=9)[0]))
    return folder


SETTINGS = {"training__epochs": 4, "training__vocabulary_size": 60, "students": "cbow.v1:width=8"}


def test_what_was_bought_is_never_bought_again(chat, tmp_path):
    server = chat()
    first = buy(server.config(), TASK, TEXTS[:50], tmp_path, Silent())
    assert (first.new, first.remaining, first.set_aside) == (50, 0, 0)
    again = buy(server.config(), TASK, TEXTS, tmp_path, Silent())
    assert again.new == 30
    assert len(server.requests) == 80
    assert again.bill.requests == bill(tmp_path).requests == 80
    store = LogitStore(tmp_path, teacher=first.fingerprint, labels=TASK.labels)
    assert store.facts["answers"] == {"soft": 80}
    assert len(store) == 80


def test_what_is_bought_needs_no_key(chat, tmp_path, monkeypatch):
    server = chat()
    buy(server.config(), TASK, TEXTS, tmp_path, Silent())
    monkeypatch.delenv("TEST_KEY")
    assert buy(server.config(), TASK, TEXTS, tmp_path, Silent()).remaining == 0


def test_a_budget_is_continued_by_a_later_run(chat, tmp_path):
    server = chat()
    part = buy(server.config(budget_requests=30), TASK, TEXTS, tmp_path, Silent())
    assert (part.new, part.remaining) == (30, 50)
    assert "30 requests" in part.why
    assert any("50 texts are not labelled yet" in note for note in part.notes(server.config()))
    nothing = buy(server.config(budget_requests=30), TASK, TEXTS, tmp_path, Silent())
    assert (nothing.new, nothing.remaining) == (0, 50)
    rest = buy(server.config(budget_requests=100), TASK, TEXTS, tmp_path, Silent())
    assert (rest.new, rest.remaining) == (50, 0)
    assert len(server.requests) == 80


def test_texts_are_set_aside_with_the_reason_and_not_asked_again(chat, tmp_path):
    server = chat(mood_of=lambda text, _: "wrong" if "dull" in text else "well")
    done = buy(server.config(targets="hard", repairs=1), TASK, TEXTS, tmp_path, Silent())
    assert (done.new, done.set_aside, done.remaining) == (60, 20, 0)
    lines = [json.loads(line) for line in (tmp_path / ASIDE).read_text().splitlines()]
    assert {line["text"] for line in lines} == {text for text in TEXTS if "dull" in text}
    assert all("splendid" in line["reason"] for line in lines)
    before = len(server.requests)
    assert before == 60 + 2 * 20
    buy(server.config(targets="hard", repairs=1), TASK, TEXTS, tmp_path, Silent())
    assert len(server.requests) == before


def test_what_a_failure_leaves_is_kept(chat, tmp_path):
    server = chat(["well"] * 10 + [(401, {})])
    with pytest.raises(TeacherError, match="401"):
        buy(server.config(concurrency=1), TASK, TEXTS, tmp_path, Silent())
    assert buy(server.config(), TASK, TEXTS, tmp_path, Silent()).new == 70
    assert server.answered == bill(tmp_path).requests == 80


def test_rows_that_did_not_reach_the_store_come_from_the_ledger(chat, tmp_path):
    server = chat()
    buy(server.config(), TASK, TEXTS[:10], tmp_path, Silent())
    for path in tmp_path.glob("shard-*"):
        shutil.rmtree(path)
    (tmp_path / "manifest.json").unlink()
    with (tmp_path / LEDGER).open("a") as file:
        file.write('{"text": "cut by a ki')
    done = buy(server.config(), TASK, TEXTS[:10], tmp_path, Silent())
    assert (done.asked, done.remaining) == (10, 0)
    assert len(server.requests) == 10
    with (tmp_path / LEDGER).open("a") as file:
        file.write("nonsense\n")
    with pytest.raises(StoreError, match=r"ledger.jsonl, line 11 is damaged"):
        buy(server.config(), TASK, TEXTS[:10], tmp_path, Silent())


KILLED = """
import json, sys
from pathlib import Path
from understudy.targets.buying import buy
from understudy.core.progress import Silent
from understudy.core.task import Task
from understudy.teachers.configs import EndpointConfig
facts = json.loads(sys.argv[1])
buy(EndpointConfig(**facts), Task(("bad", "good")), json.loads(sys.argv[2]), Path(sys.argv[3]), Silent())
"""


def test_a_killed_run_continues_and_its_bill_is_right(chat, tmp_path):
    server = chat(delay=0.02)
    facts = json.dumps(teacher(server))
    command = [sys.executable, "-c", KILLED, facts, json.dumps(TEXTS), str(tmp_path)]
    running = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"})
    deadline = time.monotonic() + 60
    while server.answered < 30 and time.monotonic() < deadline:
        time.sleep(0.01)
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert 30 <= server.answered < 80
    kept = bill(tmp_path).requests
    assert server.answered - 4 <= kept <= server.answered  # no more is lost than was in flight
    done = buy(server.config(), TASK, TEXTS, tmp_path, Silent())
    assert done.remaining == 0
    assert done.bill.requests == len(TEXTS)
    assert done.bill.prompt_tokens == 100 * len(TEXTS)
    assert server.answered - len(TEXTS) <= 4


def test_votes_are_never_bought_again(chat, tmp_path):
    server = chat()
    votes = {"targets": "votes", "samples": 5, "concurrency": 1}
    part = buy(server.config(budget_requests=13, **votes), TASK, TEXTS[:4], tmp_path, Silent())
    assert (part.new, part.remaining) == (2, 2)
    said = estimate(server.config(**votes), TASK, {"all": TEXTS[:4]}, tmp_path)
    assert "all: 2 texts (2 more were asked before)" in said
    assert "Together 7 requests" in said
    done = buy(server.config(**votes), TASK, TEXTS[:4], tmp_path, Silent())
    assert (done.new, done.remaining, done.bill.requests) == (2, 0, 20)
    assert set(server.seen.values()) == {5}
    whole = buy(server.config(**votes), TASK, TEXTS[:4], tmp_path / "whole", Silent())
    rows = [
        LogitStore(folder, teacher=whole.fingerprint, labels=TASK.labels).look_up(TEXTS[:4])
        for folder in (tmp_path, tmp_path / "whole")
    ]
    np.testing.assert_array_equal(*rows)


def test_a_run_killed_before_its_last_words_says_how_rows_came(chat, tmp_path):
    server = chat()
    done = buy(server.config(), TASK, TEXTS[:10], tmp_path, Silent())
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    del manifest["facts"]
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    buy(server.config(), TASK, TEXTS[:10], tmp_path, Silent())
    store = LogitStore(tmp_path, teacher=done.fingerprint, labels=TASK.labels)
    assert store.facts["answers"] == {"soft": 10}
    assert store.facts["bill"]["requests"] == 10


def test_what_is_not_answered_is_said_with_the_reason(chat, tmp_path):
    server = chat(mood_of=lambda text, _: (500, {}) if text == TEXTS[3] else "well")
    done = buy(server.config(attempts=2), TASK, TEXTS, tmp_path, Silent())
    assert done.remaining == 1
    assert "run again" in done.why
    assert "HTTP 500" in done.why


def test_who_deletes_a_line_has_the_text_asked_again(chat, labelled, tmp_path):
    moods = ["wrong"]
    server = chat(mood_of=lambda text, _: moods[0] if "quite" in text else "well")
    ears, run = Ears(), {"out": tmp_path / "run", "until": "label", **SETTINGS}
    run["teacher__endpoint"] = teacher(server, targets="hard", repairs=0)
    distill(str(labelled), **run)
    (path,) = (tmp_path / "run").glob(f"logits/*/{ASIDE}")
    lines = path.read_text().splitlines(keepends=True)
    assert len(lines) > 1
    before = len(server.requests)
    distill(str(labelled), progress=ears, **run)
    assert len(server.requests) == before
    texts = len(LogitStore(path.parent, **named(path.parent)))
    assert any(f"all {texts} texts are labelled, {len(lines)} set aside" in said for said in ears.heard)
    path.write_text("".join(lines[1:]))
    moods[0] = "well"
    distill(str(labelled), **run)
    assert len(server.requests) == before + 1
    assert len(LogitStore(path.parent, **named(path.parent))) == texts + 1


def named(folder):
    facts = json.loads((folder / "manifest.json").read_text())
    return {"teacher": facts["teacher"], "labels": facts["labels"]}


def test_a_run_with_an_endpoint_ends_in_a_report(chat, labelled, tmp_path):
    server = chat(mood_of=lambda text, _: "wrong" if text.endswith("quite test") else "well")
    ears = Ears()
    options = {"teacher__endpoint": teacher(server, targets="hard", price_in=1.0, price_out=1.0)}
    result = distill(str(labelled), out=tmp_path / "run", progress=ears, **options, **SETTINGS)
    report = result.report
    assert [row["role"] for row in report["rows"]] == ["teacher", "student", "undistilled", "baseline"]
    top, student = report["rows"][:2]
    assert top["name"] == "tiny-chat"
    assert top["latency_us"] is top["parameters"] is top["size_bytes"] is None
    assert student["speedup"] is None
    assert student["retention"] > 0
    notes = " ".join(report["data"]["notes"])
    assert "Soft targets bought from tiny-chat" in notes
    assert "hard; " in notes
    assert "USD" in notes
    assert understudy.load(result.best).predict("a great film") in ("good", "bad")
    before = len(server.requests)
    again = distill(str(labelled), out=tmp_path / "run", progress=ears, **options, **SETTINGS)
    assert len(server.requests) == before
    assert again.report["data"] == report["data"]
    for path in tmp_path.rglob("*"):
        assert path.is_dir() or KEY.encode() not in path.read_bytes(), path
    assert not any(KEY in said for said in ears.heard)


def test_several_labels_of_a_text(chat, tmp_path):
    server = chat()
    words = ("good film", "bad film", "good room", "dull room", "film", "room")
    rows = [
        {"text": f"a {text} {n}", "labels": [word for word in ("film", "good") if word in text]}
        for n in range(12)
        for text in words
    ]
    (tmp_path / "many.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    options = teacher(server, labels={"film": "on a film", "good": "praises"})
    result = distill(
        str(tmp_path / "many.jsonl"),
        teacher__endpoint=options,
        out=tmp_path / "run",
        until="evaluate",
        **SETTINGS,
    )
    found = json.loads((result.folder / "evaluation" / "evaluation.json").read_text())
    assert found["rows"][0]["score"] == 1.0
    assert found["rows"][0]["thresholds"] == [0.5, 0.5]


def test_a_student_trains_again_when_more_was_bought(chat, labelled, tmp_path):
    server, ears = chat(), Ears()
    run = {"out": tmp_path / "run", "until": "train", **SETTINGS}
    distill(str(labelled), teacher__endpoint=teacher(server, budget_requests=60), **run)
    distill(str(labelled), teacher__endpoint=teacher(server, budget_requests=100), progress=ears, **run)
    assert any(said.startswith("train cbow.v1:width=8: done") for said in ears.heard)
    assert any("skipped" in said for said in ears.heard if "on labels only" in said)
    assert len(server.requests) == 100


def test_without_answers_on_test_there_is_no_report(chat, labelled, tmp_path):
    server = chat(mood_of=lambda text, _: "wrong" if text.endswith("test") else "well")
    with pytest.raises(TeacherError, match="no text of the test split"):
        distill(
            str(labelled), teacher__endpoint=teacher(server, targets="hard"), out=tmp_path / "run", **SETTINGS
        )


def test_a_run_without_gold_labels(chat, labelled, tmp_path):
    server = chat()
    result = distill(
        unlabelled=str(labelled / "unlabelled.txt"),
        out=tmp_path / "run",
        teacher__endpoint=teacher(server),
        **SETTINGS,
    )
    report = result.report
    assert [row["role"] for row in report["rows"]] == ["teacher", "student"]
    assert report["rows"][0]["score"] == 1.0
    assert report["rows"][1]["score"] == pytest.approx(report["rows"][1]["agreement"])
    assert report["data"]["labels_from"] == "the teacher"
    page = (tmp_path / "run" / "report.md").read_text()
    assert "agrees with its teacher on" in page
    assert "There are no gold labels" in page
    assert "labels only" not in page
    card = (result.best / "README.md").read_text()
    assert "labelled by the teacher" in card
    assert len(server.requests) == len(set((labelled / "unlabelled.txt").read_text().splitlines()))
    again = distill(recipe=make_recipe(tmp_path / "run" / "recipe.yaml"), out=tmp_path / "run")
    assert again.report["rows"][1]["score"] == report["rows"][1]["score"]


def test_a_budget_too_small_for_dev_and_test_is_said(chat, labelled, tmp_path):
    with pytest.raises(TeacherError, match="dev or test are not labelled yet"):
        distill(
            unlabelled=str(labelled / "unlabelled.txt"),
            out=tmp_path / "run",
            teacher__endpoint=teacher(chat(), budget_requests=3),
        )


def test_too_few_texts_are_said(chat, tmp_path):
    (tmp_path / "few.txt").write_text("one text\nanother text\n")
    with pytest.raises(DataError, match="too few"):
        distill(unlabelled=str(tmp_path / "few.txt"), out=tmp_path / "run", teacher__endpoint=teacher(chat()))


@pytest.mark.parametrize(
    ("tree", "said"),
    [
        ({"teacher": {"model": "minilm", "callable": "a:b"}}, "name one teacher, not 2: model, callable"),
        ({"teacher": {"endpoint": {"base_url": "x"}}}, "teacher.endpoint.model: is missing"),
        ({"teacher": {"endpoint": {"base_ur": "x"}}}, "unknown key. Did you mean 'base_url'"),
        ({"teacher": {"table": {"pat": "x"}}}, "unknown key. Did you mean 'path'"),
        ({"teacher": {"callable": "a:b"}}, "data: there are no texts"),
        ({}, "data: is missing"),
        ({"teacher": {"callable": "a:b"}, "training": {"vocabulary": "teacher"}}, "has none to give"),
        ({"teacher": {"callable": "a:b"}, "training": {"embeddings": "teacher"}}, "no word vectors"),
        (
            {"teacher": {"callable": "a:b"}, "data": {"unlabelled": ["x"]}, "loss": {"alpha": 0.5}},
            "has none",
        ),
    ],
)
def test_recipes_that_cannot_be_honoured(tree, said):
    from understudy.pipeline.recipe_file import check

    with pytest.raises(RecipeError, match=said):
        check(tree)


def test_a_resolved_recipe_reads_back(chat, tmp_path):
    server = chat()
    made = make_recipe(flags={"data.source": "x", "teacher.endpoint": teacher(server)})
    (tmp_path / "recipe.yaml").write_text(to_yaml(made))
    assert make_recipe(tmp_path / "recipe.yaml") == made
    assert made.teacher.model is None


def test_the_key_is_refused_in_every_place(chat, tmp_path):
    secret = "sk-VERY-SECRET-1"
    for wrong in (
        {"key_env": secret},
        {"base_url": f"http://me:{secret}@host/v1"},
        {"extra": {"api_key": secret}},
    ):
        with pytest.raises(RecipeError) as caught:
            make_recipe(flags={"data.source": "x", "teacher.endpoint": {**teacher(chat()), **wrong}})
        assert secret not in str(caught.value)
    assert not Path(tmp_path / "recipe.yaml").exists()
