"""An inspection as tables for the terminal, at most 110 columns wide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Group
from rich.table import Table
from rich.text import Text

from understudy.augment.inspection import Inspection, Lengths
from understudy.augment.pool import StepReport
from understudy.core.items import shown as as_shown
from understudy.core.task import Item

_WIDEST = 76  # characters of a text or a reason


def tables(inspection: Inspection) -> Group:
    """All tables, one below the other; tables without rows are left out."""
    parts = [step_table(inspection.steps), length_table(inspection)]
    if inspection.balance or inspection.labelled_balance:
        parts.append(balance_table(inspection.labelled_balance, inspection.balance))
    if inspection.survivors:
        parts.append(text_table("Some of the pool", [(item, "") for item in inspection.survivors]))
    if inspection.victims:
        shown = [(victim.item, victim.reason) for victim in inspection.victims]
        parts.append(text_table("Some of what was removed", shown))
    return Group(*parts)


def step_table(steps: Sequence[StepReport]) -> Table:
    """What each step made and removed; a line for each reason."""
    table = _new("Steps", "Step", "Made", "Removed", "Repeated", "In the pool", "Seconds")
    for step in steps:
        cells = (step.made, sum(step.removed.values()), step.repeated, step.after)
        table.add_row(Text(step.name, "bold"), *(f"{n:,}" if n else "" for n in cells), f"{step.seconds:.1f}")
        for reason, count in step.removed.items():
            table.add_row(Text(f"  {reason}"[:_WIDEST], "dim"), "", f"{count:,}", "", "", "", style="dim")
    return table


def length_table(inspection: Inspection) -> Table:
    """Words of a text: the labelled ones, then the pool after each step (Nityasya et al. 2022, Table 11)."""
    table = _new("Words of a text", "", "Texts", "Least", "Q1", "Median", "Mean", "Q3", "Most")
    rows: list[tuple[str, Lengths]] = [("labelled", inspection.labelled), *inspection.lengths]
    for number, (name, words) in enumerate(rows):
        cells = (words.least, words.q1, words.median, round(words.mean, 1), words.q3, words.most)
        title = name if not number else f"pool after {name}"
        table.add_row(Text(title, "" if number else "bold"), f"{words.texts:,}", *(f"{n:g}" for n in cells))
    return table


def balance_table(labelled: Mapping[str, int], pool: Mapping[str, int]) -> Table:
    """Texts by label: gold labels of the labelled texts, the teacher's of the pool."""
    table = _new("Labels", "", "Labelled", "Share", "Pool", "Share")
    for name in labelled or pool:
        cells = [cell for counts in (labelled, pool) for cell in _share(counts, name)]
        table.add_row(Text(name), *cells)
    return table


def text_table(title: str, rows: Sequence[tuple[Item, str]]) -> Table:
    """Texts, each cut to a line, with a reason under it where there is one."""
    table = _new(title, "")
    for item, reason in rows:
        table.add_row(Text(_short(item)))
        if reason:
            table.add_row(Text(f"  {reason}", "dim"))
    return table


def _new(title: str, *headings: str) -> Table:
    table = Table(
        title=Text(title, "bold"), title_justify="left", box=None, pad_edge=False, header_style="dim"
    )
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="right" if number else "left", no_wrap=bool(number))
    return table


def _share(counts: Mapping[str, int], name: str) -> tuple[str, str]:
    total = sum(counts.values())
    return (f"{counts[name]:,}", f"{100 * counts[name] / total:.1f} %") if total else ("", "")


def _short(item: Item) -> str:
    line = " ".join(as_shown(item).split())
    return line if len(line) <= _WIDEST else line[: _WIDEST - 1] + "…"
