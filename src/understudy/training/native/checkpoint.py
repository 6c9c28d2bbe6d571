"""What the native trainer leaves after an epoch, so that a killed training goes on and ends the same."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from understudy.core.manifest import publish, read_json, read_manifest, verify
from understudy.optim import loop
from understudy.optim.loop import Epoch, Score
from understudy.runtime.fast_format import Weights
from understudy.training.native.trainer import State

ARRAYS, FACTS = "state.npz", "state.json"
LAYERS = 5
"""Arrays of a state, each with its squares."""


@dataclass
class Log:
    """The epochs of a training, and the best of them on dev.

    Attributes:
        curve: an epoch a line.
        best: weights of the best epoch.
        best_score: that it reached.
        best_epoch: its number, from 1.
    """

    curve: list[Epoch] = field(default_factory=list)
    best: Weights | None = None
    best_score: Score = (-float("inf"), -float("inf"))
    best_epoch: int = 0
    since: float = field(default_factory=time.perf_counter)
    saved_at: float = -float("inf")
    saving_seconds: float = 0.0

    def add(self, epoch: int, train_loss: float, reached: Score, weights: Weights) -> None:
        """Note an epoch that was done."""
        if self.best is None or reached > self.best_score:
            self.best, self.best_score, self.best_epoch = weights, reached, epoch
        now = time.perf_counter()
        self.curve.append(Epoch(epoch, train_loss, reached[0], -reached[1], now - self.since))
        self.since = now

    @property
    def is_saving_due(self) -> bool:
        """Whether training went on long enough since the last checkpoint for another to cost little."""
        return time.perf_counter() - self.saved_at >= self.saving_seconds / loop.SAVING_SHARE


def write_checkpoint(folder: Path, identity: str, log: Log, state: State) -> None:
    """Write a checkpoint, whole or not at all.

    Args:
        folder: where it shall be.
        identity: says which training this is.
        log: with an epoch at least.
        state: after its last epoch.
    """
    started = time.perf_counter()
    arrays = {f"layer-{number}": layer for number, layer in enumerate(state.layers)}
    arrays |= {f"square-{number}": square for number, square in enumerate(state.squares)}
    best = vars(log.best) if log.best is not None else {}
    arrays |= {name: np.asarray(value) for name, value in best.items() if value is not None}
    facts = {
        "epoch": state.epoch,
        "curve": [asdict(epoch) for epoch in log.curve],
        "best_score": list(log.best_score),
        "best_epoch": log.best_epoch,
    }
    with publish(folder, {"identity": identity}) as aside:
        with (aside / ARRAYS).open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
        (aside / FACTS).write_text(json.dumps(facts), encoding="utf-8")
    log.saved_at = time.perf_counter()
    log.saving_seconds = log.saved_at - started


def read_checkpoint(folder: Path, identity: str) -> tuple[Log, State] | None:
    """The checkpoint of this training, if there is one.

    Raises:
        ArtifactError: it was altered.
    """
    manifest = read_manifest(folder)
    if manifest is None or manifest.get("identity") != identity:
        return None
    verify(folder)
    facts = read_json(folder / FACTS)
    with np.load(folder / ARRAYS, allow_pickle=False) as file:
        arrays = dict(file)
    layers, squares = (
        [arrays[f"{kind}-{number}"] for number in range(LAYERS)] for kind in ("layer", "square")
    )
    reached = facts["best_score"]
    log = Log(
        [Epoch(**epoch) for epoch in facts["curve"]],
        _weights(arrays),
        (reached[0], reached[1]),
        facts["best_epoch"],
    )
    return log, State(facts["epoch"], layers, squares)


def _weights(arrays: dict[str, Any]) -> Weights:
    """Of arrays and single numbers by name; students without n-grams have no ``grams``."""
    return Weights(
        embedding=arrays["embedding"],
        hidden=arrays["hidden"],
        hidden_bias=arrays["hidden_bias"],
        output=arrays["output"],
        output_bias=arrays["output_bias"],
        grams=arrays.get("grams"),
        longest=int(arrays["longest"]),
        gram_weight=float(arrays["gram_weight"]),
    )
