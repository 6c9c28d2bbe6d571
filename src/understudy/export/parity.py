"""Compare an exported graph with torch, on batches of several sizes and lengths."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from understudy.core.task import IntArray
from understudy.errors import ExportError
from understudy.runtime.onnx_session import open_session
from understudy.tokenization.encoding import INPUTS, ItemIds, Side
from understudy.tokenization.spelling import KINDS
from understudy.training.torch_student import Inputs, TorchStudent

TOLERANCE = 1e-4
"""Largest difference of a logit between torch and ONNX Runtime that an export may show."""

CHECKED_LENGTHS = ((1,), (2,), (1, 7, 3), (40, 1, 17, 40), (129, 64), (300,))
"""Lengths of the texts of each batch that is compared: several sizes, short beside long."""


def parity(student: TorchStudent, graph: Path | bytes, *, seed: int = 0) -> float:
    """The largest difference between torch's and ONNX Runtime's logits on random ids of random lengths.

    Raises:
        ExportError: it is larger than `TOLERANCE`, or not a number.
    """
    session = open_session(graph)
    generator = np.random.default_rng(seed)
    drawn = tuple(tuple(generator.integers(1, 60, size=n).tolist()) for n in (1, 5, 33))
    largest, form = 0.0, student.module.form

    for lengths in (*CHECKED_LENGTHS, *drawn):
        sides = tuple(_random_side(student, np.array(shape), generator) for shape in _shapes(form, lengths))
        encoded = ItemIds(sides, np.ones(len(lengths), dtype=np.int64))
        units = np.arange(len(lengths))

        with torch.inference_mode():
            expected = student.module(*Inputs(encoded).batch(units)).numpy()
        found = session.run(["logits"], encoded.feeds(form, units))[0]
        if form == "tokens":  # what follows a text's end is arbitrary
            found = found[np.arange(found.shape[1]) < np.array(lengths)[:, None]]
        difference = float(np.abs(expected - found).max()) if found.shape == expected.shape else np.inf
        largest = max(largest, difference if np.isfinite(difference) else np.inf)

    if largest > TOLERANCE:
        raise ExportError(
            f"The exported {student.name} differs from torch by {largest:.2g} in a logit (limit {TOLERANCE})."
            " Nothing was written. This is a defect of Understudy: please report it."
        )
    return largest


def _shapes(form: str, lengths: tuple[int, ...]) -> list[tuple[int, ...]]:
    """The lengths of each side; where there are two, the second is the first in reverse."""
    return [lengths, lengths[::-1]][: len(INPUTS[form])]


def _random_side(student: TorchStudent, lengths: IntArray, generator: np.random.Generator) -> Side:
    ids = generator.integers(1, len(student.vocabulary), size=int(lengths.sum()))
    if not student.module.is_spelled:
        return Side(ids, lengths)
    rows = student.module.config.spelling_size
    return Side(ids, lengths, generator.integers(0, rows, size=(len(ids), len(KINDS))))
