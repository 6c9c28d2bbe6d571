"""A trained student in torch: it answers, and it can be saved and read back."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from understudy.core.chain import in_order
from understudy.core.manifest import publish, read_json, verify
from understudy.core.task import FloatArray, IntArray, Item, Task
from understudy.optim.epochs import Epoch, rank
from understudy.students import Network, Ragged, RaggedTexts, rebuild
from understudy.students.registry import count_parameters, describe
from understudy.tokenization.encoding import ItemIds, encode
from understudy.tokenization.ngrams import Vocabulary, load_vocabulary
from understudy.tokenization.spelling import Spelling

ANSWER_BATCH = 256

WEIGHTS, TOKENIZER, FACTS = "model.safetensors", "tokenizer.json", "student.json"

SPELLING_FILE = "spelling.json"
"""File of a student that reads how words are spelled."""


class Inputs:
    """Items as tensors, tokenised once; any units of them make a batch without a Python loop.

    Args:
        encoded: The items' ids.
    """

    def __init__(self, encoded: ItemIds) -> None:
        self.encoded = encoded
        self.sides = [RaggedTexts(*side) for side in encoded.sides]
        self.lengths = encoded.lengths

    def __len__(self) -> int:
        return len(self.lengths)

    def batch(self, units: IntArray) -> tuple[Ragged, ...]:
        """The ids of the given units, a batch for each side."""
        return tuple(side.take(units) for side in self.sides)

    def answered(self, units: IntArray, logits: Tensor) -> Tensor:
        """Of the logits of a batch of units, those of the rows that are answered: ``(rows, c)``."""
        if self.encoded.places is None:
            return logits
        lengths, counts = self.lengths[units], self.encoded.counts[units]
        begin = np.repeat(np.cumsum(lengths) - lengths, counts)
        return logits[torch.from_numpy(begin + self.encoded.places[self.encoded.rows(units)])]


@dataclass(frozen=True)
class TorchStudent:
    """A Predictor made of a module and its vocabulary.

    Attributes:
        name: Versioned name in the registry.
        module: The network, in evaluation mode.
        vocabulary: Text → ids.
        task: Label names in the order of the logits.
        spelling: Word → how it is spelled, for a module that reads it.
    """

    name: str
    module: Network
    vocabulary: Vocabulary
    task: Task
    spelling: Spelling | None = None

    @property
    def parameters(self) -> int:
        """Number of parameters."""
        return count_parameters(self.module)

    def encode(self, items: Sequence[Item]) -> Inputs:
        """Tokenise items once, for any number of passes."""
        return Inputs(encode(self.task, self.module.form, self.vocabulary, items, self.spelling))

    def logits(self, items: Sequence[Item]) -> FloatArray:
        """Logits ``(rows, c)`` float32."""
        return self.logits_of(self.encode(items))

    def logits_of(self, inputs: Inputs) -> FloatArray:
        """Logits ``(rows, c)`` of items that are tokenised already, in batches of similar length."""
        encoded = inputs.encoded
        answers = np.zeros((int(encoded.counts.sum()), len(self.task.labels)), dtype=np.float32)
        order = np.argsort(inputs.lengths, kind="stable")
        with torch.inference_mode():
            for start in range(0, len(order), ANSWER_BATCH):
                units = order[start : start + ANSWER_BATCH]
                logits = inputs.answered(units, self.module(*inputs.batch(units)))
                answers[encoded.rows(units)] = logits.numpy()
        return in_order(self.task, answers, encoded.counts)


@dataclass(frozen=True)
class Trained:
    """A student and how it came about.

    Attributes:
        student: Ready to answer.
        curve: An epoch a line.
        seconds: That it took, tokenising included.
        facts: JSON-ready: ``steps`` of training, ``convergence_steps`` until dev was within half a point of
            its best, ``start``, what the word table began with (``None``: random), ``dev``, its score there,
            and ``gold_pass``, what the pass over gold labels at the end was worth.
    """

    student: TorchStudent
    curve: tuple[Epoch, ...]
    seconds: float
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def dev_score(self) -> float:
        """The task's metric on dev with the weights that were kept; -inf where that is no number."""
        best = max((rank(epoch.dev_score) for epoch in self.curve), default=-math.inf)
        return rank(float(self.facts.get("dev", best)))


def save_trained(trained: Trained, folder: Path, about: dict[str, Any]) -> None:
    """Write weights, vocabulary, sizes and training curve, with a manifest."""
    student = trained.student
    facts = {
        **describe(student.name, student.module),
        "task": student.task.to_dict(),
        "curve": [asdict(epoch) for epoch in trained.curve],
        "seconds": trained.seconds,
        "facts": trained.facts,
    }
    with publish(folder, about) as aside:
        save_file(dict(student.module.state_dict()), aside / WEIGHTS)
        student.vocabulary.save(aside / TOKENIZER)
        if student.spelling is not None:
            student.spelling.save(aside / SPELLING_FILE)
        (aside / FACTS).write_text(json.dumps(facts, indent=2), encoding="utf-8")


def load_trained(folder: Path) -> Trained:
    """Read back what `save_trained` wrote, after checking every file."""
    verify(folder)
    facts = read_json(folder / FACTS)
    task = Task.from_dict(facts["task"])
    module = rebuild(facts["name"], facts["config"], len(task.labels), facts["form"])
    module.load_state_dict(load_file(folder / WEIGHTS))
    vocabulary = load_vocabulary(folder / TOKENIZER)
    spelling = Spelling.load(folder / SPELLING_FILE) if module.is_spelled else None
    student = TorchStudent(facts["name"], module.eval(), vocabulary, task, spelling)
    curve = tuple(Epoch(**epoch) for epoch in facts["curve"])
    return Trained(student, curve, facts["seconds"], facts["facts"])
