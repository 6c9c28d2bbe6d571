"""From predictors to the report: their answers, the judgement, the costs, and one document of all that."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from understudy.core.manifest import digest, publish, read_json, read_manifest
from understudy.data import Dataset
from understudy.errors import TeacherError
from understudy.evaluation.machine import cpu_name, describe_machine
from understudy.evaluation.quality import Quality, assess, retention
from understudy.evaluation.thresholds import tuned
from understudy.pipeline.isolated_timing import measure_apart
from understudy.pipeline.kept_answers import (
    ANSWERS,
    KeptAnswers,
    compared,
    folder_of,
    read_answers,
    write_answers,
)
from understudy.pipeline.predictors import PredictorSpec, open_predictor
from understudy.pipeline.run import Run
from understudy.pipeline.stage_cache import StageCache
from understudy.pipeline.stages.train import has_baseline
from understudy.report.record import BinRecord, CalibrationRecord, ReportRow
from understudy.report.rows import pareto
from understudy.runtime.layout import Layout

THREADS = 1
"""Threads of everything that is timed."""

EVALUATION = "evaluation.json"

COSTS = (
    "parameters", "size_bytes", "latency_us", "call_us", "throughput_per_s", "throughput_range", "threads",
    "peak_memory_bytes",
)  # fmt: skip
"""What is measured of a predictor's cost; ``None`` where it is not."""

JUDGED = (
    "metric", "score", "ci95", "metrics", "macro_f1", "macro_f1_ci95", "agreement", "confusion",
)  # fmt: skip
"""Facts on a predictor's answers in a row, by the names of `Quality`."""

BASELINE = "TF-IDF + LR"
"""Name of the linear baseline in a report."""

BASELINES = {"regression": "TF-IDF + ridge", "tagging": "word features + LR"}
"""Names of the baselines of those kinds of task that have another one."""

TRAINED = ("curve", "dev", "start", "steps", "convergence_steps")
"""Facts on a training in a row, by the names of ``student.json``."""


@dataclass(frozen=True)
class ReportEntry:
    """A predictor that has a row in the report.

    Attributes:
        name: Name as shown.
        role: One of `understudy.report.record.ROLES`.
        order: How to open it.
        key: Changes when its answers may change.
        trained: Folder with its training curve and seconds, where there is one.
        timed: How to open it for its cost, where ``order`` opens answers that were kept; with ``None``,
            nothing is measured.
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
        answers = [_answers(entry, dataset, folder.parent / ANSWERS, stages) for entry in entries]
        judged = [_judge(dataset, each, answers[0], seed) for each in answers]
        costs = _costs(entries, dataset, stages)

        rows = [_row(*parts) for parts in zip(entries, answers, judged, costs, strict=True)]
        rows = _related(rows, is_retention_known=len(dataset.train) > 0)
        rows = compared(rows, answers, dataset, seed)

        evaluation = {
            "rows": [row.to_dict() for row in rows],
            "disagreements": {
                entry.name: [asdict(item) for item in quality.disagreements]
                for entry, quality in zip(entries, judged, strict=True)
                if entry.role == "student"
            },
            "machine": describe_machine(THREADS),
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        with publish(folder, about) as aside:
            (aside / EVALUATION).write_text(json.dumps(evaluation), encoding="utf-8")

    stages.run("evaluate", folder, inputs, work)


def _answers(entry: ReportEntry, dataset: Dataset, folder: Path, stages: StageCache) -> KeptAnswers:
    """A predictor's answers to the test split; they are kept, so that no predictor answers twice.

    In multilabel, the thresholds of a predictor that has none of its own are tuned on dev.
    """
    place = folder_of(folder, entry.role, entry.name)
    wanted = digest([entry.key, dataset.task.to_dict(), list(dataset.test.texts)])

    if not stages.is_current(f"answers of {entry.name}", place, wanted):
        predictor = open_predictor(entry.order, dataset.task).predictor
        task = predictor.task
        if task.kind == "multilabel" and task.thresholds is None:
            task = tuned(task, predictor.logits(dataset.dev.texts), dataset.dev.labels)
        logits = predictor.logits(dataset.test.texts)
        with publish(place, {"inputs": wanted, "name": entry.name}) as aside:
            write_answers(aside, KeptAnswers(task, logits))

    return read_answers(place, dataset.task)


def _judge(dataset: Dataset, given: KeptAnswers, teacher: KeptAnswers, seed: int) -> Quality:
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


def _row(entry: ReportEntry, answers: KeptAnswers, quality: Quality, cost: Mapping[str, object]) -> ReportRow:
    """A predictor's row, but for what relates it to others."""
    judged, thresholds = quality.to_dict(), answers.task.thresholds

    return ReportRow.from_dict(
        {
            "name": entry.name,
            "role": entry.role,
            "student": entry.name.removesuffix(" (labels only)"),
            **{key: judged[key] for key in JUDGED},
            **{key: cost[key] for key in COSTS},
            "per_label_f1": judged["per_label"],
            "calibration": _calibration(quality),
            **_training(entry),
            "quantisation": _decided(entry.order),
            "thresholds": thresholds and list(thresholds),
        }
    )


