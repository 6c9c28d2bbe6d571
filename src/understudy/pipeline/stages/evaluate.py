"""From predictors to the report: their answers, the judgement, the costs, and one document of all that."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from understudy.core.manifest import digest, publish, read_json, read_manifest, write_json
from understudy.core.task import FloatArray, Task
from understudy.data import Dataset
from understudy.errors import TeacherError
from understudy.evaluation.intervals import paired_bootstrap
from understudy.evaluation.machine import cpu_name, describe_machine
from understudy.evaluation.quality import Quality, assess, retention
from understudy.evaluation.thresholds import tuned
from understudy.pipeline.isolated_timing import measure_apart
from understudy.pipeline.predictors import PredictorSpec, open_predictor
from understudy.pipeline.run import Run
from understudy.pipeline.stage_cache import StageCache
from understudy.report.rows import pareto
from understudy.runtime.layout import Layout

THREADS = 1
"""Threads of everything that is timed."""

EVALUATION = "evaluation.json"

COSTS = (
    "parameters", "size_bytes", "latency_us", "throughput_per_s", "throughput_range", "threads",
    "peak_memory_bytes",
)  # fmt: skip
"""What is measured of a predictor's cost; ``None`` where it is not."""


@dataclass(frozen=True)
class ReportEntry:
    """A predictor that stands in the report.

    Attributes:
        name: as shown.
        role: ``teacher``, ``student``, ``undistilled`` or ``baseline``.
        order: how to open it.
        key: changes when its answers may change.
        trained: folder with its training curve and seconds, where there is one.
        timed: how to open it for its cost, where ``order`` opens answers that were kept; ``None`` then
            measures nothing.
    """

    name: str
    role: str
    order: PredictorSpec
    key: str
    trained: Path | None = None
    timed: PredictorSpec | None = None


def assess_entries(
    entries: Sequence[ReportEntry], dataset: Dataset, folder: Path, stages: StageCache, *, seed: int
) -> None:
    """Judge and time every entry on the test split; the first entry is the teacher."""
    inputs = {
        "entries": [[entry.name, entry.role, entry.key] for entry in entries],
        "test": [list(dataset.test.texts), dataset.test.labels.tolist(), dataset.task.to_dict()],
        "cpu": cpu_name(),
        "seed": seed,
    }

    def work(about: dict[str, Any]) -> None:
        answers = [_answers(entry, dataset, folder.parent / "answers", stages) for entry in entries]
        judged = [_judge(dataset, each, answers[0], seed) for each in answers]
        costs = []
        with stages.progress.bar("timing", len(entries), "predictors") as advance:
            for entry in entries:
                costs.append(_cost(entry, dataset))
                advance(1)
        rows = [_row(*parts) for parts in zip(entries, judged, costs, strict=True)]
        for row, each in zip(rows, answers, strict=True):
            row["thresholds"] = each.task.thresholds and list(each.task.thresholds)
        _relate(rows)
        if not len(dataset.train):  # the teacher's own answers are the labels: there is nothing to retain
            for row in rows:
                row["retention"] = None
        _compare(rows, answers, dataset, seed)
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


@dataclass(frozen=True)
class TestAnswers:
    """Logits ``(rows, c)`` of the test split, and the predictor's own task with its thresholds."""

    task: Task
    logits: FloatArray


