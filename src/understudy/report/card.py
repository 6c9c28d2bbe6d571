"""``README.md`` of an exported student: the model card that a hub or a colleague reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import yaml

from understudy.core.task import Task
from understudy.report.markdown import describe_data, escape, grid, lines
from understudy.report.numbers import (
    clean,
    count,
    duration,
    heading,
    metric_name,
    percent,
    score_with_interval,
    shorten,
    signed,
    size,
    times,
    unit,
    whole,
)
from understudy.report.prose import PAIRED
from understudy.report.record import (
    PERCENTILES,
    DataRecord,
    MachineRecord,
    ReportRow,
    is_judged_by_teacher,
)
from understudy.report.rows import agreed, other_metrics, other_score
from understudy.report.verdict import UNJUDGED, judge, on_test, overlap, span
from understudy.report.wording import Wording, wording

MOST_LABELS = 200
"""More label names than these are counted, not listed."""

_TAGS = ("knowledge-distillation", "onnx", "understudy")

_USE = """\
```python
import understudy

student = understudy.load("path/to/this/folder")
print(student.predict([{python}]))
```

```sh
understudy predict path/to/this/folder {shell}
```

Prediction needs no torch: `pip install understudy`."""

_EXAMPLES: Mapping[str, tuple[str, str]] = {
    "text": ('"a text to classify"', '"a text to classify"'),
    "pair": ('("one text", "and another")', "$'one text\\tand another'"),
    "sentence": ('"A sentence to tag."', '"A sentence to tag."'),
}  # by item: in Python, in a shell

_ROLES: Mapping[str, str] = {
    "classification": "A small text classifier",
    "pair": "A small classifier of pairs of texts",
    "multilabel": "A small classifier that gives a {item} any number of labels",
    "regression": "A small model that gives a {item} a value",
    "tagging": "A small tagger of words",
}  # by kind of task

_NONE_ELSE: Mapping[str, str] = {
    "multilabel": "It knows the labels above and no others.",
    "regression": "It has learnt values within the range above, and says nothing sensible beyond it.",
    "tagging": "It knows the tags above and no others: a word that fits none is still given one of them.",
}  # by kind of task, where it is not what a classifier does


@dataclass(frozen=True, kw_only=True)
class CardFacts:
    """What a model card is written from.

    Attributes:
        student: Name of the student.
        task: Kind, labels and metric.
        teacher: Name of its teacher.
        data: What it was trained and measured on.
        parameters: Number of parameters.
        vocabulary_size: Number of entries of its vocabulary.
        understudy_version: Version that writes the card.
        row: Its row of the report; ``None`` where it was not evaluated.
        teacher_row: The teacher's row.
        undistilled_row: The row of the same architecture trained on labels only.
        machine: What was measured on.
        license: Identifier of a licence.
        quantisation: A sentence on the precision that it is stored in.
        pruning: A sentence on the rows that were left out; empty where none were meant to be.
    """

    student: str
    task: Task
    teacher: str
    data: DataRecord
    parameters: int
    vocabulary_size: int
    understudy_version: str
    row: ReportRow | None = None
    teacher_row: ReportRow | None = None
    undistilled_row: ReportRow | None = None
    machine: MachineRecord | None = None
    license: str = "other"
    quantisation: str | None = None
    pruning: str = ""


def render_card(facts: CardFacts) -> str:
    """The model card as Markdown with YAML front matter."""
    words, row = wording(facts.task), facts.row
    python, shell = _EXAMPLES[words.item]

    sections = [
        f"---\n{_front_matter(facts)}---",
        f"# {escape(facts.student)}: {escape(facts.data['name'])}",
        _introduction(facts),
        "## Use",
        _USE.format(python=python, shell=shell),
        *_answers(facts.task, words),
        "## Quality",
        _quality(facts, row)
        if row
        else "Not evaluated yet. `understudy evaluate` measures it against the teacher.",
        "## Cost",
        _cost(facts),
        "## Data",
        describe_data(facts.data, words),
        "## Limits",
        lines(_limits(facts)),
        f"Written by Understudy {escape(facts.understudy_version)}.",
    ]
    return "\n\n".join(sections) + "\n"


def _front_matter(facts: CardFacts) -> str:
    """The YAML that model hubs read; the results only where there are some."""
    about: dict[str, object] = {
        "library_name": "understudy",
        "license": facts.license,
        "pipeline_tag": _hub_kind(facts.task),
        "tags": [_hub_kind(facts.task), *_TAGS],
    }
    row = facts.row

    if row:
        name = clean(facts.data["name"])
        value: dict[str, object] = {"type": row.metric, "value": round(float(row.score), 4)}
        if is_judged_by_teacher(facts.data):
            value["name"] = f"{row.metric} by the teacher's answers, not gold labels"
        measured = {
            "task": {"type": _hub_kind(facts.task)},
            "dataset": {"name": name, "type": name, "split": "test"},
            "metrics": [value],
        }
        about["model-index"] = [{"name": clean(facts.student), "results": [measured]}]
    return yaml.safe_dump(about, sort_keys=False, allow_unicode=True)


def _hub_kind(task: Task) -> str:
    """What hubs call the task; they file values of texts under classification too."""
    return "token-classification" if task.kind == "tagging" else "text-classification"


def _introduction(facts: CardFacts) -> str:
    words = wording(facts.task)
    role = _ROLES[facts.task.kind].format(item=words.item)
    return (
        f"{role} ({words.gist}), distilled from the teacher "
        f"**{escape(facts.teacher)}**: architecture `{clean(facts.student)}`, "
        f"{count(facts.parameters)} parameters, a vocabulary of {whole(facts.vocabulary_size)}. "
        "It answers on one CPU core."
    )


def _answers(task: Task, words: Wording) -> list[str]:
    """A section on what it can answer."""
    labels = task.labels
    if not words.has_labels:
        return ["## Values", heading(f"{words.gist}.")]
    title = "## Tags" if task.kind == "tagging" else "## Labels"
    if len(labels) > MOST_LABELS:
        return [title, f"{len(labels)} labels, listed in the folder."]
    return [title, ", ".join(escape(shorten(label, 80)) for label in labels)]


def _quality(facts: CardFacts, row: ReportRow) -> str:
    """A table of the student beside its teacher and its undistilled twin, and what distillation added."""
    teacher, undistilled = facts.teacher_row, facts.undistilled_row
    others = other_metrics([row])
    header = [
        "Model",
        f"{heading(metric_name(row.metric))} (95 %)",
        *(heading(metric_name(name)) for name in others),
        "Retention",
        "Agreement",
    ]
    named = (("this student", row), ("teacher", teacher), ("the same, trained on labels only", undistilled))
    table = grid(header, [[name, *_scores(item, others)] for name, item in named if item])
    return "\n\n".join(filter(None, (table, on_test(facts.task, facts.data), _gain(row, undistilled))))


def _scores(row: ReportRow, others: Sequence[str]) -> list[str]:
    return [
        score_with_interval(row.metric, row.score, row.ci95),
        *(other_score(row, name) for name in others),
        percent(row.retention),
        agreed(row),
    ]


def _gain(row: ReportRow, undistilled: ReportRow | None) -> str:
    if undistilled is None:
        return ""
    paired = row.against_undistilled
    if paired and paired["name"] == undistilled.name:
        gained = signed(row.metric, paired["difference"]) + unit(row.metric)
        interval = span(row.metric, paired)
        return f"Distillation changed its score by {gained} ({interval}), which is {judge(paired)}. {PAIRED}"
    if not overlap(row, undistilled):
        return ""
    return "It is not clearly different from the same architecture without a teacher: the intervals overlap."


def _cost(facts: CardFacts) -> str:
    row, machine = facts.row, facts.machine
    if not row:
        return f"{count(facts.parameters)} parameters. Size and latency: not evaluated yet."

    item = wording(facts.task).item
    body = [
        ["Parameters", count(facts.parameters)],
        ["Size on disk", size(row.size_bytes)],
        *([f"Latency, {name}", duration(row.latency(name))] for name in PERCENTILES),
        [f"{heading(item)}s per second", whole(row.throughput_per_s)],
        ["Speed-up over the teacher", times(row.speedup)],
        ["Compression", times(row.compression)],
    ]
    on = f" on {escape(machine['cpu'])}" if machine else ""
    threads = "" if row.threads is None else f", {row.threads} thread{'' if row.threads == 1 else 's'}"
    return grid(["Cost", "Value"], body) + f"\n\nOne {item} at a time, tokenisation included{threads}{on}."


def _limits(facts: CardFacts) -> list[str]:
    quantisation, item = facts.quantisation, wording(facts.task).item
    stored = (
        escape(quantisation) if quantisation else "not stated here; `manifest.json` lists the files as stored"
    )
    return [
        _NONE_ELSE.get(
            facts.task.kind,
            f"It knows the labels above and no others: a {item} that fits none is still given one of them.",
        ),
        f"Its words are those of the training {item}s; other domains or languages get poor answers.",
        "It imitates its teacher, errors and biases included.",
        *([UNJUDGED] if is_judged_by_teacher(facts.data) else []),
        f"Quantisation: {stored}.",
        *([f"Pruning: {escape(facts.pruning)}."] if facts.pruning else []),
    ]
