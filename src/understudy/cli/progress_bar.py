"""Bars and lines on a terminal, by rich."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

from understudy.core.progress import Advance


class Terminal:
    """Sentences and bars on standard error, with rate and time left; bars leave one line."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True, highlight=False, soft_wrap=True)

    def say(self, sentence: str) -> None:
        """Print one sentence."""
        self.console.print(sentence, markup=False)

    @contextlib.contextmanager
    def bar(self, what: str, total: int, unit: str) -> Iterator[Advance]:
        """Draw a bar, and leave one line with the total time and rate behind."""
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}", markup=False),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        started, done = time.perf_counter(), 0
        is_screen = self.console.is_terminal
        with RichProgress(*columns, console=self.console, transient=True, disable=not is_screen) as drawn:
            task = drawn.add_task(what, total=total, rate="")

            def advance(units: int) -> None:
                nonlocal done
                done += units
                seconds = time.perf_counter() - started
                drawn.update(task, completed=done, rate=_rate(done, seconds, unit))

            yield advance
        seconds = time.perf_counter() - started
        self.say(f"  {what}: {done:,} {unit} in {seconds:.1f} s ({_rate(done, seconds, unit)})")


def _rate(done: int, seconds: float, unit: str) -> str:
    """Units a second, or where that is below one, seconds for each.

    >>> _rate(300, 2.0, "texts"), _rate(5, 100.0, "epochs")
    ('150 texts/s', '20.0 s each')
    """
    if done and done < seconds:
        return f"{seconds / done:.1f} s each"
    return f"{done / max(seconds, 1e-9):,.0f} {unit}/s"