def _answers(entry: ReportEntry, dataset: Dataset, folder: Path, stages: StageCache) -> TestAnswers:
    """What a predictor says of the test split; kept, so that adding a student to a run asks nobody twice.

    In multilabel the thresholds of a predictor that has none of its own are tuned on dev.
    """
    place = folder / digest([entry.role, entry.name])[:16]
    wanted = digest([entry.key, dataset.task.to_dict(), list(dataset.test.texts)])
    if not stages.is_current(f"answers of {entry.name}", place, wanted):
        predictor = open_predictor(entry.order, dataset.task).predictor
        task = predictor.task
        if task.kind == "multilabel" and task.thresholds is None:
            task = tuned(task, predictor.logits(dataset.dev.texts), dataset.dev.labels)
        logits = predictor.logits(dataset.test.texts)
        with publish(place, {"inputs": wanted, "name": entry.name}) as aside:
            np.save(aside / "logits.npy", logits)
            write_json(aside / "task.json", task.to_dict())
    kept: FloatArray = np.load(place / "logits.npy", allow_pickle=False)
    own = Task.from_dict(read_json(place / "task.json"))
    return TestAnswers(replace(dataset.task, thresholds=own.thresholds), kept)


def _judge(dataset: Dataset, given: TestAnswers, teacher: TestAnswers, seed: int) -> Quality:
    is_teacher = given is teacher
    return assess(
        given.task,
        dataset.test.texts,
        dataset.test.labels,
        given.logits,
        seed=seed,
        teacher_logits=None if is_teacher else teacher.logits,
        teacher_task=None if is_teacher else teacher.task,
    )


def _row(entry: ReportEntry, quality: Quality, cost: Mapping[str, Any]) -> dict[str, Any]:
    judged = quality.to_dict()
    taken = ("metric", "score", "ci95", "metrics", "macro_f1", "macro_f1_ci95", "agreement", "confusion")
    return {
        "name": entry.name,
        "role": entry.role,
        "student": entry.name.removesuffix(" (labels only)"),
        **{key: judged[key] for key in taken},
        **{key: cost[key] for key in COSTS},
        "per_label_f1": judged["per_label"],
        "calibration": _calibration(judged["calibration"]),
        **_training(entry),
        **_quantisation(entry.order),
    }


def _quantisation(order: PredictorSpec) -> dict[str, str]:
    """What was decided about the bits of an exported student, where fewer were asked for."""
    if order.kind != "student":
        return {}
    is_asked, why = _decided(read_json(Layout(Path(order.location)).config))
    return {"quantisation": why} if is_asked else {}


def _decided(config: Mapping[str, Any]) -> tuple[bool, str]:
    """Whether fewer bits were asked for, and what came of it."""
    graph = config.get("quantisation", {"wanted": "none", "why": "", "table": {"why": ""}})
    reasons = (graph["why"], graph["table"]["why"])
    return graph["wanted"] != "none" or bool(reasons[1]), "; ".join(filter(None, reasons))


def _cost(entry: ReportEntry, dataset: Dataset) -> Mapping[str, Any]:
    order = entry.timed if entry.order.kind == "store" else entry.order
    if order is None:
        return dict.fromkeys(COSTS)  # what was kept or bought says nothing of the time that it took
    return measure_apart(order, dataset.task, dataset.test.texts, threads=THREADS)


