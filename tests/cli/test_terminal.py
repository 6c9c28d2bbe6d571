"""Words of the bars: plurals and rates. `test_progress_bar.py` tests how they are drawn."""

import io

import pytest
from rich.console import Console

from understudy.cli.progress_bar import Terminal


@pytest.mark.parametrize(
    ("done", "seconds", "unit", "line"),
    [
        (1, 1.7, "steps", "  work: 1 step in 1.7 s"),
        (1, 0.2, "epochs", "  work: 1 epoch in 0.2 s"),
        (3, 2.0, "predictors", "  work: 3 predictors in 2.0 s (1.5 predictors/s)"),
        (2, 2.0, "predictors", "  work: 2 predictors in 2.0 s (1 predictor/s)"),
        (5, 100.0, "epochs", "  work: 5 epochs in 100.0 s (20.0 s each)"),
        (1200, 2.0, "texts", "  work: 1,200 texts in 2.0 s (600 texts/s)"),
        (0, 2.0, "texts", "  work: 0 texts in 2.0 s (0 texts/s)"),
    ],
)
def test_the_last_line_counts_in_plain_english(monkeypatch, done, seconds, unit, line):
    console = Console(file=io.StringIO(), width=200, highlight=False)
    clock = iter([0.0, *([seconds] * 2)] if done else [0.0, seconds])
    monkeypatch.setattr("understudy.cli.progress_bar.time.perf_counter", lambda: next(clock))
    with Terminal(console).bar("work", done, unit) as advance:
        if done:
            advance(done)
    assert console.file.getvalue() == f"{line}\n"
