"""An invented report: every name, text and number here is a fixture, nothing was measured."""

from __future__ import annotations

import json
import random
from typing import Any

from understudy.core.task import METRICS, OF_TWO_LABELS
from understudy.evaluation.metrics import PARTS
from understudy.report.record import ReportDocument, ReportRow

LABELS = (
    "breakfast",
    "late checkout",
    "lost key",
    "noise",
    "parking",
    "pool",
    "taxi",
    "towels",
    "wake-up",
    "wifi",
)

# name, role, score, p50 in µs, parameters, bytes, train seconds
_MODELS = (
    ("minilm-l6 fine-tuned", "teacher", 0.934, 7450.0, 22_700_000, 90_900_000, 312.0),
    ("cbow.v1", "student", 0.871, 11.8, 80_610, 331_000, 4.2),
    ("cnn.v1", "student", 0.889, 41.0, 212_300, 860_000, 18.3),
    ("bilstm.v1", "student", 0.907, 87.5, 688_000, 2_760_000, 64.9),
    ("transformer.v1", "student", 0.904, 310.0, 1_240_000, 4_990_000, 121.4),
    ("cbow.v1 labels only", "undistilled", 0.822, 11.9, 80_610, 331_000, 1.9),
    ("bilstm.v1 labels only", "undistilled", 0.846, 88.1, 688_000, 2_760_000, 30.4),
    ("tfidf + logistic regression", "baseline", 0.838, 152.0, 52_000, 1_400_000, 1.1),
    ("majority", "baseline", 0.14, 1.1, 10, 900, 0.01),
)

TASKS: dict[str, dict[str, Any]] = {
    "classification": {"labels": list(LABELS), "metric": "accuracy"},
    "pair": {"labels": ["same", "other"], "metric": "mcc", "texts": 2},
    "multilabel": {"labels": ["cross", "glad", "lost", "tired"], "metric": "micro_f1"},
    "regression": {"labels": ["score"], "metric": "pearson", "texts": 2, "bounds": [0.0, 5.0]},
    "bins": {"labels": ["0", "0.5", "1", "1.5", "2"], "metric": "spearman"},
    "tagging": {
        "labels": ["O", "B-GUEST", "I-GUEST", "B-ROOM", "I-ROOM", "B-DAY", "I-DAY"],
        "metric": "span_f1",
    },
    "words": {"labels": ["NOUN", "VERB", "OTHER"], "metric": "accuracy"},
}
"""A task of every kind, in the form of ``Task.to_dict``; ``kind`` is the key unless it is no kind."""

_KINDS = {"bins": "regression", "words": "tagging"}

_TEXTS = (
    "could someone look at the thing by the bed, it blinks red all night",
    "the card stopped opening our door after the swim",
    "is there a place to leave the van until sunday?",
    "we would like to stay in the room a little longer tomorrow",
    "people upstairs are moving furniture, it is 2 am",
    "need two more big ones for the sauna please",
)


def document(report: dict[str, Any]) -> ReportDocument:
    """The report as the record that it is read into."""
    return ReportDocument.from_dict(report)


def row_with(**known: Any) -> ReportRow:
    """A row of which a test knows a few values."""
    return ReportRow(**{"name": "m", "role": "student", "metric": "accuracy", "score": 0.5, **known})


def make_report(
    n_labels: int = len(LABELS), n_rows: int = len(_MODELS), *, seed: int = 7, name: str = "concierge"
) -> dict[str, Any]:
    """A report in the form of ``report.json``; all numbers are invented, the same for the same arguments."""
    rng = random.Random(seed)
    labels = [LABELS[i] if i < len(LABELS) else f"label {i:03d}" for i in range(n_labels)]
    models = [_MODELS[i] if i < len(_MODELS) else _extra(i, rng) for i in range(n_rows)]
    rows = [_row(model, labels, rng) for model in models]
    for row in rows:
        row["pareto"] = not any(
            other["score"] >= row["score"]
            and other["latency_us"]["p50"] <= row["latency_us"]["p50"]
            and other is not row
            for other in rows
        )
    report = {
        "schema": 1,
        "name": name,
        "created": "2026-11-20T08:00:00+00:00",
        "understudy_version": "0.1.0",
        "task": {"kind": "classification", "labels": labels, "metric": "accuracy"},
        "data": _data(labels, rng),
        "machine": {
            "cpu": "Example CPU @ 2.50GHz",
            "logical_cores": 2,
            "threads": 1,
            "memory_gib": 23.4,
            "os": "Linux 6.1",
            "python": "3.11.7",
            "versions": {"numpy": "2.4.6", "onnxruntime": "1.23.0", "torch": None},
        },
        "stages": [
            {"name": "data", "seconds": 0.4, "skipped": True},
            {"name": "finetune", "seconds": 312.2, "skipped": False},
            {"name": "label", "seconds": 81.2, "skipped": False},
            {"name": "fit", "seconds": 208.8, "skipped": False},
            {"name": "evaluate", "seconds": 12.3, "skipped": False},
        ],
        "rows": rows,
        "disagreements": {
            row["name"]: [_disagreement(text, labels, rng) for text in _TEXTS]
            for row in rows
            if row["role"] == "student"
        },
    }
    return json.loads(json.dumps(report))


