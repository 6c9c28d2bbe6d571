"""What both native trainers do after an epoch: score dev, stop in time, and leave a checkpoint."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt
import torch

from understudy.core.manifest import publish, read_json, read_manifest, verify
from understudy.core.progress import Progress, Silent
from understudy.optim.epochs import Epoch, EpochLog, Score
from understudy.training.native.trainer import State

ARRAYS, FACTS = "state.npz", "state.json"
LAYERS = 5
"""Arrays of a state, each with its squares."""

W = TypeVar("W")
Named = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Form(Generic[W]):
    """How weights of some kind are put into a student, and written.

    Attributes:
        put: Overwrites the student's weights, in place.
        parts: Weights → arrays by name.
        whole: Arrays by name → weights; others may stand among them.
    """

    put: Callable[[W], None]
    parts: Callable[[W], Named]
    whole: Callable[[Named], W]


@dataclass(frozen=True)
class Watch:
    """How long a training goes on, and where it is seen.

    Attributes:
        epochs: Passes, at most.
        patience: Epochs without a better dev score before stopping.
        score: → score on dev, with the student's weights of that moment.
        checkpoint: Folder that is written after epochs and read at the start, if given.
        progress: Where progress is shown.
        what: What the progress is called.
    """

    epochs: int
    patience: int
    score: Callable[[], Score]
    checkpoint: Path | None = None
    progress: Progress | None = None
    what: str = "training"


Judge = Callable[[int, float, W], bool]
Keep = Callable[[State], None]


def watched(
    watch: Watch, form: Form[W], identity: str, train: Callable[[State | None, Judge[W], Keep], object]
) -> list[Epoch]:
    """Train, leave the weights of the best epoch on dev, and return the curve.

    Args:
        watch: How long, and where it is seen.
        form: How weights are put into the student, and written.
        identity: Says which training this is: another one must not go on from its checkpoint.
        train: Trains from a state, or from the first weights where it is ``None``. After each epoch it calls
            the second argument with its number, the loss and the weights, and stops where that says no; then
            the third with the state.

    Raises:
        ArtifactError: The checkpoint was altered.
    """
    log: EpochLog[W] = EpochLog()
    state: State | None = None
    progress, checkpoint = watch.progress or Silent(), watch.checkpoint
    if checkpoint is not None and (resumed := _read(checkpoint, identity, form)):
        log, state = resumed
        progress.say(f"  {watch.what}: resumed after epoch {state.epoch}")

    def judge(_: int, train_loss: float, now: W) -> bool:
        form.put(now)
        with torch.inference_mode():
            log.add(train_loss, watch.score(), now)
        advance(1)
        return not log.is_patience_over(watch.patience)

    def keep(state: State) -> None:
        if checkpoint is not None and log.is_saving_due:
            _write(checkpoint, identity, log, state, form)

    with progress.bar(watch.what, watch.epochs, "epochs") as advance:
        advance(len(log.curve))
        train(state, judge, keep)
    if log.best is not None:
        form.put(log.best)
    return log.curve


def _write(folder: Path, identity: str, log: EpochLog[W], state: State, form: Form[W]) -> None:
    """Write a checkpoint, whole or not at all."""
    began = time.perf_counter()
    arrays = {f"layer-{number}": layer for number, layer in enumerate(state.layers)}
    arrays |= {f"square-{number}": square for number, square in enumerate(state.squares)}
    best = form.parts(log.best) if log.best is not None else {}
    with publish(folder, {"identity": identity}) as aside:
        with (aside / ARRAYS).open("wb") as file:
            np.savez(file, **arrays, **best)  # type: ignore[arg-type]
        (aside / FACTS).write_text(json.dumps({"epoch": state.epoch, **log.facts()}), encoding="utf-8")
    log.note_saving(began)


def _read(folder: Path, identity: str, form: Form[W]) -> tuple[EpochLog[W], State] | None:
    """The checkpoint of this training, if there is one."""
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
    log: EpochLog[W] = EpochLog()
    log.restore(facts, form.whole(arrays))
    return log, State(facts["epoch"], layers, squares)
