"""A chat endpoint as a teacher, against a server of our own that misbehaves on purpose."""

import itertools
import time

import numpy as np
import pytest
from chat_server import KEY, Chat, judge

from understudy.core.task import Predictor, Task
from understudy.errors import TeacherError
from understudy.teachers.endpoint import Endpoint, opened

TASK = Task(("bad", "good"))
TEXTS = ["a good film", "a bad film", "a great room", "the food was dull"]


pytestmark = pytest.mark.usefixtures("key")


def ask(server, texts=TEXTS, task=TASK, **more):
    records = []
    with opened(server.config(**more), task, record=records.append) as endpoint:
        found = {outcome.item: outcome for outcome in endpoint.outcomes(texts)}
    return found, records, endpoint


def right(outcome):
    label, _ = judge(outcome.item)
    return TASK.labels[int(np.argmax(outcome.row))] == label


def test_it_is_a_predictor_with_the_servers_own_distribution(chat):
    server = chat()
    with opened(server.config(), TASK) as endpoint:
        assert isinstance(endpoint, Predictor)
        rows = endpoint.logits([*TEXTS, TEXTS[0]])
    assert rows.shape == (5, 2)
    assert len(server.requests) == 4  # each distinct text once
    np.testing.assert_allclose(rows.mean(axis=1), 0, atol=1e-6)
    # "good" is sure to 0.95 and the rest to 0.05 · 0.98: normalised over the two codes
    expected = np.array([0.05 * 0.98, 0.95]) / (0.95 + 0.05 * 0.98)
    np.testing.assert_allclose(TASK.probabilities(rows)[0], expected, atol=1e-5)
    assert server.headers[0]["Authorization"] == f"Bearer {KEY}"


def test_columns_follow_the_tasks_order_not_the_recipes(chat):
    server = chat()
    turned = Task(("good", "bad"))
    with opened(server.config(), TASK) as one, opened(server.config(), turned) as other:
        np.testing.assert_allclose(one.logits(TEXTS), other.logits(TEXTS)[:, ::-1], atol=1e-6)
    assert one.fingerprint != other.fingerprint


def test_soft_targets_are_asked_by_code_hard_ones_by_schema(chat):
    server = chat()
    ask(server, TEXTS[:1])
    found, _, _ = ask(server, TEXTS[:1], targets="hard")
    soft, hard = server.requests
    assert soft["logprobs"] is True
    assert soft["top_logprobs"] == 20
    assert "response_format" not in soft
    assert "logprobs" not in hard
    assert hard["response_format"]["json_schema"]["schema"]["properties"]["label"]["enum"] == ["bad", "good"]
    assert hard["temperature"] == 0
    outcome = found[TEXTS[0]]
    assert outcome.how == "hard"
    np.testing.assert_allclose(TASK.probabilities(outcome.row), [0.05, 0.95], atol=1e-5)


def test_a_server_without_logprobs_gives_hard_targets_by_json(chat):
    server = chat(has_logprobs=False)
    found, _, _ = ask(server, [*TEXTS, "one more good one"], concurrency=1)
    assert {outcome.how for outcome in found.values()} == {"hard"}
    assert all(map(right, found.values()))
    assert "logprobs" in server.requests[0]
    assert all("response_format" in request for request in server.requests[1:])


@pytest.mark.parametrize("field", ["logprobs", "response_format", "temperature", "max_tokens"])
def test_a_field_that_the_server_does_not_know_is_left_out_from_then_on(field, chat):
    server = chat(refuses=[field])
    targets = "hard" if field == "response_format" else "auto"
    found, _, endpoint = ask(server, TEXTS, concurrency=1, targets=targets)
    assert all(map(right, found.values()))
    assert sum(field in request for request in server.requests) == 1
    assert endpoint.budget.spent.requests == 4  # the refused one was not paid


def test_soft_targets_that_cannot_be_had_are_an_error_where_they_were_demanded(chat):
    with pytest.raises(TeacherError, match="gives no log-probabilities"):
        ask(chat(refuses=["logprobs"]), targets="soft")


