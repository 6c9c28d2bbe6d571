"""The verdict in plain words, and the findings behind it, read off the rows of a report."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from understudy.core.task import Task
from understudy.report.numbers import (
    clean,
    difference,
    metric_name,
    ratio_digits,
    score,
    score_with_interval,
    shorten,
    signed,
    unit,
    whole,
)
from understudy.report.recommendation import best, dev_score, recommended, twin
from understudy.report.record import (
    ComparisonRecord,
    DataRecord,
    ReportDocument,
    ReportRow,
    is_judged_by_teacher,
)
from understudy.report.rows import latency
from understudy.report.wording import Wording, wording


@dataclass(frozen=True)
class Verdict:
    """What the numbers say.

    Attributes:
        headline: One sentence on the best student.
        details: Further sentences, each on one comparison.
    """

    headline: str
    details: tuple[str, ...]


@dataclass(frozen=True)
class Gap:
    """F1 of teacher and student on one label; shares between 0 and 1."""

    label: str
    teacher: float
    student: float

    @property
    def loss(self) -> float:
        """By how much the student is worse; negative where it is better."""
        return self.teacher - self.student


@dataclass(frozen=True)
class Gain:
    """What a student gains on another row, in words; the two were compared on the same resamples.

    Attributes:
        student: Name of the student.
        role: Role of the other row.
        other: Name of the other row.
        difference: Student less the other, with a sign.
        interval: Its 95 % interval.
        verdict: As `judge` says.
    """

    student: str
    role: str
    other: str
    difference: str
    interval: str
    verdict: str


@dataclass(frozen=True)
class Confusion:
    """How many rows of one label were given another.

    Attributes:
        gold: The right label.
        answer: The label given.
        count: How many texts, pairs or words.
        share: Share of all with the label ``gold``.
    """

    gold: str
    answer: str
    count: int
    share: float


UNJUDGED = (
    "There are no gold labels: every score is measured against the teacher's own answers. It says how well a "
    "student imitates its teacher, and nothing of how often either is right."
)
"""What a report without gold labels has to say before anything else."""


def give_verdict(report: ReportDocument) -> Verdict:
    """Judge the recommended student against its teacher, its undistilled twin, and the best baseline."""
    rows = report.rows
    student = recommended(rows)
    if student is None:
        return Verdict("No student has been evaluated yet.", ())
    if report.is_judged_by_teacher:
        return Verdict(_on_agreement(student, report), (UNJUDGED, *filter(None, [_on_faster(student, rows)])))

    teacher, baseline = best(rows, "teacher"), best(rows, "baseline")
    headline = _headline(student, teacher)
    warning = _on_poor_teacher(student, teacher, baseline) or _on_better_baseline(student, baseline)
    sentences = [
        headline if warning else _on_weak_teacher(teacher, baseline),
        _on_teacher(student, teacher),
        _on_twin(student, twin(student, rows)),
        _on_untaught(student, rows),
        _on_baseline(student, baseline),
        _on_faster(student, rows),
        _on_choice(student, rows),
        on_test(report.task, report.data),
    ]
    return Verdict(warning or headline, tuple(filter(None, sentences)))


def overlap(row: ReportRow, other: ReportRow) -> bool | None:
    """Whether the 95 % intervals of two scores overlap; ``None`` where one has no interval."""
    if not row.ci95 or not other.ci95:
        return None
    return bool(row.ci95[0] <= other.ci95[1] and other.ci95[0] <= row.ci95[1])


def judge(paired: ComparisonRecord) -> str:
    """A paired comparison in two words: ``clearly better``, ``clearly worse`` or ``within noise``.

    It is clear where the 95 % interval of the difference leaves out 0.
    """
    low, high = paired["interval"]
    return "clearly better" if low > 0 else "clearly worse" if high < 0 else "within noise"


def span(metric: str, paired: ComparisonRecord) -> str:
    """The interval of a paired comparison: ``+3.1 to +9.0``."""
    low, high = (signed(metric, bound) for bound in paired["interval"])
    return f"{low} to {high}"


def find_gains(rows: Sequence[ReportRow]) -> list[Gain]:
    """What each student gains on its undistilled twin and on the baseline, where they were compared."""
    return [
        Gain(
            student=str(row.name),
            role=role,
            other=str(paired["name"]),
            difference=signed(row.metric, paired["difference"]) + unit(row.metric),
            interval=span(row.metric, paired),
            verdict=judge(paired),
        )
        for row in rows
        if row.role == "student"
        for role in ("undistilled", "baseline")
        if (paired := row.against(role))
    ]


def find_gaps(teacher: ReportRow | None, student: ReportRow | None) -> list[Gap]:
    """The labels on which both have an F1, from the student's biggest loss to its biggest gain."""
    if teacher is None or student is None:
        return []
    ours, theirs = student.per_label_f1 or {}, teacher.per_label_f1 or {}
    gaps = [Gap(label, theirs[label], ours[label]) for label in theirs if label in ours]
    return sorted(gaps, key=lambda gap: -gap.loss)


