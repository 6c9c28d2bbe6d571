"""Whether a student is served in fewer bits: its graph in int8, or its table of words in float16 or int8.

Dynamic int8 stores weights as 8-bit integers, and makes 8-bit integers of activations at run time. Some
graphs become faster by it and others slower, on one machine and not on the next, and answers change. So it
is measured, never assumed.
"""

from __future__ import annotations

import copy
import logging
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from understudy.configs import check_choice
from understudy.errors import RecipeError
from understudy.evaluation.clock import Race, race
from understudy.evaluation.machine import cpu_name
from understudy.flat import TABLES, round_rows
from understudy.metrics import score
from understudy.runtime.reference import Reference
from understudy.runtime.session import open_session
from understudy.task import FloatArray, Gold, Item
from understudy.training.student import TorchStudent

QUANTIZE = ("none", "auto", "int8")
"""What can be asked for: the float graph, the better one, the int8 one."""

MOST_LOST = 0.005
"""What the task's metric may lose on dev where int8 is to be taken: half a point."""

OPERATORS = ("MatMul", "LSTM", "Gather")
"""What becomes int8. Integer convolutions are two times slower than those in float, so those stay."""

COMPARED_ALONE = 100
"""Dev items that are answered alone and among others, to tell how far company moves a logit."""


@dataclass(frozen=True)
class Measured:
    """The int8 graph beside the float one.

    Attributes:
        race: times of a single item, float first, in the same process, one thread.
        metric: the task's.
        float_score, int8_score: on dev.
        float_bytes, int8_bytes: of the graphs.
        largest_difference: between both graphs' logits on dev.
        largest_company: between an item's int8 logits alone and among others: int8 takes one scale for
            all items of a call.
        cpu: processor model.
    """

    race: Race
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
        """Whether int8 was faster in three quarters of the rounds, at least."""
        return self.race.quartiles[0] > 1.0

    @property
    def is_as_good(self) -> bool:
        """Whether it loses no more than `MOST_LOST` on dev."""
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
        wanted: one of `QUANTIZE`.
        is_int8: whether the int8 graph serves.
        why: a sentence or more, with the numbers.
        measured: ``None`` where there was nothing to measure.
    """

    wanted: str
    is_int8: bool
    why: str
    measured: Measured | None = None

    @property
    def precision(self) -> str:
        """Of the graph that serves."""
        return "int8" if self.is_int8 else "float32"

    def to_dict(self) -> dict[str, Any]:
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

    ``auto`` takes int8 where it is both faster on this machine and within `MOST_LOST` of the float form on
    dev. A student that the C extension serves stays float there: ``model.fast`` and the graph answer alike.

    Args:
        student: whose graph it is; its vocabulary and task are used.
        graph: bytes of the float form.
        wanted: one of `QUANTIZE`.
        dev: items and gold labels; never those of test. Needed unless ``wanted`` is ``none``.
        is_fast: whether the C extension can serve the student.

    Returns:
        The bytes of the graph that serves, and the decision.

    Raises:
        RecipeError: an unknown wish, or no dev items to measure on.
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

    Every column of a matrix has a scale of its own, and weights use 7 of their 8 bits: processors
    without VNNI add products of 8-bit numbers in 16 bits, which would overflow without a word.
    """
    import onnx
    from onnxruntime.quantization import quantize_dynamic

    model = onnx.load_model_from_string(graph)
    del model.graph.value_info[:]  # shapes of what is about to be replaced
    _unshare(model.graph)
    with tempfile.TemporaryDirectory() as folder, _quiet():
        path = Path(folder) / "int8.onnx"
        quantize_dynamic(
            model, path, op_types_to_quantize=list(OPERATORS), per_channel=True, reduce_range=True
        )
        return path.read_bytes()


def _unshare(graph: Any) -> None:
    """Give every LSTM weights of its own.

    Of two nodes that share weights, ONNX Runtime's quantiser leaves the second so that it fails when it runs.
    """
    weights, taken = {weight.name: weight for weight in graph.initializer}, set()
    for number, node in enumerate(each for each in graph.node if each.op_type == "LSTM"):
        for place, name in enumerate(node.input):
            if name in taken:
                own = graph.initializer.add()
                own.CopyFrom(weights[name])
                own.name = node.input[place] = f"{name}.{number}"
            elif name in weights:
                taken.add(name)


