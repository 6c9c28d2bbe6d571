"""When the next request may be sent: a rate limit for all, and pauses after failures."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import numpy as np


class RateLimiter:
    """A rate limit that several threads share.

    Args:
        per_minute: Requests a minute; ``None`` sets no limit.
        seed: Seed of the jitter added to waiting times.
    """

    def __init__(self, per_minute: float | None, seed: int = 0) -> None:
        self._gap = 60.0 / per_minute if per_minute else 0.0
        self._lock = threading.Lock()
        self._next = 0.0
        self._random = np.random.default_rng(seed)
        self.stopped = threading.Event()

    def wait(self) -> bool:
        """Wait for a turn; false where all threads were told to stop meanwhile."""
        while True:
            with self._lock:
                now = time.monotonic()
                left = self._next - now
                if left <= 0:
                    self._next = now + self._gap
                    return not self.stopped.is_set()
            if self.stopped.wait(
                left
            ):  # otherwise the first thread to wake takes the turn, unless `hold` put it off
                return False

    def hold(self, seconds: float) -> None:
        """Give no thread a turn for this many seconds, because the server asked for it."""
        with self._lock:
            self._next = max(self._next, time.monotonic() + seconds)

    def pause(self, attempt: int, first: float, longest: float) -> bool:
        """Sleep after a failure, attempt 0 being the first; false where threads were told to stop meanwhile.

        Exponential back-off with full jitter: a uniform share of ``first · 2^attempt``, at most ``longest``.
        """
        with self._lock:
            share = self._random.random()
        return not self.stopped.wait(share * min(longest, first * 2.0 ** min(attempt, 60)))


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that a server asks to wait, from ``Retry-After`` (seconds or a date) or ``retry-after-ms``.

    >>> retry_after({"retry-after": "2"}), retry_after({})
    (2.0, None)
    """
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            seconds = float(headers.get(name, "")) / unit
        except ValueError:
            continue
        if 0 <= seconds < float("inf"):
            return seconds
    try:
        date = parsedate_to_datetime(headers.get("retry-after", ""))
    except ValueError:
        return None
    date = date if date.tzinfo else date.replace(tzinfo=UTC)
    return max(0.0, (date - datetime.now(UTC)).total_seconds())
