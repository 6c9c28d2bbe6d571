"""A tagger by the C extension and by ONNX Runtime, on the same sentences, in turns: microseconds a word."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from contest import Block, rows, turns

from understudy.core.chain import count_transitions
from understudy.core.configs import TrainingConfig
from understudy.core.task import Task
from understudy.data import load_dataset
from understudy.export.folder import export
from understudy.runtime import Model, load
from understudy.training.fit import fit
from understudy.training.torch_student import TorchStudent
from understudy.training.transfer_set import TransferSet

SEED = 0
STUDENT, DATA, HOME = "window.v1:tagger", "ud-ewt", "ud_english_ewt"
BASE = "int8, C"

Sentences = list[tuple[str, ...]]


def is_there() -> bool:
    """Whether ``UNDERSTUDY_DATA`` holds the sentences."""
    folder = os.environ.get("UNDERSTUDY_DATA")
    return folder is not None and Path(folder, HOME).is_dir()


def measure(folder: Path, seconds: float, repeats: int, *, quick: bool) -> list[dict[str, Any]]:
    """Train a tagger on gold tags, export it in several forms, and time all of them.

    Args:
        folder: where the exported taggers go.
        seconds: that a block takes, about.
        repeats: number of turns.
        quick: a pass over a few sentences instead of three over all.
    """
    found = load_dataset(DATA)
    most = 1000 if quick else None
    texts, labels = list(found.train.texts)[:most], np.asarray(found.train.labels)
    labels = labels[: sum(map(len, texts))]
    dev = list(found.dev.texts), np.asarray(found.dev.labels)
    config = TrainingConfig(epochs=1 if quick else 3)
    transfer = TransferSet(tuple(texts), labels)
    student = fit(STUDENT, found.task, transfer, dev, seed=SEED, config=config).student

    lengths = np.array(list(map(len, texts)))
    steps = count_transitions(labels, lengths, len(found.task.labels)).tolist()
    ordered = replace(found.task, transitions=steps)
    test = [tuple(words) for words in found.test.texts]
    models = {
        "float32": exported(student, found.task, folder / "float32", "float32", dev),
        "int8": exported(student, found.task, folder / "int8", "int8", dev),
        "int8, in order": exported(student, ordered, folder / "ordered", "int8", dev),
    }
    blocks: dict[str, Block] = {}
    for name, model in models.items():
        blocks[f"{name}, C"] = at_once(model.label_ids, test, seconds)
        if name != "int8":  # the graph of all is float32
            graph = replace(model, fast=None)
            blocks[f"{name.removeprefix('int8, ')}, ONNX Runtime"] = at_once(graph.label_ids, test, seconds)
    one, graph = models["int8"], replace(models["int8"], fast=None)
    blocks["int8, C, a sentence at a time"] = at_once(each(one.label_ids), test[:100], seconds)
    blocks["ONNX Runtime, a sentence at a time"] = at_once(each(graph.label_ids), test[:100], seconds)
    return rows(turns(blocks, repeats), BASE, "cpu")


def exported(student: TorchStudent, task: Task, folder: Path, table: str, dev: Any) -> Model:
    """A tagger for a task whose tags are weighed in their order or not, with rows in a precision."""
    export(replace(student, task=task), folder, teacher={}, about={}, table=table, dev=dev)
    return load(folder)


def each(answer: Callable[[Sentences], Any]) -> Callable[[Sentences], Any]:
    """The same function called for each sentence."""
    return lambda sentences: [answer([sentence]) for sentence in sentences]


def at_once(answer: Callable[[Sentences], Any], sentences: Sentences, seconds: float) -> Block:
    """A block that answers sentences for about ``seconds``, a hundred at least, and says how many words."""
    answer(sentences[:32])
    started = time.process_time()
    answer(sentences[:100])
    taken = max(1e-6, time.process_time() - started) * len(sentences) / 100
    asked = (sentences * max(1, int(seconds / taken)))[: max(100, int(len(sentences) * seconds / taken))]
    words = sum(map(len, asked))

    def block() -> int:
        answer(asked)
        return words

    return block