def _extra(number: int, rng: random.Random) -> tuple[str, str, float, float, int, int, float]:
    score, p50 = rng.uniform(0.85, 0.92), rng.uniform(10, 400)
    return (f"student-{number}.v1", "student", score, p50, 100_000 * number, 410_000 * number, 20.0)


def _row(model: tuple[Any, ...], labels: list[str], rng: random.Random) -> dict[str, Any]:
    name, role, score, p50, parameters, n_bytes, seconds = model
    teacher = _MODELS[0]
    trained = role in ("student", "undistilled")
    f1 = {label: min(1.0, max(0.0, score + rng.uniform(-0.14, 0.1))) for label in labels}
    return {
        "name": name,
        "role": role,
        "metric": "accuracy",
        "score": score,
        "ci95": [score - 0.018, score + 0.017],
        "macro_f1": score - 0.01,
        "macro_f1_ci95": [score - 0.03, score + 0.01],
        "metrics": {"accuracy": score, "macro_f1": score - 0.01, "mcc": score - 0.03},
        "retention": None if role == "teacher" else score / teacher[2],
        "agreement": None if role == "teacher" else score + 0.02,
        "parameters": parameters,
        "size_bytes": n_bytes,
        "latency_us": {"p50": p50, "p95": p50 * 1.3, "p99": p50 * 1.7},
        "throughput_per_s": 1e6 / p50,
        "threads": 1,
        "peak_memory_bytes": 60_000_000 + 3 * n_bytes,
        "speedup": None if role == "teacher" else teacher[3] / p50,
        "compression": None if role == "teacher" else teacher[4] / parameters,
        "train_seconds": seconds,
        "pareto": False,
        "per_label_f1": f1,
        "confusion": _confusion(score, len(labels), rng),
        "calibration": _calibration(score, rng),
        "curve": _curve(score, rng) if trained else [],
    }


def _confusion(score: float, n: int, rng: random.Random) -> list[list[int]]:
    matrix = [[0] * n for _ in range(n)]
    for gold in range(n):
        for _ in range(60):
            matrix[gold][gold if rng.random() < score else rng.randrange(n)] += 1
    return matrix


