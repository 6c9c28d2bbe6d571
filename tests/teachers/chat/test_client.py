"""Servers that do worse than the protocol foresees: nothing breaks, nothing is lost, and no key is shown."""

import traceback

import numpy as np
import pytest
from chat_server import KEY, Chat, judge

from understudy.core.task import Task
from understudy.errors import TeacherError
from understudy.teachers.endpoint import opened

TASK = Task(("bad", "good"))
TEXTS = ["a good film", "a bad film", "a great room", "the food was dull"]


pytestmark = pytest.mark.usefixtures("key")


def ask(server, texts=TEXTS, **more):
    records = []
    with opened(server.config(**{"concurrency": 1, **more}), TASK, record=records.append) as endpoint:
        found = {outcome.item: outcome for outcome in endpoint.outcomes(texts)}
    return found, records, endpoint.budget.spent


def are_right(found):
    return all(TASK.labels[int(np.argmax(each.row))] == judge(each.item)[0] for each in found.values())


@pytest.mark.parametrize(
    "mood",
    ["page", "false page", "error", "list", "nothing", "choices in a mapping", "drip", "chunks", "packed"],
)
def test_what_is_no_completion_is_asked_for_again(mood, chat):
    server = chat([mood])
    found, records, spent = ask(server, timeout=0.3)
    assert are_right(found)
    assert len(server.requests) == 5
    assert (spent.requests, spent.estimated) == (5, 1)  # it may have been billed
    assert np.diff(server.times).max() < 2  # bytes that trickle in prolong nothing
    assert records[0].item is None
    assert records[0].fault


def test_a_page_in_the_place_of_answers_sets_nothing_aside(chat):
    server = chat(mood_of=lambda *_: "page")
    found, _, _ = ask(server, TEXTS[:2], attempts=2)
    assert not any(outcome.is_final for outcome in found.values())
    assert "not a chat completion: '<html>" in found[TEXTS[0]].fault


@pytest.mark.parametrize("mood", ["number", "no message", "refusal", "tools", "no choice"])
def test_an_answer_without_text_is_malformed(mood, chat):
    server = chat([mood])
    found, records, spent = ask(server, targets="hard")
    assert are_right(found)
    assert (spent.requests, spent.estimated) == (5, 0)
    reason = "refusal" if mood == "refusal" else "stop"
    assert "The answer is empty" in records[0].fault
    assert mood == "no choice" or reason in records[0].fault


def test_text_in_parts_is_put_together(chat):
    found, _, _ = ask(chat(["parts"] * 4))
    assert are_right(found)
    assert {outcome.how for outcome in found.values()} == {"soft"}


@pytest.mark.parametrize(
    "mood",
    [
        "nan",
        "null",
        "word",
        "positive",
        "no tops",
        "tops are words",
        "tops in a mapping",
        "tokens are words",
        "old logprobs",
    ],
)
def test_log_probabilities_that_are_none_count_as_not_given(mood, chat):
    found, records, spent = ask(chat(["well", mood]))
    assert are_right(found)
    assert [found[text].how for text in TEXTS] == ["soft", "hard", "soft", "soft"]
    assert all(np.isfinite(record.row).all() for record in records)
    assert (spent.requests, spent.estimated) == (4, 0)


@pytest.mark.parametrize("mood", ["negative bill", "absurd bill", "bill in words", "half a bill"])
def test_a_bill_that_cannot_be_is_estimated(mood, chat):
    found, _, spent = ask(chat([mood]), price_in=1.0, price_out=1.0, budget=1.0)
    assert are_right(found)
    assert (spent.requests, spent.estimated) == (4, 1)
    assert 300 < spent.prompt_tokens < 500


def test_an_empty_answer_says_nothing_of_log_probabilities(chat):
    def hide(server, body, mood):
        done = Chat.complete(server, body, mood)
        if mood == "empty":
            done["choices"][0]["logprobs"] = None
        return done

    server = chat(["empty"])
    server.complete = lambda body, mood: hide(server, body, mood)
    found, _, _ = ask(server)
    assert {outcome.how for outcome in found.values()} == {"soft"}


REFUSALS = [400, 403, 413, 422, 451]


@pytest.mark.parametrize("status", REFUSALS)
@pytest.mark.parametrize("which", [0, 1, 3])
def test_one_moderated_text_is_set_aside_and_the_run_goes_on(which, status, chat):
    """A 403 for one text once ended the whole run."""
    server = chat(mood_of=lambda text, _: (status, {}) if text == TEXTS[which] else "well")
    found, _, spent = ask(server)
    refused = found.pop(TEXTS[which])
    assert refused.is_final
    assert f"refuses this text: HTTP {status}" in refused.fault
    assert are_right(found)
    assert (len(found), spent.requests) == (3, 3)


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_text_that_is_at_fault_is_set_aside_in_a_run_of_its_own(status, chat):
    server = chat(mood_of=lambda text, _: (status, {}) if text == TEXTS[0] else "well")
    _, _, spent = ask(server)  # the server answered others in an earlier run
    with opened(server.config(), TASK, spent=spent) as endpoint:
        assert next(endpoint.outcomes([TEXTS[0]])).is_final


