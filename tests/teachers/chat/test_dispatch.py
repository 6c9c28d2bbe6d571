"""Whoever asks a server many things: once each, several at a time, until an answer can be read."""

import threading
from contextlib import closing

import pytest
from chat_server import KEY, Chat, serve

from understudy.errors import TeacherError
from understudy.teachers.chat.budget import BudgetSpentError
from understudy.teachers.chat.client import RefusedError, UnansweredError
from understudy.teachers.chat.dispatch import Dispatcher, Question
from understudy.teachers.chat.parsing import MalformedError


@pytest.fixture
def dispatcher(monkeypatch):
    """Options → an dispatcher that nobody need answer."""
    monkeypatch.setenv("TEST_KEY", KEY)
    return lambda **more: Dispatcher(Chat().config(**more), on_lost=lambda bill, fault: None)


def test_each_distinct_item_is_asked_once_several_at_a_time(dispatcher):
    gate, asked = threading.Barrier(4, timeout=10), []

    def ask(item):
        asked.append(item)
        gate.wait()
        return item * 2

    with closing(dispatcher(concurrency=4)) as one:
        found = {a.item: a.answer for a in one.each([1, 2, 3, 4, 1, 2], ask)}
    assert found == {1: 2, 2: 4, 3: 6, 4: 8}
    assert sorted(asked) == [1, 2, 3, 4]


def test_faults_are_final_or_not(dispatcher):
    faults = {
        "malformed": MalformedError("no JSON"),
        "refused": RefusedError("The server refuses this text: too long"),
        "down": UnansweredError("No answer, for: HTTP 500: who refuses this text?"),
    }

    def ask(item):
        raise faults[item]

    with closing(dispatcher()) as one:
        found = {a.item: (a.answer, a.is_final) for a in one.each(faults, ask)}
    assert found == {"malformed": (None, True), "refused": (None, True), "down": (None, False)}


def test_a_spent_budget_ends_the_loop_and_a_dead_server_breaks_it(dispatcher):
    def ask(item):
        if item == 3:
            raise BudgetSpentError("spent")
        return item

    with closing(dispatcher(concurrency=1)) as one:
        assert [a.item for a in one.each(range(9), ask)] == [0, 1, 2]
        assert one.stopped_by == "spent"

    def fail(item):
        raise UnansweredError(f"no answer to {item}")

    with closing(dispatcher(concurrency=1)) as one, pytest.raises(TeacherError, match="3 texts in a row"):
        list(one.each(range(50), fail))


def test_every_paid_answer_is_kept_until_one_can_be_read(monkeypatch):
    monkeypatch.setenv("TEST_KEY", KEY)
    kept, sent = [], []

    def read(reply):
        if len(kept) < 2:
            raise MalformedError("unreadable")
        return reply.text

    def question():
        sent.append(1)
        words = [{"role": role, "content": "a good film"} for role in ("system", "user")]
        return Question({"messages": words, "max_tokens": 5}, (10, 5), read)

    def keep(bill, found, fault):
        kept.append((bill.requests, found, fault))

    with serve(Chat()) as server, closing(Dispatcher(server.config(), on_lost=lambda *_: None)) as one:
        assert one.until_read(question, keep) == '{"label": "good"}'
        assert kept == [(1, None, "unreadable")] * 2 + [(1, '{"label": "good"}', "")]
        assert len(sent) == len(server.requests) == 3
        kept.clear()
    with (
        serve(Chat()) as server,
        closing(Dispatcher(server.config(repairs=1), on_lost=lambda *_: None)) as one,
    ):
        with pytest.raises(MalformedError, match="unreadable"):
            one.until_read(question, keep)
        assert len(kept) == 2
