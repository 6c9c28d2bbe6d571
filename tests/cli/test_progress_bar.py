import io

import pytest
from rich.console import Console

from understudy.cli.progress_bar import Terminal


@pytest.fixture
def console():
    return Console(file=io.StringIO(), width=200, highlight=False)


def test_terminal_writes_sentences_as_they_are(console):
    Terminal(console).say("12 texts [bold]and[/bold] a [list]")
    assert console.file.getvalue() == "12 texts [bold]and[/bold] a [list]\n"


def test_terminal_leaves_total_and_rate_of_a_bar(console, monkeypatch):
    clock = iter([100.0, 101.0, 102.0, 104.0])
    monkeypatch.setattr("understudy.cli.progress_bar.time.perf_counter", lambda: next(clock))
    with Terminal(console).bar("labelling", 1200, "texts") as advance:
        advance(400)
        advance(800)
    # 1,200 texts between 100 s and 104 s
    assert "  labelling: 1,200 texts in 4.0 s (300 texts/s)" in console.file.getvalue().splitlines()


def test_terminal_draws_count_and_rate_while_work_goes_on(monkeypatch):
    console = Console(file=io.StringIO(), width=200, force_terminal=True, color_system=None)
    clock = iter([0.0, 2.0, 4.0])
    monkeypatch.setattr("understudy.cli.progress_bar.time.perf_counter", lambda: next(clock))
    with Terminal(console).bar("labelling", 50, "texts") as advance:
        advance(30)
    drawn = console.file.getvalue()
    assert "30/50" in drawn
    assert "15 texts/s" in drawn


def test_a_bar_without_units_has_a_rate_too(console):
    with Terminal(console).bar("training", 5, "epochs"):
        pass
    assert "training: 0 epochs in 0.0 s (0 epochs/s)" in console.file.getvalue()


@pytest.mark.parametrize("what", ["training [/a]", "training [b]"])
def test_a_name_with_brackets_is_no_markup(what):
    console = Console(file=io.StringIO(), width=200, force_terminal=True, color_system=None)
    with Terminal(console).bar(what, 5, "epochs") as advance:
        advance(5)
    assert f"  {what}: 5 epochs" in console.file.getvalue()
    assert console.file.getvalue().count(what) > 1  # in the bar, too


def test_an_error_within_a_bar_goes_through(console):
    def fail():
        with Terminal(console).bar("labelling", 2, "texts"):
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fail()
    assert "texts in" not in console.file.getvalue()


def test_terminal_writes_to_standard_error_by_default(capfd):
    Terminal().say("a fact")
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "a fact\n")
