"""How many sentences a second students learn from: native trainer, our loop, a padded DataLoader loop."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from contest import Block, rows, turns
from torch.utils.data import DataLoader

from understudy.data import load_dataset
from understudy.optim.loop import LoopConfig, optimise
from understudy.optim.losses import mse
from understudy.students import RaggedTexts, build
from understudy.tokenization.batching import bucketed_batches
from understudy.tokenization.words import build_vocabulary
from understudy.training.native import bag_fit
from understudy.training.native import fit as bag
from understudy.training.native import trainer as native
from understudy.training.native.bag_trainer import BagTargets, Rates, train_bag

WORDS = 19
"""Words of an average SST-2 sentence."""

GRAMS = 50_000
"""Rows of n-grams of a weighted bag; a text has half as many n-grams as words that the table knows."""


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


def ragged(
    encoded: RaggedTexts,
    targets: torch.Tensor,
    batch_size: int,
    name: str = "cbow.v1",
    texts: int | None = None,
) -> Block:
    """One epoch of the project's loop over the first ``texts``; in buckets of similar length for who pads."""
    lengths = encoded.lengths.numpy()[:texts]

    def batches(generator: np.random.Generator) -> list[np.ndarray]:
        if name not in ("cbow.v1", "dan.v1"):
            return bucketed_batches(lengths, batch_size, generator)
        order = generator.permutation(len(lengths))
        return np.split(order, range(batch_size, len(order), batch_size))

    def block() -> int:
        module = build(name, targets.shape[1], seed=0)
        optimise(
            module,
            batches=batches,
            loss=lambda rows: mse(module(encoded.take(rows)), targets[torch.from_numpy(rows)]).mean(),
            score=lambda: (0.0, 0.0),
            config=LoopConfig(epochs=1, learning_rate=1e-3),
            seed=0,
        )
        return len(lengths)

    return block


def padded(encoded: RaggedTexts, targets: torch.Tensor, batch_size: int) -> Block:
    """One epoch as tutorials write it: a list per text, a collate function, a mask."""
    rows = [part.tolist() for part in encoded.ids.split(encoded.lengths.tolist())]
    items = list(zip(rows, targets, strict=True))

    def collate(chunk: list) -> tuple[torch.Tensor, torch.Tensor]:
        ids = torch.nn.utils.rnn.pad_sequence([torch.tensor(i) for i, _ in chunk], batch_first=True)
        return ids, torch.stack([t for _, t in chunk])

    def block() -> int:
        module = build("cbow.v1", targets.shape[1], seed=0)
        optimiser = torch.optim.AdamW(module.parameters(), lr=1e-3)
        for ids, wanted in DataLoader(items, batch_size=batch_size, shuffle=True, collate_fn=collate):
            mask = (ids > 0).unsqueeze(-1)
            rows_of_table = F.embedding(ids, module.encoder.embedding.weight)
            mean = (rows_of_table * mask).sum(1) / mask.sum(1)
            loss = F.mse_loss(module.head(mean), wanted)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        return len(items)

    return block


def by_native(encoded: RaggedTexts, targets: torch.Tensor, name: str, loss: str) -> Block:
    """Three epochs of the native trainer, on one thread; the n-grams of `dan` are hashed in the figure."""
    texts = native.TextIds(encoded.ids.numpy().astype(np.int32), np.cumsum(encoded.lengths.numpy()))
    taught = native.Targets(loss, soft=targets.numpy())
    module = build(name, targets.shape[1], seed=0)
    first = bag.weights_of(module)

    def block() -> int:
        followed = bag.with_grams(module, texts)
        native.train(first, followed, taught, epochs=3, learning_rate=0.05, seed=0)
        return 3 * len(texts)

    return block


def by_native_bag(encoded: RaggedTexts, targets: torch.Tensor, name: str, grams: int = GRAMS) -> Block:
    """Three epochs of the native trainer over a weighted bag; each text has some n-grams drawn at random."""
    lengths, generator = encoded.lengths.numpy(), np.random.default_rng(0)
    words = int(encoded.ids.max()) + 1
    grams = 0 if name == "cbow.v2" else grams
    found = [lengths // 2 if grams else 0 * lengths, lengths]
    drawn = generator.integers(words, words + max(1, grams), int(found[0].sum())).astype(np.int32)
    owners = np.concatenate([np.repeat(np.arange(len(lengths)), each) for each in found])
    order = np.argsort(owners, kind="stable")
    ids = np.concatenate([drawn, encoded.ids.numpy().astype(np.int32)])[order]
    ends = np.cumsum(found[0] + found[1])

    direct = {} if name == "cbow.v2" else {"direct": targets.shape[1]}
    module = build(name, targets.shape[1], seed=0, vocabulary_size=words + grams, **direct)
    first = bag_fit.bag_of(module)
    taught = BagTargets("mse", targets.numpy(), np.full(len(ends), -1))

    def block() -> int:
        train_bag(
            first,
            ids,
            ends,
            taught,
            epochs=3,
            rates=Rates(0.1, bag_fit.LAYER_RATE),
            seed=0,
            after_epoch=lambda *_: True,
        )
        return 3 * len(ends)

    return block


def by_loop(count: int) -> dict[str, Block]:
    """The project's loop in torch, by as many threads as torch has when it is called."""
    texts, _ = texts_of_sst2_length(count)
    return loops(*prepared(texts))


def prepared(texts: list[str]) -> tuple[RaggedTexts, torch.Tensor]:
    """Texts as ids, and targets of two labels."""
    encoded = RaggedTexts(*build_vocabulary(texts, 5000).encode_batch(texts))
    return encoded, torch.randn(len(texts), 2, generator=torch.Generator().manual_seed(0))


def loops(encoded: RaggedTexts, targets: torch.Tensor) -> dict[str, Block]:
    """One epoch of the project's loop; who pads takes a sixteenth of the texts."""
    few = max(256, len(targets) // 16)
    return {
        "cbow, ours, batch 256": ragged(encoded, targets, 256),
        "cbow, ours, batch 1024": ragged(encoded, targets, 1024),
        "dan, ours, batch 256": ragged(encoded, targets, 256, "dan.v1"),
        "bilstm, ours, batch 32": ragged(encoded, targets, 32, "bilstm.v1", few),
        "kim-cnn, ours, batch 32": ragged(encoded, targets, 32, "kim-cnn.v1", few),
    }


def measure(count: int, repeats: int, threads: int) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Rows of training, in turns, all from the same first weights and texts, tokenised before.

    Args:
        count: texts of the rows of bags of words; the others take a sixteenth.
        repeats: turns.
        threads: of torch; the native trainer has one.
    """
    torch.set_num_threads(threads)
    texts, origin = texts_of_sst2_length(count)
    encoded, targets = prepared(texts)
    contestants = {"cbow, padded DataLoader, batch 32": padded(encoded, targets, 32)}
    contestants |= loops(encoded, targets)
    if native.is_available():
        contestants |= {
            "cbow, native, one thread": by_native(encoded, targets, "cbow.v1", "mse"),
            "cbow, native, kl, one thread": by_native(encoded, targets, "cbow.v1", "kl"),
            "dan, native, one thread": by_native(encoded, targets, "dan.v1", "mse"),
            **{
                f"{name}, native, one thread": by_native_bag(encoded, targets, name)
                for name in ("linear.v1", "cbow.v2", "dan.v2")
            },
        }
    found = turns(contestants, repeats)
    clock = "cpu" if threads == 1 else "wall"
    return rows(found, "cbow, padded DataLoader, batch 32", clock), {"texts": count, "origin": origin}
