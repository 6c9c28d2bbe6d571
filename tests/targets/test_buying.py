"""Runs whose teacher is an endpoint: bought once, resumed anywhere, the bill counted right."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from understudy.core.progress import Silent
from understudy.core.task import Task
from understudy.errors import StoreError, TeacherError
from understudy.pipeline.dry_run import estimate
from understudy.targets.buying import buy
from understudy.targets.ledger import Ledger, read_aside
from understudy.targets.store import LogitStore
from understudy.teachers.chat.ledger import ASIDE, LEDGER

TASK = Task(("bad", "good"))
TEXTS = [f"a {word} film {n}" for n in range(20) for word in ("good", "bad", "great", "dull")]


pytestmark = pytest.mark.usefixtures("key")


def teacher(server, **more):
    """The recipe's part of an endpoint."""
    config = server.config(**more)
    names = ("base_url", "model", "labels", "key_env", "backoff", "timeout", "concurrency", *more)
    return {name: getattr(config, name) for name in names}


def bill(folder):
    return Ledger(folder / LEDGER).bill


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


@pytest.mark.parametrize(
    "line", ['{"reason": "x"}', '{"text": "x"}', "3", '["x"]', '{"text": 3, "reason": "x"}',
             '{"text": [[1]], "reason": "x"}', '{"text": "x", "reason": null}'],
)  # fmt: skip
def test_an_odd_line_of_what_was_set_aside_is_refused_by_number(line, tmp_path):
    (tmp_path / ASIDE).write_text('{"text": ["a", "b"], "reason": "empty"}\n')
    assert read_aside(tmp_path / ASIDE) == {("a", "b"): "empty"}
    with (tmp_path / ASIDE).open("a") as file:
        file.write(f"{line}\n")
    with pytest.raises(StoreError, match=r"set_aside\.jsonl, line 2 is not a text that was set aside"):
        read_aside(tmp_path / ASIDE)


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
