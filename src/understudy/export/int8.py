"""Whether the graph of a student is served in int8.

Dynamic int8 stores weights as 8-bit integers, and turns activations into 8-bit integers at run time. It
makes some graphs faster and others slower, on one machine and not on another, and answers change. So it is
measured, never assumed.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from understudy.core.checks import check_choice
from understudy.core.task import FloatArray, Gold, Item
from understudy.errors import RecipeError
from understudy.evaluation.clock import PairedTiming, time_in_turns
from understudy.evaluation.machine import cpu_name
from understudy.evaluation.metrics import score
from understudy.runtime.onnx_predictor import Reference
from understudy.runtime.onnx_session import open_session
from understudy.training.torch_student import TorchStudent

QUANTIZE = ("none", "auto", "int8")
"""What a recipe can ask for: the float graph, the better one, or the int8 one."""

MOST_LOST = 0.005
"""Most that the task's metric may lose on dev where int8 is taken: half a point."""

OPERATORS = ("MatMul", "LSTM", "Gather")
"""Operators that become int8. Integer convolutions take twice as long as float ones, so those stay float."""

COMPARED_ALONE = 100
"""Dev items that are answered alone and among others, to see how much other items change a logit."""


@dataclass(frozen=True)
class Measured:
    """The int8 graph beside the float one.

    Attributes:
        race: Times of a single item, float first, in the same process, on one thread.
        metric: Name of the task's metric.
        float_score, int8_score: The metric on dev.
        float_bytes, int8_bytes: Sizes of the graphs.
        largest_difference: Largest difference between the logits of both graphs on dev.
        largest_company: Largest difference between an item's int8 logits alone and among others: int8 uses
            one scale for all items of a call.
        cpu: Processor model.
    """

    race: PairedTiming
    metric: str
    float_score: float
    int8_score: float
    float_bytes: int
    int8_bytes: int
    largest_difference: float
    largest_company: float
    cpu: str

    @property
    def is_faster(self) -> bool:
        """Whether int8 was faster in at least three quarters of the rounds."""
        return self.race.quartiles[0] > 1.0

    @property
    def is_as_good(self) -> bool:
        """Whether it loses at most `MOST_LOST` on dev."""
        return self.int8_score >= self.float_score - MOST_LOST - 1e-9

    def sentence(self) -> str:
        """The numbers, in words."""
        low, high = self.race.quartiles
        return (
            f"int8 takes {self.race.other_us:,.0f} µs an item where float32 takes {self.race.one_us:,.0f} "
            f"({self.race.ratio:.2f} times as fast; {low:.2f} to {high:.2f} in the middle half of "
            f"{self.race.rounds} rounds; one thread, {self.cpu}); {self.metric} on dev is "
            f"{self.int8_score:.4f} against {self.float_score:.4f}; the graph has "
            f"{self.int8_bytes / 1e6:.2f} MB against {self.float_bytes / 1e6:.2f}. Logits differ by up to "
            f"{self.largest_difference:.2g}, and by up to {self.largest_company:.2g} between an item alone "
            "and among others"
        )


@dataclass(frozen=True)
class Decision:
    """Which graph serves, and why.

    Attributes:
        wanted: One of `QUANTIZE`.
        is_int8: Whether the int8 graph serves.
        why: The reason in words, with the numbers.
        measured: What was measured; ``None`` where there was nothing to measure.
    """

    wanted: str
    is_int8: bool
    why: str
    measured: Measured | None = None

    @property
    def precision(self) -> str:
        """Precision of the graph that serves."""
        return "int8" if self.is_int8 else "float32"

    def to_dict(self) -> dict[str, object]:
        """A JSON-ready form."""
        return {**asdict(self), "precision": self.precision}


