"""Where the command line shows progress: sentences and bars on standard error."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

from understudy.core.progress import Advance


class Terminal:
    """Shows sentences, and bars with rate and time left. It is a `understudy.core.progress.Progress`.

    Where standard error is not a terminal, a bar is not drawn, and leaves its last line alone.

    >>> understudy.distill("reviews.csv", progress=Terminal())  # doctest: +SKIP
    """

    def __init__(self, console: Console | None = None) -> None:
        """Show progress on a console of rich; ``None`` is standard error."""
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
        rate = "" if done == 1 else f" ({_rate(done, seconds, unit)})"
        self.say(f"  {what}: {done:,} {_counted(unit, done)} in {seconds:.1f} s{rate}")


def _counted(unit: str, count: float) -> str:
    """A unit, which is given in the plural, behind a count."""
    return unit.removesuffix("s") if count == 1 else unit


def _rate(done: int, seconds: float, unit: str) -> str:
    """Units a second, or where that is below one, seconds for each.

    >>> _rate(300, 2.0, "texts"), _rate(3, 2.0, "predictors"), _rate(5, 100.0, "epochs")
    ('150 texts/s', '1.5 predictors/s', '20.0 s each')
    """
    if done and done < seconds:
        return f"{seconds / done:.1f} s each"
    rate = done / max(seconds, 1e-9)
    shown = f"{rate:.1f}" if 0 < rate < 10 else f"{rate:,.0f}"
    return f"{shown.removesuffix('.0')} {_counted(unit, rate)}/s"
