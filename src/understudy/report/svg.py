"""What all pictures share: palette, type, and the way from a matplotlib figure to inline SVG.

Colours are from the palette of Okabe and Ito, safe for colour-blind readers, and every role has a marker of
its own. In the SVG they become CSS variables with the light colour as fallback, so a page can turn them dark.
Text stays text: the reader's own fonts are used, none is embedded.
"""

from __future__ import annotations

import hashlib
import html
import io
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

INK, MUTED, LINE, PAPER = "#1b1f24", "#57606b", "#d5dbe2", "#fefefe"

COLOURS: Mapping[str, str] = {
    "teacher": "#d55e00",
    "student": "#0072b2",
    "undistilled": "#009e73",
    "baseline": "#6e7782",
}
"""Colour by role."""

MARKERS: Mapping[str, str] = {"teacher": "D", "student": "o", "undistilled": "^", "baseline": "s"}
"""Marker by role."""

_VARIABLES = {INK: "ink", MUTED: "muted", LINE: "line", PAPER: "paper"} | {
    colour: role for role, colour in COLOURS.items()
}

_SETTINGS: Mapping[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "understudy",
    "text.parse_math": False,
    "axes.unicode_minus": False,
    "figure.dpi": 72,
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": LINE,
    "axes.titlesize": 9.5,
    "axes.titlecolor": INK,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "legend.frameon": False,
}


@contextmanager
def style() -> Iterator[None]:
    """Draw and save in our style; matplotlib's own settings are as before afterwards."""
    settings: Any = {
        key: value for key, value in mpl.rcParamsDefault.items() if not key.startswith("backend")
    }
    settings |= _SETTINGS
    with mpl.rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # the reader's fonts will have it
        yield


def new_figure(width: float, height: float) -> Figure:
    """A transparent figure, in inches, at 72 dots per inch: one pixel is one point."""
    figure = Figure(figsize=(width, height), facecolor="none")
    FigureCanvasAgg(figure)
    return figure


def add_axes(figure: Figure, left: float, bottom: float, right: float, top: float) -> Axes:
    """Axes with these margins in inches."""
    width, height = figure.get_size_inches()
    return figure.add_axes(
        (left / width, bottom / height, (width - left - right) / width, (height - bottom - top) / height)
    )


def to_svg(figure: Figure, name: str, description: str) -> str:
    """One ``<svg>`` element to put into a page.

    The same figure gives the same bytes. Ids are unique among different pictures of one page. It is as wide
    as the page allows, up to a size at which its type reads well. Nothing outside it is styled or needed.

    Args:
        figure: Drawn within `style`.
        name: Class of the element and head of its ids.
        description: Text for readers who cannot see it.
    """
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    drawn = buffer.getvalue()
    drawn = drawn[drawn.index("<svg") :]
    drawn = re.sub(r"<metadata>.*?</metadata>\s*", "", drawn, flags=re.DOTALL)
    drawn = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>\s*", "", drawn, count=1, flags=re.DOTALL)
    return _head(_adapt_tags(drawn, name), name, description)


def _adapt_tags(drawn: str, name: str) -> str:
    """Put our ids, the reader's fonts and the page's colours into the tags; texts between them stay."""
    own = f"{name}-{hashlib.sha256(drawn.encode('utf-8', 'replace')).hexdigest()[:8]}-"

    def adapt(match: re.Match[str]) -> str:
        tag = re.sub(r'( id="|url\(#|href="#)', rf"\g<1>{own}", match[0])
        tag = re.sub(r"'DejaVu Sans'[^;\"]*", "system-ui, sans-serif", tag)
        return re.sub(r"(?<=: )#[0-9a-f]{6}\b", lambda colour: _as_variable(colour[0]), tag)

    return re.sub(r"<[^<>]*>", adapt, drawn)


def _as_variable(colour: str) -> str:
    return f"var(--{_VARIABLES[colour]}, {colour})" if colour in _VARIABLES else colour


def _head(drawn: str, name: str, description: str) -> str:
    match = re.match(r"<svg[^>]*?viewBox=\"([^\"]*)\"[^>]*>", drawn)
    assert match is not None
    widest = round(1.4 * float(match[1].split()[2]))  # pixels; type of 9 points is then 12.6 pixels high
    head = (
        f'<svg class="{name}" role="img" aria-label="{html.escape(description)}" viewBox="{match[1]}" '
        'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'style="max-width: {widest}px; stroke-linejoin: round; stroke-linecap: butt">'
    )
    return head + drawn[match.end() :].rstrip()