@pytest.mark.parametrize(
    "mood",
    [
        (429, {"Retry-After": "0.05"}),
        (429, {"retry-after-ms": "50"}),
        (500, {}),
        (503, {"Retry-After": "nonsense"}),
        "slow",
        "cut",
        "garbage",
    ],
)
def test_failures_that_may_pass_are_tried_again(mood, chat):
    server = chat([mood, mood])
    found, _, endpoint = ask(server, TEXTS, concurrency=1, timeout=0.2 if mood == "slow" else 5.0)
    assert all(map(right, found.values()))
    assert len(server.requests) == 6
    lost = 0 if isinstance(mood, tuple) else 2  # an answer lost on the way may have been billed
    assert endpoint.budget.spent.requests == 4 + lost
    assert endpoint.budget.spent.estimated == lost


def test_retry_after_holds_everybody(chat):
    server = chat([(429, {"Retry-After": "0.3"})])
    ask(server, TEXTS, concurrency=1)
    assert server.times[1] - server.times[0] >= 0.3


def test_a_wait_beyond_patience_stops(chat):
    with pytest.raises(TeacherError, match=r"asks to wait 3,600 s.*run again later"):
        ask(chat([(429, {"Retry-After": "3600"})]), concurrency=1)


@pytest.mark.parametrize("mood", ["prose", "said"])
def test_prose_around_an_answer_is_read(mood, chat):
    found, _, _ = ask(chat([mood] * 4), targets="hard")
    assert all(map(right, found.values()))
    found, _, _ = ask(chat([mood] * 4))  # asked by code, but the first token is none
    assert all(map(right, found.values()))
    assert {outcome.how for outcome in found.values()} == {"hard"}


@pytest.mark.parametrize("mood", ["wrong", "invalid", "both", "empty"])
def test_malformed_answers_are_repaired(mood, chat):
    server = chat([mood])
    found, records, endpoint = ask(server, TEXTS, concurrency=1, targets="hard")
    assert all(map(right, found.values()))
    assert [bool(record.fault) for record in records] == [True, False, False, False, False]
    assert endpoint.budget.spent.requests == 5


def test_what_cannot_be_repaired_is_set_aside_with_the_reason(chat):
    server = chat(mood_of=lambda text, _: "wrong" if "great" in text else "well")
    found, records, _ = ask(server, targets="hard", repairs=2)
    assert server.seen["a great room"] == 3
    bad = found["a great room"]
    assert bad.row is None
    assert bad.is_final
    assert "unknown label 'splendid'" in bad.fault
    assert sum(outcome.row is not None for outcome in found.values()) == 3
    assert len(records) == 6


def test_missing_logprobs_of_a_single_answer(chat):
    moods = ["well", "bare", "well", "well"]
    found, _, _ = ask(chat(moods), concurrency=1)
    assert [found[text].how for text in TEXTS] == ["soft", "hard", "soft", "soft"]
    found, records, _ = ask(chat(moods), concurrency=1, targets="soft")
    assert {outcome.how for outcome in found.values()} == {"soft"}
    assert "Log-probabilities are missing" in records[1].fault


def test_votes_are_counted(chat):
    flips = itertools.cycle(["well", "well", "well", "said", "well"])
    server = chat(mood_of=lambda *_: next(flips))
    found, records, endpoint = ask(server, TEXTS[:2], targets="votes", samples=5, smoothing=0.1)
    assert len(server.requests) == 10
    assert server.requests[0]["temperature"] == 1.0
    np.testing.assert_allclose(TASK.probabilities(found[TEXTS[0]].row), [0.1 / 5.2, 5.1 / 5.2], atol=1e-5)
    assert [record.how for record in records].count("votes") == 2
    assert endpoint.budget.spent.requests == 10


def test_several_labels_of_a_text(chat):
    task = Task(("film", "good"), "multilabel")
    labels = {"film": "", "good": ""}
    found, _, _ = ask(chat(), ["a good film", "a room"], task, labels=labels)
    assert task.answers(np.stack([found["a good film"].row, found["a room"].row])) == [("film", "good"), ()]


def test_pairs_are_shown_both(chat):
    server = chat()
    task = Task(("bad", "good"), "pair")
    with opened(server.config(), task) as endpoint:
        endpoint.logits([("a good film", "what a film")])
    shown = server.requests[0]["messages"][1]["content"]
    assert shown == "First text:\na good film\n\nSecond text:\nwhat a film"


