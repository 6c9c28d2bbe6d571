import io
from dataclasses import replace

from rich.console import Console

from understudy.augment import build_pool
from understudy.augment.dedup import Removed
from understudy.augment.inspection import inspect_pool
from understudy.augment.terminal import tables


def render(inspection):
    console = Console(width=110, file=io.StringIO())
    console.print(tables(inspection))
    return console.file.getvalue()


def test_every_number_stands_there(inspection):
    found, pool = inspection
    shown = render(found)
    assert all(len(line) <= 110 for line in shown.splitlines())
    for step in found.steps:
        assert step.name in shown
        for reason, count in step.removed.items():
            assert any(row.split() == [*reason.split(), f"{count:,}"] for row in shown.splitlines())
    assert f"{len(pool):,}" in shown
    assert "pool after length" in shown
    assert "100.0 %" in shown  # of the labelled texts are "no"


def test_texts_are_cut_to_a_line_and_are_no_markup(inspection):
    found = replace(
        inspection[0],
        survivors=("[bold]good[/bold] " * 20, ("one", "other")),
        victims=(Removed("[red]bad[/red]", "[why]"),),
    )
    shown = render(found)
    assert "[bold]good[/bold]" in shown
    assert "one | other" in shown
    assert "…" in shown
    assert "[red]bad[/red]" in shown
    assert "[why]" in shown


def test_what_is_not_known_is_left_out(sentences):
    shown = render(inspect_pool(build_pool(sentences), sentences))
    assert "Labels" not in shown
    assert "Some of" not in shown
    partly = inspect_pool(build_pool([], sentences), [], labels=("a",), gold=None)
    assert "Labels" not in render(partly)
