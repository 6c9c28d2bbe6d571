"""An inspection as one picture: what each step left, lengths before and after, balance of labels.

Matplotlib is imported where it is called: looking up a step reads every file of this room.
"""

from __future__ import annotations

import html
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from understudy.augment.inspection import MOST_WORDS, Inspection, Lengths
from understudy.core.checks import check_choice
from understudy.core.items import shown
from understudy.core.manifest import write_bytes
from understudy.core.task import Item
from understudy.errors import RecipeError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LABELLED, BEFORE, AFTER, GONE = "#6e7782", "#e69f00", "#0072b2", "#d5dbe2"
"""Colours of Okabe and Ito's palette, safe for colour-blind readers, and two greys."""

FORMATS = (".png", ".svg", ".pdf")
"""Suffixes of pictures."""

MOST_LABELS = 20

_STYLE: Any = {  # matplotlib types its keys one by one
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "legend.frameon": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "understudy",
    "text.parse_math": False,
}


def draw(inspection: Inspection) -> Figure:
    """Two or three panels: the pool after each step, lengths of texts, and labels where they are known."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    has_labels = bool(inspection.balance or inspection.labelled_balance)
    with mpl.rc_context(_STYLE):
        bars, lower = 1 + 0.28 * len(inspection.steps), 2.6  # heights of the two rows, in inches
        figure = Figure(figsize=(10, bars + lower + 1.2), layout="constrained")
        FigureCanvasAgg(figure)
        rows = figure.add_gridspec(2, 1 + has_labels, height_ratios=(bars, lower))

        _draw_steps(figure.add_subplot(rows[0, :]), inspection)
        _draw_lengths(figure.add_subplot(rows[1, 0]), inspection)
        if has_labels:
            _draw_labels(figure.add_subplot(rows[1, 1]), inspection)

    return figure


def save_picture(inspection: Inspection, path: Path) -> None:
    """Write the picture; the suffix of ``path`` says in which format.

    Raises:
        RecipeError: The suffix is not one of `FORMATS`, or there is no such folder.
    """
    check_choice("picture format", path.suffix, FORMATS)
    if not path.parent.is_dir():
        raise RecipeError(f"There is no folder {path.parent} for the picture {path.name}. Make it first.")
    write_bytes(path, _bytes(inspection, path.suffix.removeprefix(".")))


NUMBERS, PAGE = "inspection.json", "inspection.html"
"""Files of an inspection in a pool's folder."""


def save_inspection(inspection: Inspection, folder: Path) -> None:
    """Write the page, and last the numbers that it shows: where they are, both are whole."""
    save_page(inspection, folder / PAGE)
    write_bytes(folder / NUMBERS, json.dumps(inspection.to_dict()).encode())


def save_page(inspection: Inspection, path: Path) -> None:
    """Write one self-contained page: the picture, survivors and victims."""
    drawn = _bytes(inspection, "svg").decode()
    survivors = "".join(f"<li>{_escape(item)}</li>" for item in inspection.survivors)
    victims = "".join(
        f"<li>{_escape(victim.item)} <small>{html.escape(victim.reason)}</small></li>"
        for victim in inspection.victims
    )

    page = (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Pool</title>'
        "<style>body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
        "svg{max-width:100%;height:auto}small{color:#57606b}</style>"
        f"<h1>Pool of {inspection.final.texts:,} texts</h1>{drawn[drawn.index('<svg') :]}"
        f"<h2>Some of the pool</h2><ul>{survivors}</ul>"
        f"<h2>Some of what was removed</h2><ul>{victims}</ul></html>"
    )
    write_bytes(path, page.encode("utf-8", "replace"))


def _bytes(inspection: Inspection, kind: str) -> bytes:
    import matplotlib as mpl

    buffer = io.BytesIO()
    figure = draw(inspection)
    with mpl.rc_context(_STYLE):
        # Without date and creator, one inspection always makes one file.
        metadata = {"Date": None, "Creator": None} if kind == "svg" else None
        figure.savefig(buffer, format=kind, dpi=150, metadata=metadata)
    return buffer.getvalue()


def _draw_steps(axes: Axes, inspection: Inspection) -> None:
    """A bar for what is in the pool after each step, and a pale one for what the step removed."""
    from matplotlib.ticker import EngFormatter

    steps = inspection.steps
    places = np.arange(len(steps))
    after = np.array([step.after for step in steps])
    removed = np.array([sum(step.removed.values()) for step in steps])

    axes.barh(places, after, color=AFTER, height=0.6, label="in the pool")
    axes.barh(places, removed, left=after, color=GONE, height=0.6, label="removed by the step")

    axes.set_yticks(places, [step.name for step in steps])
    axes.invert_yaxis()
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.set_title("Texts after each step")
    axes.tick_params(axis="y", length=0)
    axes.legend(loc="best", fontsize=8)


def _draw_lengths(axes: Axes, inspection: Inspection) -> None:
    """Share of texts by number of words: labelled, the pool at its largest, the pool as it is."""
    from matplotlib.ticker import PercentFormatter

    shown = (
        ("labelled", inspection.labelled, LABELLED),
        ("pool at its largest", inspection.widest, BEFORE),
        ("pool", inspection.final, AFTER),
    )
    for name, lengths, colour in shown:
        if lengths.texts:
            axes.step(range(MOST_WORDS + 1), _shares(lengths), where="mid", color=colour, label=name)

    axes.set(xlim=(0, MOST_WORDS), ylim=(0, None))
    axes.set_xlabel(f"words of a text (the last: {MOST_WORDS} or more)")
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=None))
    axes.set_title("Lengths")
    if axes.lines:
        axes.legend(fontsize=8)


def _draw_labels(axes: Axes, inspection: Inspection) -> None:
    """Share of each label among the labelled texts and in the pool."""
    from matplotlib.ticker import PercentFormatter

    names = list(inspection.labelled_balance or inspection.balance)[:MOST_LABELS]
    places = np.arange(len(names))

    for offset, (counts, colour, title) in enumerate(
        ((inspection.labelled_balance, LABELLED, "labelled"), (inspection.balance, AFTER, "pool"))
    ):
        total = max(sum(counts.values()), 1)
        shares = [counts.get(name, 0) / total for name in names]
        if counts:
            axes.barh(places + 0.4 * offset - 0.2, shares, height=0.38, color=colour, label=title)

    axes.set_yticks(places, names)
    axes.invert_yaxis()
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=None))
    axes.set_title("Labels")
    axes.tick_params(axis="y", length=0)
    axes.legend(fontsize=8, loc="lower right", bbox_to_anchor=(1, 1), ncols=2)


def _shares(lengths: Lengths) -> Sequence[float]:
    return [count / lengths.texts for count in lengths.histogram]


def _escape(item: Item) -> str:
    return html.escape(shown(item))