def find_confusions(row: ReportRow | None, labels: Sequence[str], limit: int = 8) -> list[Confusion]:
    """The most frequent wrong answers, the most frequent first."""
    found = []
    for gold, counts in enumerate((row.confusion if row else None) or []):
        total = sum(counts)
        found += [
            Confusion(labels[gold], labels[answer], count, count / total)
            for answer, count in enumerate(counts)
            if count and answer != gold
        ]
    return sorted(found, key=lambda item: (-item.count, -item.share))[:limit]


def _on_choice(student: ReportRow, rows: Sequence[ReportRow]) -> str:
    """Why this student is the one that the verdict is about, where there are several."""
    others = sum(row.role == "student" for row in rows) - 1
    if not others or not student.curve:
        return ""
    best_of = f"the best of {others + 1} students" if others > 1 else "the better of two students"
    name, scored = shorten(student.name, 60), score(student.metric, dev_score(student))
    return f"{name} is {best_of} on dev ({scored}); the test split was not used to choose."


def _headline(student: ReportRow, teacher: ReportRow | None) -> str:
    name, metric = shorten(student.name, 60), metric_name(student.metric)
    if student.retention is None:
        scored = score_with_interval(student.metric, student.score, student.ci95)
        return f"{name} reaches {scored} {metric}."
    parts = [f"{name} {_kept(student.retention)} the teacher's {metric}"]
    if teacher is not None and teacher.size_bytes and student.size_bytes:
        parts.append(_sized(teacher.size_bytes / student.size_bytes))
    sentence = " ".join(parts)
    return f"{sentence} and {_paced(student.speedup)}." if student.speedup else f"{sentence}."


def _on_poor_teacher(student: ReportRow, teacher: ReportRow | None, baseline: ReportRow | None) -> str:
    """That the teacher is the problem, where the baseline or its own student is clearly better than it."""
    if teacher is None:
        return ""
    named = ((baseline, "the baseline "), (student, "its own student "))
    better = [
        f"{called}{shorten(row.name, 60)} ({score(row.metric, row.score)})"
        for row, called in named
        if row is not None and _is_clearly_better(row, teacher)
    ]
    if not better:
        return ""

    return (
        f"The teacher is the problem: its {score(teacher.metric, teacher.score)} "
        f"{metric_name(teacher.metric)} is clearly below {' and '.join(better)}. Fine-tune it longer, or "
        "choose another teacher, before you judge a student."
    )


def _on_better_baseline(student: ReportRow, baseline: ReportRow | None) -> str:
    """That a linear model serves better, where it is clearly better than the recommended student."""
    if baseline is None or not _is_clearly_better(baseline, student):
        return ""
    return (
        f"The baseline {shorten(baseline.name, 60)} serves better here: its "
        f"{score(baseline.metric, baseline.score)} {metric_name(baseline.metric)} is clearly above the "
        f"{score(student.metric, student.score)} of {shorten(student.name, 60)}, the best student on dev."
    )


def _on_weak_teacher(teacher: ReportRow | None, baseline: ReportRow | None) -> str:
    """That a teacher which does not beat the baseline has little to teach."""
    if teacher is None or baseline is None or teacher.score > baseline.score:
        return ""
    return (
        f"The teacher scores {score(teacher.metric, teacher.score)}, no more than the baseline "
        f"{shorten(baseline.name, 60)} ({score(baseline.metric, baseline.score)}): it has little to teach."
    )


def _is_clearly_better(row: ReportRow, other: ReportRow) -> bool:
    """Whether one row is clearly above another: by their paired comparison, or by their intervals."""
    for first, second, verdict in ((row, other, "clearly better"), (other, row, "clearly worse")):
        paired = first.against(second.role)
        if paired and paired["name"] == second.name:
            return judge(paired) == verdict
    return row.score > other.score and overlap(row, other) is False


def _on_agreement(student: ReportRow, report: ReportDocument) -> str:
    words = wording(report.task)
    shown = f"{100 * (student.agreement or 0.0):.1f} %"
    number = whole(report.data["sizes"].get("test"))
    name = shorten(student.name, 60)
    return f"{name} agrees with its teacher on {shown} of {number} test {words.items} that it has never seen."


def _kept(retention: float) -> str:
    if retention >= 1:
        return f"reaches {100 * retention:.0f} % of"
    shown = math.floor(1000 * retention) / 10  # never rounded up to a full 100 %
    return f"keeps {shown:.1f} % of" if shown >= 98 else f"keeps {100 * retention:.0f} % of"


