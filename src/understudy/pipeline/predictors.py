"""Open a predictor from its description: a teacher, an ensemble, an exported student or a baseline."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from understudy.core.label_order import Relabelled
from understudy.core.manifest import digest, verify
from understudy.core.task import THRESHOLD, Predictor, Task


@dataclass(frozen=True)
class PredictorSpec:
    """Which predictor to open.

    Attributes:
        kind: ``teacher``, ``ensemble``, ``student`` (an exported one), ``baseline``, ``callable`` (a
            function) or ``store`` (the stored answers of a teacher).
        location: Folder, hub id of a teacher, or ``module:function``.
        precision: Precision of a teacher.
        teacher_labels: Names of a teacher's columns, where it does not name them itself.
        members: Members of an ensemble.
        mean: Whether an ensemble takes the mean of its members' ``logits`` or ``probabilities``.
        trust_remote_code: Whether Python code that comes with a teacher may run.
    """

    kind: str
    location: str
    precision: str = "float32"
    teacher_labels: tuple[str, ...] | None = None
    members: tuple[PredictorSpec, ...] = ()
    mean: str = "logits"
    trust_remote_code: bool = False

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> PredictorSpec:
        """Rebuild a spec from the result of `dataclasses.asdict`."""
        return cls(**{**data, "members": tuple(cls.from_dict(member) for member in data["members"])})


@dataclass(frozen=True)
class OpenPredictor:
    """A predictor with its size and its fingerprint.

    Attributes:
        predictor: The predictor.
        parameters: Number of parameters; ``None`` if it is not known.
        size_bytes: Size in bytes; ``None`` if it is not known.
        fingerprint: Changes when its answers may change.
    """

    predictor: Predictor
    parameters: int | None
    size_bytes: int | None
    fingerprint: str


def open_predictor(order: PredictorSpec, task: Task, threads: int = 1) -> OpenPredictor:
    """Open a predictor; only the modules that its kind needs are imported.

    Args:
        order: The predictor.
        task: The task that it must answer.
        threads: Number of threads of an exported student.

    Raises:
        UnderstudyError: The predictor cannot be opened, or does not answer this task.
    """
    kinds: Mapping[str, Callable[[PredictorSpec, Task, int], OpenPredictor]] = {
        "student": _open_student,
        "baseline": _open_baseline,
        "teacher": _open_teacher,
        "ensemble": _open_ensemble,
        "callable": _open_callable,
        "store": _open_store,
    }
    return kinds[order.kind](order, task, threads)


def _open_student(order: PredictorSpec, task: Task, threads: int) -> OpenPredictor:
    from understudy.runtime import load
    from understudy.runtime.layout import Layout

    layout = Layout(Path(order.location))
    model = load(layout.folder, threads=threads)

    # The size is that of the files that the student is loaded from.
    portable = (layout.config, layout.tokenizer, layout.onnx, layout.spelling)
    needed = portable if model.fast is None else (layout.config, layout.fast)
    size = sum(path.stat().st_size for path in needed if path.exists())
    is_same = (model.task.labels, model.task.kind) == (task.labels, task.kind)
    predictor = model if is_same else Relabelled(model, task)
    return OpenPredictor(predictor, predictor.parameters, size, predictor.fingerprint)


def _open_baseline(order: PredictorSpec, _: Task, __: int) -> OpenPredictor:
    from understudy.training.baseline.model import folder_bytes, load_baseline

    folder = Path(order.location)
    baseline = load_baseline(folder)
    key = digest(verify(folder)["files"])
    return OpenPredictor(baseline, baseline.parameters, folder_bytes(folder), key)


def _open_teacher(order: PredictorSpec, task: Task, _: int) -> OpenPredictor:
    from understudy.teachers.transformer import Teacher

    teacher = Teacher.from_pretrained(
        order.location,
        task=task,
        labels=order.teacher_labels,
        precision=order.precision,
        trust_remote_code=order.trust_remote_code,
    )
    return OpenPredictor(teacher, teacher.parameters, teacher.parameters * 4, teacher.fingerprint)


def _open_ensemble(order: PredictorSpec, task: Task, threads: int) -> OpenPredictor:
    from understudy.teachers.ensemble import Ensemble

    opened = [open_predictor(member, task, threads) for member in order.members]
    members: list[Any] = [each.predictor for each in opened]
    ensemble = Ensemble(members, order.mean)
    size = sum(each.size_bytes or 0 for each in opened)
    return OpenPredictor(ensemble, ensemble.parameters, size, ensemble.fingerprint)


def _open_callable(order: PredictorSpec, task: Task, _: int) -> OpenPredictor:
    from understudy.teachers.function import FunctionTeacher, find_function

    teacher = FunctionTeacher(find_function(order.location), task, order.teacher_labels)
    return OpenPredictor(teacher, None, None, teacher.fingerprint)


def _open_store(order: PredictorSpec, task: Task, _: int) -> OpenPredictor:
    from understudy.targets.stored_predictor import StoredPredictor

    # Stored answers are decisions already, so that no threshold needs tuning.
    if task.kind == "multilabel" and task.thresholds is None:
        task = replace(task, thresholds=(THRESHOLD,) * len(task.labels))
    stored = StoredPredictor.open(Path(order.location), task)
    return OpenPredictor(stored, None, None, stored.fingerprint)
