"""Turns, pauses, and what a server says about waiting."""

import itertools
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from understudy.teachers.chat.rate_limit import RateLimiter, retry_after


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00"}, 0.0),
    ],
)
def test_what_servers_write(headers, seconds):
    assert retry_after(headers) == seconds


def test_a_date_ahead():
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    assert 90 < retry_after({"retry-after": date}) <= 100


def test_turns_are_spaced():
    pace = RateLimiter(600)
    started = time.monotonic()
    assert all(pace.wait() for _ in range(3))
    assert 0.2 <= time.monotonic() - started < 1


def test_who_waits_for_a_turn_is_held_too():
    pace, turns = RateLimiter(1200), []

    def ask():
        pace.wait()
        turns.append(time.monotonic())

    threads = [threading.Thread(target=ask) for _ in range(4)]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    pace.hold(0.4)  # one turn may be taken; three wait for theirs, 50 ms apart
    for thread in threads:
        thread.join()
    turns.sort()
    assert turns[1] - started >= 0.4
    assert min(later - turn for turn, later in itertools.pairwise(turns)) > 0.03


def test_pauses_grow_to_a_limit_and_are_drawn():
    pace, slept = RateLimiter(None, seed=1), []
    pace.stopped.wait = slept.append
    for attempt in range(200):
        pace.pause(attempt, 1.0, 8.0)
    assert max(slept[3:]) <= 8.0
    assert max(slept[:1]) <= 1.0
    assert len(set(slept)) > 190
    assert max(slept) > 6


def test_who_is_told_to_stop_waits_no_more():
    pace = RateLimiter(None)
    pace.hold(60)
    pace.stopped.set()
    assert not pace.wait()
    assert not pace.pause(5, 60, 60)
