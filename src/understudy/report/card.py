"""``README.md`` of an exported student: the model card that a hub or a colleague reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from understudy.report.markdown import describe_data, escape, grid, lines
from understudy.report.rows import (
    Row,
    clean,
    count,
    duration,
    metric_name,
    percent,
    score_with_interval,
    shorten,
    size,
    times,
    whole,
)
from understudy.report.verdict import overlap

MOST_LABELS = 200
"""More label names than these are counted, not listed."""

_TAGS = ("text-classification", "knowledge-distillation", "onnx", "understudy")

_USE = """\
```python
import understudy

student = understudy.load("path/to/this/folder")
print(student.predict(["a text to classify"]))
```

```sh
understudy predict path/to/this/folder "a text to classify"
```

Prediction needs no torch: `pip install understudy`."""


def render_card(facts: Mapping[str, Any]) -> str:
    """The model card as Markdown with YAML front matter.

    Args:
        facts: ``student``, ``task``, ``teacher``, ``data``, ``parameters``, ``vocabulary_size`` and
            ``understudy_version``; ``row``, ``teacher_row``, ``undistilled_row`` and ``machine`` may be
            ``None``. Optional: ``license`` (an identifier; ``other`` unless given) and ``quantisation``
            (a sentence).
    """
    task, row = facts["task"], facts["row"]
    sections = [
        f"---\n{_front_matter(facts)}---",
        f"# {escape(facts['student'])}: {escape(facts['data']['name'])}",
        _introduction(facts),
        "## Use",
        _USE,
        "## Labels",
        _labels(task["labels"]),
        "## Quality",
        _quality(facts)
        if row
        else "Not evaluated yet. `understudy evaluate` measures it against the teacher.",
        "## Cost",
        _cost(facts),
        "## Data",
        describe_data(facts["data"], task["labels"]),
        "## Limits",
        lines(_limits(facts)),
        f"Written by Understudy {escape(facts['understudy_version'])}.",
    ]
    return "\n\n".join(sections) + "\n"


def _front_matter(facts: Mapping[str, Any]) -> str:
    """The YAML that model hubs read; the results only where there are some."""
    about: dict[str, Any] = {
        "library_name": "understudy",
        "license": facts.get("license") or "other",
        "pipeline_tag": "text-classification",
        "tags": list(_TAGS),
    }
    row = facts["row"]
    if row:
        name = clean(facts["data"]["name"])
        measured = {
            "task": {"type": "text-classification"},
            "dataset": {"name": name, "type": name, "split": "test"},
            "metrics": [{"type": row["metric"], "value": round(float(row["score"]), 4)}],
        }
        about["model-index"] = [{"name": clean(facts["student"]), "results": [measured]}]
    return yaml.safe_dump(about, sort_keys=False, allow_unicode=True)


def _introduction(facts: Mapping[str, Any]) -> str:
    n_labels = len(facts["task"]["labels"])
    return (
        f"A small text classifier for {n_labels} labels, distilled from the teacher "
        f"**{escape(facts['teacher'])}**: architecture `{clean(facts['student'])}`, "
        f"{count(facts['parameters'])} parameters, a vocabulary of {whole(facts['vocabulary_size'])}. "
        "It answers on one CPU core."
    )


def _labels(labels: list[str]) -> str:
    if len(labels) > MOST_LABELS:
        return f"{len(labels)} labels, listed in the folder."
    return ", ".join(escape(shorten(label, 80)) for label in labels)


def _quality(facts: Mapping[str, Any]) -> str:
    """A table of the student beside its teacher and its undistilled twin, and what distillation added."""
    row, teacher, undistilled = facts["row"], facts["teacher_row"], facts["undistilled_row"]
    metric = metric_name(row["metric"])
    header = [
        "Model",
        f"{metric[:1].upper()}{metric[1:]} (95 %)",
        "Macro F1 (95 %)",
        "Retention",
        "Agreement",
    ]
    named = (("this student", row), ("teacher", teacher), ("the same, trained on labels only", undistilled))
    table = grid(header, [[name, *_scores(item)] for name, item in named if item])
    texts = facts["data"]["sizes"].get("test")
    where = f"Measured on {whole(texts)} test texts that no training step has seen." if texts else ""
    return "\n\n".join(filter(None, (table, where, _gain(row, undistilled))))


def _scores(row: Row) -> list[str]:
    return [
        score_with_interval(row["metric"], row["score"], row["ci95"]),
        score_with_interval("macro_f1", row["macro_f1"], row["macro_f1_ci95"]),
        percent(row["retention"]),
        percent(row["agreement"]),
    ]


def _gain(row: Row, undistilled: Row | None) -> str:
    if undistilled is None or not overlap(row, undistilled):
        return ""
    return "It is not clearly different from the same architecture without a teacher: the intervals overlap."


def _cost(facts: Mapping[str, Any]) -> str:
    row, machine = facts["row"], facts["machine"]
    if not row:
        return f"{count(facts['parameters'])} parameters. Size and latency: not evaluated yet."
    clock = row["latency_us"] or {}
    body = [
        ["Parameters", count(facts["parameters"])],
        ["Size on disk", size(row["size_bytes"])],
        *([f"Latency, {name}", duration(clock.get(name))] for name in ("p50", "p95", "p99")),
        ["Texts per second", whole(row["throughput_per_s"])],
        ["Speed-up over the teacher", times(row["speedup"])],
        ["Compression", times(row["compression"])],
    ]
    on = f" on {escape(machine['cpu'])}" if machine else ""
    threads = (
        "" if row["threads"] is None else f", {row['threads']} thread{'' if row['threads'] == 1 else 's'}"
    )
    return grid(["Cost", "Value"], body) + f"\n\nOne text at a time, tokenisation included{threads}{on}."


def _limits(facts: Mapping[str, Any]) -> list[str]:
    quantisation = facts.get("quantisation")
    stored = (
        escape(quantisation) if quantisation else "not stated here; `manifest.json` lists the files as stored"
    )
    return [
        "It knows the labels above and no others: a text that fits none is still given one of them.",
        "Its words are those of the training texts; other domains or languages give answers of little worth.",
        "It imitates its teacher, errors and biases included.",
        f"Quantisation: {stored}.",
    ]