def _decided(order: PredictorSpec) -> str | None:
    """What was decided about the rows and bits of an exported student, where fewer were asked for."""
    if order.kind != "student":
        return None
    config = read_json(Layout(Path(order.location)).config)
    rows, (is_asked, bits) = decided_rows(config), decided_bits(config)
    return "; ".join(filter(None, (rows, bits if is_asked else ""))) or None


def decided_bits(config: Mapping[str, Any]) -> tuple[bool, str]:
    """Whether fewer bits were asked for, and what came of it.

    Args:
        config: The ``config.json`` of an exported student.
    """
    graph = config.get("quantisation", {"wanted": "none", "why": "", "table": {"why": ""}})
    reasons = (graph["why"], graph["table"]["why"])
    return graph["wanted"] != "none" or bool(reasons[1]), "; ".join(filter(None, reasons))


def decided_rows(config: Mapping[str, Any]) -> str:
    """What came of leaving out rows of words and n-grams; empty where it was not asked for.

    Args:
        config: The ``config.json`` of an exported student.
    """
    why: str = config.get("pruning", {"why": ""})["why"]
    return why


def _costs(
    entries: Sequence[ReportEntry], dataset: Dataset, stages: StageCache
) -> list[Mapping[str, object]]:
    """What each predictor costs, by the names of `COSTS`."""
    costs = []
    with stages.progress.bar("timing", len(entries), "predictors") as advance:
        for entry in entries:
            costs.append(_cost(entry, dataset))
            advance(1)
    return costs


def _cost(entry: ReportEntry, dataset: Dataset) -> Mapping[str, object]:
    order = entry.timed if entry.order.kind == "store" else entry.order
    if order is None:  # the time that kept or bought answers took is not known
        return dict.fromkeys(COSTS)
    return measure_apart(order, dataset.task, dataset.test.texts, threads=THREADS)


def _calibration(quality: Quality) -> CalibrationRecord | None:
    if quality.calibration is None:
        return None
    bins = [
        BinRecord(confidence=confidence, accuracy=accuracy, count=answers)
        for confidence, accuracy, answers in quality.calibration.bins
    ]
    return CalibrationRecord(ece=quality.calibration.ece, bins=bins)


def _training(entry: ReportEntry) -> dict[str, object]:
    """Facts on the training of a student, or of a teacher that was fine-tuned here, from its folder."""
    if entry.trained is None or not entry.trained.is_dir():
        return {}
    files = [entry.trained / name for name in ("student.json", "finetuning.json")]
    facts = read_json(next(file for file in files if file.is_file()))
    known = {**facts, **facts.get("facts", {})}
    if not math.isfinite(known.get("dev", math.inf)):
        known.pop("dev", None)  # a metric may have no value, such as the correlation of one constant
    return {
        "train_seconds": facts.get("seconds"),
        **{key: known[key] for key in TRAINED if key in known},
    }


def _related(rows: Sequence[ReportRow], *, is_retention_known: bool) -> list[ReportRow]:
    """Rows with what relates each to the teacher, which is the first, and to all others.

    Args:
        rows: The teacher's row, then the others.
        is_retention_known: Whether the teacher was scored on gold labels. On its own answers as labels,
            there is nothing to retain.
    """
    teacher, *others = (
        replace(row, pareto=is_front) for row, is_front in zip(rows, pareto(rows), strict=True)
    )

    return [
        teacher,
        *(
            replace(
                row,
                retention=_retention(row.score, teacher.score) if is_retention_known else None,
                speedup=_ratio(teacher.latency("p50"), row.latency("p50")),
                compression=_ratio(teacher.parameters, row.parameters),
            )
            for row in others
        ),
    ]


def _ratio(teacher: float | None, own: float | None) -> float | None:
    """The teacher's number divided by a row's own; ``None`` where one of them is not known."""
    return teacher / own if teacher and own else None


def _retention(score: float, teacher: float) -> float | None:
    try:
        return retention(score, teacher)
    except TeacherError:
        return None  # a teacher that scores 0 or less has nothing to retain


def evaluate(run: Run) -> None:
    """Answer the test split with every predictor, judge the answers, and time all on one clock."""
    entries = [_teacher_entry(run)]
    entries += [
        _student_entry(run, name, is_gold=is_gold)
        for name in run.recipe.students
        for is_gold in run.gold_variants
    ]
    if has_baseline(run):
        entries.append(_baseline_entry(run))
    assess_entries(entries, run.dataset, run.folder / "evaluation", run.stages, seed=run.recipe.seed)


def _teacher_entry(run: Run) -> ReportEntry:
    """The teacher's row in the report, from its own answers or from those that were kept.

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
    decisive = (layout.config, layout.onnx, layout.tokenizer, layout.spelling)
    key = digest([files[path.name]["sha256"] for path in decisive if path.name in files])
    role = "undistilled" if is_gold else "student"
    shown = f"{name} (labels only)" if is_gold else name
    order = PredictorSpec("student", str(folder))
    return ReportEntry(shown, role, order, key, run.train_folder(name, is_gold=is_gold))
