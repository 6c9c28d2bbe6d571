"""From predictors to the report: their answers, the judgement, the costs, and one document of all that."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from understudy._version import __version__
from understudy.data import Dataset
from understudy.errors import TeacherError
from understudy.evaluation.machine import cpu_name, describe_machine
from understudy.evaluation.quality import Quality, assess, retention
from understudy.export import annotate
from understudy.folders import digest, publish, read_json, read_manifest
from understudy.measure import measure_apart
from understudy.opening import Order, open_predictor
from understudy.report.card import render_card
from understudy.report.rows import pareto
from understudy.report.write import write_report
from understudy.stages import Stages
from understudy.task import FloatArray

THREADS = 1
"""Threads of everything that is timed."""

EVALUATION = "evaluation.json"


@dataclass(frozen=True)
class Entry:
    """A predictor that stands in the report.

    Attributes:
        name: as shown.
        role: ``teacher``, ``student``, ``undistilled`` or ``baseline``.
        order: how to open it.
        key: changes when its answers may change.
        trained: folder with its training curve and seconds, where there is one.
    """

    name: str
    role: str
    order: Order
    key: str
    trained: Path | None = None


def evaluate(entries: Sequence[Entry], dataset: Dataset, folder: Path, stages: Stages, *, seed: int) -> None:
    """Judge and time every entry on the test split; the first entry is the teacher."""
    inputs = {
        "entries": [[entry.name, entry.role, entry.key] for entry in entries],
        "test": [list(dataset.test.texts), dataset.test.labels.tolist(), dataset.task.to_dict()],
        "cpu": cpu_name(),
        "seed": seed,
    }

    def work(about: dict[str, Any]) -> None:
        answers = [_answers(entry, dataset, folder.parent / "answers") for entry in entries]
        judged = [_judge(dataset, logits, answers[0], seed) for logits in answers]
        costs = []
        with stages.progress.bar("timing", len(entries), "predictors") as advance:
            for entry in entries:
                costs.append(measure_apart(entry.order, dataset.task, dataset.test.texts, threads=THREADS))
                advance(1)
        rows = [_row(*parts) for parts in zip(entries, judged, costs, strict=True)]
        _compare(rows)
        found = {
            "rows": rows,
            "disagreements": {
                entry.name: [asdict(item) for item in quality.disagreements]
                for entry, quality in zip(entries, judged, strict=True)
                if entry.role == "student"
            },
            "machine": describe_machine(THREADS),
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        with publish(folder, about) as aside:
            (aside / EVALUATION).write_text(json.dumps(found), encoding="utf-8")

    stages.run("evaluate", folder, inputs, work)


def report(run: Path, recipe: Mapping[str, Any], dataset: Dataset, stages: Stages) -> dict[str, Any]:
    """Write ``report.json``, ``report.md`` and ``report.html``, and annotate the exported students."""
    found = read_json(run / "evaluation" / EVALUATION)
    document = {
        "schema": 1,
        "name": run.name,
        "created": found["created"],
        "understudy_version": __version__,
        "task": dataset.task.to_dict(),
        "data": _describe_data(dataset),
        "machine": found["machine"],
        "stages": list(stages.done.values()),
        "rows": found["rows"],
        "disagreements": found["disagreements"],
        "recipe": dict(recipe),
    }
    stages.progress.say("report …")
    write_report(document, run)
    for row in document["rows"]:
        if row["role"] == "student":
            _annotate(run, document, row)
    return document


def _annotate(run: Path, document: Mapping[str, Any], row: Mapping[str, Any]) -> None:
    def first(role: str, name: str | None = None) -> Any:
        rows = (r for r in document["rows"] if r["role"] == role and name in (None, r["student"]))
        return next(rows, None)

    folder = run / "models" / row["name"]
    config = read_json(folder / "config.json")
    facts = {
        "student": row["name"],
        "task": document["task"],
        "teacher": first("teacher")["name"],
        "data": document["data"],
        "row": row,
        "teacher_row": first("teacher"),
        "undistilled_row": first("undistilled", row["name"]),
        "machine": document["machine"],
        "parameters": config["parameters"],
        "vocabulary_size": config["vocabulary"]["size"],
        "understudy_version": __version__,
    }
    shared = {key: document[key] for key in ("task", "data", "machine", "created", "understudy_version")}
    annotate(folder, report={**shared, "rows": [row]}, card=render_card(facts))


def _answers(entry: Entry, dataset: Dataset, folder: Path) -> FloatArray:
    """Logits of the test split; kept, so that adding a student to a run asks nobody twice."""
    place = folder / digest([entry.role, entry.name])[:16]
    wanted = digest([entry.key, dataset.task.to_dict(), list(dataset.test.texts)])
    if (read_manifest(place) or {}).get("inputs") != wanted:
        logits = open_predictor(entry.order, dataset.task).predictor.logits(dataset.test.texts)
        with publish(place, {"inputs": wanted, "name": entry.name}) as aside:
            np.save(aside / "logits.npy", logits)
    kept: FloatArray = np.load(place / "logits.npy", allow_pickle=False)
    return kept


def _judge(dataset: Dataset, logits: FloatArray, teacher: FloatArray, seed: int) -> Quality:
    return assess(
        dataset.task,
        dataset.test.labels,
        logits,
        seed=seed,
        texts=dataset.test.texts,
        teacher_logits=None if logits is teacher else teacher,
    )


def _row(entry: Entry, quality: Quality, cost: Mapping[str, Any]) -> dict[str, Any]:
    judged = quality.to_dict()
    taken = ("metric", "score", "ci95", "macro_f1", "macro_f1_ci95", "agreement", "confusion")
    costs = ("parameters", "size_bytes", "latency_us", "throughput_per_s", "throughput_range", "threads")
    bins = [
        {"confidence": confidence, "accuracy": accuracy, "count": texts}
        for confidence, accuracy, texts in judged["calibration"]["bins"]
    ]
    return {
        "name": entry.name,
        "role": entry.role,
        "student": entry.name.removesuffix(" (labels only)"),
        **{key: judged[key] for key in taken},
        **{key: cost[key] for key in (*costs, "peak_memory_bytes")},
        "per_label_f1": judged["per_label"],
        "calibration": {"ece": judged["calibration"]["ece"], "bins": bins},
        **_training(entry),
    }


def _training(entry: Entry) -> dict[str, Any]:
    if entry.trained is None or not entry.trained.is_dir():
        return {"curve": [], "train_seconds": None}
    names = ("student.json", "finetuning.json")
    found = [entry.trained / name for name in names if (entry.trained / name).is_file()]
    facts = read_json(found[0])
    return {"curve": facts.get("curve", []), "train_seconds": facts.get("seconds")}


def _compare(rows: list[dict[str, Any]]) -> None:
    """Add what relates a row to the teacher (the first) and to all others."""
    teacher = rows[0]
    for row, is_front in zip(rows, pareto(rows), strict=True):
        row["pareto"] = is_front
        is_teacher = row is teacher
        row["retention"] = None if is_teacher else _retention(row["score"], teacher["score"])
        row["speedup"] = None if is_teacher else teacher["latency_us"]["p50"] / row["latency_us"]["p50"]
        row["compression"] = None if is_teacher else teacher["parameters"] / row["parameters"]


def _retention(score: float, teacher: float) -> float | None:
    try:
        return retention(score, teacher)
    except TeacherError:
        return None  # a teacher that scores 0 or less has nothing to retain


def _describe_data(dataset: Dataset) -> dict[str, Any]:
    transfer = len(set(dataset.train.texts) | set(dataset.unlabelled))
    splits = {name: len(getattr(dataset, name)) for name in ("train", "dev", "test", "unlabelled")}
    return {
        "name": dataset.name,
        "source": dataset.source,
        "fingerprint": dataset.fingerprint,
        "sizes": {**splits, "transfer": transfer},
        "label_counts": dataset.label_counts(),
        "dropped": dataset.dropped,
        "notes": list(dataset.notes),
    }