def _calibration(found: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if found is None:
        return None
    bins = [{"confidence": c, "accuracy": accuracy, "count": texts} for c, accuracy, texts in found["bins"]]
    return {"ece": found["ece"], "bins": bins}


def _training(entry: ReportEntry) -> dict[str, Any]:
    if entry.trained is None or not entry.trained.is_dir():
        return {"curve": [], "train_seconds": None}
    names = ("student.json", "finetuning.json")
    found = [entry.trained / name for name in names if (entry.trained / name).is_file()]
    facts = read_json(found[0])
    return {
        "curve": facts.get("curve", []),
        "train_seconds": facts.get("seconds"),
        **facts.get("facts", {}),
    }


def _compare(rows: list[dict[str, Any]], answers: Sequence[TestAnswers], dataset: Dataset, seed: int) -> None:
    """Add to each student how it differs from its undistilled twin and from the baseline."""
    decided = [each.task.decisions(each.logits) for each in answers]

    def place(role: str, name: str | None = None) -> int | None:
        fitting = (i for i, row in enumerate(rows) if row["role"] == role and name in (None, row["student"]))
        return next(fitting, None)

    for number, row in enumerate(rows):
        if row["role"] != "student":
            continue
        for role, name in (("undistilled", row["student"]), ("baseline", None)):
            other = place(role, name)
            if other is None:
                continue
            lengths = dataset.task.rows(dataset.test.texts)
            pair = (decided[number], decided[other])
            found = paired_bootstrap(dataset.task, dataset.test.labels, *pair, lengths, seed=seed)
            row[f"against_{role}"] = {"name": rows[other]["name"], **found.to_dict()}


def _relate(rows: list[dict[str, Any]]) -> None:
    """Add what relates a row to the teacher (the first) and to all others."""
    teacher = rows[0]
    for row, is_front in zip(rows, pareto(rows), strict=True):
        row["pareto"] = is_front
        is_teacher = row is teacher
        row["retention"] = None if is_teacher else _retention(row["score"], teacher["score"])
        row["speedup"] = row["compression"] = None
        if not is_teacher and teacher["latency_us"]:
            row["speedup"] = teacher["latency_us"]["p50"] / row["latency_us"]["p50"]
        if not is_teacher and teacher["parameters"]:
            row["compression"] = teacher["parameters"] / row["parameters"]


def _retention(score: float, teacher: float) -> float | None:
    try:
        return retention(score, teacher)
    except TeacherError:
        return None  # a teacher that scores 0 or less has nothing to retain


BASELINES = {"regression": "TF-IDF + ridge", "tagging": "word features + LR"}
"""What the classical baseline is called where it is not `BASELINE`."""


BASELINE = "TF-IDF + LR"


def evaluate(run: Run) -> None:
    """Answer the test split with every predictor, judge the answers, and time all on one clock."""
    entries = [_teacher_entry(run)]
    entries += [
        _student_entry(run, name, is_gold=is_gold)
        for name in run.recipe.students
        for is_gold in run.gold_variants
    ]
    if len(run.dataset.train):
        entries.append(_baseline_entry(run))
    assess_entries(entries, run.dataset, run.folder / "evaluation", run.stages, seed=run.recipe.seed)


def _teacher_entry(run: Run) -> ReportEntry:
    """How the teacher stands in the report: by what it answers, or by the answers that are kept.

    Raises:
        TeacherError: its kept answers have no text of the test split.
    """
    teacher = run.teacher
    if teacher.spec is not None and not teacher.is_kept:
        members = teacher.members
        tuned = run.folder / members[0].name if len(members) == 1 and not members[0].is_finetuned else None
        return ReportEntry(teacher.name, "teacher", teacher.spec, teacher.key, tuned)
    if not len(run.dataset.test):
        raise TeacherError(
            "The teacher answered no text of the test split, so there is nothing to compare with. Raise the "
            "budget and run again; what was bought is kept."
        )
    kept = PredictorSpec("store", str(run.store_folder))
    return ReportEntry(teacher.name, "teacher", kept, teacher.key, timed=teacher.spec)


def _baseline_entry(run: Run) -> ReportEntry:
    baseline = run.baseline_folder
    key = digest((read_manifest(baseline) or {}).get("files"))
    order = PredictorSpec("baseline", str(baseline))
    task = run.dataset.task
    name = BASELINE if task.is_binned else BASELINES.get(task.kind, BASELINE)
    return ReportEntry(name, "baseline", order, key)


def _student_entry(run: Run, name: str, *, is_gold: bool) -> ReportEntry:
    folder = run.model_folder(name, is_gold=is_gold)
    files = (read_manifest(folder) or {})["files"]
    layout = Layout(folder)
    key = digest([files[path.name]["sha256"] for path in (layout.config, layout.onnx, layout.tokenizer)])
    role = "undistilled" if is_gold else "student"
    shown = f"{name} (labels only)" if is_gold else name
    order = PredictorSpec("student", str(folder))
    return ReportEntry(shown, role, order, key, run.train_folder(name, is_gold=is_gold))