def _sized(ratio: float) -> str:
    if ratio < 1 / 1.2:
        return f"at {ratio_digits(1 / ratio)} times the size"
    return "at about the same size" if ratio < 1.2 else f"at 1/{ratio_digits(ratio)} of the size"


def _paced(speedup: float) -> str:
    if speedup < 1 / 1.2:
        return f"answers {ratio_digits(1 / speedup)} times slower"
    return "answers about as fast" if speedup < 1.2 else f"answers {ratio_digits(speedup)} times faster"


def _on_teacher(student: ReportRow, teacher: ReportRow | None) -> str:
    if teacher is None:
        return ""
    gap = student.score - teacher.score
    side = "above" if gap >= 0 else "below"
    text = f"Its score is {difference(student.metric, gap)} {side} the teacher's"
    return f"{text}, {_judged(student, teacher)}."


def _on_twin(student: ReportRow, other: ReportRow | None) -> str:
    if other is None:
        return ""
    gain = student.score - other.score
    points = difference(student.metric, gain)
    did = (
        "added nothing over"
        if gain == 0
        else f"added {points} over"
        if gain > 0
        else f"cost {points} against"
    )
    return f"Distillation {did} the same architecture trained on labels only, {_judged(student, other)}."


def _on_untaught(student: ReportRow, rows: Sequence[ReportRow]) -> str:
    """That the recommended student was not taught, where being taught made it worse."""
    taught = next((row for row in rows if row.role == "student" and twin(row, rows) is student), None)
    if student.role != "undistilled" or taught is None:
        return ""
    return (
        f"It learnt from labels only: taught, it was worse on dev ({score(taught.metric, dev_score(taught))} "
        f"against {score(student.metric, dev_score(student))}). It is in the run's folder undistilled."
    )


def _on_baseline(student: ReportRow, baseline: ReportRow | None) -> str:
    if baseline is None:
        return ""
    gap = student.score - baseline.score
    side = "above" if gap >= 0 else "below"
    name = shorten(baseline.name, 60)
    text = f"It scores {difference(student.metric, gap)} {side} the baseline {name}"
    return f"{text}, {_judged(student, baseline)}."


def _judged(row: ReportRow, other: ReportRow) -> str:
    """Whether the difference of two scores is one: by their paired comparison, or by their intervals."""
    paired = row.against(other.role)
    if paired and paired["name"] == other.name:
        interval = f"the 95 % interval of the difference is {span(row.metric, paired)}"
        return f"which is {judge(paired)} ({interval})"
    shared, gap = overlap(row, other), row.score - other.score
    if shared is None:
        return "without intervals to judge the difference by"
    if shared:
        return f"which is not clearly {'worse' if gap < 0 else 'better'} (the 95 % intervals overlap)"
    return f"which is clearly {'worse' if gap < 0 else 'better'} (the 95 % intervals do not overlap)"


def _on_faster(student: ReportRow, rows: Sequence[ReportRow]) -> str:
    """A sentence on the fastest student on the front, where it is another one."""
    front = [row for row in rows if row.role == "student" and row.pareto]
    fastest = min(front, key=latency, default=student)
    if not latency(fastest) < latency(student) / 1.2:
        return ""
    name = shorten(fastest.name, 60)
    scored = score_with_interval(fastest.metric, fastest.score, fastest.ci95)
    if math.isinf(latency(student)):
        return f"Where speed counts most: {name} scores {scored}."
    faster = ratio_digits(latency(student) / latency(fastest))
    return f"Where speed counts most, {name} is {faster} times faster still and scores {scored}."


def on_test(task: Task, data: DataRecord) -> str:
    """A sentence on the test split, that the scores were measured on."""
    number = data["sizes"].get("test")
    if not number:
        return ""
    items = wording(task).items
    by = ", labelled by the teacher" if is_judged_by_teacher(data) else ""
    return f"Scores are measured on {whole(number)} test {items} that no training step has seen{by}."


def name_gaps(gaps: Sequence[Gap], words: Wording, limit: int = 3) -> str:
    """A sentence that names the labels on which the student loses most (at least a point of F1)."""
    lost = [gap for gap in gaps if gap.loss >= 0.01]
    if not gaps:
        return f"There is no F1 by {words.label} of a teacher and a student to compare."
    if not lost:
        return f"On no {words.label} does the student lose a point of F1 or more against the teacher."
    named = ", ".join(f"{clean(gap.label)} ({100 * gap.loss:.1f} points)" for gap in lost[:limit])
    better = sum(gap.loss < 0 for gap in gaps)
    tail = f" It is better than the teacher on {better} of {len(gaps)} {words.labels}." if better else ""
    return f"Against the teacher, the student loses most F1 on {named}.{tail}"