def quantise(
    student: TorchStudent,
    graph: bytes,
    wanted: str,
    dev: tuple[Sequence[Item], Gold] | None,
    *,
    is_fast: bool,
) -> tuple[bytes, Decision]:
    """Decide between a graph and its int8 form.

    ``auto`` takes int8 where it is both faster on this machine and within `MOST_LOST` of the float graph on
    dev. A student that the C extension serves stays float there: ``model.fast`` and the graph answer alike.

    Args:
        student: The student whose graph it is; its vocabulary and task are used.
        graph: Bytes of the float graph.
        wanted: One of `QUANTIZE`.
        dev: Items and gold labels, never those of test. Needed unless ``wanted`` is ``none``.
        is_fast: Whether the C extension can serve the student.

    Returns:
        The bytes of the graph that serves, and the decision.

    Raises:
        RecipeError: ``wanted`` is unknown, or there are no dev items to measure on.
    """
    check_choice("quantize", wanted, QUANTIZE)
    if wanted == "none":
        return graph, Decision(wanted, is_int8=False, why="float32; int8 was not asked for")
    if wanted == "auto" and is_fast:
        why = "float32: the C extension serves this student, and its graph answers as the extension does"
        return graph, Decision(wanted, is_int8=False, why=why)
    if dev is None or len(dev[0]) == 0:
        raise RecipeError(f"quantize: {wanted} is decided on dev items, but there are none. Give some.")

    small = to_int8(graph)
    measured = measure(student, graph, small, dev)
    if wanted == "int8":
        given_up = ", and the C extension, which serves only float32, does not serve it" if is_fast else ""
        why = f"int8, as was asked for: {measured.sentence()}{given_up}"
        return small, Decision(wanted, is_int8=True, why=why, measured=measured)

    is_taken = measured.is_faster and measured.is_as_good
    why = f"{_verdict(measured)}: {measured.sentence()}"
    return small if is_taken else graph, Decision(wanted, is_int8=is_taken, why=why, measured=measured)


def _verdict(measured: Measured) -> str:
    if measured.is_faster and measured.is_as_good:
        return "int8, which is faster here and as good on dev"
    faults = [] if measured.is_faster else ["not clearly faster here"]
    faults += [] if measured.is_as_good else [f"more than {MOST_LOST * 100:g} points worse on dev"]
    return f"float32; int8 was measured and is {' and '.join(faults)}"


def to_int8(graph: bytes) -> bytes:
    """The dynamic int8 form of a graph, the same bytes for the same graph.

    Every column of a matrix has its own scale, and weights use 7 of their 8 bits: processors without VNNI
    add products of 8-bit numbers in 16 bits, which would overflow silently.
    """
    import onnx
    from onnxruntime.quantization import quantize_dynamic

    model = onnx.load_model_from_string(graph)
    del model.graph.value_info[:]  # shapes of nodes that are about to be replaced
    _unshare(model.graph)
    with tempfile.TemporaryDirectory() as folder, _quiet():
        path = Path(folder) / "int8.onnx"
        quantize_dynamic(
            model, path, op_types_to_quantize=list(OPERATORS), per_channel=True, reduce_range=True
        )
        return path.read_bytes()


def _unshare(graph: Any) -> None:
    """Give every LSTM its own weights.

    Where two nodes share weights, the second one fails at run time after ONNX Runtime has quantised both.
    """
    weights, taken = {weight.name: weight for weight in graph.initializer}, set()
    for number, node in enumerate(each for each in graph.node if each.op_type == "LSTM"):
        for place, name in enumerate(node.input):
            if name in taken:
                copy = graph.initializer.add()
                copy.CopyFrom(weights[name])
                copy.name = node.input[place] = f"{name}.{number}"
            elif name in weights:
                taken.add(name)


def measure(student: TorchStudent, graph: bytes, small: bytes, dev: tuple[Sequence[Item], Gold]) -> Measured:
    """Time and score both graphs as the runtime serves them: from raw item to answer, on one thread."""
    items, gold = list(dev[0]), dev[1]
    floating, integer = (_served(student, each) for each in (graph, small))
    expected, found = floating.logits(items), integer.logits(items)
    few = items[:COMPARED_ALONE]
    alone = np.concatenate([integer.logits([item]) for item in few])

    return Measured(
        race=time_in_turns(floating, integer, items),
        metric=student.task.metric,
        float_score=score_on(student, items, gold, expected),
        int8_score=score_on(student, items, gold, found),
        float_bytes=len(graph),
        int8_bytes=len(small),
        largest_difference=float(np.abs(expected - found).max()),
        largest_company=float(np.abs(alone - found[: len(alone)]).max()),
        cpu=cpu_name(),
    )


def _served(student: TorchStudent, graph: bytes) -> Reference:
    session = open_session(graph)
    return Reference(student.task, student.module.form, student.vocabulary, session, student.spelling)


def score_on(student: TorchStudent, items: Sequence[Item], gold: Gold, logits: FloatArray) -> float:
    """The task's metric of some logits."""
    task = student.task
    return float(score(task, gold, task.decisions(logits), task.rows(items)))


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the advice on the root logger to preprocess the graph first, which ours do not need."""
    was = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(was)
