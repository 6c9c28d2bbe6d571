"""What ``report.json`` holds, as typed records: a row for each measured model, and the document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, NotRequired, Self, TypedDict

from understudy.core.task import Task
from understudy.evaluation.clock import LatencyRecord

ROLES = ("teacher", "student", "undistilled", "baseline")
"""What a row can be, in the order in which a report lists them."""


Percentile = Literal["p50", "p95", "p99"]
PERCENTILES: tuple[Percentile, ...] = ("p50", "p95", "p99")
"""Of the time for one item."""


class BinRecord(TypedDict):
    """Answers of similar confidence: their mean confidence, how many are right, how many there are."""

    confidence: float
    accuracy: float
    count: int


class CalibrationRecord(TypedDict):
    """Expected calibration error, and the bins that it is computed from."""

    ece: float
    bins: list[BinRecord]


class ComparisonRecord(TypedDict):
    """A student's score less that of another row, both on the same resamples of the test split."""

    name: str
    difference: float
    interval: list[float]
    share_not_better: float


class EpochRecord(TypedDict):
    """One line of a training curve."""

    epoch: int
    train_loss: float
    dev_score: float
    dev_loss: float
    seconds: float


class StageRecord(TypedDict):
    """A stage of the run: how long it took, and whether an earlier result was kept."""

    name: str
    seconds: float
    skipped: bool


class DisagreementRecord(TypedDict):
    """A test item that student and teacher answer differently."""

    text: str
    gold: str
    teacher: str
    student: str
    teacher_confidence: float | None
    student_confidence: float | None


class DataRecord(TypedDict):
    """Where the texts come from, how many each split has, what was dropped."""

    name: str
    source: str
    fingerprint: str
    labels_from: NotRequired[str]
    sizes: dict[str, int]
    label_counts: dict[str, dict[str, int]]
    dropped: dict[str, int]
    notes: list[str]


class MachineRecord(TypedDict):
    """What `understudy.evaluation.machine.describe_machine` tells."""

    cpu: str
    logical_cores: int
    threads: int
    memory_gib: float | None
    os: str
    python: str
    versions: dict[str, str | None]


