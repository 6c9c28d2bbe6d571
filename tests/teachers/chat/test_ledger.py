"""The log of what was paid: every line counts, whoever writes it, and a damaged one is named."""

import json
import threading
from dataclasses import asdict

import pytest

from understudy.errors import StoreError
from understudy.teachers.chat.budget import Usage
from understudy.teachers.chat.ledger import PaidLog, aside_reasons

PAID = Usage(1, 100, 10, 0.5)


def line(**more):
    return {"text": "key", **asdict(PAID), **more}


def test_what_was_written_is_read_by_the_next_run(tmp_path):
    path, seen = tmp_path / "kept" / "ledger.jsonl", []
    log = PaidLog(path, seen.append)
    assert log.usage == Usage()
    assert not path.parent.exists()  # nothing is made until something is paid
    log.add(line(row=[1.0]))
    log.add(line(fault="odd"))
    assert [each.get("fault") for each in seen] == [None, "odd"]
    again = []
    assert PaidLog(path, again.append).usage == log.usage == Usage(2, 200, 20, 1.0)
    assert again == seen


def test_a_line_is_written_as_it_always_was(tmp_path):
    path = tmp_path / "ledger.jsonl"
    PaidLog(path, lambda _: None).add(line(row=[0.25], how="soft"))
    assert path.read_text(encoding="utf-8") == (
        '{"text": "key", "requests": 1, "prompt_tokens": 100, "completion_tokens": 10, "cost": 0.5, '
        '"estimated": 0, "row": [0.25], "how": "soft"}\n'
    )


def test_a_line_that_a_kill_cut_short_is_dropped(tmp_path):
    path = tmp_path / "ledger.jsonl"
    PaidLog(path, lambda _: None).add(line())
    with path.open("ab") as file:
        file.write(b'{"text": "ke')
    assert PaidLog(path, lambda _: None).usage == PAID


def test_several_threads_lose_nothing(tmp_path):
    path = tmp_path / "ledger.jsonl"
    log = PaidLog(path, lambda _: None)
    threads = [threading.Thread(target=lambda: [log.add(line()) for _ in range(50)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert log.usage.requests == PaidLog(path, lambda _: None).usage.requests == 200


@pytest.mark.parametrize("odd", ["[]", "3", "{}", '{"requests": "x"}', json.dumps(line(requests="many"))])
def test_a_line_that_cannot_be_a_request_is_named(tmp_path, odd):
    path = tmp_path / "ledger.jsonl"
    path.write_text(json.dumps(line()) + "\n" + odd + "\n", encoding="utf-8")
    with pytest.raises(StoreError, match=r"ledger\.jsonl, line 2 is not a paid request"):
        PaidLog(path, lambda _: None)


def test_an_odd_line_of_what_was_set_aside_is_named(tmp_path):
    path = tmp_path / "set_aside.jsonl"
    assert aside_reasons(path, "key", str) == {}
    path.write_text('{"key": "a", "reason": "empty"}\n{"text": "b", "reason": "empty"}\n', encoding="utf-8")
    with pytest.raises(StoreError, match=r"set_aside\.jsonl, line 2 is not a text.*'key'.*asked about again"):
        aside_reasons(path, "key", str)
