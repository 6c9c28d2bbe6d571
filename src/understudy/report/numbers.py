"""How numbers are written: scores, sizes, times and ratios."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TypeGuard

METRIC_NAMES: Mapping[str, str] = {
    "accuracy": "accuracy",
    "macro_f1": "macro F1",
    "micro_f1": "micro F1",
    "span_f1": "span F1",
    "mcc": "Matthews correlation",
    "pearson": "Pearson correlation",
    "spearman": "Spearman correlation",
    "f1": "F1",
    "accuracy_f1": "mean of accuracy and F1",
    "pearson_spearman": "mean of Pearson and Spearman correlation",
}
"""Metrics as a sentence calls them."""


CORRELATIONS = ("mcc", "pearson", "spearman", "pearson_spearman")
"""Metrics between -1 and 1; the others are shares."""


NONE = "–"
"""Stands where a number was not measured."""


_CONTROLS = re.compile(r"[\x00-\x20\x7f-\x9f\u2028\u2029]+")


_SURROGATES = re.compile(r"[\ud800-\udfff]")


def metric_name(metric: str) -> str:
    """A metric as a sentence calls it: ``macro_f1`` → ``macro F1``."""
    return METRIC_NAMES.get(metric, metric.replace("_", " "))


def heading(text: str) -> str:
    """A phrase at the head of a column: ``macro F1`` → ``Macro F1``."""
    return text[:1].upper() + text[1:]


def percent(share: float | None, digits: int = 1) -> str:
    """A share as a percentage: ``0.871`` → ``87.1 %``."""
    return f"{100 * share:.{digits}f} %" if _known(share) else NONE


def score(metric: str, value: float | None) -> str:
    """A score in the unit of its metric: shares as percentages, correlations with three decimals."""
    if not _known(value):
        return NONE
    return f"{value:.3f}" if metric in CORRELATIONS else percent(value)


def bounds(metric: str, interval: Sequence[float] | None) -> str:
    """The bounds of a 95 % interval, without a unit: ``85.2–88.9``."""
    if not interval:
        return NONE
    low, high = (f"{b:.3f}" if metric in CORRELATIONS else f"{100 * b:.1f}" for b in interval)
    return f"{low} to {high}" if "-" in low else f"{low}–{high}"


def score_with_interval(metric: str, value: float | None, interval: Sequence[float] | None) -> str:
    """A score with its 95 % interval: ``87.1 % (85.2–88.9)``."""
    if not _known(value) or not interval:
        return score(metric, value)
    return f"{score(metric, value)} ({bounds(metric, interval)})"


def difference(metric: str, value: float) -> str:
    """The size of a difference of two scores: ``0.061`` → ``6.1 points`` (``0.061`` for a correlation)."""
    return f"{abs(value):.3f}" if metric in CORRELATIONS else f"{100 * abs(value):.1f}{unit(metric)}"


def unit(metric: str) -> str:
    """What follows a difference of two scores: `` points``, or nothing after a correlation."""
    return "" if metric in CORRELATIONS else " points"


def signed(metric: str, value: float) -> str:
    """A difference of two scores with its sign, without a unit: ``+6.1``, ``−0.020``."""
    number = f"{value:+.3f}" if metric in CORRELATIONS else f"{100 * value:+.1f}"
    return number.replace("-", "−")


def duration(microseconds: float | None) -> str:
    """A latency to three digits: ``35.2 µs``, ``1.24 ms``, ``2.5 s``."""
    return _scaled(microseconds, (" µs", " ms", " s"))


def size(n_bytes: float | None) -> str:
    """A size on disk or in memory, in decimal units: ``700 KB``, ``90.4 MB``."""
    return _scaled(n_bytes, (" B", " KB", " MB", " GB"))


def count(number: float | None) -> str:
    """A number of parameters to three digits: ``80.6 k``, ``22.7 M``."""
    return _scaled(number, ("", " k", " M", " B"))


def whole(number: float | None) -> str:
    """A whole number with thousands separated: ``12,345``."""
    return f"{number:,.0f}" if _known(number) else NONE


def times(ratio: float | None) -> str:
    """A ratio: ``×312``, ``×2.4``."""
    return f"×{ratio_digits(ratio)}" if _known(ratio) else NONE


def ratio_digits(ratio: float) -> str:
    """A ratio without its sign: one decimal below ten, none above."""
    return f"{ratio:.1f}" if ratio < 9.95 else f"{ratio:,.0f}"


def stretch(seconds: float | None) -> str:
    """A span of time in the units of everyday life: ``4.2 s``, ``1 min 21 s``, ``2 h 5 min``."""
    if not _known(seconds):
        return NONE
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def moment(text: object) -> str:
    """An ISO 8601 time to the minute, ``2026-11-20 08:00 UTC``; any other text as it is."""
    try:
        when = datetime.fromisoformat(str(text))
    except ValueError:
        return clean(text)
    return f"{when:%Y-%m-%d %H:%M} {when.tzname() or ''}".strip()


def clean(text: object) -> str:
    """One line that every file and terminal can hold: no control characters, no lone surrogates."""
    return _SURROGATES.sub("\ufffd", _CONTROLS.sub(" ", str(text))).strip()


def shorten(text: object, width: int) -> str:
    """At most ``width`` characters of a cleaned text; ``…`` stands for what was cut.

    >>> shorten("a very long label", 7)
    'a very…'
    """
    line = clean(text)
    return line if len(line) <= width else line[: width - 1].rstrip() + "…"


def _known(value: float | None) -> TypeGuard[float]:
    return value is not None and not math.isnan(value)


def _scaled(value: float | None, units: Sequence[str]) -> str:
    """Three digits in the first unit in which the number stays below a thousand."""
    if not _known(value):
        return NONE
    for unit in units:
        if abs(float(f"{value:.3g}")) < 1000:
            return f"{value:.3g}{unit}"
        value /= 1000
    return f"{value * 1000:,.0f}{units[-1]}"
