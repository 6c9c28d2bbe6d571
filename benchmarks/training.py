"""How many sentences a second `cbow.v1` learns from: our ragged loop beside a padded DataLoader loop.

Both train the same network, on the same texts, from the same first weights, in one process and in turns.
Run: python benchmarks/training.py [--texts 30000] [--repeats 5]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch.utils.data import DataLoader

from understudy.data import load_dataset
from understudy.evaluation.machine import describe_machine
from understudy.loop import LoopConfig, optimise
from understudy.losses import mse
from understudy.students import RaggedTexts, build
from understudy.words import build_vocabulary

WORDS = 19
"""Words of an average SST-2 sentence."""


def texts_of_sst2_length(count: int) -> tuple[list[str], str]:
    """SST-2's training sentences where they are, else bundled messages joined to the same average length."""
    folder = os.environ.get("UNDERSTUDY_DATA")
    if folder and Path(folder, "sst2").is_dir():
        found, origin = list(load_dataset("sst2").train.texts), "sst2"
    else:
        words = " ".join(load_dataset("bundled:concierge").unlabelled).split()
        found = [" ".join(words[i : i + WORDS]) for i in range(0, len(words), WORDS)]
        origin = "bundled:concierge, joined"
    return (found * (count // len(found) + 1))[:count], origin


def ragged(encoded: RaggedTexts, targets: torch.Tensor, batch_size: int) -> float:
    """Seconds of one epoch of the project's loop."""
    module = build("cbow.v1", targets.shape[1], seed=0)

    def batches(generator: np.random.Generator) -> list[np.ndarray]:
        order = generator.permutation(len(encoded))
        return np.split(order, range(batch_size, len(order), batch_size))

    curve = optimise(
        module,
        batches=batches,
        loss=lambda rows: mse(module(encoded.take(rows)), targets[torch.from_numpy(rows)]).mean(),
        score=lambda: (0.0, 0.0),
        config=LoopConfig(epochs=1, learning_rate=1e-3),
        seed=0,
    )
    return curve[0].seconds


def padded(encoded: RaggedTexts, targets: torch.Tensor, batch_size: int) -> float:
    """Seconds of one epoch as tutorials write it: a list per text, a collate function, a mask."""
    module = build("cbow.v1", targets.shape[1], seed=0)
    optimiser = torch.optim.AdamW(module.parameters(), lr=1e-3)
    rows = [part.tolist() for part in encoded.ids.split(encoded.lengths.tolist())]
    items = list(zip(rows, targets, strict=True))

    def collate(chunk: list) -> tuple[torch.Tensor, torch.Tensor]:
        ids = torch.nn.utils.rnn.pad_sequence([torch.tensor(i) for i, _ in chunk], batch_first=True)
        return ids, torch.stack([t for _, t in chunk])

    loader = DataLoader(items, batch_size=batch_size, shuffle=True, collate_fn=collate)
    started = time.perf_counter()
    for ids, wanted in loader:
        mask = (ids > 0).unsqueeze(-1)
        rows_of_table = F.embedding(ids, module.encoder.embedding.weight)
        mean = (rows_of_table * mask).sum(1) / mask.sum(1)
        loss = F.mse_loss(module.head(mean), wanted)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return time.perf_counter() - started


def main() -> None:
    """Measure in turns, print medians and spreads, end with one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=int, default=30_000)
    parser.add_argument("--repeats", type=int, default=5)
    wanted = parser.parse_args()
    texts, origin = texts_of_sst2_length(wanted.texts)
    vocabulary = build_vocabulary(texts, 5000)
    started = time.perf_counter()
    encoded = RaggedTexts(*vocabulary.encode_batch(texts))
    tokenising = len(texts) / (time.perf_counter() - started)
    targets = torch.randn(len(texts), 2, generator=torch.Generator().manual_seed(0))
    rows = {
        "padded DataLoader, batch 32": lambda: padded(encoded, targets, 32),
        "ragged, batch 256": lambda: ragged(encoded, targets, 256),
        "ragged, batch 1024": lambda: ragged(encoded, targets, 1024),
    }
    ragged(encoded, targets, 256)  # warm-up
    rates: dict[str, list[float]] = {name: [] for name in rows}
    for _ in range(wanted.repeats):
        for name, measure in rows.items():
            rates[name].append(len(texts) / measure())
    machine = describe_machine(torch.get_num_threads())
    print(f"{machine['cpu']}, {torch.get_num_threads()} threads; {len(texts):,} texts ({origin})")
    print(f"tokenising, once: {tokenising:,.0f} sentences/s")
    base = statistics.median(rates["padded DataLoader, batch 32"])
    found = {}
    for name, values in rates.items():
        middle = statistics.median(values)
        found[name] = {"median": middle, "range": [min(values), max(values)], "ratio": middle / base}
        print(f"{name:<28} {middle:>9,.0f}/s  ({min(values):,.0f}-{max(values):,.0f})  x{middle / base:.1f}")
    print(json.dumps({"benchmark": "training", "rates_per_s": found, "machine": machine}))


if __name__ == "__main__":
    main()