@pytest.mark.parametrize("status", [403, 451])
@pytest.mark.parametrize("left", [1, 3])
def test_a_key_that_is_blocked_between_two_runs_sets_nothing_aside(status, left, chat):
    """The few texts that were left were once set aside for good, without an error."""
    server = chat(mood_of=lambda text, _: (status, {}) if text in TEXTS[:left] else "well")
    _, _, spent = ask(server, TEXTS[left:])
    with opened(server.config(), TASK, spent=spent) as endpoint:
        outcomes = endpoint.outcomes(TEXTS[:left])
        with pytest.raises(TeacherError, match=rf"no text of this run.*HTTP {status}.*key in TEST_KEY"):
            pytest.fail(f"yielded {next(outcomes)}")


@pytest.mark.parametrize("status", [401, *REFUSALS])
@pytest.mark.parametrize("many", [1, 50])
def test_a_server_that_refuses_everything_ends_the_run_and_sets_nothing_aside(many, status, chat):
    server = chat(mood_of=lambda *_: (status, {}))
    with (
        opened(server.config(concurrency=1), TASK) as endpoint,
        pytest.raises(TeacherError, match=rf"refuses requests.*HTTP {status}.*key in TEST_KEY"),
    ):
        pytest.fail(f"yielded {next(endpoint.outcomes([f'text {n}' for n in range(many)]))}")
    assert len(server.requests) <= 3


def test_a_key_that_is_withdrawn_on_the_way_sets_nothing_aside(chat):
    texts = [f"a good film {n}" for n in range(50)]
    server = chat(mood_of=lambda text, _: "well" if text in texts[:5] else (403, {}))
    with opened(server.config(concurrency=1), TASK) as endpoint:
        outcomes = endpoint.outcomes(texts)
        found = [next(outcomes) for _ in range(5)]
        with pytest.raises(TeacherError, match="refused 20 texts in a row"):
            next(outcomes)
    assert all(outcome.row is not None for outcome in found)


def test_moderated_texts_among_others_do_not_end_the_run(chat):
    texts = [f"a good film {n}" for n in range(40)]
    server = chat(mood_of=lambda text, _: (403, {}) if int(text.split()[-1]) % 4 else "well")
    found, _, _ = ask(server, texts)
    assert sum(outcome.is_final for outcome in found.values()) == 30
    assert sum(outcome.row is not None for outcome in found.values()) == 10


def test_a_redirect_to_another_host_is_not_followed(chat):
    """The texts once went to whatever host a 307 named."""
    other = chat()
    server = chat([(307, {"Location": f"http://localhost:{other.port}/v1/chat/completions"})])
    with pytest.raises(
        TeacherError, match=rf"redirect \(HTTP 307\) to http://localhost:{other.port}.*base_url"
    ):
        ask(server)
    assert other.requests == []
    assert len(server.requests) == 1


def test_a_redirect_on_the_same_host_is_followed(chat):
    other = chat()
    server = chat([(307, {"Location": f"{other.url}/chat/completions"})])
    found, _, _ = ask(server)
    assert are_right(found)
    assert len(other.requests) == 1


@pytest.mark.parametrize("status", [402, 405])
def test_who_must_pay_first_is_told_at_once(status, chat):
    server = chat(["well", (status, {})])
    with pytest.raises(TeacherError, match=f"HTTP {status}"):
        ask(server)


def test_no_key_in_any_traceback_fault_or_answer(chat):
    with pytest.raises(TeacherError) as caught:
        ask(chat([(401, {})]))
    assert KEY not in "".join(traceback.format_exception(caught.value))
    assert caught.value.__context__ is None

    server = chat()
    server.complete = lambda *_: {"choices": [{"message": {"content": f"Bearer {KEY}"}}]}
    found, records, _ = ask(server)
    assert all("Bearer ***" in outcome.fault for outcome in found.values())
    assert not any(KEY in record.fault for record in records)


def test_a_key_at_the_edge_of_a_long_complaint_is_hidden_whole(chat, monkeypatch):
    for length in range(230, 300, 6):
        server = chat(mood_of=lambda *_: (500, {}))
        monkeypatch.setattr("chat_server.KEY", "." * length + KEY)
        found, _, _ = ask(server, TEXTS[:1], attempts=1)
        assert KEY[:6] not in found[TEXTS[0]].fault


@pytest.mark.parametrize("key", ["clé-secrète", "two words", "a\nline"])
def test_what_cannot_be_a_key_is_not_sent(key, chat, monkeypatch):
    monkeypatch.setenv("TEST_KEY", key)
    server = chat()
    with pytest.raises(TeacherError, match="TEST_KEY holds what cannot be a key") as caught:
        ask(server)
    assert key not in str(caught.value)
    assert server.requests == []


def test_a_short_key_of_ones_own_server_changes_no_text(chat, monkeypatch):
    monkeypatch.setenv("TEST_KEY", "o")
    found, _, _ = ask(chat())
    assert are_right(found)


def test_why_a_connection_fails_is_said(chat):
    found, _, spent = ask(Chat(), TEXTS[:1], base_url="http://127.0.0.1:9/v1", attempts=1)
    assert "refused" in found[TEXTS[0]].fault
    assert spent.requests == 0
