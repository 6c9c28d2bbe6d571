"""Everything that is said about speed, measured in one process, each row in turns with its peers.

Rows: `single` (a raw string in, its label out), `batch` (texts a second by one thread and by two), `start`
(load, process to first answer, memory, disk), `tagging` (a tagger, by the word), `labelling` (a teacher on
the processor), `training` (forward and backward); the last two also say what a second thread adds. Students
and peers are trained in the run, from one seed. Rows of one thread are told in the process's time, which
other work on the machine hardly moves; those of several threads and of processes by the wall's clock. Both
stand in the last line, one JSON document. Peers that are not installed are named, and their ratios are null.

Run: python benchmarks/speed.py [--quick] [--threads 2] [--rows single batch …]
SST-2 is taken from the folder that UNDERSTUDY_DATA names, else the bundled data set.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("OMP_NUM_THREADS", str(min(2, os.cpu_count() or 1)))
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import answering
import arrow
import labelling
import numpy as np
import starting
import tagging
import torch
import training
from answering import Contestant
from contest import Block, at_once, one_by_one, ratio, rows, show, turns

from understudy.evaluation.machine import describe_machine
from understudy.runtime import load
from understudy.runtime.fast import status
from understudy.teachers.transformer import Teacher

GROUPS = ("single", "batch", "start", "tagging", "labelling", "training")
PEERS = {
    "fasttext_over_cbow": "fastText",
    "model2vec_over_cbow": "model2vec",
    "sklearn_over_cbow": "TF-IDF + LR, scikit-learn",
    "linear_over_cbow": "TF-IDF + LR, ours",
    "onnx_over_cbow": "cbow, tokenizers + ONNX Runtime",
    "numpy_over_cbow": "cbow, Python + numpy",
    "reference_over_cbow": "cbow, Python + ONNX Runtime",
    "bilstm_over_cbow": "bilstm",
    "bilstm_int8_over_cbow": "bilstm, int8",
    "bilstm_onnx_over_cbow": "bilstm, ONNX Runtime",
    "hybrid_over_cbow": "hybrid",
    "hybrid_int8_over_cbow": "hybrid, int8",
    "hybrid_onnx_over_cbow": "hybrid, ONNX Runtime",
    "kim_cnn_over_cbow": "kim-cnn",
    "teacher_over_cbow": "MiniLM, torch",
    "teacher_onnx_over_cbow": "MiniLM, ONNX Runtime",
}
"""Names of ratios → the row that is compared with `cbow`."""


class Run:
    """One run of the benchmark: what is made first, and the groups.

    Args:
        quick: a minute instead of ten.
        folder: for models.
        threads: of labelling and training.
    """

    def __init__(self, quick: bool, folder: Path, threads: int) -> None:
        self.quick, self.folder, self.threads = quick, folder, threads
        self.repeats = 5 if quick else 11
        self.seconds = 0.03 if quick else 0.15
        self.document: dict[str, Any] = {"benchmark": "speed", "quick": quick, "ratios": {}, "notes": []}

    @property
    def clock(self) -> str:
        """What the groups of ``threads`` are measured by."""
        return (
            "one thread, processor time" if self.threads == 1 else f"{self.threads} threads, the wall's clock"
        )

    def prepare(self, groups: list[str]) -> None:
        """Teacher, students and peers, as far as the groups need them."""
        torch.set_num_threads(self.threads)
        self.data = answering.data(self.quick)
        self.texts = self.data.test[0]
        self.document["data"] = self.data.origin
        if {"single", "batch", "start", "labelling"} & set(groups):
            self.teacher = labelling.make_teacher(
                self.data, self.folder / "teacher", 300 if self.quick else 2000
            )
        self.contestants: dict[str, Contestant] = {}
        if {"single", "batch", "start"} & set(groups):
            teacher = Teacher.from_pretrained(self.teacher)
            torch.set_num_threads(1)  # threads that wait for each other after each short step lose time
            self.models = answering.students(self.data, self.teacher, self.folder, self.quick)
            peers, notes = answering.others(self.data, teacher, self.folder)
            self.contestants = answering.ours(self.models, self.data) | peers
            self.slow = {
                "MiniLM, torch": labelling.by_torch(teacher),
                "MiniLM, ONNX Runtime": labelling.by_runtime(teacher, 1),
            }
            self.document["notes"] += notes
            self.judge()

    def judge(self) -> None:
        """Accuracy on test of each that was trained here: none of the rows is fast because it is broken."""
        texts, gold = self.data.test
        labels = self.data.task.labels
        self.document["accuracy"] = {
            name: sum(a == labels[y] for a, y in zip(each.many(texts), gold, strict=True)) / len(texts)
            for name, each in self.contestants.items()
        }
        shown = ", ".join(f"{name} {value:.3f}" for name, value in self.document["accuracy"].items())
        print(f"accuracy on test (gold labels alone{', few of them' if self.quick else ''}): {shown}")

    def single(self) -> None:
        """One text at a time, one thread."""
        torch.set_num_threads(1)
        blocks = {n: one_by_one(c.one, self.texts, self.seconds) for n, c in self.contestants.items()}
        blocks |= {n: one_by_one(c.one, self.texts, self.seconds) for n, c in self.slow.items()}
        table = rows(turns(blocks, self.repeats), "cbow", "cpu")
        show("One text, raw string in, label out, one thread, processor time", table, "cbow")
        self.document["single"] = table
        told = self.document["cbow_ns"] = limits(self.contestants["cbow"].one, self.texts, self.repeats)
        said = "  cbow: {per_call:.0f} ns a call and {per_word:.1f} ns a word; an empty call {empty:.0f} ns"
        print(said.format(**told))
        self.document["ratios"] |= {key: ratio(table, name, "cbow") for key, name in PEERS.items()}
        bags = {"linear_v1_over_dan": "linear", "cbow_v2_over_dan": "cbow.v2", "dan_v2_over_dan": "dan.v2"}
        self.document["ratios"] |= {key: ratio(table, name, "dan") for key, name in bags.items()}
        self.document["ratios"] |= {
            f"{base}_onnx_over_{key}": ratio(table, f"{base}, ONNX Runtime", name)
            for base in answering.BY_RUNTIME
            for key, name in ((base, base), ("int8", f"{base}, int8"))
        }

    def batch(self) -> None:
        """Many texts at once, by one thread and by two."""
        torch.set_num_threads(1)
        everyone = self.contestants | self.slow
        one = {n: at_once(c.many, self.texts, self.seconds) for n, c in everyone.items()}
        table = rows(turns(one, self.repeats), "cbow", "cpu")
        show("Many texts, one thread, processor time", table, "cbow", rate=True)
        pairs = {}
        for name, each in self.contestants.items():
            if each.twice is not None:
                pairs[name] = at_once(each.many, self.texts, 4 * self.seconds)
                pairs[f"{name}, 2 threads"] = at_once(each.twice, self.texts, 4 * self.seconds)
        double = rows(turns(pairs, self.repeats), "cbow", "wall")
        show("Many texts, one thread and two, the wall's clock", double, "cbow", rate=True)
        columns = arrow.blocks(load(self.models["cbow"]), self.texts, self.seconds)
        arrays = rows(turns(columns, self.repeats), arrow.LIST, "cpu")
        show("cbow, batch from Arrow, one thread, processor time", arrays, arrow.LIST, rate=True)
        self.document["batch_arrow"] = arrays
        self.document["batch"], self.document["batch_threads"] = table, double
        gain = ratio(double, "cbow", "cbow, 2 threads")
        self.document["ratios"] |= {
            "batch_fasttext_over_cbow": ratio(table, "fastText", "cbow"),
            "batch_onnx_over_cbow": ratio(table, "cbow, tokenizers + ONNX Runtime", "cbow"),
            "two_threads_over_one": gain,
            **arrow.ratios(arrays),
        }

    def start(self) -> None:
        """Load, first answer, memory and disk."""
        some = {name: self.models[name] for name in ("cbow", "dan", "bilstm")}
        table = starting.loading(some, self.repeats)
        show("load(), in a process that has everything imported", table, "cbow")
        first = starting.processes(some, self.texts[0], 3 if self.quick else 9)
        peaks, sizes = starting.memory(some, self.texts[0]), starting.sizes(self.contestants)
        starting.show(first, peaks, sizes)
        self.document["start"] = {"load": table, "process": first, "peak_mb": peaks, "bytes": sizes}

    def tagging(self) -> None:
        """Words of sentences, one thread."""
        if not tagging.is_there():
            self.document["notes"].append("tagging: UNDERSTUDY_DATA does not hold ud-ewt")
            return
        torch.set_num_threads(1)
        table = tagging.measure(self.folder / "taggers", self.seconds, self.repeats, quick=self.quick)
        show("window.v1:tagger, a word, one thread, processor time", table, tagging.BASE)
        self.document["tagging"] = table
        onnx = "float32, ONNX Runtime"
        self.document["ratios"]["tagging_onnx_over_int8"] = ratio(table, onnx, tagging.BASE)

    def labelling(self) -> None:
        """A teacher labels, with all threads."""
        texts = self.data.train[0][: 384 if self.quick else 1500]
        table, told = labelling.measure(self.teacher, texts, 3 if self.quick else 5, self.threads)
        base = "Teacher.logits, float32"
        show(f"Labelling, {self.clock}", table, base, rate=True)
        print("  " + json.dumps(told))
        piped = "transformers.pipeline, batch 32"
        self.document["labelling"] = {"rows": table, "texts": len(texts), **told}
        self.document["ratios"] |= {
            "pipeline_over_labelling": ratio(table, piped, base),
            "pipeline_over_labelling_bfloat16": ratio(table, piped, "Teacher.logits, bfloat16"),
        }

        self.doubled("labelling", labelling.ours(self.teacher, texts), base)

    def doubled(self, group: str, blocks: dict[str, Block], base: str) -> None:
        """What a second thread adds to a group's rows of ours."""
        both = {}
        for name, block in blocks.items():
            both[name] = by_threads(1, block)
            both[f"{name}, 2 threads"] = by_threads(2, block)
        table = rows(turns(both, 3 if self.quick else 5), base, "wall")
        torch.set_num_threads(self.threads)
        show(f"{group.capitalize()}, one thread and two, the wall's clock", table, base, rate=True)
        self.document[f"{group}_threads"] = table
        self.document["ratios"][f"{group}_two_threads_over_one"] = ratio(table, base, f"{base}, 2 threads")

    def training(self) -> None:
        """Students learn."""
        table, told = training.measure(4_096 if self.quick else 32_768, 3 if self.quick else 5, self.threads)
        base = "cbow, padded DataLoader, batch 32"
        show(f"Training, {self.clock}", table, base, rate=True)
        self.document["training"] = {"rows": table, **told}
        self.document["ratios"] |= {
            "dataloader_over_cbow_1024": ratio(table, base, "cbow, ours, batch 1024"),
            "dataloader_over_native": ratio(table, base, "cbow, native, one thread"),
        }
        self.doubled("training", training.by_loop(4_096 if self.quick else 16_384), "cbow, ours, batch 1024")


