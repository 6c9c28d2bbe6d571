"""Whether the native trainer's students are as good as the torch loop's: five seeds, on test.

Both trainers get the same texts, vocabulary, first weights and seeds; each keeps its best epoch on dev. For
every test text, the share of seeds that answer it rightly is compared, and the texts are resampled: a paired
bootstrap of the difference. With a run's folder the students learn its teacher's soft targets, too.
Run: python benchmarks/trainers.py DATA [--student cbow.v1] [--run runs/NAME] [--seeds 5]
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from understudy.core.configs import LossConfig, TrainingConfig
from understudy.core.manifest import read_json
from understudy.data import Dataset, load_dataset
from understudy.evaluation.machine import describe_machine
from understudy.targets.store import LogitStore
from understudy.training.fit import fit
from understudy.training.native.fit import LEARNING_RATES
from understudy.training.transfer_set import TransferSet, labelled_only, with_soft_targets

TRAINERS = ("torch", "native")
RESAMPLES = 10_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data")
    parser.add_argument("--student", default="cbow.v1", choices=sorted(LEARNING_RATES))
    parser.add_argument("--run", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    data = load_dataset(arguments.data)
    lessons = {"gold": labelled_only(data.task, data.train.texts, data.train.labels)}
    if arguments.run is not None:
        lessons["mse"] = soft_targets(data, arguments.run)
    found = {
        name: compare(arguments.student, data, lesson, name, arguments.seeds)
        for name, lesson in lessons.items()
    }
    for name, row in found.items():
        low, high = row["interval"]
        print(
            f"{arguments.student}, {data.name}, {name}: torch {row['torch']:.4f}, native "
            f"{row['native']:.4f}, difference {row['difference']:+.4f} (95 %: {low:+.4f} to {high:+.4f}); "
            f"{row['torch_s']:.2f} s and {row['native_s']:.2f} s a student"
        )
    print(
        json.dumps(
            {"student": arguments.student, "data": data.name, "rows": found, "machine": describe_machine(1)}
        )
    )


def soft_targets(data: Dataset, run: Path) -> TransferSet:
    """The labelled texts with what a run's teacher says of them."""
    record = read_json(run / "logits" / "label.json")
    (folder,) = [path for path in (run / "logits").iterdir() if path.is_dir()]
    store = LogitStore(folder, teacher=record["fingerprint"], labels=data.task.labels)
    return with_soft_targets(data.task, data.train.texts, data.train.labels, (), store)


def compare(student: str, data: Dataset, lesson: TransferSet, loss: str, seeds: int) -> dict[str, Any]:
    """Mean accuracy of both trainers over seeds, and the difference with its interval."""
    right: dict[str, list[Any]] = {name: [] for name in TRAINERS}
    seconds: dict[str, list[float]] = {name: [] for name in TRAINERS}
    for seed in range(seeds):
        for trainer in TRAINERS:
            started = time.perf_counter()
            done = fit(
                student,
                data.task,
                lesson,
                (data.dev.texts, data.dev.labels),
                seed=seed,
                loss=LossConfig(loss),
                config=TrainingConfig(trainer=trainer, gold_pass=False),
            )
            seconds[trainer].append(time.perf_counter() - started)
            right[trainer].append(done.student.logits(data.test.texts).argmax(axis=1) == data.test.labels)
    shares = {name: np.mean(rows, axis=0) for name, rows in right.items()}
    gaps = shares["native"] - shares["torch"]
    drawn = np.random.default_rng(0).integers(0, len(gaps), (RESAMPLES, len(gaps)))
    low, high = np.quantile(gaps[drawn].mean(axis=1), [0.025, 0.975])
    return {
        **{name: float(share.mean()) for name, share in shares.items()},
        **{f"{name}_s": statistics.median(spent) for name, spent in seconds.items()},
        "difference": float(gaps.mean()),
        "interval": [float(low), float(high)],
    }


if __name__ == "__main__":
    main()