@dataclass(frozen=True, kw_only=True)
class ReportRow:
    """One measured model. ``None`` stands where nothing was measured.

    Attributes:
        name: Name as shown.
        role: One of `ROLES`.
        student: Architecture and options of a student, without what tells it from its twin.
        metric: The task's metric.
        score: Its value on test.
        ci95: Bounds of the 95 % bootstrap interval of ``score``.
        metrics: Every metric of the kind of task → its value.
        macro_f1: Mean F1 of the labels, or kinds of span.
        macro_f1_ci95: Bounds of its 95 % bootstrap interval.
        agreement: How far it answers like the teacher.
        confusion: Rows by right label (outer) and given label (inner).
        parameters: Number of parameters.
        size_bytes: Size on disk, bytes.
        latency_us: Percentiles of the time for one item, microseconds.
        call_us: Part of the latency that an empty call takes too, microseconds.
        throughput_per_s: Items a second when many are given at once.
        throughput_range: Slowest and fastest repeat, items a second.
        threads: Threads that it was allowed to use.
        peak_memory_bytes: Highest resident memory of its process.
        per_label_f1: Label, or kind of span, → F1.
        calibration: Confidence against accuracy.
        curve: Its training, one epoch a line.
        dev: Score on dev with the weights that were kept, which a pass after the curve may have changed.
        train_seconds: Seconds of training.
        start: What the word table began with.
        steps: Steps of training.
        convergence_steps: Steps until dev was within half a point of its best.
        quantisation: What was decided about its rows and bits, where fewer were asked for.
        thresholds: Probability from which each label holds, in the order of the task's labels.
        pareto: Whether it is on the front of score and latency.
        retention: Score divided by the teacher's.
        speedup: The teacher's p50 latency divided by its own.
        compression: The teacher's parameters divided by its own.
        against_teacher: A student's comparison with the teacher; also of one trained on labels only.
        against_undistilled: A student's comparison with its undistilled twin.
        against_baseline: A student's comparison with the baseline; also of one trained on labels only.
    """

    name: str
    role: str
    student: str = ""
    metric: str
    score: float
    ci95: Sequence[float] | None = None
    metrics: Mapping[str, float] | None = None
    macro_f1: float | None = None
    macro_f1_ci95: Sequence[float] | None = None
    agreement: float | None = None
    confusion: Sequence[Sequence[int]] | None = None
    parameters: int | None = None
    size_bytes: int | None = None
    latency_us: LatencyRecord | None = None
    call_us: float | None = None
    throughput_per_s: float | None = None
    throughput_range: Sequence[float] | None = None
    threads: int | None = None
    peak_memory_bytes: int | None = None
    per_label_f1: Mapping[str, float] | None = None
    calibration: CalibrationRecord | None = None
    curve: Sequence[EpochRecord] = ()
    dev: float | None = None
    train_seconds: float | None = None
    start: Mapping[str, object] | None = None
    steps: int | None = None
    convergence_steps: int | None = None
    quantisation: str | None = None
    thresholds: Sequence[float] | None = None
    pareto: bool = False
    retention: float | None = None
    speedup: float | None = None
    compression: float | None = None
    against_teacher: ComparisonRecord | None = None
    against_undistilled: ComparisonRecord | None = None
    against_baseline: ComparisonRecord | None = None

    def against(self, role: str) -> ComparisonRecord | None:
        """The comparison with the row of another role, where there is one."""
        return {
            "teacher": self.against_teacher,
            "undistilled": self.against_undistilled,
            "baseline": self.against_baseline,
        }.get(role)

    @property
    def ece(self) -> float | None:
        """Its expected calibration error."""
        return None if self.calibration is None else self.calibration["ece"]

    @property
    def bins(self) -> Sequence[BinRecord]:
        """The bins of its calibration that hold answers; empty where none was measured."""
        bins = [] if self.calibration is None else self.calibration["bins"]
        return [each for each in bins if each["count"]]

    def latency(self, percentile: Percentile) -> float | None:
        """A percentile of the time for one item, in microseconds; ``None`` where none was measured."""
        return None if self.latency_us is None else self.latency_us.get(percentile)

    def to_dict(self) -> dict[str, object]:
        """A JSON-ready form; `from_dict` is its inverse.

        A comparison that was not made, and facts on a training that were not counted, are left out.
        """
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        absent = {name for name in _MAY_BE_ABSENT if values[name] is None}
        if self.steps is None:
            absent |= set(_TRAINING)
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in values.items()
            if name not in absent
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Rebuild a row from `to_dict`, or from an earlier version's report; unknown keys are left out."""
        known = {field.name: data[field.name] for field in fields(cls) if field.name in data}
        return cls(**{**known, "curve": known.get("curve") or ()})


_TRAINING = ("start", "steps", "convergence_steps")
_MAY_BE_ABSENT = (
    "call_us", "dev", "quantisation", "against_teacher", "against_undistilled", "against_baseline",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class ReportDocument:
    """The whole of ``report.json``.

    Attributes:
        schema: Version of this form.
        name: Name of the run.
        created: When it was evaluated, ISO 8601.
        understudy_version: Version that wrote it.
        task: Kind, labels and metric.
        data: Where the texts come from.
        machine: What was measured on.
        stages: What the run did.
        rows: The measured models, the teacher first.
        disagreements: By student, test items that it answers differently from the teacher.
        recipe: The recipe as data, or as text; ``None`` where it was not kept.
    """

    schema: int
    name: str
    created: str
    understudy_version: str
    task: Task
    data: DataRecord
    machine: MachineRecord
    stages: Sequence[StageRecord]
    rows: Sequence[ReportRow]
    disagreements: Mapping[str, Sequence[DisagreementRecord]]
    recipe: Mapping[str, object] | str | None = None

    def to_dict(self) -> dict[str, object]:
        """A JSON-ready form; `from_dict` is its inverse."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        if self.recipe is None:
            del values["recipe"]
        return values | {"task": self.task.to_dict(), "rows": [row.to_dict() for row in self.rows]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Rebuild a document from `to_dict`, or from the contents of ``report.json``, checked before."""
        known = {field.name: data[field.name] for field in fields(cls) if field.name in data}
        rows = tuple(ReportRow.from_dict(row) for row in data["rows"])
        return cls(**{**known, "task": Task.from_dict(data["task"]), "rows": rows})

    @property
    def is_judged_by_teacher(self) -> bool:
        """Whether the labels of dev and test are the teacher's own answers."""
        return is_judged_by_teacher(self.data)


def is_judged_by_teacher(data: DataRecord) -> bool:
    """Whether the labels of dev and test are the teacher's own answers."""
    return data.get("labels_from") == "the teacher"
