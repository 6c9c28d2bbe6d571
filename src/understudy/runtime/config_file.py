"""`config.json` of an exported student: read once, and checked before anything is made of it.

The folder's manifest shows that the file was not changed by accident. A file that was changed on purpose,
with corrected checksums, is refused here by its key. Needs no numpy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from understudy.core.manifest import read_json
from understudy.errors import ArtifactError
from understudy.runtime.layout import FORMAT, Layout

Config = dict[str, Any]
"""What ``config.json`` holds: JSON."""

INPUT_MODES = ("text", "diffcat", "compare", "tokens")
"""Values of ``student.form``: the keys of `understudy.tokenization.encoding.INPUTS`."""


def read_config(layout: Layout) -> Config:
    """Read ``config.json``, and check everything that answering needs.

    Raises:
        ArtifactError: the file is missing, of a later version, or a key in it is missing or odd; by key.
    """
    config = read_json(layout.config)
    if not isinstance(config, dict) or not _is_count(config.get("format")):
        raise ArtifactError(f"{layout.config} is not that of an exported student: it names no format.")
    if config["format"] > FORMAT:
        raise ArtifactError(
            f"{layout.folder} has format {config['format']}, but this version reads up to {FORMAT}. "
            "Upgrade understudy."
        )

    for key, (fits, wanted) in _NEEDED.items():
        _check(layout, config, key, fits, wanted)
    for key, (fits, wanted) in _OPTIONAL.items():
        _check(layout, config, key, fits, wanted, is_optional=True)
    if "fast" in config:
        _check(layout, config, "fast.fingerprint", _is_text, "the sums of model.fast")
    return config


def _check(
    layout: Layout,
    config: Config,
    key: str,
    fits: Callable[[object], bool],
    wanted: str,
    *,
    is_optional: bool = False,
) -> None:
    """Refuse a config whose value at a dotted key is missing or does not fit."""
    holder: object = config
    for part in key.split("."):
        if isinstance(holder, Mapping) and part not in holder:
            if is_optional:
                return
            raise ArtifactError(
                f"{layout.config} is damaged, or of another version: it has no {key}. {_REMEDY}"
            )
        holder = holder[part] if isinstance(holder, Mapping) else None

    if not fits(holder):
        raise ArtifactError(
            f"{layout.config} is damaged, or of another version: {key} must be {wanted}, but is "
            f"{holder!r:.60}. {_REMEDY}"
        )


_REMEDY = "Restore it, or write the folder again."


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_facts(value: object) -> bool:
    return isinstance(value, Mapping)


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and len(value) > 0 and all(isinstance(each, str) for each in value)


def _are_numbers(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(each, int | float) and not isinstance(each, bool) for each in value
    )


_FACTS = (_is_facts, "an object")

_NEEDED: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "task": _FACTS,
    "task.labels": (_are_texts, "a list of label names"),
    "student": _FACTS,
    "student.name": (_is_text, "the name of a student"),
    "student.form": (lambda value: value in INPUT_MODES, f"one of {', '.join(INPUT_MODES)}"),
    "parameters": (_is_count, "a number of parameters"),
    "vocabulary": _FACTS,
    "vocabulary.kind": (lambda value: value in ("words", "pieces"), "words or pieces"),
    "vocabulary.size": (_is_count, "a number of words"),
}
"""Dotted key → whether a value fits, and what it must be, in words."""

_OPTIONAL: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "task.kind": (_is_text, "a kind of task"),
    "task.metric": (_is_text, "the name of a metric"),
    "task.texts": (lambda value: value in (1, 2) and _is_count(value), "1 or 2"),
    "task.thresholds": (_are_numbers, "a list of numbers"),
    "task.bounds": (lambda value: _are_numbers(value) and len(value) == 2, "a list of two numbers"),  # type: ignore[arg-type]
    "task.transitions": (
        lambda value: isinstance(value, list) and all(map(_are_numbers, value)),
        "a list of lists of numbers",
    ),
    "fast": _FACTS,
    "teacher": _FACTS,
    "onnx": _FACTS,
    "quantisation": _FACTS,
    "pruning": _FACTS,
}
"""The same for keys that older or other students do not have."""
