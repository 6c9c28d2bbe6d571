"""What the tools that write tables and pictures share: marks in a page, and a picture that stands alone."""

from __future__ import annotations

import re
from pathlib import Path

from understudy.report.svg import COLOURS, INK, LINE, MUTED, PAPER

DOCS = Path(__file__).parents[1] / "docs"

_LIGHT = {"ink": INK, "muted": MUTED, "line": LINE, "paper": PAPER, **COLOURS}
_DARK = {
    "ink": "#e7ebef",
    "muted": "#a3adb8",
    "line": "#37414b",
    "paper": "#191f25",
    "teacher": "#f0843a",
    "student": "#4ea8e6",
    "undistilled": "#37c298",
    "baseline": "#a5aeb8",
}
"""Colours of the report's page in the dark."""


def put(page: Path, mark: str, inside: str) -> None:
    """Replace what stands between two marks of a page.

    Raises:
        SystemExit: A mark is missing, or stands there twice.
    """
    text, start, end = page.read_text(encoding="utf-8"), f"<!-- {mark} -->", f"<!-- /{mark} -->"
    if text.count(start) != 1 or text.count(end) != 1:
        raise SystemExit(f"{page} needs each of {start} and {end} once.")
    before, after = text.partition(start)[0], text.partition(end)[2]
    page.write_text(f"{before}{start}\n\n{inside}\n{end}{after}", encoding="utf-8")


def standalone(svg: str) -> str:
    """A picture of `understudy.report.svg.to_svg` as a file of its own, readable in light and in dark.

    It has a background, since the page around it may be dark where the reader's system is light.
    """
    match = re.match(r"<svg[^>]*viewBox=\"([^\"]*)\"[^>]*>", svg)
    if match is None:
        raise SystemExit("This is no picture: it does not begin with an <svg> that has a viewBox.")
    width, height = match[1].split()[2:]
    head = match[0].replace("<svg ", f'<svg width="{width}" height="{height}" ', 1)
    style = (
        f"<style>svg {{ {_variables(_LIGHT)} }} "
        f"@media (prefers-color-scheme: dark) {{ svg {{ {_variables(_DARK)} }} }}</style>"
    )
    ground = f'<rect width="{width}" height="{height}" rx="8" style="fill: var(--paper, {PAPER})"/>'
    return f"{head}\n{style}\n{ground}{svg[match.end() :]}\n"


def _variables(colours: dict[str, str]) -> str:
    return " ".join(f"--{name}: {colour};" for name, colour in colours.items())
