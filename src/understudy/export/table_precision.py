"""The precision of the rows in `model.fast`: float32, float16 or int8, chosen on dev."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from understudy.core.checks import check_choice
from understudy.core.task import Gold, Item
from understudy.errors import RecipeError
from understudy.export.folded import folded_logits
from understudy.export.int8 import MOST_LOST, score_on
from understudy.runtime.bag_format import round_bag_rows
from understudy.runtime.fast_format import BAGS, FOLDED, MATRICES, OF_TEXTS, TABLES, TAGGERS, round_rows
from understudy.runtime.matrix_format import round_matrix_rows
from understudy.training.torch_student import TorchStudent


@dataclass(frozen=True)
class TableChoice:
    """The precision of the rows of words and n-grams in `model.fast`, and why.

    Attributes:
        wanted: ``auto`` or one of `understudy.runtime.fast_format.TABLES`.
        form: One of `understudy.runtime.fast_format.TABLES`.
        why: The reason in words, with the scores on dev, or why there is no `model.fast`; else empty.
        moved: Largest difference that rounding makes to a logit of a dev item; 0 in float32.
    """

    wanted: str
    form: str = "float32"
    why: str = ""
    moved: float = 0.0


def choose_table(
    student: TorchStudent,
    wanted: str,
    dev: tuple[Sequence[Item], Gold] | None,
    *,
    is_fast: bool,
    reason: str = "",
) -> tuple[TorchStudent, TableChoice]:
    """Round a student's rows to what a smaller table can hold.

    ``auto`` takes the lowest precision that is within `MOST_LOST` of float32 on dev. All files are written
    from the rounded student, so the C extension, the graph and torch still give one answer. Of a convolution
    and of LSTMs, and of a tagger, products are rounded, which only `model.fast` has: there ``config.json``
    bounds what that moves (``fast.bound``), or says what it moved on dev.

    Args:
        student: A trained student; it is left as it is.
        wanted: ``auto`` or one of `understudy.runtime.fast_format.TABLES`.
        dev: Items and gold labels; needed unless float32 is wanted.
        is_fast: Whether a `model.fast` will be written. Where not, ``auto`` is float32.
        reason: Why it will not be, where that is the student's size or what it reads.

    Returns:
        The student as it will answer, and the choice.

    Raises:
        RecipeError: ``wanted`` is unknown, this student has no `model.fast`, or there are no dev items.
    """
    check_choice("table", wanted, ("auto", *TABLES))
    if wanted == "float32" or (wanted == "auto" and not is_fast):
        note = f"there is no model.fast, so ONNX Runtime answers: {reason}" if reason else ""
        return student, TableChoice(wanted, why=note)
    if not is_fast:
        texts, words = ", ".join(OF_TEXTS), ", ".join(TAGGERS)
        served = f"the C extension serves {texts} on single texts, and {words} on words"
        raise RecipeError(
            f"table: {wanted} is a precision of the rows in model.fast, but none is written for "
            f"{student.name} here: {reason or served}. Use auto, or drop it."
        )
    if dev is None or len(dev[0]) == 0:
        raise RecipeError(f"table: {wanted} is decided on dev items, but there are none. Give some.")

    items, gold, is_folded = list(dev[0]), dev[1], student.name in FOLDED
    exact = student.logits(items)
    before = score_on(student, items, gold, exact)
    for form in ("int8", "float16") if wanted == "auto" else (wanted,):
        small = student if is_folded else rounded(student, form)
        logits = folded_logits(student, items, form) if is_folded else small.logits(items)
        after = score_on(small, items, gold, logits)
        scores = f"{student.task.metric} on dev is {after:.4f} against {before:.4f} in float32"
        if wanted == form or after >= before - MOST_LOST - 1e-9:
            moved = float(np.abs(logits - exact).max())
            return small, TableChoice(wanted, form, f"the rows of words are in {form}: {scores}", moved)
    return student, TableChoice(wanted, "float32", f"the rows of words are in float32; in float16 {scores}")


def rounded(student: TorchStudent, form: str) -> TorchStudent:
    """A copy of a student, a bag or one of matrices, whose rows a table of this precision can hold."""
    module = copy.deepcopy(student.module)
    state = module.state_dict()
    if student.name in BAGS:
        rows, weights = state["encoder.rows"], state["encoder.weights"].numpy()[:, None]
        weighed = round_bag_rows(rows.numpy() * weights, module.config.width, form)
        kept = np.divide(weighed, weights, out=rows.numpy().copy(), where=weights > 0)
        rows.copy_(torch.from_numpy(kept))
        return replace(student, module=module)
    if student.name in MATRICES:
        config, rows = module.config, state["encoder.embedding.weight"]
        whole = round_matrix_rows(rows.numpy(), config.size, config.directions, form)
        rows.copy_(torch.from_numpy(whole))
        return replace(student, module=module)

    weight = float(getattr(module.config, "gram_weight", 0.0))
    for name, times in (("encoder.embedding.weight", 1.0), ("encoder.grams.weight", weight)):
        if name in state and times > 0.0:
            rows = round_rows(state[name].numpy() * np.float32(times), form) / np.float32(times)
            state[name].copy_(torch.from_numpy(rows))
    return replace(student, module=module)