def measure(student: TorchStudent, graph: bytes, small: bytes, dev: tuple[Sequence[Item], Gold]) -> Measured:
    """Time and score both graphs as the runtime serves them: raw item in, answer out, one thread."""
    items, gold = list(dev[0]), dev[1]
    floating, integer = (_served(student, each) for each in (graph, small))
    expected, found = floating.logits(items), integer.logits(items)
    few = items[:COMPARED_ALONE]
    alone = np.concatenate([integer.logits([item]) for item in few])
    return Measured(
        race=race(floating, integer, items),
        metric=student.task.metric,
        float_score=_score(student, items, gold, expected),
        int8_score=_score(student, items, gold, found),
        float_bytes=len(graph),
        int8_bytes=len(small),
        largest_difference=float(np.abs(expected - found).max()),
        largest_company=float(np.abs(alone - found[: len(alone)]).max()),
        cpu=cpu_name(),
    )


@dataclass(frozen=True)
class TableChoice:
    """In which form `model.fast` has the rows of words and n-grams, and why.

    Attributes:
        wanted: ``auto`` or one of `understudy.flat.TABLES`.
        form: one of `understudy.flat.TABLES`.
        why: a sentence with the scores on dev; empty where float32 was asked for.
    """

    wanted: str
    form: str = "float32"
    why: str = ""


def choose_table(
    student: TorchStudent, wanted: str, dev: tuple[Sequence[Item], Gold] | None, *, is_fast: bool
) -> tuple[TorchStudent, TableChoice]:
    """Round a student's rows to what a table of fewer bits can hold.

    ``auto`` takes the smallest form that is within `MOST_LOST` of float32 on dev. All files are written from
    the rounded student, so the C extension, the graph and torch go on giving one answer.

    Args:
        student: a trained one; left as it is.
        wanted: ``auto`` or one of `understudy.flat.TABLES`.
        dev: items and gold labels; needed unless float32 is wanted.
        is_fast: whether a `model.fast` will be written. Where not, ``auto`` is float32.

    Returns:
        The student as it will answer, and the choice.

    Raises:
        RecipeError: an unknown form; one that this student has no table for; or no dev items.
    """
    check_choice("table", wanted, ("auto", *TABLES))
    if wanted == "float32" or (wanted == "auto" and not is_fast):
        return student, TableChoice(wanted)
    if not is_fast:
        raise RecipeError(
            f"table: {wanted} is a form of model.fast, but none is written for {student.name} here: the C "
            "extension serves cbow.v1 and dan.v1 on single texts, with float32 graphs. Use auto, or drop it."
        )
    if dev is None or len(dev[0]) == 0:
        raise RecipeError(f"table: {wanted} is decided on dev items, but there are none. Give some.")
    items, gold = list(dev[0]), dev[1]
    before = _score(student, items, gold, student.logits(items))
    for form in ("int8", "float16") if wanted == "auto" else (wanted,):
        small = rounded(student, form)
        after = _score(small, items, gold, small.logits(items))
        said = f"{student.task.metric} on dev is {after:.4f} against {before:.4f} in float32"
        if wanted == form or after >= before - MOST_LOST - 1e-9:
            return small, TableChoice(wanted, form, f"the rows of words are in {form}: {said}")
    return student, TableChoice(wanted, "float32", f"the rows of words are in float32; in float16 {said}")


def rounded(student: TorchStudent, form: str) -> TorchStudent:
    """A copy of a bag-of-words student whose rows a table of this form can hold."""
    module = copy.deepcopy(student.module)
    state = module.state_dict()
    weight = float(getattr(module.config, "gram_weight", 0.0))
    for name, times in (("encoder.embedding.weight", 1.0), ("encoder.grams.weight", weight)):
        if name in state and times > 0.0:
            rows = round_rows(state[name].numpy() * np.float32(times), form) / np.float32(times)
            state[name].copy_(torch.from_numpy(rows))
    return replace(student, module=module)


def _served(student: TorchStudent, graph: bytes) -> Reference:
    return Reference(student.task, student.module.form, student.vocabulary, open_session(graph))


def _score(student: TorchStudent, items: Sequence[Item], gold: Gold, logits: FloatArray) -> float:
    task = student.task
    return float(score(task, gold, task.decisions(logits), task.rows(items)))


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the advice, on the root logger, to prepare the graph first: ours are small and prepared."""
    was = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(was)