def _calibration(score: float, rng: random.Random) -> dict[str, Any]:
    bins = []
    for i in range(10):
        confidence = (i + 0.5) / 10
        accuracy = min(1.0, max(0.0, confidence * score + rng.uniform(-0.06, 0.06)))
        bins.append({"confidence": confidence, "accuracy": accuracy, "count": 4 + i**3 // 2})
    bins[0] = {"confidence": 0.0, "accuracy": 0.0, "count": 0}
    return {"ece": 0.02 + 0.03 * rng.random(), "bins": bins}


def _curve(score: float, rng: random.Random) -> list[dict[str, float]]:
    return [
        {
            "epoch": epoch,
            "train_loss": 2.1 * 0.72**epoch + rng.uniform(0, 0.03),
            "dev_score": score - 0.4 * 0.6**epoch - rng.uniform(0, 0.002),
        }
        for epoch in range(1, 13)
    ]


def _data(labels: list[str], rng: random.Random) -> dict[str, Any]:
    counts = {
        split: {label: max(1, round(size / len(labels) * rng.uniform(0.5, 1.5))) for label in labels}
        for split, size in (("train", 1200), ("dev", 300), ("test", 600))
    }
    sizes = {split: sum(tally.values()) for split, tally in counts.items()}
    return {
        "name": "concierge",
        "source": "bundled:concierge",
        "fingerprint": "3f" * 32,
        "sizes": {**sizes, "unlabelled": 5400, "transfer": 9125},
        "label_counts": counts,
        "dropped": {"train texts also in test": 2, "empty texts": 11},
        "notes": ["The dev split was cut from the training file: 20 %, stratified by label."],
    }


def _disagreement(text: str, labels: list[str], rng: random.Random) -> dict[str, Any]:
    teacher, student = rng.sample(labels, 2)
    return {
        "text": text,
        "gold": teacher if rng.random() < 0.7 else student,
        "teacher": teacher,
        "student": student,
        "teacher_confidence": rng.uniform(0.6, 0.99),
        "student_confidence": rng.uniform(0.3, 0.8),
    }


def make_report_of(kind: str, n_rows: int = len(_MODELS), *, seed: int = 7) -> dict[str, Any]:
    """A report on one of `TASKS`, with paired comparisons, steps and thresholds where the kind has them."""
    rng = random.Random(seed)
    task = {"kind": _KINDS.get(kind, kind), **TASKS[kind]}
    report = make_report(max(2, len(task["labels"])), n_rows)
    on_request = {*PARTS, *OF_TWO_LABELS}
    metrics = [
        m for m in METRICS[task["kind"]] if m not in on_request and (m != "span_f1" or kind == "tagging")
    ]
    has_f1 = "macro_f1" in metrics
    classes = ["GUEST", "ROOM", "DAY"] if kind == "tagging" else task["labels"]
    report |= {"name": f"a {kind} run", "task": task}
    for row in report["rows"]:
        row["metric"] = task["metric"]
        row["metrics"] = {m: row["score"] - 0.03 * (m != task["metric"]) for m in metrics}
        row["macro_f1"] = row["metrics"].get("macro_f1")
        row["macro_f1_ci95"] = row["macro_f1_ci95"] if has_f1 else None
        f1 = {name: min(1.0, row["score"] + rng.uniform(-0.1, 0.05)) for name in classes}
        row["per_label_f1"] = f1 if has_f1 else {}
        if task["kind"] in ("multilabel", "regression"):
            row["confusion"] = None
        if kind == "regression":
            row["calibration"] = None
        if kind == "multilabel":
            row["thresholds"] = [round(rng.uniform(0.2, 0.6), 2) for _ in classes]
        if row["curve"]:
            row["steps"], row["convergence_steps"] = 1200, rng.randrange(100, 1200)
        if row["role"] == "student":
            row.update(_comparisons(row))
    report["data"]["label_counts"] = _counts(kind, task, rng)
    report["disagreements"] = {
        name: [_said(kind, rng) for _ in examples] for name, examples in report["disagreements"].items()
    }
    return json.loads(json.dumps(report))


def _comparisons(row: dict[str, Any]) -> dict[str, Any]:
    """Against the twin a clear gain, or for CBOW none; against the baseline a small one."""
    found: dict[str, Any] = {}
    for role, name in (("undistilled", f"{row['name']} labels only"), ("baseline", _MODELS[7][0])):
        score = next((model[2] for model in _MODELS if model[0] == name), None)
        if score is not None:
            gap = row["score"] - score
            half = gap + 0.004 if row["name"] == "cbow.v1" else gap / 2
            found[f"against_{role}"] = {
                "name": name,
                "difference": gap,
                "interval": [gap - half, gap + half],
                "share_not_better": 0.04 if half > gap else 0.0005,
            }
    return found


def _counts(kind: str, task: dict[str, Any], rng: random.Random) -> dict[str, dict[str, int]]:
    names = (
        ["0 to 1.25", "1.25 to 2.5", "2.5 to 3.75", "3.75 to 5"] if kind == "regression" else task["labels"]
    )
    return {split: {name: rng.randrange(20, 300) for name in names} for split in ("train", "dev", "test")}


def _said(kind: str, rng: random.Random) -> dict[str, Any]:
    text, gold, student = {
        "classification": (_TEXTS[0], "noise", "wifi"),
        "pair": (f"{_TEXTS[1]} | {_TEXTS[2]}", "other", "same"),
        "multilabel": (_TEXTS[3], "glad, tired", "(none)"),
        "regression": (f"{_TEXTS[1]} | {_TEXTS[2]}", "3.25", f"{rng.uniform(0, 2):.3g}"),
        "bins": (_TEXTS[4], "1.5", f"{rng.uniform(0, 1):.3g}"),
        "tagging": ("Ann Lee left room 12 on Monday", "Ann Lee (GUEST), room 12 (ROOM)", "Ann (GUEST)"),
        "words": ("towels arrived late", "NOUN VERB OTHER", "NOUN NOUN OTHER"),
    }[kind]
    sure = None if kind in ("regression", "bins") else rng.uniform(0.3, 0.99)
    teacher = f"{float(gold) + 0.21:.3g}" if sure is None else gold
    confidence = {"teacher_confidence": sure, "student_confidence": sure}
    return {"text": text, "gold": gold, "teacher": teacher, "student": student, **confidence}