def by_threads(count: int, block: Block) -> Block:
    """The same block by so many threads of torch."""

    def counted() -> int:
        torch.set_num_threads(count)
        return block()

    return counted


def limits(label: Callable[[str], Any], texts: list[str], repeats: int) -> dict[str, float]:
    """Nanoseconds that `cbow` takes for a call and for each word, by texts cut to several lengths."""
    words = [word for text in texts for word in text.split()]
    lengths = (4, 8, 16, 32, 48)
    cut = {n: [" ".join(words[i : i + n]) for i in range(0, len(words) - n, n)][:400] for n in lengths}
    blocks = {str(n): one_by_one(label, cut[n], 0.02) for n in lengths}
    found = turns({**blocks, "empty": one_by_one(len, cut[4], 0.02)}, repeats)
    times = [min(found[str(n)].cpu) * 1e9 for n in lengths]
    per_word, per_call = np.polyfit(lengths, times, 1)
    return {"per_word": per_word, "per_call": per_call, "empty": min(found["empty"].cpu) * 1e9}


def main() -> None:
    """Measure the groups that were asked for, print tables, end with one line of JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="few repeats and little training")
    parser.add_argument("--rows", nargs="+", choices=GROUPS, default=list(GROUPS))
    parser.add_argument(
        "--threads", type=int, default=min(2, os.cpu_count() or 1), help="of the last two groups"
    )
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    machine = describe_machine(given.threads)
    print(f"{machine['cpu']}, {machine['logical_cores']} cores; {status().why}")
    if not status().is_active:
        sys.exit("The fast path does not serve here, so that there is nothing to compare.")
    with tempfile.TemporaryDirectory() as folder:
        run = Run(given.quick, Path(folder), given.threads)
        run.prepare(given.rows)
        for group in GROUPS:
            if group in given.rows:
                getattr(run, group)()
    run.document |= {"machine": machine, "load_average": os.getloadavg()[0]}
    for note in run.document["notes"]:
        print(note)
    print(json.dumps(run.document))


if __name__ == "__main__":
    main()
