"""Labels beside points, placed so that they cover neither each other nor the points."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from matplotlib.axes import Axes
from matplotlib.transforms import Bbox

from understudy.report.svg import INK, MUTED

_ANGLES = (0, 180, 90, 270, 35, 145, 325, 215, 60, 120, 300, 240)  # degrees; the first is liked best
_STEPS = (3.0, 9.0, 16.0, 25.0, 36.0, 50.0, 66.0, 84.0, 105.0)  # distance from the point, in dots


@dataclass(frozen=True)
class Mark:
    """A point that wants a label.

    Attributes:
        x, y: In data coordinates.
        radius: Radius of its marker, in dots.
        text: The label.
        reach: Lowest and highest y of its error bar, in data coordinates.
    """

    x: float
    y: float
    radius: float
    text: str
    reach: tuple[float, float]


def place_labels(axes: Axes, marks: Sequence[Mark], path: Sequence[tuple[float, float]] = ()) -> list[Bbox]:
    """Write every mark's label where it covers least, and return the boxes, in dots.

    Axes and limits must be final. Labels far from their point get a thin line to it.

    Args:
        axes: To write on.
        marks: Points already drawn.
        path: Corners of a line of level and upright pieces, in data coordinates, to be left uncovered too.
    """
    frame = axes.get_window_extent()
    blocked = [box for mark in marks for box in _boxes(axes, mark)] + _pieces(axes, path)
    placed: list[Bbox] = []
    for mark in sorted(marks, key=lambda mark: (-mark.y, mark.x)):
        width, height = _measure(axes, mark.text)
        x, y = axes.transData.transform((mark.x, mark.y))
        best, best_cost = Bbox.from_bounds(x, y, width, height), math.inf
        for number, (step, angle) in enumerate((s, a) for s in _STEPS for a in _ANGLES):
            box = _beside((x, y), mark.radius + step, math.radians(angle), (width, height))
            cost = 0.02 * number + sum(_common(box, other) for other in [*blocked, *placed])
            cost += 20 * (width * height - _common(box, frame))
            if cost < best_cost:
                best, best_cost = box, cost
        placed.append(best)
        _write(axes, mark, best, (x, y))

    return placed


def _boxes(axes: Axes, mark: Mark) -> list[Bbox]:
    """What a mark covers: its marker, and its error bar."""
    x, y = axes.transData.transform((mark.x, mark.y))
    (_, low), (_, high) = axes.transData.transform([(mark.x, value) for value in mark.reach])
    r = mark.radius + 1
    return [Bbox([[x - r, y - r], [x + r, y + r]]), Bbox([[x - 2, low], [x + 2, high]])]


def _pieces(axes: Axes, path: Sequence[tuple[float, float]]) -> list[Bbox]:
    """What the pieces of a line cover."""
    corners = [axes.transData.transform(corner) for corner in path]
    return [
        Bbox.from_extents(min(x0, x1) - 1, min(y0, y1) - 1, max(x0, x1) + 1, max(y0, y1) + 1)
        for (x0, y0), (x1, y1) in pairwise(corners)
    ]


def _measure(axes: Axes, text: str) -> tuple[float, float]:
    written = axes.text(0, 0, text, fontsize=8.5)
    box = written.get_window_extent()
    written.remove()
    return box.width + 2, box.height + 1


def _beside(point: tuple[float, float], distance: float, angle: float, extent: tuple[float, float]) -> Bbox:
    """A box whose nearest side or corner is ``distance`` from a point, in the direction of ``angle``."""
    (x, y), (width, height) = point, extent
    dx, dy = distance * math.cos(angle), distance * math.sin(angle)
    return Bbox.from_bounds(_start(x, dx, width), _start(y, dy, height), width, height)


def _start(at: float, shift: float, length: float) -> float:
    """Where a side begins: after the point, before it, or centred on it where there is no shift."""
    if abs(shift) < 0.1:
        return at - length / 2
    return at + shift if shift > 0 else at + shift - length


def _common(box: Bbox, other: Bbox) -> float:
    """Area that two boxes share, in square dots."""
    width = min(box.x1, other.x1) - max(box.x0, other.x0)
    height = min(box.y1, other.y1) - max(box.y0, other.y0)
    return float(width * height) if width > 0 and height > 0 else 0.0


def _write(axes: Axes, mark: Mark, box: Bbox, point: tuple[float, float]) -> None:
    x, y = point
    near = (min(max(x, box.x0), box.x1), min(max(y, box.y0), box.y1))
    to_axes = axes.transData.inverted().transform
    if math.dist(point, near) > mark.radius + 14:
        ends = to_axes([near, point])
        axes.plot(ends[:, 0], ends[:, 1], color=MUTED, linewidth=0.5, zorder=2)
    # Anchored on the side of the point, so that a reader's narrower font stays close to it.
    side = "left" if box.x0 >= x else "right" if box.x1 <= x else "center"
    at = {"left": box.x0, "right": box.x1, "center": (box.x0 + box.x1) / 2}[side]
    middle = (box.y0 + box.y1) / 2
    left, base = to_axes((at, middle))
    axes.text(left, base, mark.text, fontsize=8.5, color=INK, ha=side, va="center_baseline")
