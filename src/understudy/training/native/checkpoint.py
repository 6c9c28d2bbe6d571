"""What the native trainer leaves after an epoch, so that a killed training continues with the same result."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from understudy.core.manifest import publish, read_json, read_manifest, verify
from understudy.optim.epochs import EpochLog
from understudy.runtime.fast_format import Weights
from understudy.training.native.trainer import State

ARRAYS, FACTS = "state.npz", "state.json"
LAYERS = 5
"""Arrays of a state, each with its squares."""


def write_checkpoint(folder: Path, identity: str, log: EpochLog[Weights], state: State) -> None:
    """Write a checkpoint, whole or not at all.

    Args:
        folder: Where it is written.
        identity: Says which training this is.
        log: At least one epoch.
        state: State after the last epoch.
    """
    began = time.perf_counter()
    arrays = {f"layer-{number}": layer for number, layer in enumerate(state.layers)}
    arrays |= {f"square-{number}": square for number, square in enumerate(state.squares)}
    best = vars(log.best) if log.best is not None else {}
    arrays |= {name: np.asarray(value) for name, value in best.items() if value is not None}

    with publish(folder, {"identity": identity}) as aside:
        with (aside / ARRAYS).open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
        (aside / FACTS).write_text(json.dumps({"epoch": state.epoch, **log.facts()}), encoding="utf-8")
    log.note_saving(began)


def read_checkpoint(folder: Path, identity: str) -> tuple[EpochLog[Weights], State] | None:
    """The checkpoint of this training, if there is one.

    Raises:
        ArtifactError: It was altered.
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
    log = EpochLog[Weights]()
    log.restore(facts, _weights(arrays))
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