def test_a_budget_of_requests_ends_cleanly(chat):
    server = chat()
    found, _, endpoint = ask(server, [f"a good film {n}" for n in range(20)], budget_requests=7)
    assert len(found) == len(server.requests) == 7
    assert endpoint.budget.spent.requests == 7
    assert "budget of 7 requests" in endpoint.stopped_by
    with (
        opened(server.config(budget_requests=1), TASK) as endpoint,
        pytest.raises(TeacherError, match="budget is spent, and 3 texts"),
    ):
        endpoint.logits(TEXTS)


def test_a_budget_in_money_is_never_passed(chat):
    server = chat()
    # 100 tokens of prompt at 10 and 10 of answers at 20 a million: 0.0012 a request
    prices = {"price_in": 10.0, "price_out": 20.0, "budget": 0.01, "max_tokens": 16}
    found, _, endpoint = ask(server, [f"a good film {n}" for n in range(20)], **prices)
    assert 4 <= len(found) <= 8
    assert endpoint.budget.spent.cost == pytest.approx(0.0012 * len(found))
    assert endpoint.budget.spent.cost <= 0.01


def test_requests_without_a_bill_are_estimated(chat):
    _, _, endpoint = ask(chat(["unbilled"]), TEXTS, concurrency=1)
    assert endpoint.budget.spent.estimated == 1
    assert endpoint.budget.spent.prompt_tokens > 300


def test_requests_go_out_together_but_no_more_than_allowed(chat):
    server = chat(delay=0.05)
    ask(server, [f"a good film {n}" for n in range(12)], concurrency=3)
    assert server.most_flying == 3


def test_the_rate_limit_spaces_requests(chat):
    server = chat()
    started = time.monotonic()
    ask(server, TEXTS, requests_per_minute=1200)
    assert time.monotonic() - started >= 3 * 0.05
    assert min(np.diff(server.times)) > 0.01


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refusal_for_good_stops_at_once_and_shows_no_key(status, chat):
    server = chat([(status, {})] * 20)
    with pytest.raises(TeacherError, match=f"HTTP {status}") as caught:
        ask(server)
    assert KEY not in str(caught.value)
    assert "TEST_KEY" in str(caught.value)
    assert len(server.requests) <= 4


def test_a_text_that_the_server_refuses_is_set_aside(chat):
    server = chat(["well", (400, {}), (413, {}), "well"])
    found, _, _ = ask(server, TEXTS, concurrency=1)
    assert [found[text].row is None for text in TEXTS] == [False, True, True, False]
    assert found[TEXTS[1]].is_final
    assert KEY not in found[TEXTS[1]].fault


def test_a_server_that_is_down_ends_it(chat):
    server = chat(mood_of=lambda *_: (500, {}))
    with pytest.raises(TeacherError, match="seems to be down"):
        ask(server, [f"text {n}" for n in range(50)], concurrency=1, attempts=2)
    assert len(server.requests) == 6
    with (
        opened(Chat().config(base_url="http://127.0.0.1:9/v1", attempts=2), TASK) as endpoint,
        pytest.raises(TeacherError, match="seems to be down"),
    ):
        list(endpoint.outcomes([f"text {n}" for n in range(50)]))
    assert endpoint.budget.spent.requests == 0  # what was never sent costs nothing


def test_one_text_that_is_never_answered_is_not_final(chat):
    server = chat(mood_of=lambda text, _: (500, {}) if "great" in text else "well")
    found, _, _ = ask(server, attempts=2)
    assert not found["a great room"].is_final
    assert "No answer after 2 tries" in found["a great room"].fault
    with (
        opened(server.config(attempts=1), TASK) as endpoint,
        pytest.raises(TeacherError, match="no usable answer"),
    ):
        endpoint.logits(TEXTS)


def test_leaving_early_sends_nothing_more(chat):
    server = chat(delay=0.02)
    with opened(server.config(concurrency=2), TASK) as endpoint:
        for _ in endpoint.outcomes([f"a good film {n}" for n in range(50)]):
            break
    assert len(server.requests) <= 5


def test_no_key_no_request(chat, monkeypatch):
    monkeypatch.delenv("TEST_KEY")
    server = chat()
    with pytest.raises(TeacherError, match="environment variable TEST_KEY, which is not set"):
        Endpoint(server.config(), TASK)
    with opened(server.config(key_env=None), TASK) as endpoint:
        endpoint.logits(TEXTS[:1])
    assert server.headers[0]["Authorization"] == "Bearer none"
